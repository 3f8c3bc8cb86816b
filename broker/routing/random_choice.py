"""Random exchanges: each message to one destination by chance. RabbitMQ's x-random and x-local-random."""

import random
from typing import Final, final

from mypy_extensions import mypyc_attr

from broker.core.arguments import Table
from broker.core.destination import Destination
from broker.core.errors import PRECONDITION_FAILED, SoftError
from broker.routing.binding import Binding
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.matches import Matches

RANDOM: Final = b"x-random"
LOCAL_RANDOM: Final = b"x-local-random"


@final
@mypyc_attr(native_class=True)
class RandomExchange(Exchange):
    """Gives each message to one destination by chance, whatever its key.

    On one machine x-local-random differs only in what it lets be bound: classic queues, without a key.
    """

    def __init__(self, kind: bytes, name: bytes, vhost_name: str, traits: ExchangeTraits) -> None:
        # ``needs_headers`` keeps the choice out of the cache of routes.
        super().__init__(kind, name, vhost_name, traits, needs_headers=True, takes_first_key=True)
        self._choices: list[Destination] = []
        self._is_stale: bool = False

    def check_binding(self, key: bytes, arguments: Table) -> None:
        """Refuse a key where it could only be a mistake.

        Raises:
            SoftError: 406, from x-local-random, in RabbitMQ's words.
        """
        if self.kind == LOCAL_RANDOM and key:
            text = f"Non empty binding '{key.decode('utf-8', 'replace')}' key not permitted"
            raise SoftError(PRECONDITION_FAILED, text)

    def check_queue_type(self, queue_type: bytes) -> None:
        """Refuse a destination whose place another machine could be.

        Raises:
            SoftError: 406, from x-local-random, in RabbitMQ's words.
        """
        if self.kind != LOCAL_RANDOM or queue_type == b"classic":
            return
        if not queue_type:
            raise SoftError(PRECONDITION_FAILED, "Destination not found")
        text = f"Queue type rabbit_{queue_type.decode('utf-8', 'replace')}_queue not valid for this exchange type"
        raise SoftError(PRECONDITION_FAILED, text)

    def collect(self, key: bytes, headers: Table | None, into: Matches) -> None:
        """Add any one destination."""
        if self._is_stale:
            self._is_stale = False
            self._choices = list(self.destinations())
        if self._choices:
            into.add(self._choices[random.randrange(len(self._choices))])  # noqa: S311 - no secret is chosen

    def attach(self, binding: Binding) -> None:
        """Look at the bindings again before the next message."""
        self._is_stale = True

    def detach(self, binding: Binding) -> None:
        """Look at the bindings again before the next message."""
        self._is_stale = True
