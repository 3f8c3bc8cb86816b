"""The data directory: who owns it, which format it has, where things are in it."""

import fcntl
import os
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.store.errors import StoreError, failed
from broker.store.files import Files
from broker.store.framing import JOURNAL, LOG, MARK, has_file_header, header_key

FORMAT_VERSION: Final = 1
FORMAT_NAME: Final = "ponymq"


@final
@mypyc_attr(native_class=True)
class DataDirectory:
    """One data directory, held by this process until ``release``.

    Attributes:
        path: The directory.
        log: Directory of the commit log.
        journal: Directory of the topology journal.
        queues: Directory of the queue segments.
        streams: Directory of the streams.
        key: Random, chosen when the directory was made; every batch is checked with it.
    """

    def __init__(self, path: str, files: Files) -> None:
        """Make the directory if need be, lock it, check its format.

        Raises:
            StoreError: Another process holds it (the text names its pid), its format is newer or unknown, or it cannot
                be made or written. Nothing has been changed then.
        """
        self.path: Final = path
        self.log: Final = f"{path}/log"
        self.journal: Final = f"{path}/journal"
        self.queues: Final = f"{path}/queues"
        self.streams: Final = f"{path}/streams"
        self.files: Final = files
        self.key: i64 = 0
        self.lock_descriptor: int = -1
        try:
            self.make_all()
        except OSError as error:
            self.release()
            where = error.filename if isinstance(error.filename, str) else path
            raise failed("prepare", where, error, "check that the directory exists and belongs to this user") from error
        except StoreError:
            self.release()
            raise

    def make_all(self) -> None:
        """Lock first: nothing may be touched in a directory that is another process's."""
        is_new = self.make(self.path)
        self.lock()
        if is_new:
            self.files.sync_directory(parent_of(self.path))
        names = self.files.list_directory(self.path)
        if "format" in names:
            self.check_format()
        for each in (self.log, self.journal, self.queues, self.streams):
            self.make(each)
        if self.key == 0:
            self.write_format()

    def make(self, path: str) -> bool:
        """Make a directory unless it is there; tells whether it is new."""
        try:
            self.files.make_directory(path)
        except FileExistsError:
            return False
        return True

    def lock(self) -> None:
        """Take the lock; the kernel gives it up when this process ends, however it ends."""
        path = f"{self.path}/lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = named_holder(descriptor)
            os.close(descriptor)
            text = f"data directory {self.path} is in use by process {holder}; stop it, or choose another directory"
            raise StoreError(text, path) from error
        self.lock_descriptor = descriptor
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def check_format(self) -> None:
        """Refuse what this version cannot read."""
        self.key = format_key(self.files, self.path)

    def write_format(self) -> None:
        """Make a new directory ours, or give one that lost its format file its key back."""
        key = key_of_files(self.files, self.path)
        # Without a zero octet in it the mark of a batch cannot begin inside preallocated space.
        while key == 0 or 0 in int(key ^ MARK).to_bytes(4, "little"):
            key = int.from_bytes(os.urandom(4), "little")
        temporary = f"{self.path}/format.tmp"
        descriptor = self.files.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            self.files.write(descriptor, [f"{FORMAT_NAME} {FORMAT_VERSION}\nkey {key:08x}\n".encode()], 0)
            self.files.sync(descriptor)
        finally:
            self.files.close(descriptor)
        self.files.rename(temporary, f"{self.path}/format")
        self.files.sync_directory(self.path)
        self.key = key

    def release(self) -> None:
        """Give the directory up."""
        if self.lock_descriptor >= 0:
            os.close(self.lock_descriptor)
            self.lock_descriptor = -1


def format_key(files: Files, path: str) -> int:
    """The key that the format file of a data directory names.

    Raises:
        StoreError: Its format is newer than this version, or unknown.
    """
    file = f"{path}/format"
    words = files.read(file).decode("ascii", "replace").split()
    known = len(words) == 4 and words[0] == FORMAT_NAME and words[1].isdigit() and words[2] == "key"
    if known and int(words[1]) > FORMAT_VERSION:
        text = f"data directory {path} has format {words[1]}; this version reads up to {FORMAT_VERSION}: upgrade"
        raise StoreError(text, file)
    key = 0
    try:
        key = int(words[3], 16) if known else 0
    except ValueError:
        key = 0
    if key == 0:
        text = f"{file} is not readable as a format of {FORMAT_NAME}; restore it, or choose another directory"
        raise StoreError(text, file)
    return key


def key_of_files(files: Files, path: str) -> int:
    """The key that the files already in a data directory were written with; 0 if there is none."""
    for directory, kind in ((f"{path}/log", LOG), (f"{path}/journal", JOURNAL)):
        for name in files.list_directory(directory):
            data = files.read(f"{directory}/{name}")
            if has_file_header(data, kind):
                return int(header_key(data))
    return 0


def holder_of(path: str) -> str:
    """The process that holds a data directory: its pid as far as the lock file tells; empty for nobody.

    Nothing is kept: a shared lock is asked for and given back at once, because only asking tells (``/proc/locks`` hides
    the lock of a process in another container).

    Raises:
        OSError: The lock file is there and cannot be opened.
    """
    try:
        descriptor = os.open(f"{path}/lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return named_holder(descriptor)
    finally:
        os.close(descriptor)
    return ""


def named_holder(descriptor: int) -> str:
    """What the lock file says about who holds it."""
    return os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"


def parent_of(path: str) -> str:
    """The directory that holds this one's name."""
    head, slash, _ = path.rstrip("/").rpartition("/")
    return head or (slash or ".")
