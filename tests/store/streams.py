"""One stream on disk, and the words in which the tests speak of it."""

from pathlib import Path

from broker.core.message import Message
from broker.store.files import Files
from broker.store.store import Store, unlink_segments
from broker.store.stream_log import StreamLimits
from broker.store.stream_pages import StreamPage, StreamPages
from tests.store.scene import QuickFiles, small_limits

LOG_ID = 7
SEGMENT_BYTES = 16 * 1024  # the least there is


def message(body: bytes, timestamp_ms: int = 1_700_000_000_000) -> Message:
    return Message(b"\x01x\x03key", b"head", body, False, timestamp_ms, 0, -1)


class StreamScene:
    """A store with one stream, opened again and again."""

    def __init__(self, path: Path, files: Files | None = None, max_bytes: int = -1, max_age_ms: int = -1) -> None:
        self.path = path
        self.files = files if files is not None else QuickFiles()
        self.max_bytes = max_bytes
        self.max_age_ms = max_age_ms
        self.open()

    def open(self) -> None:
        self.store = Store(str(self.path), self.files, small_limits())
        recovered = self.store.recover_topology()
        self.log = self.store.make_stream(LOG_ID, StreamLimits(SEGMENT_BYTES, self.max_bytes, self.max_age_ms))
        self.store.recover_messages(recovered, None)
        self.report = [line for line in recovered.report if "/streams/" in line]
        self.pages = StreamPages(self.log)

    @property
    def directory(self) -> Path:
        return Path(self.log.directory)

    @property
    def segments(self) -> list[Path]:
        return sorted(self.directory.iterdir())

    def append(self, *bodies: bytes, timestamp_ms: int = 1_700_000_000_000) -> None:
        for body in bodies:
            self.store.append_to_stream(self.log, message(body, timestamp_ms))

    def publish(self, *bodies: bytes, timestamp_ms: int = 1_700_000_000_000) -> int:
        """One turn. Returns the number that its confirms wait for."""
        self.append(*bodies, timestamp_ms=timestamp_ms)
        return int(self.store.write())

    def sync(self) -> int:
        job = self.store.begin_sync()
        job.run()
        return int(self.store.finish_sync(job))

    def confirmed(self, *bodies: bytes) -> None:
        """One turn, and the sync that covers it."""
        self.publish(*bodies)
        self.sync()

    def read(self, offset: int = 0) -> list[tuple[int, bytes]]:
        """Every synced message from an offset on, as one reader gets them."""
        found: list[tuple[int, bytes]] = []
        page: StreamPage | None = None
        while (page := self.pages.read(offset, page)) is not None:
            start = max(0, offset - page.first)
            for index in range(start, len(page.messages)):
                found.append((int(page.first) + index, page.messages[index].body))
            offset = int(page.end)
        self.pages.clear()
        return found

    def crash(self) -> None:
        """The process is gone; what it has written is with the kernel."""
        self.store.close_files()
        self.store.directory.release()

    def crashed(self) -> None:
        self.crash()
        self.open()

    def restarted(self) -> None:
        self.store.close()
        self.open()

    def unlink_garbage(self) -> None:
        unlink_segments(self.files, self.store.take_stream_garbage())


def numbered(first: int, count: int, size: int = 0) -> list[bytes]:
    return [b"message %d" % number + bytes(size) for number in range(first, first + count)]


def expected(bodies: list[bytes], first: int = 0) -> list[tuple[int, bytes]]:
    return list(enumerate(bodies[first:], first))
