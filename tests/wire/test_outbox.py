"""The outbox against pamqp's frames, and bodies where they are split or handed over."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import body, commands, frame, header, heartbeat
from pamqp.base import Frame

from broker.wire.methods import (
    BASIC_ACK,
    BASIC_NACK,
    FRAME_MIN_SIZE,
    FRAME_OVERHEAD,
    PROTOCOL_HEADER,
    QUEUE_DECLARE_OK,
    TX_COMMIT_OK,
)
from broker.wire.octets import shortstr
from broker.wire.outbox import DIRECT_BODY_BYTES, WARM_BYTES, WARM_OUTBOXES, Outbox, WarmOutboxes
from broker.wire.stencil import Stencil

FRAME_MAX = 4096
STEP = FRAME_MAX - FRAME_OVERHEAD


def content_header(size: int) -> bytes:
    return header.ContentHeader(0, size, commands.Basic.Properties(delivery_mode=2)).marshal()


def frames(channel: int, octets: bytes, frame_max: int) -> bytes:
    """Content header and bodies as pamqp writes them, split by hand."""
    step = frame_max - FRAME_OVERHEAD if frame_max else max(len(octets), 1)
    pieces = [octets[at : at + step] for at in range(0, len(octets), step)]
    of_header = header.ContentHeader(0, len(octets), commands.Basic.Properties(delivery_mode=2))
    return frame.marshal(of_header, channel) + b"".join(
        frame.marshal(body.ContentBody(each), channel) for each in pieces
    )


def taken(outbox: Outbox) -> bytes:
    """Everything waiting; checks ``size`` on the way."""
    size = outbox.size
    octets = b"".join(outbox.take())
    assert len(octets) == size
    assert outbox.size == 0
    assert outbox.take() == []
    return octets


@pytest.mark.parametrize("channel", [0, 1, 0x7F, 0x80, 0x7FFF, 0x8000, 0xFFFF])
def test_method_frame_is_pamqps(channel: int) -> None:
    outbox = Outbox()
    declared: Frame = commands.Queue.DeclareOk("q", 2**32 - 1, 2**31)
    outbox.method(channel, QUEUE_DECLARE_OK, declared.marshal())
    outbox.method(channel, TX_COMMIT_OK, b"")
    assert taken(outbox) == frame.marshal(declared, channel) + frame.marshal(commands.Tx.CommitOk(), channel)


@pytest.mark.parametrize("tag", [1, 0x7F, 0x80, 0xFFFF, 2**31, 2**32 - 1, 2**63 - 1])
def test_settlement_is_pamqps_ack_and_nack(tag: int) -> None:
    outbox = Outbox()
    outbox.settlement(3, BASIC_ACK, tag, 0)
    outbox.settlement(3, BASIC_ACK, tag, 1)
    outbox.settlement(3, BASIC_NACK, tag, 0)
    expected = [commands.Basic.Ack(tag, False), commands.Basic.Ack(tag, True), commands.Basic.Nack(tag, False, False)]
    assert taken(outbox) == b"".join(frame.marshal(each, 3) for each in expected)


def test_heartbeat_and_protocol_header_are_pamqps() -> None:
    outbox = Outbox()
    outbox.raw(PROTOCOL_HEADER)
    outbox.heartbeat()
    assert taken(outbox) == header.ProtocolHeader(0, 9, 1).marshal() + frame.marshal(heartbeat.Heartbeat(), 0)


@pytest.mark.parametrize("redelivered", [False, True])
@pytest.mark.parametrize("tag_size", [1, 0x7F, 0x80, 0xFF])
def test_deliver_is_pamqps(tag_size: int, redelivered: bool) -> None:
    outbox = Outbox()
    tag = "t" * tag_size
    route = shortstr(b"x" * 127) + shortstr(b"k" * 255)
    outbox.deliver(Stencil(9, shortstr(tag.encode())), 2**40, redelivered, route, content_header(3), b"abc")
    deliver = commands.Basic.Deliver(tag, 2**40, redelivered, "x" * 127, "k" * 255)
    assert taken(outbox) == frame.marshal(deliver, 9) + frames(9, b"abc", FRAME_MAX)


def test_deliveries_that_are_alike_and_those_that_are_not_are_pamqps() -> None:
    outbox = Outbox()
    stencil = Stencil(9, shortstr(b"tag"))
    routes = [shortstr(b"x") + shortstr(b"k"), shortstr(b"x") + shortstr(b"longer")]
    headers = [content_header(3), content_header(3), content_header(0), content_header(STEP + 1)]
    bodies = [b"abc", b"def", b"", b"z" * (STEP + 1)]
    expected = b""
    alike = [
        *[(0, 0, False)] * 3,
        (0, 1, False),  # equal octets, another object
        *[(1, 1, False)] * 3,
        (1, 1, True),
        (1, 1, False),
        *[(0, 2, False)] * 3,
        *[(0, 3, False)] * 3,
        *[(0, 0, False)] * 3,
    ]
    for tag, (route, which, redelivered) in enumerate(alike, 1):
        outbox.deliver(stencil, tag, redelivered, routes[route], headers[which], bodies[which])
        deliver = commands.Basic.Deliver("tag", tag, redelivered, "x", ["k", "longer"][route])
        expected += frame.marshal(deliver, 9) + frames(9, bodies[which], FRAME_MAX)
    assert taken(outbox) == expected


EDGES = sorted(
    {0, 1, DIRECT_BODY_BYTES - 1, DIRECT_BODY_BYTES, DIRECT_BODY_BYTES + 1}
    | {k * STEP + off for k in (1, 2, 3, 5) for off in (-1, 0, 1)}
)


@pytest.mark.parametrize("size", EDGES)
def test_body_is_split_at_frame_max(size: int) -> None:
    outbox = Outbox()
    outbox.limit_frames(FRAME_MAX)
    octets = bytes(n & 0xFF for n in range(size))
    outbox.content(1, content_header(size), octets)
    assert taken(outbox) == frames(1, octets, FRAME_MAX)


@pytest.mark.parametrize("frame_max", [DIRECT_BODY_BYTES - 1, DIRECT_BODY_BYTES, 20_000, 131_072])
@pytest.mark.parametrize("off", [-1, 0, 1])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_large_frames_are_split_at_frame_max_too(frame_max: int, k: int, off: int) -> None:
    outbox = Outbox()
    outbox.limit_frames(frame_max)
    octets = b"\x5a" * (k * (frame_max - FRAME_OVERHEAD) + off)
    outbox.content(1, content_header(len(octets)), octets)
    assert taken(outbox) == frames(1, octets, frame_max)


@pytest.mark.parametrize("size", [0, 1, DIRECT_BODY_BYTES - 1, DIRECT_BODY_BYTES, 1_000_000])
def test_no_frame_max_is_one_frame(size: int) -> None:
    outbox = Outbox()
    outbox.limit_frames(0)
    outbox.content(1, content_header(size), b"z" * size)
    assert taken(outbox) == frames(1, b"z" * size, 0)


def test_small_body_is_copied_and_a_large_one_handed_over_as_it_is() -> None:
    outbox = Outbox()
    outbox.limit_frames(131_072)
    small, large = b"s" * (DIRECT_BODY_BYTES - 1), b"l" * DIRECT_BODY_BYTES
    outbox.content(1, content_header(len(small)), small)
    assert len(outbox.take()) == 1
    outbox.content(1, content_header(len(large)), large)
    parts = outbox.take()
    assert len(parts) == 3
    assert parts[1] is large


def test_new_outbox_has_the_smallest_frame_max_that_a_peer_must_take() -> None:
    assert Outbox().frame_max == FRAME_MIN_SIZE


@settings(max_examples=50)
@given(
    sizes=st.lists(st.sampled_from([0, 1, 100, STEP, STEP + 1, DIRECT_BODY_BYTES, DIRECT_BODY_BYTES + 9]), max_size=8),
    frame_max=st.sampled_from([0, FRAME_MAX, 131_072]),
    cuts=st.sets(st.integers(0, 7)),
)
def test_frames_come_out_in_the_order_they_went_in(sizes: list[int], frame_max: int, cuts: set[int]) -> None:
    outbox = Outbox()
    outbox.limit_frames(frame_max)
    expected = got = b""
    for number, size in enumerate(sizes):
        octets = bytes([number]) * size
        outbox.settlement(1, BASIC_ACK, number + 1, 0)
        outbox.content(1, content_header(size), octets)
        expected += frame.marshal(commands.Basic.Ack(number + 1, False), 1) + frames(1, octets, frame_max)
        if number in cuts:
            got += taken(outbox)
    assert got + taken(outbox) == expected


@given(st.lists(st.tuples(st.integers(0, WARM_OUTBOXES + 1), st.integers(0, 3 * WARM_BYTES), st.booleans())))
def test_outboxes_that_keep_their_memory_say_nothing_twice(writes: list[tuple[int, int, bool]]) -> None:
    warm = WarmOutboxes()
    outboxes = [Outbox(warm) for _ in range(WARM_OUTBOXES + 2)]
    expected = [b""] * len(outboxes)
    for serial, (which, size, is_taken) in enumerate(writes):
        octets = b"%d" % serial + b"x" * size
        outboxes[which].raw(octets)
        expected[which] += octets
        if is_taken:
            assert b"".join(outboxes[which].take()) == expected[which]
            assert outboxes[which].size == 0
            expected[which] = b""
    assert [b"".join(outbox.take()) for outbox in outboxes] == expected
