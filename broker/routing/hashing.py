"""A hash for choosing a destination: the same on every machine, in every build and after every restart.

Not Python's own, which is salted in each process. crc32 is native and quick, but close keys get close values; two
rounds of multiplication spread them over all 32 bits.
"""

import zlib
from typing import Final

from mypy_extensions import i64

from broker.core.destination import Destination

HASH_BITS: Final = 32
_MASK: Final = 0xFFFF_FFFF
# Below 2^31, so that the product with a 32-bit number stays within a signed 64-bit one.
_MULTIPLIER: Final = 0x045D_9F3B


def stable_hash(octets: bytes) -> i64:
    """A number from 0 to 2^32 - 1."""
    return mixed(i64(zlib.crc32(octets)))


def mixed(number: i64) -> i64:
    """Another number of 32 bits; any bit of the argument changes about half of its bits."""
    number = (((number >> 16) ^ number) * _MULTIPLIER) & _MASK
    number = (((number >> 16) ^ number) * _MULTIPLIER) & _MASK
    return (number >> 16) ^ number


def identity(destination: Destination) -> bytes:
    """What tells the destinations of one exchange apart, also after a restart."""
    return (b"x" if destination.is_exchange else b"q") + destination.name


def in_stable_order(destinations: list[Destination]) -> list[Destination]:
    """Sorted by kind and name: an order that does not depend on when they were bound."""
    return sorted(destinations, key=identity)
