r"""The PROXY protocol's header, versions 1 and 2: whom a proxy speaks for. HAProxy's proxy-protocol.txt.

    version 1   PROXY TCP4 192.0.2.7 10.0.0.1 50000 5672\r\n               at most 107 octets
    version 2   octet  0  12  signature                            16 …  addresses, then fields that are passed over
                      12   1  version 2, command                         IPv4: 4 + 4 octets, ports 2 + 2
                      13   1  address family, transport                  IPv6: 16 + 16 octets, ports 2 + 2
                      14   2  length of what follows

A header is taken whole or refused: what could pass for an address without being one must not end up in a log or, as
loopback, open a door.
"""

import ipaddress
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.wire.octets import get_u16

SIGNATURE_1: Final = b"PROXY "
SIGNATURE_2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_VERSION_1_BYTES: Final = 107
# The addresses need 36 octets; the rest is for fields such as a certificate's name, of which nobody sends so much.
MAX_VERSION_2_BYTES: Final = 4096
_FIXED_BYTES: Final = 16
_LOCAL: Final = 0x20
_PROXY: Final = 0x21
_TCP_4: Final = 0x11
_TCP_6: Final = 0x21


class ProxyHeaderError(ValueError):
    """These octets do not begin with a PROXY header."""


@final
@mypyc_attr(native_class=True)
class ProxyHeader:
    """What one header said.

    Attributes:
        size: Octets of the header; the client's own begin behind them.
        host: The address of the client, in its usual form; empty if the proxy speaks for itself, as in health checks.
        port: The client's port.
    """

    def __init__(self, size: i64, host: str, port: i64) -> None:
        self.size: Final[i64] = size
        self.host: Final = host
        self.port: Final[i64] = port


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """Read the header that ``data`` begins with.

    Returns:
        None if it is not whole yet; then every octet of ``data`` belongs to it.

    Raises:
        ProxyHeaderError: It is none, is longer than it may be, or says what cannot be.
    """
    if data.startswith(SIGNATURE_2[: len(data)]):
        return _version_2(data) if len(data) >= _FIXED_BYTES else None
    if data.startswith(SIGNATURE_1[: len(data)]):
        return _version_1(data)
    raise ProxyHeaderError("no PROXY header")


def _version_1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, MAX_VERSION_1_BYTES)
    if end < 0:
        if len(data) >= MAX_VERSION_1_BYTES or b"\r" in data[:-1] or b"\n" in data:
            raise ProxyHeaderError("PROXY header without an end")
        return None
    words = data[:end].split(b" ")
    if len(words) > 1 and words[1] == b"UNKNOWN":
        return ProxyHeader(end + 2, "", 0)
    if len(words) != 6 or (words[1] != b"TCP4" and words[1] != b"TCP6"):
        raise ProxyHeaderError("PROXY header without addresses")
    version = 4 if words[1] == b"TCP4" else 6
    _address(words[3], version)
    _port(words[5])
    return ProxyHeader(end + 2, _address(words[2], version), _port(words[4]))


def _address(word: bytes, version: int) -> str:
    try:
        address = ipaddress.ip_address(word.decode("ascii"))
    except ValueError:
        raise ProxyHeaderError("PROXY header with a wrong address") from None
    if address.version != version or b"%" in word:
        raise ProxyHeaderError("PROXY header with a wrong address")
    return _shown(address)


def _shown(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """One form for one address: IPv4 may come mapped into IPv6."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _port(word: bytes) -> int:
    if not 1 <= len(word) <= 5 or not word.isdigit() or int(word) > 0xFFFF:
        raise ProxyHeaderError("PROXY header with a wrong port")
    return int(word)


def _version_2(data: bytes) -> ProxyHeader | None:
    size = _FIXED_BYTES + get_u16(data, 14)
    command = i64(data[12])
    if command != _LOCAL and command != _PROXY:
        raise ProxyHeaderError("PROXY header of an unknown version or command")
    if size > MAX_VERSION_2_BYTES:
        raise ProxyHeaderError(f"PROXY header longer than {MAX_VERSION_2_BYTES} octets")
    family = i64(data[13])
    if command == _PROXY and family != 0 and family != _TCP_4 and family != _TCP_6:
        raise ProxyHeaderError("PROXY header for something else than TCP")
    if len(data) < size:
        return None
    if command == _LOCAL or family == 0:
        return ProxyHeader(size, "", 0)
    octets: i64 = 4 if family == _TCP_4 else 16
    if size < _FIXED_BYTES + 2 * octets + 4:
        raise ProxyHeaderError("PROXY header without addresses")
    host = _shown(ipaddress.ip_address(data[_FIXED_BYTES : _FIXED_BYTES + octets]))
    return ProxyHeader(size, host, get_u16(data, _FIXED_BYTES + 2 * octets))
