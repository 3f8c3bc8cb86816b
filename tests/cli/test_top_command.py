"""``ponymqctl top``: rates from two looks, the frame, and the keys."""

import io
import os
import pty
import select
import sys
import time
from collections.abc import Iterator

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from broker.cli.control_command import app
from broker.cli.top_frame import SORTS, View, frame
from broker.cli.top_samples import Sample, connection_lines, queue_lines
from tests.crash.daemon import Daemon


def queue(name: str, ready: int, published: int, delivered: int, **more: object) -> dict[str, object]:
    stats = {"publish": published, "deliver_get": delivered}
    return {"vhost": "/", "name": name, "messages_ready": ready, "message_stats": stats, "state": "running", **more}


BEFORE = Sample(10.0, {}, [queue("busy", 5, 100, 100), queue("idle", 900, 7, 7)], [])
NOW = Sample(
    12.0,
    {"cluster_name": "stable", "object_totals": {"queues": 3}, "message_stats": {"publish": 10}},
    [queue("busy", 9, 300, 296), queue("idle", 900, 7, 7), queue("new\x1b[31m", 1, 1, 0)],
    [{"name": "1 -> 2", "user_provided_name": "worker", "user": "guest", "recv_oct": 10}],
)


def drawn(view: View, before: Sample | None = BEFORE, height: int = 24) -> str:
    return printed(frame(NOW, before, view, height, where="here"))


def printed(drawing: RenderableType) -> str:
    file = io.StringIO()
    Console(width=110, file=file).print(drawing)
    return file.getvalue()


def order(text: str) -> list[str]:
    return [word for line in text.splitlines() for word in ("busy", "idle", "new") if line.strip().startswith(word)]


def test_rates_are_what_happened_between_two_looks() -> None:
    busy, idle, new = queue_lines(NOW, BEFORE)
    assert (busy.rate_in, busy.rate_out) == (100.0, 98.0)
    assert (idle.rate_in, idle.rate_out) == (0.0, 0.0)
    assert new.rate_in == -1.0  # it was not there before
    assert queue_lines(NOW, None)[0].rate_in == -1.0
    assert connection_lines(NOW, BEFORE)[0].name == "worker"


def test_a_queue_that_was_made_anew_has_risen_by_what_it_has() -> None:
    again = Sample(12.0, {}, [queue("busy", 0, 10, 0)], [])
    assert queue_lines(again, BEFORE)[0].rate_in == 5.0


def test_a_queue_says_why_it_is_as_it_is_where_the_broker_does() -> None:
    why = {"state": "growing", "reasons": [{"code": "no-consumer", "text": "nobody consumes"}]}
    sample = Sample(1.0, {}, [queue("q", 1, 1, 0, ponymq_why=why), queue("p", 1, 1, 0)], [])
    assert [line.why for line in queue_lines(sample, None)] == ["nobody consumes", "running"]


def test_the_busiest_queue_is_first_and_another_order_can_be_chosen() -> None:
    view = View()
    assert order(drawn(view)) == ["busy", "idle", "new"]
    view.sort_by_the_next()
    assert view.sort == "messages"
    assert order(drawn(view)) == ["idle", "busy", "new"]
    for _ in SORTS:
        view.sort_by_the_next()
    assert view.sort == "messages"


def test_names_cannot_paint_the_terminal() -> None:
    assert "new\\x1b[31m" in drawn(View())


def test_scrolling_stays_within_the_queues() -> None:
    view = View()
    view.scroll(-1, 3)
    assert view.first == 0
    view.scroll(5, 3)
    assert view.first == 2
    assert order(drawn(view)) == ["new"]


def test_a_low_screen_shows_fewer_queues() -> None:
    assert order(drawn(View(), height=15)) == ["busy", "idle", "new"]
    many = Sample(12.0, {}, [queue(f"busy{number}", 1, 1, 1) for number in range(100)], [])
    assert len(printed(frame(many, None, View(), 20, where="here")).splitlines()) <= 20


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    running = Daemon(tmp_path_factory.mktemp("top"))
    running.start()
    try:
        yield running
    finally:
        running.kill()


def test_one_frame_of_a_running_broker(daemon: Daemon) -> None:
    environment = {"PONYMQCTL_SOCKET": str(daemon.data_dir / "ponymqctl.sock")}
    result = CliRunner().invoke(app, ["top", "--once", "--interval", "0.1"], env=environment)
    assert result.exit_code == 0, result.output
    assert "PonyMQ" in result.stdout
    assert "0 connections" in result.stdout


def test_keys_sort_and_quit_on_a_terminal(daemon: Daemon) -> None:
    command = [sys.executable, "-c", "from broker.cli.control_command import main; main()", "top", "--interval", "0.2"]
    environment = os.environ | {"PONYMQCTL_SOCKET": str(daemon.data_dir / "ponymqctl.sock"), "TERM": "xterm"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, command, environment)  # noqa: S606 - no shell
    try:
        read_until(terminal, b"queues by activity")
        os.write(terminal, b"s")
        read_until(terminal, b"queues by messages")
        os.write(terminal, b"q")
        read_until(terminal, b"\x1b[?1049l")  # the screen is as it was before
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0


def read_until(terminal: int, wanted: bytes) -> None:
    octets = b""
    deadline = time.monotonic() + 30
    while wanted not in octets:
        assert time.monotonic() < deadline, octets[-2000:]
        if select.select([terminal], [], [], 0.1)[0]:
            octets += os.read(terminal, 65536)
