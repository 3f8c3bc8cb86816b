"""The PROXY header, versions 1 and 2."""

import ipaddress
import struct
from typing import Final

from broker.wire.proxy_header import (
    MAX_VERSION_1_BYTES,
    MAX_VERSION_2_BYTES,
    SIGNATURE_1,
    SIGNATURE_2,
    ProxyHeaderError,
    read_proxy_header,
)
from fuzz.damage import damaged
from fuzz.dice import Dice
from fuzz.steps import Steps
from fuzz.target import Target
from fuzz.world import Broken

ADDRESSES: Final = (
    *(b"192.0.2.7", b"10.0.0.1", b"127.0.0.1", b"::1", b"2001:db8::7", b"::ffff:127.0.0.1", b"fe80::1%eth0"),
    *(b"192.0.2", b"192.0.2.07", b"0x7f.1", b"1" * 60, b"", b"\xc2\xb9.2.3.4", b"localhost", b"127.0.0.1\x1b[2J"),
)
PORTS: Final = (b"1", b"0", b"65535", b"65536", b"00080", b"-1", b"+1", b"1_0", b"", b"\xd9\xa1", b"99999999")
WORDS: Final = (b"TCP4", b"TCP4", b"TCP4", b"TCP6", b"TCP6", b"UNKNOWN", b"UDP4", b"tcp4", b"")


class ProxyHeaders(Target):
    """Who connects to a port behind a proxy, and says something else than the proxy would."""

    name = "proxy"
    share = 20
    inputs_per_world = 1_000_000

    def begin(self, dice: Dice) -> None:
        """There is nothing but the reader: it keeps no state."""

    def end(self) -> None:
        """See ``begin``."""

    def make(self, dice: Dice) -> Steps:
        if dice.one_in(2):
            words = (dice.of(WORDS), dice.of(ADDRESSES), dice.of(ADDRESSES), dice.of(PORTS), dice.of(PORTS))
            pieces = [SIGNATURE_1, b" ".join(words), b"\r\n"]
        else:
            command = dice.of((0x20, 0x21, 0x21, 0x21, 0x22, 0x11))
            family = dice.of((0x00, 0x11, 0x11, 0x21, 0x21, 0x12, 0x31))
            body = dice.randbytes(dice.of((0, 4, 12, 12, 36, 36, 216))) + dice.octets(40)
            pieces = [SIGNATURE_2, struct.pack(">BBH", command, family, len(body)), body]
        pieces.append(b"AMQP\x00\x00\x09\x01")
        octets = b"".join(damaged(dice, pieces, dice.below(4)))
        if len(octets) > 1 and dice.one_in(3):
            at = 1 + dice.below(len(octets) - 1)
            return [octets[:at], octets[at:]]
        return [octets]

    def run(self, steps: Steps) -> None:
        octets = b""
        for step in steps:
            assert isinstance(step, bytes)
            octets += step
            try:
                header = read_proxy_header(octets)
            except ProxyHeaderError as error:
                if not str(error).isprintable():
                    raise Broken(f"an error text that does not print: {error}") from None
                return
            if header is None:
                if len(octets) >= MAX_VERSION_2_BYTES or (
                    octets.startswith(SIGNATURE_1) and len(octets) >= MAX_VERSION_1_BYTES
                ):
                    raise Broken("an endless header")
                continue
            if not 0 < header.size <= len(octets) or not 0 <= header.port <= 0xFFFF:
                raise Broken(f"a header of {header.size} octets, port {header.port}")
            if header.host and str(ipaddress.ip_address(header.host)) != header.host:
                raise Broken(f"an address in another form: {header.host!r}")
            return
