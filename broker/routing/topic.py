"""Topic exchanges: the trie behind a bounded cache of results. AMQP 0-9-1 §3.1.3.3."""

from typing import Final, final

from mypy_extensions import mypyc_attr

from broker.core.arguments import Table
from broker.core.destination import Destination
from broker.routing.binding import Binding
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.matches import Matches
from broker.routing.topic_trie import TopicTrie

# Results kept. At 255 octets of key and 64 destinations each that is 4 MB at most.
MAX_CACHED_KEYS: Final = 4_096
# The oldest results dropped when the cache is full: a part, so that keys in use come back one at a time.
SWEPT_KEYS: Final = 1_024
# Longer results are not kept: going through one costs more than finding it, and memory is what a cache is bounded for.
MAX_CACHED_DESTINATIONS: Final = 64


@final
@mypyc_attr(native_class=True)
class TopicExchange(Exchange):
    """Routes by patterns over the words of the key.

    Attributes:
        is_caching: Whether results are kept; tests turn it off to compare.
    """

    def __init__(self, name: bytes, vhost_name: str, traits: ExchangeTraits) -> None:
        super().__init__(b"topic", name, vhost_name, traits)
        self.is_caching: bool = True
        self._trie: Final = TopicTrie()
        self._cache: Final[dict[bytes, list[Destination]]] = {}

    @property
    def cached_key_count(self) -> int:
        """Results kept at the moment."""
        return len(self._cache)

    def collect(self, key: bytes, headers: Table | None, into: Matches) -> None:
        """Add the destinations whose binding key matches the words of this one."""
        matched = self._cache.get(key)
        if matched is None:
            matched = self._trie.match(key)
            if self.is_caching and len(matched) <= MAX_CACHED_DESTINATIONS:
                self._keep(key, matched)
        into.add_all(matched)

    def attach(self, binding: Binding) -> None:
        """Add the binding key to the trie."""
        self._cache.clear()
        self._trie.add(binding.key, binding.destination)

    def detach(self, binding: Binding) -> None:
        """Remove the binding key from the trie."""
        self._cache.clear()
        self._trie.remove(binding.key, binding.destination)

    def _keep(self, key: bytes, matched: list[Destination]) -> None:
        if len(self._cache) >= MAX_CACHED_KEYS:
            for stale in list(self._cache)[:SWEPT_KEYS]:
                del self._cache[stale]
        self._cache[key] = matched
