"""A store and a naive model of it, side by side; and file layers that record, fail or lose."""

import os
import random
from pathlib import Path

from broker.core.message import Enqueuer, Message, Queued
from broker.store.files import Files
from broker.store.limits import StoreLimits
from broker.store.placing import Recovered
from broker.store.store import Store
from broker.store.survivors import Survivors

State = dict[int, dict[int, tuple[bytes, bool]]]  # log_id -> position -> (body, redelivered)

# segment, log, allocate, segments, dense percent, journal garbage, backlog batch; live messages move from any long log
SMALL = (600, 2000, 128, 50, 100, 2000, 300)


class QuickFiles(Files):
    """Real files, never synced: for tests in which nobody pulls the plug."""

    def sync(self, descriptor: int) -> None:
        pass

    def sync_directory(self, path: str) -> None:
        pass


def small_limits() -> StoreLimits:
    return StoreLimits(*SMALL)


def message(body: bytes, priority: int = 0, ttl_ms: int = -1) -> Message:
    return Message(b"\x01x\x03key", b"head" + body[:3], body, True, 1_700_000_000_123, priority, ttl_ms)


class Scene:
    """Does everything twice: to a store on disk, and to dictionaries."""

    def __init__(self, path: Path, files: Files | None = None, limits: StoreLimits | None = None) -> None:
        self.path = path
        self.files = files if files is not None else QuickFiles()
        self.limits = limits if limits is not None else small_limits()
        self.live: dict[int, dict[int, Queued]] = {}
        self.marks: dict[int, int] = {}
        self.next_position: dict[int, int] = {}
        self.enqueuers: dict[int, Enqueuer] = {}
        self.topology: list[bytes] = []
        self.states: dict[int, State] = {}
        self.topologies: dict[int, list[bytes]] = {}
        self.highest = 0
        self.open()

    def open(self) -> Recovered:
        self.store = Store(str(self.path), self.files, self.limits)
        recovered = self.store.recover()
        self.live = {}
        for log_id, queue in recovered.queues.items():
            self.next_position[log_id] = max(queue.next_position, self.next_position.get(log_id, 1))
            for entry in queue.entries:
                queued = Queued(entry.message, self.enqueuer(log_id), entry.position)
                queued.redelivered = entry.redelivered
                queued.log_segment = entry.log_segment
                self.live.setdefault(log_id, {})[entry.position] = queued
                if entry.redelivered:
                    self.marks[log_id] = max(self.marks.get(log_id, 0), entry.position)
        self.topology = list(recovered.topology)
        self.snapshot()
        return recovered

    def enqueuer(self, log_id: int) -> Enqueuer:
        self.highest = max(self.highest, log_id)
        if log_id not in self.enqueuers:
            self.enqueuers[log_id] = Enqueuer(b"q%d" % log_id, "/", True, log_id)
        return self.enqueuers[log_id]

    def append(self, body: bytes, *log_ids: int) -> list[Queued]:
        shared = message(body)
        places = []
        for log_id in log_ids:
            position = self.next_position.get(log_id, 1)
            self.next_position[log_id] = position + 1
            queued = Queued(shared, self.enqueuer(log_id), position)
            self.store.append(queued)
            self.live.setdefault(log_id, {})[position] = queued
            places.append(queued)
        return places

    def settle(self, log_id: int, position: int) -> None:
        self.store.settle(self.live[log_id].pop(position))

    def delivered(self, log_id: int, position: int) -> None:
        self.store.delivered(self.enqueuer(log_id), position)
        if position in self.live.get(log_id, {}):
            self.marks[log_id] = max(self.marks.get(log_id, 0), position)

    def purge(self, log_id: int, survivors: list[int]) -> None:
        queue = self.live.get(log_id, {})
        kept = {position: queue[position] for position in survivors}
        surviving = Survivors()
        for queued in kept.values():
            surviving.add(queued)
        self.store.purge(self.enqueuer(log_id), surviving)
        self.live[log_id] = kept

    def forget(self, log_id: int) -> None:
        self.store.forget_queue(log_id)
        self.live.pop(log_id, None)
        del self.enqueuers[log_id]

    def declare(self, octets: bytes) -> None:
        self.store.record_topology(octets)
        self.topology.append(octets)

    def write(self) -> int:
        number = int(self.store.write())
        self.snapshot()
        return number

    def snapshot(self) -> None:
        self.states[int(self.store.written)] = self.state()
        self.topologies[int(self.store.written)] = list(self.topology)

    def state(self) -> State:
        return {
            log_id: {
                position: (queued.message.body, position <= self.marks.get(log_id, 0))
                for position, queued in queue.items()
            }
            for log_id, queue in self.live.items()
            if queue
        }

    def sync(self) -> int:
        job = self.store.begin_sync()
        job.run()
        return int(self.store.finish_sync(job))

    def retire(self) -> list[str]:
        job = self.store.begin_retire()
        job.run()
        return self.store.finish_retire(job)

    def crash(self) -> None:
        """The process is gone: descriptors and the lock with it, nothing else happens."""
        self.store.close_files()
        self.store.directory.release()

    def check_counts(self) -> None:
        """The store's integers agree with the model."""
        stored: dict[int, int] = {}
        for queue in self.live.values():
            for queued in queue.values():
                stored[int(queued.log_segment)] = stored.get(int(queued.log_segment), 0) + 1
        for segment in self.store.log.segments:
            assert segment.live == stored.get(int(segment.number), 0), f"log segment {segment.number}"
        for log_id, places in self.store.places.items():
            assert places.live == len(self.live.get(log_id, {})), f"queue {log_id}"


