"""Publishes that repeat are taken by one comparison: what arrives must be the same as if each were read."""

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import body, commands, frame, header

from tests.queues.scene import Peer, Scene

QUEUES = [b"one", b"two"]
HEADERS = [
    commands.Basic.Properties(),
    commands.Basic.Properties(delivery_mode=2),
    commands.Basic.Properties(message_id="7", headers={"n": 1}),
]
BODIES = [b"", b"a", b"b", b"abc" * 30, b"\xce" * 40]

Publish = tuple[int, int, int, int]  # channel, queue, properties, body


def octets(publish: Publish) -> bytes:
    channel, queue, properties, content = publish
    method = commands.Basic.Publish(routing_key=QUEUES[queue].decode())
    of_header = header.ContentHeader(0, len(BODIES[content]), HEADERS[properties])
    frames = frame.marshal(method, channel) + frame.marshal(of_header, channel)
    if BODIES[content]:
        frames += frame.marshal(body.ContentBody(BODIES[content]), channel)
    return frames


# Runs of one publish are what patterns are for; the single ones between them break the pattern.
runs = st.lists(
    st.tuples(
        st.tuples(st.sampled_from([1, 2]), st.integers(0, 1), st.integers(0, 2), st.integers(0, 4)), st.integers(1, 5)
    ),
    min_size=1,
    max_size=12,
)


@given(runs, st.lists(st.integers(0, 4000), max_size=12), st.booleans())
def test_runs_of_publishes_cut_anywhere_arrive_as_they_were_sent(
    planned: list[tuple[Publish, int]], cuts: list[int], is_read_behind: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        scene = Scene(Path(directory) / "data")
        queues = [scene.declare(name) for name in QUEUES]
        peer = Peer(scene)
        peer.say(1, commands.Channel.Open())
        peer.say(2, commands.Channel.Open())
        sent = [publish for publish, times in planned for _ in range(times)]
        stream = b"".join(octets(publish) for publish in sent)
        edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
        for start, end in itertools.pairwise(edges):
            if start < end:
                tail = peer.connection.tail if is_read_behind else b""
                peer.connection.feed(tail + stream[start:end], len(tail))
        for index, queue in enumerate(queues):
            expected = [(HEADERS[p], BODIES[b]) for _, q, p, b in sent if q == index]
            found = []
            while (queued := queue.get()) is not None:
                found.append(queued.message)
            assert [message.body for message in found] == [content for _, content in expected]
            for message, (properties, content) in zip(found, expected, strict=True):
                assert message.header == header.ContentHeader(0, len(content), properties).marshal()
        scene.close()


@pytest.fixture
def publisher(tmp_path: Path) -> Peer:
    scene = Scene(tmp_path / "data")
    scene.declare(b"one")
    peer = Peer(scene)
    peer.open()
    peer.connection.feed(octets((1, 0, 1, 3)) * 3)
    assert peer.connection.channels[1].pattern.body_size == len(BODIES[3])
    return peer


def test_messages_that_are_alike_share_their_header(publisher: Peer) -> None:
    queue = publisher.connection.channels[1].vhost.queues[b"one"]
    first, second, third = (queue.get() for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.message.header is second.message.header is third.message.header


def test_queue_deleted_by_another_connection_is_not_published_to_by_pattern(publisher: Peer) -> None:
    channel = publisher.connection.channels[1]
    vhost = channel.vhost
    vhost.delete_queue(vhost.queues[b"one"])
    before = vhost.counters.messages_unroutable_dropped
    publisher.connection.feed(octets((1, 0, 1, 3)))
    assert vhost.counters.messages_unroutable_dropped == before + 1


def test_permission_taken_away_ends_the_pattern_with_403(publisher: Peer) -> None:
    channel = publisher.connection.channels[1]
    channel.access.permission = None
    channel.vhost.version += 1  # as whoever changes permissions does
    publisher.hear()
    publisher.connection.feed(octets((1, 0, 1, 3)))
    [(number, close)] = publisher.hear()
    assert number == 1
    assert (close.reply_code, close.class_id, close.method_id) == (403, 60, 40)


def test_body_without_its_end_octet_is_a_frame_error(publisher: Peer) -> None:
    publisher.connection.feed(octets((1, 0, 1, 3))[:-1] + b"\x00")
    assert publisher.connection.close_reason.startswith("FRAME_ERROR")


def test_closed_channel_has_no_pattern_when_it_is_opened_again(publisher: Peer) -> None:
    publisher.say(1, commands.Channel.Close(200, "", 0, 0), commands.Channel.Open())
    assert publisher.connection.channels[1].pattern.size == 0
