"""The oracle itself: what it lets pass and what it must not."""

from collections.abc import Callable

import pytest

from tests.crash.ledger import Id, Ledger, Order, id_of

QUEUE = b"q"


def message(sequence: int = 1, incarnation: int = 1) -> Id:
    return Id(0, incarnation, sequence, QUEUE)


@pytest.fixture
def ledger() -> Ledger:
    """One message was sent and the broker has been killed once."""
    made = Ledger({QUEUE: 1})
    made.begin()
    made.sends(message())
    made.begin()
    return made


def receive(ledger: Ledger, which: Id, *, is_redelivered: bool = False) -> None:
    ledger.receives(which.body, QUEUE, is_redelivered)


def test_a_body_names_its_message() -> None:
    assert id_of(message(7, 3).body) == message(7, 3)


def test_an_unknown_message_may_come_or_not(ledger: Ledger) -> None:
    ledger.finish()
    ledger.counted(QUEUE, 0)
    ledger.counted(QUEUE, 1)
    receive(ledger, message())
    ledger.finish()


def test_a_delivered_message_may_come_back_marked(ledger: Ledger) -> None:
    receive(ledger, message())
    ledger.begin()
    receive(ledger, message(), is_redelivered=True)
    assert ledger.duplicates == 1


def lose_a_confirmed_message(ledger: Ledger) -> None:
    ledger.confirms([message()])
    ledger.finish()


def miscount(ledger: Ledger) -> None:
    ledger.confirms([message()])
    ledger.counted(QUEUE, 0)


def deliver_what_nobody_sent(ledger: Ledger) -> None:
    receive(ledger, message(2))


def deliver_another_body(ledger: Ledger) -> None:
    ledger.receives(message().body + b"!", QUEUE, False)


def deliver_from_another_queue(ledger: Ledger) -> None:
    ledger.receives(message().body, b"p", False)


def deliver_twice_without_a_crash(ledger: Ledger) -> None:
    receive(ledger, message())
    receive(ledger, message(), is_redelivered=True)


def deliver_again_without_a_mark(ledger: Ledger) -> None:
    receive(ledger, message())
    ledger.begin()
    receive(ledger, message())


def deliver_after_the_ack(ledger: Ledger) -> None:
    receive(ledger, message())
    ledger.settles([message()])
    ledger.begin()
    receive(ledger, message(), is_redelivered=True)


def mark_what_was_just_published(ledger: Ledger) -> None:
    ledger.sends(message(1, 2))
    receive(ledger, message(1, 2), is_redelivered=True)


def mark_more_than_was_out(ledger: Ledger) -> None:
    ledger.sends(message(2))
    receive(ledger, message(1), is_redelivered=True)
    receive(ledger, message(2), is_redelivered=True)


def nack(ledger: Ledger) -> None:
    ledger.nacks([message()])
    ledger.finish()


def deliver_out_of_order(ledger: Ledger) -> None:
    del ledger
    order = Order()
    order.next(message(2))
    order.next(message(1))


@pytest.mark.parametrize(
    "violation",
    [
        lose_a_confirmed_message,
        miscount,
        deliver_what_nobody_sent,
        deliver_another_body,
        deliver_from_another_queue,
        deliver_twice_without_a_crash,
        deliver_again_without_a_mark,
        deliver_after_the_ack,
        mark_what_was_just_published,
        mark_more_than_was_out,
        nack,
        deliver_out_of_order,
    ],
    ids=lambda each: each.__name__,
)
def test_a_broken_promise_is_noticed(ledger: Ledger, violation: Callable[[Ledger], None]) -> None:
    with pytest.raises(AssertionError):
        violation(ledger)
