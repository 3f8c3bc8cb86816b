"""A whole broker on a data directory, without ports, as the API sees it."""

from pathlib import Path

from broker.management.facts import Facts
from broker.metrics.machine import Machine
from broker.metrics.node import Node
from broker.server.engine import Engine
from broker.settings.auth import AuthSettings
from broker.settings.model import Settings


class Life:
    """One life of a broker; every turn that a request makes is synced at once, as if the disk took no time.

    Attributes:
        turns: How many turns requests have made.
    """

    def __init__(self, path: Path, settings: Settings | None = None) -> None:
        self.path = path
        quick = AuthSettings(new_passwords="rabbit_password_hashing_sha256")
        self.settings = settings or Settings(data_dir=str(path), auth=quick)
        self.engine = Engine(self.settings)
        node = Node("ponymq@test", "stable", "cluster-1", "0.1.0", "4.1.0", 0.0)
        machine = Machine(str(path))
        self.facts = Facts(self.engine.context, node, [], self.engine.administration, self._attend, machine)
        self.turns = 0

    def _attend(self) -> None:
        self.turns += 1
        store = self.engine.store
        if store.is_dirty:
            job = store.begin_sync()
            job.run()
            store.finish_sync(job)

    def kill(self) -> None:
        """End as a killed process does: nothing is closed in order."""
        self.engine.store.close_files()
        self.engine.store.directory.release()

    def killed(self) -> "Life":
        """The next life."""
        self.kill()
        return Life(self.path, self.settings)
