"""A request's path as the names in it."""

from urllib.parse import unquote_to_bytes


def segments(raw_path: str) -> list[bytes]:
    """The path's parts as octets: split first and decoded then, for ``%2F`` is the default vhost and not a slash.

    A plus is a space, as old clients write it; slashes at the end, and doubled ones, are ignored.
    """
    path = raw_path.partition("?")[0]
    return [unquote_to_bytes(part.replace("+", " ")) for part in path.split("/") if part]
