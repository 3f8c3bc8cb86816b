"""Chance that can be thrown again."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

# Where counters, lengths and signs turn over.
EDGES = (0, 1, 2, 7, 8, 9, 127, 128, 254, 255, 256, 4095, 4096, 8191, 8192, 32767, 32768, 65535, 65536)
WIDE_EDGES = (*EDGES, 131_064, 131_072, 131_073, 0x7FFFFFF8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
WIDEST_EDGES = (*WIDE_EDGES, 0x100000000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF)


class Dice(random.Random):
    """A source of random choices that a seed determines."""

    def one_in(self, count: int) -> bool:
        """True once in ``count`` throws."""
        return self.random() * count < 1.0

    def below(self, limit: int) -> int:
        """A number from 0 to ``limit`` - 1. Much faster than ``randrange``, and not quite as even."""
        return int(self.random() * limit)

    def of(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[int(self.random() * len(choices))]

    def octets(self, most: int) -> bytes:
        """Up to ``most`` random octets."""
        return self.randbytes(self.below(most + 1))

    def integer(self, octets: int) -> bytes:
        """An unsigned integer of so many octets: one at an edge, or any."""
        if self.one_in(3):
            return self.randbytes(octets)
        edges = WIDEST_EDGES if octets == 8 else WIDE_EDGES if octets == 4 else EDGES
        return (self.of(edges) & ((1 << 8 * octets) - 1)).to_bytes(octets, "big")
