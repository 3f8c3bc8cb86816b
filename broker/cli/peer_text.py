"""Octets that peers chose, as text that cannot do anything to a terminal or to the columns of a line."""

from typing import Final

_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(octets: bytes) -> str:
    r"""UTF-8 as it reads; everything else, quotes and backslashes included, with a backslash: ``\n``, ``\xff``."""
    text = octets.decode("utf-8", "surrogateescape")
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(_escaped_character(character) for character in text)


def quoted(octets: bytes) -> str:
    """The same between quotes, so that an empty name and spaces at its ends show."""
    return f'"{escaped(octets)}"'


def preview(octets: bytes, most: int) -> str:
    """The beginning between quotes, with dots behind it if that is not all."""
    if len(octets) <= most:
        return quoted(octets)
    return f"{quoted(octets[:most])}..."


def _escaped_character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # an octet that is no UTF-8, as surrogateescape marks it
        return f"\\x{number - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
