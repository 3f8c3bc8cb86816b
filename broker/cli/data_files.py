"""The files of a data directory, for tools that only look."""

from collections.abc import Callable
from typing import NoReturn

from mypy_extensions import i64

from broker.store.files import Files

Told = Callable[[str, int], None]
"""Called with the path of a file that was read, and its octets."""


class ReadOnlyFiles(Files):
    """Reads; what recovery would remove stays and is named; any other change is an error of ours.

    Attributes:
        would_remove: Files that the next start removes without a word: unfinished ones, and those that it has twice.
    """

    def __init__(self, told: Told) -> None:
        """Report each file that is read to ``told``."""
        self.would_remove: list[str] = []
        self._told = told

    def read(self, path: str) -> bytes:
        data = super().read(path)
        self._told(path, len(data))
        return data

    def read_part(self, path: str, offset: i64, size: i64) -> bytes:
        data = super().read_part(path, offset, size)
        self._told(path, len(data))
        return data

    def list_directory(self, path: str) -> list[str]:
        try:
            return super().list_directory(path)
        except FileNotFoundError:
            return []  # a start would make it

    def unlink(self, path: str) -> None:
        self.would_remove.append(path)

    def open(self, path: str, flags: int) -> NoReturn:
        refuse(path)

    def write_some(self, descriptor: int, parts: list[bytes], offset: i64) -> NoReturn:
        refuse("a file")

    def truncate(self, descriptor: int, size: i64) -> NoReturn:
        refuse("a file")

    def allocate(self, descriptor: int, offset: i64, size: i64) -> NoReturn:
        refuse("a file")

    def sync(self, descriptor: int) -> NoReturn:
        refuse("a file")

    def sync_directory(self, path: str) -> NoReturn:
        refuse(path)

    def rename(self, source: str, target: str) -> NoReturn:
        refuse(source)

    def make_directory(self, path: str) -> NoReturn:
        refuse(path)

    def remove_directory(self, path: str) -> NoReturn:
        refuse(path)


def refuse(path: str) -> NoReturn:
    """A tool that only looks was about to change something."""
    raise AssertionError(f"{path} was about to be changed by a command that only reads")
