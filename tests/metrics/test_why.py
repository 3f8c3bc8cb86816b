"""What a queue's figures are said to mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.metrics.why import MOST_NAMES, ConsumerState, QueueState, why

FREE = ConsumerState("a:1 -> b:2")
HELD = ConsumerState("a:1 -> b:2", is_at_prefetch=True)
OTHER_HELD = ConsumerState("a:3 -> b:2", is_at_prefetch=True)
DEAF = ConsumerState("a:5 -> b:2", is_reading_stopped=True)
WAITING = ConsumerState("a:7 -> b:2", is_waiting=True)


def codes(queue: QueueState) -> list[str]:
    return [each.code for each in why(queue).reasons]


@pytest.mark.parametrize(
    ("queue", "state", "reasons"),
    [
        (QueueState(), "idle", ["unused"]),
        (QueueState(consumers=[FREE]), "idle", ["no_publishes"]),
        (QueueState(ready=3), "idle", ["no_consumers"]),
        (QueueState(ready=300, publish_rate=20, depth_rate=20), "growing", ["no_consumers"]),
        (QueueState(ready=300, get_rate=5, depth_rate=-5), "draining", ["no_consumers"]),
        (QueueState(publish_rate=20, deliver_rate=20, ack_rate=20, consumers=[FREE]), "steady", []),
        (
            QueueState(ready=50, unacked=5, deliver_rate=10, ack_rate=10, depth_rate=-10, consumers=[FREE]),
            "draining",
            [],
        ),
        (
            QueueState(ready=50, publish_rate=100, ack_rate=20, depth_rate=80, deliver_rate=20, consumers=[FREE]),
            "growing",
            ["consumer_slow"],
        ),
        (
            QueueState(ready=50, unacked=10, publish_rate=9, depth_rate=9, consumers=[HELD, OTHER_HELD]),
            "growing",
            ["consumers_at_prefetch", "no_acks", "consumer_slow"],
        ),
        (QueueState(unacked=1, consumers=[HELD]), "idle", ["consumers_at_prefetch", "no_acks"]),
        (
            QueueState(ready=5, publish_rate=9, depth_rate=9, consumers=[DEAF]),
            "growing",
            ["consumer_not_reading", "consumer_slow"],
        ),
        (QueueState(ready=9, is_refusing=True, consumers=[FREE]), "blocked", ["queue_full"]),
        (QueueState(alarm="memory", blocked=["x"], consumers=[FREE]), "blocked", ["publisher_blocked"]),
        (QueueState(ready=5, publish_rate=9, message_ttl_ms=1000), "steady", ["no_consumers", "ttl_expiring"]),
        (
            QueueState(ready=5, publish_rate=9, message_ttl_ms=1000, dead_letter_exchange="dlx"),
            "steady",
            ["no_consumers", "ttl_expiring", "dead_lettering"],
        ),
        (QueueState(ready=5, publish_rate=9, max_length=5), "steady", ["no_consumers", "length_limit"]),
        (
            QueueState(publish_rate=9, deliver_rate=9, consumers=[FREE], dead_letter_exchange=""),
            "steady",
            ["dead_lettering"],
        ),
        (
            QueueState(dead_letters_waiting=2, dead_letter_exchange="dlx", unacked=0),
            "idle",
            ["dead_letters_waiting", "unused"],
        ),
        (QueueState(ready=1000, publish_rate=50, depth_rate=50, is_stream=True), "growing", ["stream_keeps"]),
    ],
)
def test_figures_have_their_state_and_reasons(queue: QueueState, state: str, reasons: list[str]) -> None:
    assert (why(queue).state, codes(queue)) == (state, reasons)


def test_only_the_connections_that_a_reason_is_about_are_named() -> None:
    queue = QueueState(ready=9, unacked=5, ack_rate=1.0, consumers=[FREE, OTHER_HELD, WAITING])
    reason = why(queue).reasons[0]
    assert (reason.code, reason.connections) == ("consumers_at_prefetch", ["a:3 -> b:2"])
    assert "1 of 2 consumers" in reason.text


def test_a_consumer_that_only_waits_is_not_blamed() -> None:
    held = ConsumerState("a:7 -> b:2", is_at_prefetch=True, is_waiting=True)
    assert codes(QueueState(publish_rate=5, deliver_rate=5, ack_rate=5, consumers=[FREE, held])) == []


def test_one_connection_with_many_consumers_is_named_once_and_many_are_cut() -> None:
    crowd = [ConsumerState(f"c{i // 2}", is_at_prefetch=True) for i in range(100)]
    names = why(QueueState(ready=1, unacked=100, ack_rate=1.0, consumers=crowd)).reasons[0].connections
    assert names == [f"c{i}" for i in range(MOST_NAMES)]


def test_text_says_how_much_and_where() -> None:
    queue = QueueState(ready=1, publish_rate=12.34, message_ttl_ms=60_000, dead_letter_exchange="graveyard")
    texts = " ".join(each.text for each in why(queue).reasons)
    assert "1 message is ready" in texts
    assert "12 a second" in texts
    assert "60000 ms" in texts
    assert "'graveyard'" in texts


@given(
    st.builds(
        QueueState,
        ready=st.integers(0, 9),
        unacked=st.integers(0, 9),
        publish_rate=st.floats(0, 1e6),
        ack_rate=st.floats(0, 1e6),
        depth_rate=st.floats(-1e6, 1e6),
        consumers=st.lists(st.sampled_from([FREE, HELD, DEAF, WAITING]), max_size=4),
        is_stream=st.booleans(),
        is_refusing=st.booleans(),
        max_length=st.integers(-1, 9),
        message_ttl_ms=st.integers(-1, 9),
        dead_letter_exchange=st.none() | st.just("x"),
        alarm=st.sampled_from(["", "disk"]),
    )
)
def test_whatever_the_figures_no_reason_comes_twice_and_each_is_a_sentence(queue: QueueState) -> None:
    answer = why(queue)
    assert len(set(codes(queue))) == len(answer.reasons)
    assert all(each.text.endswith(".") and each.text[0] == each.text[0].upper() for each in answer.reasons)
    assert answer.state in {"blocked", "growing", "draining", "steady", "idle"}
