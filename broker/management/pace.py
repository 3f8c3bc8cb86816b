"""How long one request may hold the loop."""

import asyncio
import time
from collections.abc import Iterator
from typing import Final, TypeVar

T = TypeVar("T")

# Measured, the pieces of a request end within a millisecond after this, so that no message waits for five.
HOLD_S: Final = 0.001
FREED_AT_ONCE: Final = 1000


class Pace:
    """Says when a request that takes long has to let the broker work. One for each request."""

    def __init__(self) -> None:
        self._until_s = time.perf_counter() + HOLD_S

    @property
    def is_over(self) -> bool:
        """The request has held the loop for long enough: ``rest`` before anything else."""
        return time.perf_counter() >= self._until_s

    async def walk(self, steps: Iterator[object]) -> None:
        """Take all the steps of something that is made of short ones."""
        for _ in steps:
            if self.is_over:
                await self.rest()

    async def let_go(self, *things: list[T]) -> None:
        """Empty lists of many objects, because freeing tens of thousands at once takes milliseconds."""
        for each in things:
            while each:
                del each[-FREED_AT_ONCE:]
                if self.is_over:
                    await self.rest()

    async def rest(self) -> None:
        """The broker's turn: what came meanwhile is handled, and then the request goes on."""
        await asyncio.sleep(0)
        self._until_s = time.perf_counter() + HOLD_S
