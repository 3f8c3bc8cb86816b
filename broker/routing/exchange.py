"""What all exchange types share: identity, flags, the set of bindings."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Table, octets
from broker.core.destination import Destination
from broker.core.message import Message
from broker.policy.effective import NO_POLICY, EffectivePolicy
from broker.routing.binding import Binding, binding_identity
from broker.routing.matches import Matches

ALTERNATE_EXCHANGE: Final = b"alternate-exchange"  # the argument's name, and the policy key's


@final
@mypyc_attr(native_class=True)
class ExchangeTraits:
    """What ``exchange.declare`` says beside name and type.

    Attributes:
        is_durable: Survives a restart.
        is_auto_delete: To be deleted when its last binding goes.
        is_internal: Clients may not publish to it.
        arguments: As declared.
    """

    def __init__(
        self,
        *,
        is_durable: bool = True,
        is_auto_delete: bool = False,
        is_internal: bool = False,
        arguments: Table | None = None,
    ) -> None:
        self.is_durable: Final = is_durable
        self.is_auto_delete: Final = is_auto_delete
        self.is_internal: Final = is_internal
        self.arguments: Final[Table] = {} if arguments is None else arguments


@mypyc_attr(native_class=True)
class Exchange(Destination):
    """An exchange and the bindings it is the source of.

    A type overrides ``collect``, and ``attach`` and ``detach`` when it keeps an index.

    Attributes:
        kind: Type name, ``b"direct"`` and so on.
        is_auto_delete: To be deleted when its last binding goes.
        is_internal: Clients may not publish to it.
        arguments: As declared.
        policy: The policies that apply to it.
        alternate: Name of the exchange to try when nothing matches, b"" for none. From the argument, else
            from a policy.
        needs_headers: Matching looks at the message's headers, its properties, or at chance, so a route cannot be
            remembered by routing key.
        takes_first_key: It gives a message to one destination, and so is asked once: with the message's own routing
            key, whatever CC and BCC add.
        binding_count: Bindings with this exchange as source.
        had_binding: It has had one at some time; an auto-delete exchange that never had stays.
        published_in: Messages that clients have published to it.
        published_out: Places in queues that were found for them.
    """

    def __init__(
        self,
        kind: bytes,
        name: bytes,
        vhost_name: str,
        traits: ExchangeTraits,
        *,
        needs_headers: bool = False,
        takes_first_key: bool = False,
    ) -> None:
        super().__init__(name, vhost_name, True, traits.is_durable)
        self.kind: Final = kind
        self.is_auto_delete: Final = traits.is_auto_delete
        self.is_internal: Final = traits.is_internal
        self.arguments: Final = traits.arguments
        self.needs_headers: Final = needs_headers
        self.takes_first_key: Final = takes_first_key
        self.policy: EffectivePolicy = NO_POLICY
        self.alternate: bytes = _name_in(traits.arguments)
        self.binding_count: i64 = 0
        self.had_binding: bool = False
        self.published_in: i64 = 0
        self.published_out: i64 = 0
        self._bindings: Final[dict[Destination, dict[bytes, Binding]]] = {}
        self._bound_exchanges: Final[dict[Destination, bool]] = {}

    @property
    def is_abandoned(self) -> bool:
        """Whether it is auto-delete and its last binding is gone: the caller deletes it, which may abandon others."""
        return self.is_auto_delete and self.had_binding and self.binding_count == 0

    def apply_policy(self, policy: EffectivePolicy) -> None:
        """Other policies than before apply. Drop cached routes afterwards."""
        self.policy = policy
        if self.name and ALTERNATE_EXCHANGE not in self.arguments:  # the default exchange has no alternate
            self.alternate = _name_in(policy.definition)

    def bindings(self) -> list[Binding]:
        """Every binding, grouped by destination, for listing and storing."""
        listed: list[Binding] = []
        for of_destination in self._bindings.values():
            listed.extend(of_destination.values())
        return listed

    def bindings_to(self, destination: Destination) -> list[Binding]:
        """The bindings that lead to one destination."""
        of_destination = self._bindings.get(destination)
        return list(of_destination.values()) if of_destination is not None else []

    def bound_exchanges(self) -> list[Destination]:
        """The exchanges among the destinations, each once."""
        return list(self._bound_exchanges)

    def destinations(self) -> dict[Destination, dict[bytes, Binding]]:
        """The destinations as keys. Only to be read."""
        return self._bindings

    def add(self, destination: Destination, key: bytes, arguments: Table) -> bool:
        """Bind. Call ``check_binding`` first, and drop cached routes afterwards.

        Returns:
            False if an identical binding exists; the order of the arguments makes no difference.
        """
        identity = binding_identity(key, arguments)
        of_destination = self._bindings.get(destination)
        if of_destination is None:
            of_destination = {}
            self._bindings[destination] = of_destination
        elif identity in of_destination:
            return False
        binding = Binding(self, destination, key, arguments)
        of_destination[identity] = binding
        if destination.is_exchange:
            self._bound_exchanges[destination] = True
        self.binding_count += 1
        self.had_binding = True
        self.attach(binding)
        return True

    def remove(self, destination: Destination, key: bytes, arguments: Table) -> bool:
        """Unbind. Drop cached routes afterwards, and look whether the exchange ``is_abandoned``.

        Returns:
            False if there is no such binding, which is no error.
        """
        of_destination = self._bindings.get(destination)
        if of_destination is None:
            return False
        binding = of_destination.pop(binding_identity(key, arguments), None)
        if binding is None:
            return False
        if not of_destination:
            self._forget(destination)
        self.binding_count -= 1
        self.detach(binding)
        return True

    def remove_destination(self, destination: Destination) -> list[Binding]:
        """Unbind a destination that is being deleted.

        Returns:
            The bindings removed. Look whether the exchange ``is_abandoned``.
        """
        removed = self.bindings_to(destination)
        if removed:
            self._forget(destination)
            self.binding_count -= len(removed)
            for binding in removed:
                self.detach(binding)
        return removed

    def _forget(self, destination: Destination) -> None:
        del self._bindings[destination]
        if destination.is_exchange:
            del self._bound_exchanges[destination]

    def check_binding(self, key: bytes, arguments: Table) -> None:
        """Refuse what the type cannot bind.

        Raises:
            SoftError: 406, from the types that look at key or arguments.
        """

    def check_queue_type(self, queue_type: bytes) -> None:
        """Refuse a destination that the type cannot serve.

        Args:
            queue_type: ``classic`` and so on; empty for an exchange.

        Raises:
            SoftError: 406, from the types that are particular.
        """

    def collect(self, key: bytes, headers: Table | None, into: Matches) -> None:
        """Add the destinations of a message with this routing key and these headers.

        Args:
            key: Routing key.
            headers: The message's headers; None when it has none, or when no exchange on the way looks at them.
            into: Where to add; a destination that is there already stays there once.
        """
        raise NotImplementedError

    def replayed(self) -> list[Message]:
        """Messages that a destination gets when it is bound, the oldest first."""
        return []

    def undo(self, turn_ms: i64) -> None:
        """Every publish of the turn that began at ``turn_ms`` was refused after all: forget what they left here."""

    def attach(self, binding: Binding) -> None:
        """Take a binding that has just been added into the type's index."""

    def detach(self, binding: Binding) -> None:
        """Take a binding that has just been removed out of the type's index."""


def _name_in(arguments: Table) -> bytes:
    """The alternate exchange that arguments, or a policy's definition, name."""
    alternate = arguments.get(ALTERNATE_EXCHANGE)
    return octets(alternate) if alternate is not None and alternate.kind == "S" else b""
