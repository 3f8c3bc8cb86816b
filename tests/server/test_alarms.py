"""Alarms of a real process: memory, free disk, and a disk that is full in the middle of a write."""

import resource
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from broker.metrics.machine import Machine
from tests.crash.daemon import Daemon
from tests.crash.peer import (
    ACK,
    CONSUME_OK,
    DELIVER,
    NACK,
    PERSISTENT,
    QUEUE_DECLARE_OK,
    SELECT_OK,
    Peer,
    RefusedError,
    ack,
    consume,
    method,
    publish,
    queue_declare,
)

WAIT_S = 20.0
SELECT = method(85, 10, b"\0")
TRANSIENT = struct.pack(">HB", 0x1000, 1)
MIB = 1 << 20
LARGE = 120_000  # octets of a body that still fits one frame


def started(daemon: Daemon, **environment: str) -> Daemon:
    daemon.extra_environment |= environment
    daemon.start()
    return daemon


@pytest.fixture
def opened() -> Iterator[list[Peer]]:
    """Connections that are closed after the test."""
    peers: list[Peer] = []
    yield peers
    for peer in peers:
        peer.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes brokers that are not started yet, and ends them."""
    made: list[Daemon] = []

    def make(*settings: str, directory: Path = tmp_path) -> Daemon:
        made.append(Daemon(directory / "broker", *settings))
        return made[-1]

    yield make
    for each in made:
        each.kill()


def confirming(daemon: Daemon) -> Peer:
    """A publisher with confirms, and a durable queue for it."""
    peer = Peer(daemon.port)
    peer.call(SELECT, SELECT_OK)
    peer.call(queue_declare(b"q"), QUEUE_DECLARE_OK)
    return peer


def is_taken(peer: Peer, body: bytes, properties: bytes = PERSISTENT) -> bool:
    """Publish one message and wait for its answer: ack or nack."""
    peer.send(publish(b"q", body, properties=properties))
    answer = peer.read().method
    assert answer in (ACK, NACK), answer
    return answer == ACK


def until_taken(peer: Peer, body: bytes) -> None:
    """Publish again and again until the broker takes it."""
    deadline = time.monotonic() + WAIT_S
    while not is_taken(peer, body):
        assert time.monotonic() < deadline, "publishers are still refused"
        time.sleep(0.02)  # the alarm is looked at by the broker's tick: nothing is sent that could be waited for


def drained(port: int) -> list[bytes]:
    """Every message of the queue, settled."""
    peer = Peer(port)
    found = []
    while (message := peer.get(b"q")) is not None:
        found.append(message[0])
    peer.close()
    return found


def delivered(consumer: Peer) -> int:
    """Read one large message; returns its delivery tag."""
    (tag,) = struct.unpack_from(">Q", consumer.expect(DELIVER), 6)
    assert len(consumer.content()) == LARGE
    assert isinstance(tag, int)
    return tag


def test_memory_alarm_refuses_lets_consumers_go_on_and_clears_when_they_have_acked(
    place: Callable[..., Daemon], opened: list[Peer]
) -> None:
    idle = place()
    idle.start()
    assert idle.process is not None
    limit = psutil.Process(idle.process.pid).memory_info().rss + 32 * MIB
    assert idle.stop() == 0
    daemon = started(place(), PONYMQ_LIMITS_MEMORY_HIGH_WATERMARK=str(limit))
    assert daemon.process is not None
    process = psutil.Process(daemon.process.pid)
    peer = Peer(daemon.port)
    consumers = [Peer(daemon.port) for _ in range(3)]
    opened += [peer, *consumers]
    peer.call(SELECT, SELECT_OK)
    peer.call(queue_declare(b"q"), QUEUE_DECLARE_OK)
    for consumer in consumers:
        consumer.call(consume(b"q", b"c"), CONSUME_OK)
    # A channel's newest 256 deliveries stay in memory until they are acknowledged.
    tags: list[tuple[Peer, int]] = []
    while is_taken(peer, bytes(LARGE), TRANSIENT):
        consumer = consumers[len(tags) % len(consumers)]
        tags.append((consumer, delivered(consumer)))
        assert len(tags) < 128 * MIB // LARGE, "no alarm at four times the memory there was"
    assert process.memory_info().rss < limit * 1.1
    assert "memory alarm: publishers are refused" in daemon.text
    for consumer, tag in tags:
        consumer.send(ack(tag))
    until_taken(peer, b"after")
    assert "memory alarm cleared" in daemon.text
    assert daemon.stop() == 0


def test_free_disk_under_its_limit_refuses_from_the_first_message_on(
    place: Callable[..., Daemon], opened: list[Peer], tmp_path: Path
) -> None:
    free, _ = Machine(str(tmp_path)).disk()
    daemon = started(place("amqp.blocked_grace_s=0"), PONYMQ_LIMITS_DISK_FREE_LIMIT_BYTES=str(2 * free))
    assert "disk alarm: publishers are refused" in daemon.text
    peer, silent = confirming(daemon), Peer(daemon.port)
    opened += [peer, silent]
    assert not is_taken(peer, b"1")
    silent.call(queue_declare(b"q"), QUEUE_DECLARE_OK)
    silent.send(publish(b"q", b"told by nothing"))
    silent.call(queue_declare(b"q"), QUEUE_DECLARE_OK)
    silent.send(publish(b"q", b"2"))
    with pytest.raises(RefusedError, match="CONNECTION_FORCED - broker is low on disk"):
        silent.read()
    assert daemon.stop() == 0


def fill_and_free(daemon: Daemon, free: Callable[[], None]) -> None:
    """Publish until the disk is full, make room, publish on; nothing confirmed is missing, also after kill -9."""
    peer = confirming(daemon)
    confirmed = []
    for number in range(1000):
        body = b"%06d" % number + bytes(LARGE)
        if not is_taken(peer, body):
            break
        confirmed.append(body[:6])
    else:
        raise AssertionError("the disk did not fill")
    assert daemon.process is not None
    assert daemon.process.poll() is None
    assert not is_taken(peer, b"refused")
    free()
    until_taken(peer, b"again!")
    confirmed.append(b"again!")
    peer.close()
    daemon.kill()
    daemon.start()
    assert [body[:6] for body in drained(daemon.port)] == confirmed
    assert daemon.stop() == 0


def test_full_disk_loses_nothing_confirmed_and_is_over_when_there_is_room(
    place: Callable[..., Daemon], tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk)],  # noqa: S607
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.decode().strip()}")
    ballast = disk / "ballast"
    try:
        ballast.write_bytes(bytes(22 * MIB))
        # One octet: the free disk raises no alarm, so that the write itself must find out.
        daemon = place("limits.disk_free_limit_bytes=1", directory=disk)
        daemon.log = tmp_path / "log"
        daemon.start()
        fill_and_free(daemon, ballast.unlink)
        assert "disk full: publishers are refused" in daemon.text
        assert "disk has room again" in daemon.text
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)  # noqa: S607


def test_file_size_limit_is_survived_like_a_full_disk(place: Callable[..., Daemon]) -> None:
    daemon = place("limits.disk_free_limit_bytes=1")
    daemon.start()
    assert daemon.process is not None
    pid = daemon.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE, (2 * MIB, resource.RLIM_INFINITY))
    fill_and_free(daemon, lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard)) and None)
    assert "disk has room again" in daemon.text
