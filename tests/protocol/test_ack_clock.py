"""The consumer timeout: nobody is closed upon too early, and nobody much too late."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands

from broker.core.message import Message, Queued
from broker.protocol.ack_clock import MARKS, MOST_MARKS, AckClock
from broker.protocol.unacked import Unacked
from broker.queues.agenda import Agenda
from tests.protocol.stranger import Stranger
from tests.queues.scene import Scene, number, text

TIMEOUT_MS = 60_000
TEXT = (
    "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: {} ms. This timeout "
    "value can be configured, see consumers doc guide to learn more"
)
LATE = 1 + 1 / MARKS  # how late a look may be, and the mark before it


@pytest.fixture
def client(scene: Scene) -> Stranger:
    return Stranger(scene).with_channel()


def consume(client: Stranger, arguments: dict[str, int] | None = None, *, no_ack: bool = False) -> None:
    client.say(1, commands.Basic.Consume(queue="q", consumer_tag="c", no_ack=no_ack, arguments=arguments or {}))


def publish(scene: Scene, *bodies: bytes) -> None:
    scene.push(scene.vhost.queues[b"q"], *bodies)


def wait(client: Stranger, seconds: float) -> None:
    """Let time pass in ticks of half a second, as the heart does."""
    for _ in range(round(seconds * 2)):
        client.tick(0.5)


def is_closed(client: Stranger) -> bool:
    return any(isinstance(frame, commands.Channel.Close) for _, frame in client.heard)


# --- whose timeout counts


@pytest.mark.parametrize("source", ["consumer", "queue"])
def test_overdue_delivery_closes_its_channel_and_goes_back(scene: Scene, client: Stranger, source: str) -> None:
    timeout = {"x-consumer-timeout": TIMEOUT_MS}
    queue = scene.declare(arguments={b"x-consumer-timeout": number(TIMEOUT_MS)} if source == "queue" else {})
    consume(client, timeout if source == "consumer" else None)
    publish(scene, b"m")
    wait(client, 60)
    assert not is_closed(client)
    wait(client, 60 * 2 / MARKS + 2)
    (close,) = client.closes()
    assert (close.channel, close.code, close.text) == (1, 406, TEXT.format(TIMEOUT_MS))
    assert close.method == (0, 0)
    assert (queue.ready.count, queue.unacked_count) == (1, 0)


def test_by_default_there_is_none(scene: Scene, client: Stranger) -> None:
    scene.declare()
    consume(client)
    publish(scene, b"m")
    client.tick(1e7)
    client.tick(1e7)
    assert not is_closed(client)
    assert client.connection.channels[1].ack_clock is None


def test_consumers_argument_counts_before_the_queues(scene: Scene, client: Stranger) -> None:
    scene.declare(arguments={b"x-consumer-timeout": number(TIMEOUT_MS)})
    consume(client, {"x-consumer-timeout": 0})
    publish(scene, b"m")
    wait(client, 200)
    assert not is_closed(client)


@pytest.mark.parametrize(("argument", "closes"), [(None, True), (0, False), (10 * TIMEOUT_MS, False)])
def test_setting_counts_where_neither_says(tmp_path: Path, argument: int | None, closes: bool) -> None:
    scene = Scene(tmp_path / "patient", consumer_timeout_ms=TIMEOUT_MS)
    client = Stranger(scene).with_channel()
    scene.declare(arguments={} if argument is None else {b"x-consumer-timeout": number(argument)})
    consume(client)
    publish(scene, b"m")
    wait(client, 90)
    assert is_closed(client) == closes
    scene.close()


def test_basic_get_has_the_queues_timeout(scene: Scene, client: Stranger) -> None:
    scene.declare(arguments={b"x-consumer-timeout": number(TIMEOUT_MS)})
    publish(scene, b"m")
    client.say(1, commands.Basic.Get(queue="q"))
    wait(client, 90)
    assert is_closed(client)


def test_who_does_not_acknowledge_has_no_timeout(scene: Scene, client: Stranger) -> None:
    scene.declare()
    consume(client, {"x-consumer-timeout": TIMEOUT_MS}, no_ack=True)
    publish(scene, b"m")
    wait(client, 90)
    assert not is_closed(client)


def test_who_acknowledges_in_time_goes_on(scene: Scene, client: Stranger) -> None:
    scene.declare()
    consume(client, {"x-consumer-timeout": TIMEOUT_MS})
    for tag in range(1, 8):
        publish(scene, b"m")
        wait(client, 50)
        client.say(1, commands.Basic.Ack(tag))
    assert not is_closed(client)


def test_timeout_counts_as_a_failed_delivery(scene: Scene, client: Stranger) -> None:
    queue = scene.declare(arguments={b"x-queue-type": text("quorum")}, is_durable=True)
    consume(client, {"x-consumer-timeout": TIMEOUT_MS})
    publish(scene, b"m")
    wait(client, 90)
    queued = queue.get()
    assert queued is not None
    assert (int(queued.acquired_count), int(queued.delivery_count)) == (1, 1)


@pytest.mark.parametrize(
    ("value", "detail"), [("60000", '"expected integer, got longstr"'), (-5, "{value_negative,-5}")]
)
def test_argument_that_is_no_duration_is_refused(scene: Scene, client: Stranger, value: int | str, detail: str) -> None:
    scene.declare()
    client.say(1, commands.Basic.Consume(queue="q", arguments={"x-consumer-timeout": value}))
    (close,) = client.closes()
    text = f"PRECONDITION_FAILED - invalid arg 'x-consumer-timeout' for queue 'q' in vhost '/': {detail}"
    assert (close.code, close.text) == (406, text)


def test_delivery_among_others_that_are_settled_is_noticed_in_time(scene: Scene, client: Stranger) -> None:
    scene.declare()
    consume(client, {"x-consumer-timeout": TIMEOUT_MS})
    publish(scene, b"settled")
    wait(client, 1)
    publish(scene, b"stuck")
    wait(client, 30)
    client.say(1, commands.Basic.Ack(1))
    wait(client, 29)
    assert not is_closed(client)
    wait(client, 1 + 60 * 2 / MARKS + 1)
    assert is_closed(client)


def test_each_delivery_has_the_timeout_of_its_consumer_and_an_age_of_its_own(scene: Scene, client: Stranger) -> None:
    timeouts = {"endless": 0, "patient": 3 * TIMEOUT_MS, "quick": TIMEOUT_MS}
    for name, timeout_ms in timeouts.items():
        scene.declare(name.encode())
        client.say(1, commands.Basic.Consume(queue=name, arguments={"x-consumer-timeout": timeout_ms}))
    scene.push(scene.vhost.queues[b"endless"], b"m")
    wait(client, 150)
    scene.push(scene.vhost.queues[b"patient"], b"m")
    wait(client, 179)
    assert not is_closed(client)
    wait(client, 1 + 60 * 2 / MARKS + 1)
    (close,) = client.closes()
    assert close.text == TEXT.format(3 * TIMEOUT_MS)


# --- the clock alone


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    built = Scene(tmp_path_factory.mktemp("clock"))
    built.declare(arguments={b"x-consumer-timeout": number(TIMEOUT_MS)})
    yield built
    built.close()


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 20_000), st.sampled_from(["oldest", "newest", "none"])), max_size=60
    )
)
def test_no_delivery_is_overdue_too_early_nor_much_too_late(short: Scene, steps: list[tuple[int, int, str]]) -> None:
    clock, unacked = AckClock(0, TIMEOUT_MS), Unacked(Agenda())
    queue = short.vhost.queues[b"q"]
    out: dict[int, int] = {}
    now_ms, last_tag, latest_gap = 1_000_000, 0, 0
    for fresh, passed_ms, settled in steps:
        for _ in range(fresh):
            last_tag += 1
            out[last_tag] = now_ms
            unacked.add(last_tag, Queued(Message(b"", b"", b"", False, 0, 0, -1), queue, last_tag), None)
        if out and settled != "none":
            tag = min(out) if settled == "oldest" else max(out)
            unacked.take(tag)
            del out[tag]
        now_ms += passed_ms
        latest_gap = max(latest_gap, passed_ms)
        oldest_ms = max((now_ms - at for at in out.values()), default=0)
        overdue = clock.look(now_ms, last_tag, unacked)
        if overdue:
            assert oldest_ms >= TIMEOUT_MS
            return
        assert oldest_ms <= TIMEOUT_MS * LATE + 2 * latest_gap + 2000


def test_marks_stay_few_while_one_delivery_has_for_ever(short: Scene) -> None:
    clock, unacked = AckClock(0, 1000), Unacked(Agenda())
    queue = short.declare(b"slow")
    for tag in range(1, 5000):
        unacked.add(tag, Queued(Message(b"", b"", b"", False, 0, 0, -1), queue, tag), None)
        assert clock.look(tag * 1000, tag, unacked) == 0
        assert len(clock._tags) <= MOST_MARKS + 1
        if tag > 1:
            unacked.take(tag)
