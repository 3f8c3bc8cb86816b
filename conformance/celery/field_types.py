"""Which types a field table uses: the octet before each value, nested tables and arrays included."""

import struct
from typing import Final

# By size, because neighbours in size are what a reader confuses. `s` is RabbitMQ's 16-bit integer.
FIXED_SIZES: Final = {
    **dict.fromkeys("V", 0),
    **dict.fromkeys("tbB", 1),
    **dict.fromkeys("sUu", 2),
    **dict.fromkeys("Iif", 4),
    **dict.fromkeys("D", 5),
    **dict.fromkeys("LldT", 8),
}


def field_types(table: bytes) -> set[str]:
    """Return the type letters in a table, given its octets without the length in front."""
    return _types(table, has_names=True)


def _types(octets: bytes, *, has_names: bool) -> set[str]:
    found: set[str] = set()
    position = 0
    while position < len(octets):
        if has_names:
            position += 1 + octets[position]
        letter = chr(octets[position])
        position += 1
        found.add(letter)
        if letter in FIXED_SIZES:
            position += FIXED_SIZES[letter]
            continue
        (size,) = struct.unpack_from(">I", octets, position)
        position += 4
        if letter in "FA":
            found |= _types(octets[position : position + size], has_names=letter == "F")
        position += size
    return found
