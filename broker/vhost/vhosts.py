"""Makes and deletes vhosts while the broker runs."""

from typing import Final, final

from mypy_extensions import mypyc_attr

from broker.vhost.topology import TopologyJournal
from broker.vhost.turn import Turn
from broker.vhost.vhost import LogIds, VHost


@final
@mypyc_attr(native_class=True)
class VHosts:
    """The one place that knows what a vhost is made of. The vhosts themselves are in the turn, by name.

    Attributes:
        log_ids: Numbers for durable queues, shared by all vhosts.
    """

    def __init__(self, turn: Turn) -> None:
        self.log_ids: Final = LogIds()
        self._turn: Final = turn
        self._journal: TopologyJournal = TopologyJournal()  # keeps nothing: what is read back is written already

    def make(self, name: str) -> VHost:
        """A new vhost with the predeclared exchanges. Says nothing to the journal."""
        turn = self._turn
        assert name not in turn.vhosts
        vhost = VHost(name, turn.agenda, turn.store, turn.counters, self.log_ids, self._journal)
        turn.vhosts[name] = vhost
        return vhost

    def write_to(self, journal: TopologyJournal) -> None:
        """From here on changes are new ones: ``journal`` is told of them."""
        self._journal = journal
        self._turn.journal = journal
        for vhost in self._turn.vhosts.values():
            vhost.journal = journal

    def delete(self, vhost: VHost) -> None:
        """Delete the vhost with everything in it. Its connections are to be gone by then."""
        vhost.clear()
        self._turn.parameters.forget_vhost(vhost.name)
        del self._turn.vhosts[vhost.name]
