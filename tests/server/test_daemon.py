"""The broker as a process: how it starts, how it ends, and what it says about that."""

import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.daemon import Daemon
from tests.crash.peer import (
    ACK,
    CONSUME_OK,
    DELIVER,
    GET_OK,
    QOS_OK,
    QUEUE_DECLARE_OK,
    SELECT_OK,
    GoneError,
    Peer,
    RefusedError,
    ack,
    consume,
    get,
    method,
    publish,
    qos,
    queue_declare,
)

SHUTDOWN = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
CLOSE_OK = method(10, 51, channel=0)
EXIT_FAILED = 1


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A broker that is not started yet."""
    made = Daemon(tmp_path / "broker")
    yield made
    made.kill()


def confirmed(peer: Peer, queue: bytes, bodies: list[bytes]) -> None:
    """Publish persistent messages and wait until all are confirmed."""
    peer.send(b"".join(publish(queue, body) for body in bodies))
    tag = 0
    while tag < len(bodies):
        payload = peer.expect(ACK)
        (tag,) = struct.unpack_from(">Q", payload, 4)


def refusal(peer: Peer) -> str:
    """The text with which the broker closes the connection; it is answered, and the socket closed."""
    try:
        while True:
            peer.read()
    except RefusedError as closing:
        peer.send(CLOSE_OK)
        return str(closing)
    finally:
        peer.close()


def fatal_lines(daemon: Daemon) -> list[str]:
    return [line for line in daemon.text.splitlines() if " fatal " in line]


def test_a_stop_tells_every_client_and_ends_with_0(daemon: Daemon) -> None:
    daemon.start()
    peers = [Peer(daemon.port) for _ in range(3)]
    unfinished = socket.create_connection(("127.0.0.1", daemon.port), timeout=10.0)
    began = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert [refusal(peer) for peer in peers] == [SHUTDOWN] * 3
    assert daemon.wait() == 0
    assert time.monotonic() - began < 5.0
    assert unfinished.recv(100) == b""  # no frame for a stranger
    unfinished.close()
    assert "stopped" in daemon.text
    assert "Traceback" not in daemon.text


def test_a_client_that_does_not_answer_delays_a_stop_by_the_grace_and_no_more(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "broker", "shutdown_grace_s=0.5")
    daemon.start()
    peer = Peer(daemon.port)
    try:
        began = time.monotonic()
        assert daemon.stop() == 0
        assert 0.4 < time.monotonic() - began < 5.0
        assert "Traceback" not in daemon.text
    finally:
        peer.close()
        daemon.kill()


def test_a_second_signal_ends_it_at_once(daemon: Daemon) -> None:
    daemon.start()
    peer = Peer(daemon.port)  # does not answer, so the first signal waits for it
    daemon.signal(signal.SIGTERM)
    with pytest.raises(RefusedError):
        peer.read()
    daemon.signal(signal.SIGINT)
    assert daemon.wait() == EXIT_FAILED
    assert "a second signal came" in daemon.text
    peer.close()


def test_a_port_that_is_taken_is_one_line_and_an_exit_code(daemon: Daemon) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", daemon.port))
        taken.listen()
        daemon.launch()
        assert daemon.wait() == EXIT_FAILED
    [line] = fatal_lines(daemon)
    assert "cannot listen" in line
    assert str(daemon.port) in line
    assert "Traceback" not in daemon.text
    daemon.start()  # and the data directory is free again
    assert daemon.stop() == 0


def test_a_data_directory_in_use_is_refused_and_its_holder_named(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.process is not None
    other = Daemon(daemon.directory / "other")
    other.data_dir = daemon.data_dir
    before = files_of(daemon.data_dir)
    other.launch()
    assert other.wait() == EXIT_FAILED
    [line] = fatal_lines(other)
    assert f"in use by process {daemon.process.pid}" in line
    assert files_of(daemon.data_dir) == before
    assert daemon.stop() == 0


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_the_lock_is_free_when_its_holder_was_killed(daemon: Daemon) -> None:
    daemon.start()
    daemon.kill()
    daemon.start()
    assert daemon.stop() == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_directory_that_cannot_be_written_is_refused(daemon: Daemon) -> None:
    daemon.data_dir.mkdir()
    daemon.data_dir.chmod(0o500)
    daemon.launch()
    assert daemon.wait() == EXIT_FAILED
    assert len(fatal_lines(daemon)) == 1


def test_a_data_directory_that_is_a_file_is_refused(daemon: Daemon) -> None:
    daemon.data_dir.write_text("not a directory")
    daemon.launch()
    assert daemon.wait() == EXIT_FAILED
    [line] = fatal_lines(daemon)
    assert str(daemon.data_dir) in line
    assert daemon.data_dir.read_text() == "not a directory"
    assert "Traceback" not in daemon.text


def test_the_service_manager_is_told_of_the_start_and_the_stop(daemon: Daemon) -> None:
    path = daemon.directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20.0)
        daemon.extra_environment["NOTIFY_SOCKET"] = str(path)
        daemon.launch()
        said = manager.recv(1000)
        assert said.startswith(b"READY=1\n")
        assert str(daemon.port).encode() in said
        Peer(daemon.port).close()  # ready means that it answers
        assert daemon.stop() == 0
        assert manager.recv(1000).startswith(b"STOPPING=1\n")


def test_a_log_in_json_is_an_object_on_every_line(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "broker", "log.format=json")
    daemon.start()
    assert daemon.stop() == 0
    events = [json.loads(line) for line in daemon.text.splitlines()]
    assert {"time", "level", "logger", "event"} <= set.intersection(*[set(each) for each in events])
    assert [each["event"] for each in events][-2:] == ["stopping", "stopped"]
    assert any(each["event"] == "start" and each.get("amqp") == f"127.0.0.1:{daemon.port}" for each in events)


def test_a_restart_gives_back_durable_queues_with_their_persistent_messages_in_order(daemon: Daemon) -> None:
    daemon.start()
    peer = Peer(daemon.port)
    for queue in (b"kept", b"other"):
        peer.call(queue_declare(queue), QUEUE_DECLARE_OK)
    peer.call(queue_declare(b"transient", is_durable=False), QUEUE_DECLARE_OK)
    peer.call(method(85, 10, b"\0"), SELECT_OK)
    bodies = [b"%d" % number for number in range(500)]
    confirmed(peer, b"kept", bodies)
    peer.send(publish(b"kept", b"in memory only", properties=b"\0\0"))
    peer.expect(ACK)
    peer.send(get(b"kept"))
    assert peer.expect(GET_OK)[12] == 0
    assert peer.content() == bodies[0]
    daemon.signal(signal.SIGTERM)
    assert refusal(peer) == SHUTDOWN
    assert daemon.wait() == 0
    daemon.start()
    assert 'recovered="2 queues, 500 messages"' in daemon.text
    again = Peer(daemon.port)
    found = [again.get(b"kept") for _ in bodies]
    # The one that had been handed out comes first and is marked; those behind it were never handed out.
    assert found == [(body, index == 0) for index, body in enumerate(bodies)]
    assert again.get(b"kept") is None
    again.call(queue_declare(b"other", is_passive=True), QUEUE_DECLARE_OK)
    with pytest.raises(RefusedError, match="NOT_FOUND"):
        again.call(queue_declare(b"transient", is_passive=True), QUEUE_DECLARE_OK)
    again.close()
    assert daemon.stop() == 0


class Worker(threading.Thread):
    """Publishes with confirms, or consumes with acks, and reconnects until it has done its share."""

    def __init__(self, port: int, number: int, deadline_s: float) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.number = number
        self.deadline_s = deadline_s
        self.is_done = threading.Event()
        self.texts: list[str] = []
        self.error = ""

    def run(self) -> None:
        try:
            while not self.is_done.is_set():
                self.live()
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            self.error = "".join(traceback.format_exception(error))

    def live(self) -> None:
        """One connection."""
        try:
            peer = Peer(self.port)
        except (GoneError, RefusedError):  # the port is closed, or the stop came in the middle of the handshake
            assert time.monotonic() < self.deadline_s
            self.is_done.wait(0.02)
            return
        try:
            self.work(peer)
        except RefusedError as refused:
            self.texts.append(str(refused))
            peer.send(CLOSE_OK)
        finally:
            peer.close()

    def work(self, peer: Peer) -> None:
        raise NotImplementedError


class Sender(Worker):
    def __init__(self, port: int, number: int, deadline_s: float) -> None:
        super().__init__(port, number, deadline_s)
        self.confirmed: set[bytes] = set()
        self.next = 0

    def work(self, peer: Peer) -> None:
        peer.call(method(85, 10, b"\0"), SELECT_OK)
        while not self.is_done.is_set():
            self.next += 1
            body = b"%d.%d" % (self.number, self.next)
            peer.send(publish(b"work", body))
            peer.expect(ACK)
            self.confirmed.add(body)


class Receiver(Worker):
    def __init__(self, port: int, number: int, deadline_s: float, settled: set[bytes]) -> None:
        super().__init__(port, number, deadline_s)
        self.settled = settled
        self.seen: set[bytes] = set()

    def work(self, peer: Peer) -> None:
        peer.call(qos(10), QOS_OK)
        peer.call(consume(b"work", b"c"), CONSUME_OK)
        acked: list[bytes] = []
        while not self.is_done.is_set():
            if not peer.is_readable(0.05):
                continue
            found = peer.read()
            if found.method == QOS_OK:
                self.settled.add(acked.pop(0))  # answered behind the ack, which has arrived therefore
                continue
            assert found.method == DELIVER
            (tag,) = struct.unpack_from(">Q", found.payload, 5 + found.payload[4])
            body = peer.content()
            assert body not in self.settled, f"{body!r} came again after its ack"
            self.seen.add(body)
            peer.send(ack(tag) + qos(10))
            acked.append(body)


@pytest.mark.timeout(90)
def test_rolling_restarts_lose_nothing_and_repeat_nothing_that_was_settled(daemon: Daemon) -> None:
    daemon.start()
    setup = Peer(daemon.port)
    setup.call(queue_declare(b"work"), QUEUE_DECLARE_OK)
    setup.close()
    deadline_s = time.monotonic() + 60.0
    senders = [Sender(daemon.port, number, deadline_s) for number in range(3)]
    settled: set[bytes] = set()
    receivers = [Receiver(daemon.port, number, deadline_s, settled) for number in range(3)]
    workers: list[Worker] = [*senders, *receivers]
    for worker in workers:
        worker.start()
    for number in range(3):
        wanted = 50 * (number + 1)
        while sum(len(sender.confirmed) for sender in senders) < wanted:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 10.0
        daemon.start()
    for worker in workers:
        worker.is_done.set()
    for worker in workers:
        worker.join(20.0)
        assert not worker.is_alive()
        assert worker.error == ""
        assert set(worker.texts) <= {SHUTDOWN}
    assert any(worker.texts for worker in workers)
    peer = Peer(daemon.port)
    rest = set()
    while (found := peer.get(b"work")) is not None:
        rest.add(found[0])
    peer.close()
    assert not rest & settled
    everything = set().union(*[receiver.seen for receiver in receivers]) | rest
    assert {body for sender in senders for body in sender.confirmed} <= everything
    assert "Traceback" not in daemon.text


def test_the_loop_of_asyncio_serves_as_well(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "broker", "uvloop=false")
    daemon.start()
    peer = Peer(daemon.port)
    peer.call(queue_declare(b"q"), QUEUE_DECLARE_OK)
    peer.call(method(85, 10, b"\0"), SELECT_OK)
    confirmed(peer, b"q", [b"m"])
    daemon.signal(signal.SIGTERM)
    assert refusal(peer) == SHUTDOWN
    assert daemon.wait() == 0
    assert "on asyncio" in daemon.text


def test_listening_beyond_this_machine_with_guest_only_is_refused(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "broker", "bind=0.0.0.0")
    process: subprocess.Popen[bytes] = daemon.launch()
    assert process.wait(20.0) == EXIT_FAILED
    assert len(fatal_lines(daemon)) == 1
    # The refused start has not used up the first one: the advice it gave can be followed.
    daemon.settings += ["--set", "default_user=ann", "--set", "default_pass=secret"]
    daemon.start()
    assert daemon.stop() == 0
