"""A broker with streams, stopped and started again in every way."""

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from pamqp import commands, header

from broker.queues.stream import Stream
from broker.queues.window import MemoryWindow
from broker.server.engine import Engine
from broker.settings.model import Settings
from tests.queues.scene import Peer, text


def opened(path: Path) -> Engine:
    return Engine(Settings(data_dir=str(path)))


def indexed_stop(engine: Engine) -> None:
    engine.close(index_from_bytes=0)


def short_stop(engine: Engine) -> None:
    engine.close()


def kill(engine: Engine) -> None:
    """End as a killed process does: nothing is closed in order."""
    engine.store.close_files()
    engine.store.directory.release()


def declare(engine: Engine, *, name: bytes = b"s") -> Stream:
    engine.turn.begin()
    stream = engine.turn.vhosts["/"].declare_queue(name, True, False, False, {b"x-queue-type": text("stream")}, 0)
    engine.turn.finish()
    assert isinstance(stream, Stream)
    return stream


def peer_of(engine: Engine) -> Peer:
    peer = Peer(engine)  # type: ignore[arg-type]  # it asks for the context only
    peer.open()
    return peer


def sync(engine: Engine) -> None:
    job = engine.store.begin_sync()
    job.run()
    engine.store.finish_sync(job)
    engine.turn.synced()
    while engine.turn.wants_turn:
        engine.turn.begin()
        engine.turn.finish()


def read(engine: Engine) -> list[tuple[int, bytes]]:
    """Everything in the stream, with the offsets that a consumer is told."""
    peer = peer_of(engine)
    peer.say(
        1,
        commands.Basic.Qos(0, 65535, False),
        commands.Basic.Consume(queue="s", consumer_tag="t", arguments={"x-stream-offset": "first"}),
    )
    while engine.turn.wants_turn:
        engine.turn.begin()
        engine.turn.finish()
    frames = [each for _, each in peer.hear()]
    offsets = [each.properties.headers["x-stream-offset"] for each in frames if isinstance(each, header.ContentHeader)]
    bodies = [each.value for each in frames if hasattr(each, "value")]
    return list(zip(offsets, bodies, strict=True))


@pytest.mark.parametrize("stop", [indexed_stop, short_stop, kill])
def test_stream_is_as_it_was_after_every_kind_of_stop(
    tmp_path: Path, stop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    expected = []
    with caplog.at_level(logging.WARNING):
        for life in range(4):
            engine = opened(tmp_path / "data")
            declare(engine)
            peer_of(engine).publish(*[b"%d %d" % (life, number) for number in range(10)], queue="s")
            sync(engine)
            expected += [(life * 10 + number, b"%d %d" % (life, number)) for number in range(10)]
            assert read(engine) == expected
            stop(engine)
    assert caplog.messages == []


@pytest.mark.parametrize("stop", [indexed_stop, short_stop, kill])
def test_deleted_stream_stays_deleted_and_its_files_go(
    tmp_path: Path, stop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    engine = opened(tmp_path / "data")
    stream = declare(engine)
    peer_of(engine).publish(b"1", queue="s")
    sync(engine)
    directory = Path(stream.log.directory)
    assert directory.exists()
    engine.turn.begin()
    engine.turn.vhosts["/"].delete_queue(stream)
    engine.turn.finish()
    stop(engine)
    with caplog.at_level(logging.WARNING):
        engine = opened(tmp_path / "data")
    assert caplog.messages == []
    assert declare(engine).log.log_id > stream.log.log_id
    sync(engine)
    job = engine.store.begin_retire()
    job.run()
    engine.store.finish_retire(job)
    assert not directory.exists()
    kill(engine)


def test_deletion_that_only_reached_the_journal_is_brought_to_its_end(tmp_path: Path) -> None:
    engine = opened(tmp_path / "data")
    stream = declare(engine)
    peer_of(engine).publish(b"1", queue="s")
    sync(engine)
    shutil.copytree(tmp_path / "data" / "log", tmp_path / "log")
    engine.turn.begin()
    engine.turn.vhosts["/"].delete_queue(stream)
    engine.turn.finish()
    kill(engine)
    shutil.rmtree(tmp_path / "data" / "log")
    shutil.copytree(tmp_path / "log", tmp_path / "data" / "log")
    engine = opened(tmp_path / "data")
    sync(engine)
    job = engine.store.begin_retire()
    job.run()
    engine.store.finish_retire(job)
    assert not Path(stream.log.directory).exists()
    kill(engine)


def test_unacked_deliveries_that_a_channel_has_spooled_come_back_as_credit(tmp_path: Path) -> None:
    engine = opened(tmp_path / "data")
    engine.turn.agenda.window = MemoryWindow(20_000, 1 << 30)
    stream = declare(engine)
    peer_of(engine).publish(*[b"%d" % number + bytes(100) for number in range(2000)], queue="s")
    sync(engine)
    reader = peer_of(engine)
    reader.say(
        1,
        commands.Basic.Qos(0, 65535, False),
        commands.Basic.Consume(queue="s", consumer_tag="t", arguments={"x-stream-offset": "first"}),
    )
    while engine.turn.wants_turn:
        engine.turn.begin()
        engine.turn.finish()
    assert len(reader.deliveries()) == 2000
    assert stream.unacked_count == 2000
    spool = engine.turn.agenda.spool
    assert spool is not None
    assert spool.octets > 0
    reader.ack(1000, multiple=True)
    assert stream.unacked_count == 1000
    reader.say(1, commands.Channel.Close(0, "", 0, 0))
    assert (stream.unacked_count, stream.unacked_bytes, spool.octets) == (0, 0, 0)
    assert stream.message_count == 2000
    kill(engine)