def state_of(recovered: Recovered) -> State:
    """What was recovered, in the form of the model."""
    return {
        log_id: {entry.position: (entry.message.body, entry.redelivered) for entry in queue.entries}
        for log_id, queue in recovered.queues.items()
        if queue.entries
    }


def recover_copy(path: Path) -> tuple[State, Recovered]:
    """Open a directory, read it, and let go of it again without a clean stop."""
    store = Store(str(path), QuickFiles(), small_limits())
    recovered = store.recover()
    store.close_files()
    store.directory.release()
    return state_of(recovered), recovered


class FailingFiles(Files):
    """Fails the n-th call, once or from then on."""

    def __init__(self, number: int = 0, fails_at: int = 0, is_sticky: bool = False, only: str = "") -> None:
        self.number = number
        self.fails_at = fails_at
        self.is_sticky = is_sticky
        self.only = only
        self.calls: list[str] = []

    def step(self, call: str) -> None:
        if self.only and call != self.only:
            return
        self.calls.append(call)
        count = len(self.calls)
        if self.fails_at and (count == self.fails_at or (self.is_sticky and count > self.fails_at)):
            raise OSError(self.number, os.strerror(self.number))

    def open(self, path: str, flags: int) -> int:
        self.step("open")
        return super().open(path, flags)

    def write_some(self, descriptor: int, parts: list[bytes], offset: int) -> int:
        try:
            self.step("write")
        except OSError:
            # A full disk takes the beginning of a write.
            octets = b"".join(parts)
            super().write_some(descriptor, [octets[: len(octets) // 2]], offset)
            raise
        return super().write_some(descriptor, parts, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        self.step("truncate")
        super().truncate(descriptor, size)

    def allocate(self, descriptor: int, offset: int, size: int) -> None:
        self.step("allocate")
        super().allocate(descriptor, offset, size)

    def sync(self, descriptor: int) -> None:
        self.step("sync")
        super().sync(descriptor)

    def sync_directory(self, path: str) -> None:
        self.step("sync_directory")
        super().sync_directory(path)

    def rename(self, source: str, target: str) -> None:
        self.step("rename")
        super().rename(source, target)

    def unlink(self, path: str) -> None:
        self.step("unlink")
        super().unlink(path)

    def list_directory(self, path: str) -> list[str]:
        self.step("list_directory")
        return super().list_directory(path)

    def read(self, path: str) -> bytes:
        self.step("read")
        return super().read(path)


class ShortFiles(Files):
    """Takes at most a few octets per call."""

    def write_some(self, descriptor: int, parts: list[bytes], offset: int) -> int:
        return super().write_some(descriptor, [b"".join(parts)[:7]], offset)


class RecordingFiles(Files):
    """Remembers every change, so that the disk can be rebuilt as power loss at any moment might leave it."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.changes: list[tuple[str, int, str, int, bytes]] = []  # kind, inode, path, offset or size, octets or target
        self.inode_of: dict[int, int] = {}
        self.names: dict[str, int] = {}
        self.inodes = 0

    def note(self, kind: str, inode: int = 0, path: str = "", number: int = 0, octets: bytes = b"") -> None:
        self.changes.append((kind, inode, path, number, octets))

    def open(self, path: str, flags: int) -> int:
        descriptor = super().open(path, flags)
        if flags & os.O_CREAT and path not in self.names:
            self.inodes += 1
            self.names[path] = self.inodes
            self.note("create", self.inodes, path)
        self.inode_of[descriptor] = self.names[path]
        if flags & os.O_TRUNC:
            self.note("truncate", self.names[path], "", 0)
        return descriptor

    def write_some(self, descriptor: int, parts: list[bytes], offset: int) -> int:
        self.note("write", self.inode_of[descriptor], "", offset, b"".join(parts))
        return super().write_some(descriptor, parts, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        self.note("truncate", self.inode_of[descriptor], "", size)
        super().truncate(descriptor, size)

    def allocate(self, descriptor: int, offset: int, size: int) -> None:
        self.note("allocate", self.inode_of[descriptor], "", offset + size)
        super().allocate(descriptor, offset, size)

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self.note("sync", self.inode_of[descriptor])

    def sync_directory(self, path: str) -> None:
        super().sync_directory(path)
        self.note("sync_directory", 0, path)

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        self.names[target] = self.names.pop(source)
        self.note("rename", self.names[target], source, 0, target.encode())

    def unlink(self, path: str) -> None:
        super().unlink(path)
        self.names.pop(path, None)
        self.note("unlink", 0, path)

    def make_directory(self, path: str) -> None:
        super().make_directory(path)
        self.note("make_directory", 0, path)

    def remove_directory(self, path: str) -> None:
        super().remove_directory(path)
        self.note("remove_directory", 0, path)

    def rebuild(self, target: Path, count: int, chance: random.Random, keeps: float) -> None:
        """Make ``target`` what the disk may hold when power fails after ``count`` changes.

        Of the changes that no sync covers, data are kept or lost one by one, in any combination and possibly torn;
        names are kept up to a random moment, as a journalling file system does.
        """
        done = self.changes[:count]
        synced: dict[int, int] = {}
        synced_names: dict[str, int] = {}
        for index, (kind, inode, path, _number, _octets) in enumerate(done):
            if kind == "sync":
                synced[inode] = index
            elif kind == "sync_directory":
                synced_names[path] = index
        moment = chance.randint(0, count)
        names: dict[str, int] = {}
        directories: set[str] = set()
        data: dict[int, bytearray] = {}
        for index, (kind, inode, path, number, octets) in enumerate(done):
            parent = path.rpartition("/")[0]
            is_named = index <= synced_names.get(parent, -1) or index < moment
            is_kept = index <= synced.get(inode, -1) or chance.random() < keeps
            if kind == "create" and is_named:
                names[path] = inode
            elif kind == "rename" and is_named:
                names.pop(path, None)
                names[octets.decode()] = inode
            elif kind == "unlink" and is_named:
                names.pop(path, None)
            elif kind == "make_directory" and is_named:
                directories.add(path)
            elif kind == "remove_directory" and is_named:
                directories.discard(path)
            elif kind == "write" and is_kept:
                content = data.setdefault(inode, bytearray())
                kept = octets
                if index > synced.get(inode, -1) and chance.random() < 0.2:
                    kept = octets[: chance.randint(0, len(octets))]
                if len(content) < number + len(kept):
                    content.extend(bytes(number + len(kept) - len(content)))
                content[number : number + len(kept)] = kept
            elif kind == "truncate" and is_kept:
                content = data.setdefault(inode, bytearray())
                del content[number:]
            elif kind == "allocate" and is_kept:
                content = data.setdefault(inode, bytearray())
                if len(content) < number:
                    content.extend(bytes(number - len(content)))
        target.mkdir()
        for directory in sorted(directories):
            (target / directory[len(self.root) + 1 :]).mkdir(parents=True, exist_ok=True)
        for name, inode in names.items():
            place = target / name[len(self.root) + 1 :]
            if place.parent.exists():
                place.write_bytes(bytes(data.get(inode, b"")))
