"""Publisher confirms: which sequence number waits for which batch of the commit log."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.counters import Counters
from broker.vhost.outlet import Outlet
from broker.wire.methods import BASIC_ACK, BASIC_NACK, TX_COMMIT_OK
from broker.wire.outbox import Outbox

MULTIPLE: Final = 1


@final
@mypyc_attr(native_class=True)
class ConfirmLedger:
    """What one channel has been promised and not told yet.

    Confirms leave in order of publish, as one ``multiple`` ack for all that a sync covered: a transient message behind
    a persistent one waits for it. A refused message is nacked on its own at the end of its turn.

    Attributes:
        is_selected: The channel is in confirm mode.
        next_tag: Sequence number of the next publish; the first is 1.
        is_listed: To be looked at when this turn ends.
        is_waiting: To be looked at after the next sync.
        is_closed: Its channel is gone: nothing is answered any more.
    """

    def __init__(self, channel: i64, outbox: Outbox, outlet: Outlet, counters: Counters) -> None:
        self._channel: Final[i64] = channel
        self._outbox: Final = outbox
        self._outlet: Final = outlet
        self._counters: Final = counters
        self.is_selected: bool = False
        self.is_listed: bool = False
        self.is_waiting: bool = False
        self.is_closed: bool = False
        self.next_tag: i64 = 1
        self._accepted: i64 = 0  # the highest tag that was not refused, and how many there were
        self._accepted_count: i64 = 0
        self._acked_count: i64 = 0  # how many of those have been acked
        self._turn_needs_sync: bool = False
        # next_tag, _accepted and _accepted_count as they were when the turn began
        self._turn_tag: i64 = 1
        self._turn_accepted: i64 = 0
        self._turn_count: i64 = 0
        self._refused: list[i64] = []
        # Waiting for a sync: accepted tags up to _tags[n], _counts[n] of them since the start, are covered by batch
        # _batches[n]. All ascend.
        self._tags: list[i64] = []
        self._counts: list[i64] = []
        self._batches: list[i64] = []
        self._commit: bool = False  # tx.commit of this turn
        self._commit_batch: i64 = -1  # batch that tx.commit-ok waits for

    def published(self, is_stored: bool, is_refused: bool) -> None:
        """Number one publish. ``is_stored``: it has a record in a batch that is not synced yet."""
        tag = self.next_tag
        self.next_tag = tag + 1
        if is_stored:
            self._turn_needs_sync = True
        if is_refused:
            self._refused.append(tag)
        else:
            self._accepted = tag
            self._accepted_count += 1

    def accepted(self, count: i64) -> None:
        """Number so many publishes, none of which was stored or refused."""
        self.next_tag += count
        self._accepted = self.next_tag - 1
        self._accepted_count += count

    def commit(self, is_stored: bool) -> None:
        """A transaction was applied in this turn; ``tx.commit-ok`` leaves when it is on disk."""
        self._commit = True
        if is_stored:
            self._turn_needs_sync = True

    def refuse_turn(self) -> i64:
        """The batch of this turn could not be written: every publish of the turn is to be nacked.

        Those that needed no sync are nacked with the others: a nack promises nothing either way.

        Returns:
            How many publishes were turned from accepted to refused; 0 if none of them needed the batch.
        """
        if not self._turn_needs_sync or self.is_closed:
            return 0
        refused = self._accepted_count - self._turn_count
        self._refused.clear()
        tag = self._turn_tag
        while tag < self.next_tag:
            self._refused.append(tag)
            tag += 1
        self._accepted = self._turn_accepted
        self._accepted_count = self._turn_count
        self._turn_needs_sync = False
        return refused

    @property
    def commits_now(self) -> bool:
        """A transaction was applied in this turn."""
        return self._commit

    @property
    def is_committing(self) -> bool:
        """``tx.commit-ok`` has not left yet."""
        return self._commit or self._commit_batch >= 0

    @property
    def unconfirmed_count(self) -> i64:
        """Publishes in confirm mode that have not been answered."""
        return self._accepted_count - self._acked_count + len(self._refused)

    def end_turn(self, written: i64, synced: i64) -> bool:
        """Answer what can be answered.

        Args:
            written: Number of the batch that holds everything up to this turn.
            synced: Number of the last batch known to be on disk.

        Returns:
            Whether something goes on waiting for a sync.
        """
        if self.is_closed:
            return False
        for tag in self._refused:
            self._outbox.settlement(self._channel, BASIC_NACK, tag, 0)
            self._outlet.touch()
        self._refused.clear()
        if self._turn_needs_sync and written > synced:
            if self._accepted_count > self._acked_count:
                self._wait_for(written)
            if self._commit:
                self._commit_batch = written
        elif not self._tags:
            self._ack(self._accepted, self._accepted_count)
            if self._commit:
                self._commit_ok()
        else:
            # Nothing new to sync, but older ones wait: these leave with them, in order.
            self._wait_for(self._batches[-1])
        self._turn_needs_sync = False
        self._commit = False
        self._turn_tag = self.next_tag
        self._turn_accepted = self._accepted
        self._turn_count = self._accepted_count
        return bool(self._tags) or self._commit_batch >= 0

    def _wait_for(self, batch: i64) -> None:
        if self._batches and self._batches[-1] == batch:
            self._tags[-1] = self._accepted
            self._counts[-1] = self._accepted_count
        else:
            self._tags.append(self._accepted)
            self._counts.append(self._accepted_count)
            self._batches.append(batch)

    def release(self, synced: i64) -> bool:
        """A sync has covered every batch up to ``synced``. Returns whether something goes on waiting."""
        if self.is_closed:
            return False
        if 0 <= self._commit_batch <= synced:
            self._commit_batch = -1
            self._commit_ok()
        count: i64 = 0
        batches = self._batches
        while count < len(batches) and batches[count] <= synced:
            count += 1
        if count > 0:
            self._ack(self._tags[count - 1], self._counts[count - 1])
            del self._tags[:count]
            del self._counts[:count]
            del batches[:count]
        return bool(self._tags) or self._commit_batch >= 0

    def _ack(self, tag: i64, count: i64) -> None:
        """Ack every accepted publish up to ``tag``, the one with number ``count`` among them."""
        fresh = count - self._acked_count
        if fresh > 0:
            self._outbox.settlement(self._channel, BASIC_ACK, tag, MULTIPLE if fresh > 1 else 0)
            self._outlet.touch()
            self._counters.messages_confirmed += fresh
            self._acked_count = count

    def _commit_ok(self) -> None:
        self._outbox.method(self._channel, TX_COMMIT_OK, b"")
        self._outlet.touch()
