"""What the store says when a file will not do what it must."""

import errno
import os
from typing import Final

NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StoreError(Exception):
    """A file operation that a promise rests on has failed; the message names the file, the error and what to do.

    Attributes:
        path: The file or directory.
        error_number: The system's errno; 0 when the refusal is the store's own.
        is_no_space: A write found the disk full (or over its quota or size limit) and was undone: the store goes on,
            and what it could not write is tried again with the next write. Every other error ends all confirming.
    """

    def __init__(self, explanation: str, path: str, error_number: int = 0, is_no_space: bool = False) -> None:
        super().__init__(explanation)
        self.path = path
        self.error_number = error_number
        self.is_no_space = is_no_space


def failed(doing: str, path: str, error: OSError, advice: str) -> StoreError:
    """A fatal store error from an ``OSError``: ``cannot write /data/log/…: Input/output error (errno 5); advice``."""
    number = error.errno or 0
    return StoreError(f"cannot {doing} {path}: {os.strerror(number)} (errno {number}); {advice}", path, number)


def out_of_space(doing: str, path: str, error: OSError) -> StoreError:
    """The survivable store error: the write was undone and the file ends with its last whole batch."""
    number = error.errno or 0
    text = f"cannot {doing} {path}: {os.strerror(number)} (errno {number}); make room, it will be tried again"
    return StoreError(text, path, number, True)


def is_no_space(error: OSError) -> bool:
    """Tells a full disk (or quota, or file size limit) from every other error."""
    return error.errno in NO_SPACE
