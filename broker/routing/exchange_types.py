"""The exchange types there are, and making an exchange of a type by its name."""

from typing import Final

from broker.core.arguments import Table, octets, type_name
from broker.core.destination import resource_text
from broker.core.errors import PRECONDITION_FAILED, SoftError
from broker.routing.consistent_hash import ConsistentHashExchange
from broker.routing.deduplication import DeduplicationExchange
from broker.routing.delayed import DELAYED_EXCHANGE, DELAYED_TYPE, DelayedExchange
from broker.routing.direct import DirectExchange
from broker.routing.exchange import ALTERNATE_EXCHANGE, Exchange, ExchangeTraits
from broker.routing.fanout import FanoutExchange
from broker.routing.headers import HeadersExchange
from broker.routing.modulus_hash import ModulusHashExchange
from broker.routing.random_choice import RandomExchange
from broker.routing.recent_history import RecentHistoryExchange
from broker.routing.topic import TopicExchange

TOPIC: Final = b"topic"
# In the order in which they are listed.
KINDS: Final[list[bytes]] = [
    b"direct",
    b"fanout",
    b"headers",
    TOPIC,
    b"x-consistent-hash",
    b"x-delayed-message",
    b"x-local-random",
    b"x-message-deduplication",
    b"x-modulus-hash",
    b"x-random",
    b"x-recent-history",
]


def check_kind(kind: bytes) -> None:
    """Refuse an exchange type that does not exist: the first check of exchange.declare.

    Raises:
        SoftError: 406. The specification says 503; RabbitMQ has long said 406, and clients expect that.
    """
    if kind not in KINDS:
        raise SoftError(PRECONDITION_FAILED, f"unknown exchange type '{kind.decode('utf-8', 'replace')}'")


def check_exchange_arguments(name: bytes, vhost_name: str, arguments: Table) -> None:
    """Refuse arguments that an exchange cannot be made with.

    Raises:
        SoftError: 406, the alternate exchange is not a string.
    """
    alternate = arguments.get(ALTERNATE_EXCHANGE)
    if alternate is not None and alternate.kind != "S":
        raise SoftError(
            PRECONDITION_FAILED,
            f"invalid type '{type_name(alternate)}' for arg 'alternate-exchange' in "
            f"{resource_text('exchange', name, vhost_name)}",
        )


def make_exchange(kind: bytes, name: bytes, vhost_name: str, traits: ExchangeTraits) -> Exchange:
    """Make an exchange without bindings.

    Raises:
        SoftError: 406, as ``check_kind`` and ``check_exchange_arguments``, or for arguments that only the type knows.
    """
    check_kind(kind)
    check_exchange_arguments(name, vhost_name, traits.arguments)
    if kind == b"x-delayed-message":
        inner = _make_prompt_exchange(_delayed_kind(traits.arguments), name, vhost_name, traits)
        return DelayedExchange(kind, inner, traits)
    prompt = _make_prompt_exchange(kind, name, vhost_name, traits)
    delayed = traits.arguments.get(DELAYED_EXCHANGE)
    if delayed is not None and delayed.kind == "t" and delayed.value is True:
        return DelayedExchange(kind, prompt, traits)
    return prompt


def _delayed_kind(arguments: Table) -> bytes:
    """The type that a delayed message exchange routes by."""
    field = arguments.get(DELAYED_TYPE)
    kind = octets(field) if field is not None and field.kind == "S" else b""
    if not kind or kind == b"x-delayed-message":
        text = "Invalid argument, 'x-delayed-type' must be an existing exchange type"
        raise SoftError(PRECONDITION_FAILED, text)
    check_kind(kind)
    return kind


def _make_prompt_exchange(kind: bytes, name: bytes, vhost_name: str, traits: ExchangeTraits) -> Exchange:
    """An exchange that routes at once. Its type exists; 406 for arguments that only the type knows."""
    if kind == b"direct":
        return DirectExchange(name, vhost_name, traits)
    if kind == b"fanout":
        return FanoutExchange(name, vhost_name, traits)
    if kind == b"headers":
        return HeadersExchange(name, vhost_name, traits)
    if kind == b"x-consistent-hash":
        return ConsistentHashExchange(name, vhost_name, traits)
    if kind == b"x-modulus-hash":
        return ModulusHashExchange(name, vhost_name, traits)
    if kind == b"x-random" or kind == b"x-local-random":
        return RandomExchange(kind, name, vhost_name, traits)
    if kind == b"x-message-deduplication":
        return DeduplicationExchange(name, vhost_name, traits)
    if kind == b"x-recent-history":
        return RecentHistoryExchange(name, vhost_name, traits)
    return TopicExchange(name, vhost_name, traits)
