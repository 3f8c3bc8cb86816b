"""A broker that remembers: a scene with the journal of the topology, opened again and again."""

import shutil
from pathlib import Path
from typing import Any, Self

from broker.core.arguments import canonical_table
from broker.definitions.journal import StoredTopology, TopologyReader, topology_records
from broker.vhost.vhost import RESERVED_PREFIX
from tests.vhost.scene import Scene, take_all

Exchanges = dict[bytes, tuple[bytes, bool, bool, bytes]]
Queues = dict[bytes, tuple[bool, bytes, int]]
Bindings = list[tuple[bytes, bytes, bool, bytes, bytes]]


class Node(Scene):
    """One life of a broker on a data directory."""

    def __init__(self, path: Path, *parts: Any, **circumstances: Any) -> None:
        super().__init__(path, *parts, **circumstances)
        self.path = path
        self.reader = TopologyReader(self.turn, self.vhosts, self.users)
        self.reader.apply(self.recovered.topology)
        for log_id, found in self.recovered.queues.items():
            for entry in found.entries:
                self.reader.restorer.found(log_id, entry)
        self.reader.finish(self.recovered)
        self.turn.begin()
        self.turn.finish()
        self.vhosts.write_to(StoredTopology(self.store))
        self.turn.begin()

    def stop(self) -> None:
        """End the turn and close the store."""
        self.turn.finish()
        self.store.close()

    def restarted(self) -> Self:
        """The next life, after an orderly stop."""
        self.stop()
        return type(self)(self.path)

    def crashed(self, copy: Path) -> Self:
        """The next life on a copy of the directory as it is: what the kernel holds when a process is killed."""
        self.finish()
        shutil.copytree(self.path, copy)
        (copy / "lock").unlink(missing_ok=True)
        self.store.close()
        return type(self)(copy)

    def compact(self) -> None:
        """Replace the journal by a snapshot."""
        self.finish()
        self.store.compact_journal(topology_records(self.turn, self.users))

    # --- what must survive

    def exchanges(self) -> Exchanges:
        return {
            name: (each.kind, each.is_auto_delete, each.is_internal, canonical_table(each.arguments))
            for name, each in self.vhost.exchanges.items()
            if each.is_durable and name and not name.startswith(RESERVED_PREFIX)
        }

    def queues(self) -> Queues:
        return {
            name: (each.is_auto_delete, canonical_table(each.arguments), int(each.log_id))
            for name, each in self.vhost.queues.items()
            if each.is_durable
        }

    def bindings(self) -> Bindings:
        return sorted(
            (
                each.source.name,
                each.destination.name,
                each.destination.is_exchange,
                each.key,
                canonical_table(each.arguments),
            )
            for exchange in self.vhost.exchanges.values()
            for each in exchange.bindings()
            if each.source.is_durable and each.destination.is_durable
        )

    def topology(self) -> tuple[Exchanges, Queues, Bindings]:
        return self.exchanges(), self.queues(), self.bindings()

    def messages(self) -> dict[bytes, list[bytes]]:
        """The bodies ready in every durable queue, which stay there."""
        found: dict[bytes, list[bytes]] = {}
        for name, queue in self.vhost.queues.items():
            if queue.is_durable:
                taken = take_all(queue)
                found[name] = [queued.message.body for queued in taken]
                queue.put_back(taken)
        return found
