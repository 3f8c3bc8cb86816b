"""The PROXY header: what is taken, what is refused, and that no cut and no octets do harm."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.wire.proxy_header import (
    MAX_VERSION_1_BYTES,
    MAX_VERSION_2_BYTES,
    SIGNATURE_2,
    ProxyHeader,
    ProxyHeaderError,
    read_proxy_header,
)

ADDRESSES = st.ip_addresses(v=4) | st.ip_addresses(v=6)
PORTS = st.integers(0, 0xFFFF)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def version_1(host: Address, port: int) -> bytes:
    other = "10.0.0.1" if host.version == 4 else "2001:db8::1"
    return f"PROXY TCP{host.version} {host} {other} {port} 5672\r\n".encode()


def version_2(host: Address, port: int, fields: bytes = b"", command: int = 0x21) -> bytes:
    family = 0x11 if host.version == 4 else 0x21
    addresses = host.packed + bytes(len(host.packed)) + struct.pack(">HH", port, 5672) + fields
    return SIGNATURE_2 + struct.pack(">BBH", command, family, len(addresses)) + addresses


def whole(data: bytes) -> ProxyHeader:
    header = read_proxy_header(data)
    assert header is not None
    return header


@given(host=ADDRESSES, port=PORTS, fields=st.binary(max_size=100), rest=st.binary(max_size=20))
def test_both_versions_give_the_address_and_leave_what_follows(
    host: Address, port: int, fields: bytes, rest: bytes
) -> None:
    for octets in (version_1(host, port), version_2(host, port, fields)):
        header = whole(octets + rest)
        mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
        assert (header.host, header.port, header.size) == (str(mapped or host), port, len(octets))


def test_an_ipv4_address_mapped_into_ipv6_is_shown_as_ipv4() -> None:
    mapped = ipaddress.ip_address("::ffff:192.0.2.7")
    assert whole(version_1(mapped, 1)).host == whole(version_2(mapped, 1)).host == "192.0.2.7"


@given(host=ADDRESSES, port=PORTS, cut=st.floats(0, 1, exclude_max=True))
def test_a_header_that_is_cut_anywhere_is_incomplete_and_not_wrong(host: Address, port: int, cut: float) -> None:
    for octets in (version_1(host, port), version_2(host, port)):
        assert read_proxy_header(octets[: int(cut * len(octets))]) is None


@given(data=st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: SIGNATURE_2 + tail))
def test_any_octets_give_a_header_a_refusal_or_a_wish_for_more(data: bytes) -> None:
    try:
        header = read_proxy_header(data)
    except ProxyHeaderError:
        return
    assert header is None or header.size <= len(data)


@given(tail=st.binary(max_size=120))
def test_any_line_of_version_1_is_decided_within_its_limit(tail: bytes) -> None:
    line = (b"PROXY " + tail + bytes(120))[:MAX_VERSION_1_BYTES]
    try:
        assert read_proxy_header(line) is not None
    except ProxyHeaderError:
        return


@pytest.mark.parametrize(
    "octets",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
        version_2(ipaddress.ip_address("192.0.2.7"), 1, command=0x20),
        SIGNATURE_2 + b"\x20\x00\x00\x00",
        SIGNATURE_2 + b"\x21\x00\x00\x00",
    ],
)
def test_a_proxy_that_speaks_for_itself_announces_nobody(octets: bytes) -> None:
    header = whole(octets + b"AMQP")
    assert (header.host, header.size) == ("", len(octets))


@pytest.mark.parametrize(
    "octets",
    [
        b"AMQP\x00\x00\x09\x01",
        b"\x16\x03\x01",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
        b"PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 x\r\n",
        b"PROXY TCP4 localhost 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 1.2.3.4\n",
        b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY " + b"1" * MAX_VERSION_1_BYTES,
        SIGNATURE_2 + b"\x11\x11\x00\x0c",  # version 1 in the binary form
        SIGNATURE_2 + b"\x22\x11\x00\x0c",  # a command nobody knows
        SIGNATURE_2 + b"\x21\x12\x00\x0c",  # UDP
        SIGNATURE_2 + b"\x21\x31\x00\xd8",  # a UNIX socket
        SIGNATURE_2 + b"\x21\x11\x00\x0b" + bytes(11),  # shorter than its addresses
        SIGNATURE_2 + b"\x21\x11" + struct.pack(">H", MAX_VERSION_2_BYTES),
    ],
)
def test_what_is_no_header_is_refused(octets: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        read_proxy_header(octets)
