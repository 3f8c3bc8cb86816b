"""Addresses, taken apart."""


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``10.0.0.7:50000``; the port is 0 where there is none."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return address, 0
    return host, int(port)
