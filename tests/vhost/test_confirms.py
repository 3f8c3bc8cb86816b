"""The ledger of publisher confirms: histories, and a model that counts along."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.vhost.confirms import ConfirmLedger
from broker.wire.outbox import Outbox
from tests.vhost.scene import Scene, settlements

Step = tuple[str, int, int]
Told = list[tuple[str, int, bool]]


@pytest.fixture(scope="module")
def place() -> Scene:
    """Only for its connection: a ledger wants an outlet to touch."""
    return Scene(Path(tempfile.mkdtemp(prefix="ledger-")))


def ledger_of(place: Scene, outbox: Outbox) -> ConfirmLedger:
    ledger = ConfirmLedger(1, outbox, place.connection, place.counters)
    ledger.is_selected = True
    return ledger


# A publish is ("stored", n), ("routed", n) or ("refused", n); ("turn", written, synced) ends a turn; ("sync", n) is a
# finished sync. Beside each step that may answer: what is answered.
HISTORIES: dict[str, list[tuple[Step, Told]]] = {
    "one routed message is acked at the end of its turn": [
        (("routed", 1, 0), []),
        (("turn", 0, 0), [("ack", 1, False)]),
    ],
    "several routed messages are one ack": [
        (("routed", 3, 0), []),
        (("turn", 0, 0), [("ack", 3, True)]),
        (("routed", 1, 0), []),
        (("turn", 0, 0), [("ack", 4, False)]),
    ],
    "a stored message waits for the sync of its batch": [
        (("stored", 1, 0), []),
        (("turn", 7, 6), []),
        (("sync", 6, 0), []),
        (("sync", 7, 0), [("ack", 1, False)]),
        (("sync", 8, 0), []),
    ],
    "a stored message whose batch is synced by the end of its turn does not wait": [
        (("stored", 2, 0), []),
        (("turn", 7, 7), [("ack", 2, True)]),
    ],
    "one sync answers the turns before it at once": [
        (("stored", 2, 0), []),
        (("turn", 1, 0), []),
        (("stored", 1, 0), []),
        (("turn", 2, 0), []),
        (("stored", 1, 0), []),
        (("turn", 3, 0), []),
        (("sync", 2, 0), [("ack", 3, True)]),
        (("sync", 3, 0), [("ack", 4, False)]),
    ],
    "a routed message behind a stored one leaves with it": [
        (("stored", 1, 0), []),
        (("turn", 1, 0), []),
        (("routed", 2, 0), []),
        (("turn", 1, 0), []),
        (("sync", 1, 0), [("ack", 3, True)]),
    ],
    "a turn without publishes answers nothing": [
        (("turn", 4, 2), []),
        (("stored", 1, 0), []),
        (("turn", 5, 2), []),
        (("turn", 6, 2), []),
        (("sync", 5, 0), [("ack", 1, False)]),
        (("turn", 6, 6), []),
    ],
    "a refused message is nacked, and is not acked as well": [
        (("refused", 1, 0), []),
        (("turn", 0, 0), [("nack", 1, False)]),
        (("routed", 1, 0), []),
        (("turn", 0, 0), [("ack", 2, False)]),
    ],
    "refused messages at the end of a turn are not named by the ack": [
        (("routed", 1, 0), []),
        (("refused", 2, 0), []),
        (("turn", 0, 0), [("nack", 2, False), ("nack", 3, False), ("ack", 1, False)]),
    ],
    "an ack that passes over a refused message is not single": [
        (("routed", 1, 0), []),
        (("refused", 1, 0), []),
        (("routed", 1, 0), []),
        (("turn", 0, 0), [("nack", 2, False), ("ack", 3, True)]),
    ],
    "a nack does not wait for the stored messages before it": [
        (("stored", 1, 0), []),
        (("turn", 1, 0), []),
        (("refused", 1, 0), []),
        (("turn", 1, 0), [("nack", 2, False)]),
        (("refused", 1, 0), []),
        (("turn", 1, 0), [("nack", 3, False)]),
        (("sync", 1, 0), [("ack", 1, False)]),
    ],
    "a stored and a refused message in one turn": [
        (("stored", 1, 0), []),
        (("refused", 1, 0), []),
        (("turn", 1, 0), [("nack", 2, False)]),
        (("sync", 1, 0), [("ack", 1, False)]),
        (("routed", 1, 0), []),
        (("turn", 1, 1), [("ack", 3, False)]),
    ],
    "a commit without anything to store is answered at the end of its turn": [
        (("commit", 0, 0), []),
        (("turn", 3, 1), [("commit-ok", 0, False)]),
    ],
    "a commit waits for its sync": [
        (("commit", 1, 0), []),
        (("turn", 3, 1), []),
        (("sync", 2, 0), []),
        (("sync", 3, 0), [("commit-ok", 0, False)]),
        (("sync", 4, 0), []),
    ],
    "a commit that is on disk by the end of its turn does not wait": [
        (("commit", 1, 0), []),
        (("turn", 3, 3), [("commit-ok", 0, False)]),
    ],
    "a closed channel is told nothing at the end of the turn": [
        (("refused", 1, 0), []),
        (("routed", 1, 0), []),
        (("commit", 0, 0), []),
        (("close", 0, 0), []),
        (("turn", 0, 0), []),
    ],
    "a closed channel is told nothing after the sync": [
        (("stored", 1, 0), []),
        (("turn", 1, 0), []),
        (("close", 0, 0), []),
        (("sync", 1, 0), []),
    ],
}


def play(ledger: ConfirmLedger, step: Step) -> None:
    what, first, second = step
    if what == "turn":
        ledger.end_turn(first, second)
    elif what == "sync":
        ledger.release(first)
    elif what == "commit":
        ledger.commit(first == 1)
    elif what == "close":
        ledger.is_closed = True
    else:
        for _ in range(first):
            ledger.published(what == "stored", what == "refused")


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_history_is_answered_step_by_step(place: Scene, history: list[tuple[Step, Told]]) -> None:
    outbox = Outbox()
    ledger = ledger_of(place, outbox)
    if any(what == "commit" for (what, _, _), _ in history):
        ledger.is_selected = False  # a channel is transactional or in confirm mode, never both
    for step, told in history:
        play(ledger, step)
        assert settlements(b"".join(outbox.take())) == told, step


def test_ledger_says_whether_something_goes_on_waiting(place: Scene) -> None:
    ledger = ledger_of(place, Outbox())
    ledger.published(False, False)
    assert not ledger.end_turn(0, 0)
    ledger.published(True, False)
    assert ledger.end_turn(1, 0)
    ledger.published(True, False)
    assert ledger.end_turn(2, 0)
    assert ledger.release(1)
    assert not ledger.release(2)


def test_commit_is_pending_until_it_is_answered(place: Scene) -> None:
    ledger = ledger_of(place, Outbox())
    ledger.is_selected = False
    seen = [ledger.is_committing]
    ledger.commit(True)
    seen.append(ledger.is_committing)
    assert ledger.end_turn(1, 0)
    seen.append(ledger.is_committing)
    assert not ledger.release(1)
    seen.append(ledger.is_committing)
    assert seen == [False, True, True, False]


def test_channel_outside_confirm_mode_owes_nothing(place: Scene) -> None:
    outbox = Outbox()
    ledger = ConfirmLedger(1, outbox, place.connection, place.counters)
    assert not ledger.end_turn(5, 1)
    assert ledger.unconfirmed_count == 0
    assert outbox.size == 0


class Client:
    """What a client knows: which of its publishes have been answered, and how."""

    def __init__(self) -> None:
        self.outstanding: dict[int, int] = {}  # tag -> batch that must be synced first; -1 if it must be nacked

    def hear(self, told: Told, synced: int) -> int:
        """Take in the answers. Returns how many publishes they acked."""
        acked = 0
        for what, tag, multiple in told:
            assert tag in self.outstanding, f"{what} for {tag}, which is answered already"
            covered = [each for each in self.outstanding if each <= tag] if multiple else [tag]
            for each in covered:
                needed = self.outstanding.pop(each)
                assert (needed < 0) == (what == "nack")
                assert needed <= synced, f"{each} was acked before its batch was synced"
                acked += what == "ack"
        return acked


@settings(max_examples=300)
@given(
    history=st.lists(
        st.one_of(
            st.lists(st.sampled_from(["stored", "routed", "refused"]), max_size=5),
            st.sampled_from(["begin sync", "finish sync"]),
        ),
        max_size=30,
    )
)
def test_every_publish_is_answered_once_and_never_before_its_sync(place: Scene, history: list[str | list[str]]) -> None:
    outbox = Outbox()
    ledger = ledger_of(place, outbox)
    before = place.counters.messages_confirmed
    client = Client()
    written = synced = published = acked = 0
    syncing: int | None = None
    for step in [*history, ["stored"], "finish sync", "begin sync", "finish sync"]:
        if step == "begin sync":
            syncing = written if syncing is None else syncing
        elif step == "finish sync":
            if syncing is None:
                continue
            synced, syncing = syncing, None
            ledger.release(synced)
        else:
            if "stored" in step:
                written += 1
            for kind in step:
                ledger.published(kind == "stored", kind == "refused")
                published += 1
                client.outstanding[published] = {"stored": written, "routed": 0, "refused": -1}[kind]
            waits = ledger.end_turn(written, synced)
            if not waits:
                acked += client.hear(settlements(b"".join(outbox.take())), synced)
                assert not client.outstanding
        acked += client.hear(settlements(b"".join(outbox.take())), synced)
        assert ledger.unconfirmed_count == len(client.outstanding)
    assert not client.outstanding
    assert place.counters.messages_confirmed - before == acked
