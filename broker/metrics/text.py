"""Octets that clients chose, as text that any label value or JSON string can hold."""


def shown(octets: bytes) -> str:
    r"""UTF-8 as it is; octets that are not UTF-8 as ``\xff``, so that two names stay two names."""
    return octets.decode("utf-8", "backslashreplace")
