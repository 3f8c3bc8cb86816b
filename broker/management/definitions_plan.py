"""What an import would do: one step for each object, and a refusal for whatever cannot be, before anything is done."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, TypeVar

import msgspec

from broker.auth.passwords import PasswordHash
from broker.core.arguments import Table, longstr
from broker.definitions.records import pack_table, unpack_table
from broker.management.account_values import (
    LONGEST_NAME,
    check_description,
    check_name,
    permission_of,
    queue_type_of,
    tags_of,
    topic_permission_of,
)
from broker.management.definitions_document import (
    BindingItem,
    ExchangeItem,
    GlobalParameterItem,
    ParameterItem,
    PermissionItem,
    PolicyItem,
    QueueItem,
    TopicPermissionItem,
    UserItem,
    VHostItem,
    VHostMetadata,
)
from broker.management.definitions_steps import DefinitionsSteps
from broker.management.json_values import Json, table_of
from broker.management.parameters import read_limits, read_parameter
from broker.management.refusals import bad_request
from broker.policy.limits import MAX_QUEUES, Limits, read_user_limit
from broker.policy.parameters import GLOBAL, MOST_PARAMETERS, Parameter
from broker.policy.policies import MOST_POLICIES
from broker.policy.policy import Policy, read_policy
from broker.queues.arguments import CLASSIC, check_arguments, names_queue_type, queue_type
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.exchange_types import make_exchange
from broker.vhost.vhost import PREDECLARED, RESERVED_PREFIX, VHost, check_replicated_flags

Step = Callable[[], None]
"""One change, to be called in a turn of the broker. What is so already stays untouched."""

SLICE: Final = 100
"""Objects that are looked at, or changed, before the broker has its turn."""

# RabbitMQ 3.x has them in many an export. As arguments for new policies they are refused, as RabbitMQ 4 refuses them.
_OF_CLUSTERS: Final = re.compile(r"ha-.*|federation-upstream.*|shards-per-node")
_TYPE_ARGUMENT: Final = b"x-queue-type"

T = TypeVar("T")


class DefinitionsPlan:
    """Collects the steps of one import. Takes note of what there will be, for what refers to it.

    Sections are to be told in RabbitMQ's order: users, vhosts, permissions, exchanges, topic permissions, global
    parameters, policies, parameters, queues, bindings. Every method raises ``Refusal``, ``PolicyRefused``,
    ``AmqpError`` or ``ValueError`` for what cannot be.

    Attributes:
        slices: What is to be done in order, the steps of each turn in one list.
        idle_policies: Policies that say nothing but how a cluster spreads or links its queues.
        skipped: Bindings whose ends are neither there nor in the document; RabbitMQ exports such.
    """

    def __init__(self, steps: DefinitionsSteps, users: Iterable[bytes], vhosts: dict[str, VHost]) -> None:
        """Plan for a broker that has these users and vhosts already."""
        self.slices: list[list[Step]] = [[]]
        self.idle_policies = 0
        self.skipped = 0
        self._do = steps
        self._users = {*users}
        self._vhosts = vhosts
        self._default_types = {name: vhost.default_queue_type for name, vhost in vhosts.items()}
        self._exchanges: dict[tuple[str, bytes], Exchange] = {}
        self._queues: dict[tuple[str, bytes], bytes] = {}
        self._new_queues: dict[str, int] = {}
        self._last: list[Step] = []
        self._policies: dict[str, set[tuple[bool, str]]] = {}
        self._parameters = {(each.vhost_name, each.component, each.name) for each in steps.parameters()}

    def _add(self, step: Step, *, is_alone: bool = False) -> None:
        """Do this next. A policy looks at every queue of its vhost, which is enough for a turn."""
        if is_alone or len(self.slices[-1]) >= SLICE:
            self.slices.append([])
        self.slices[-1].append(step)
        if is_alone:
            self.slices.append([])

    # --- users and vhosts

    def user(self, item: UserItem, password: PasswordHash | None) -> None:
        """A user; without a password, one that is there keeps the own one."""
        name = item.name.encode()
        check_name(name)
        limits = None
        if item.limits is not None:
            limits = Limits({each: read_user_limit(each, value) for each, value in item.limits.items()})
        self._users.add(name)
        self._add(partial(self._do.user, name, password, tags_of(item.tags), limits))

    def vhost(self, item: VHostItem) -> None:
        """A vhost; what stands beside its name counts before its metadata, as in RabbitMQ."""
        check_name(item.name.encode())
        metadata = item.metadata or VHostMetadata()
        description = _first(item.description, metadata.description)
        tags = item.tags if item.tags is not None else metadata.tags
        check_description(description or "")
        kind = queue_type_of(item.default_queue_type) or queue_type_of(metadata.default_queue_type)
        is_protected = _first(item.protected_from_deletion, metadata.protected_from_deletion)
        if item.name not in self._default_types:
            for exchange, exchange_kind, is_internal in PREDECLARED:
                traits = ExchangeTraits(is_internal=is_internal)
                self._exchanges[item.name, exchange] = make_exchange(exchange_kind, exchange, item.name, traits)
        self._default_types[item.name] = kind or self._default_types.get(item.name, CLASSIC)
        words = None if tags is None else tags_of(tags)
        self._add(partial(self._do.vhost, item.name, description, words, kind, is_protected))
        if item.limits:
            self._last.append(partial(self._do.parameter, item.name, read_limits(item.limits)))

    def permission(self, item: PermissionItem) -> None:
        """A permission."""
        user, vhost = self._user(item.user), self._vhost(item.vhost)
        permission = permission_of(item.configure, item.write, item.read)
        self._add(partial(self._do.permission, user, vhost, permission))

    def topic_permission(self, item: TopicPermissionItem) -> None:
        """A topic permission."""
        user, vhost = self._user(item.user), self._vhost(item.vhost)
        topic = topic_permission_of(user, vhost, item.write, item.read)
        self._add(partial(self._do.topic_permission, user, vhost, _name(item.exchange), topic))

    # --- what an operator decides

    def global_parameter(self, item: GlobalParameterItem) -> None:
        """A global parameter."""
        parameter = Parameter(GLOBAL, GLOBAL, item.name, msgspec.json.encode(item.value))
        self._count_parameter(parameter)
        self._add(partial(self._do.global_parameter, parameter))

    def policy(self, item: PolicyItem, document: Json) -> None:
        """A policy."""
        if not _can_act(document):
            self.idle_policies += 1
            return
        policy = read_policy(self._vhost(item.vhost), item.name, document, is_operator=False)
        self._count_policy(policy)
        self._add(partial(self._do.parameter, item.vhost, policy), is_alone=True)

    def parameter(self, item: ParameterItem) -> None:
        """A parameter, which may be an operator policy or the limits of a vhost."""
        setting = read_parameter(self._vhost(item.vhost), item.component, item.name, item.value)
        if isinstance(setting, Policy):
            self._count_policy(setting)
        elif isinstance(setting, Parameter):
            self._count_parameter(setting)
        step = partial(self._do.parameter, item.vhost, setting)
        if isinstance(setting, Limits):
            self._last.append(step)
        else:
            self._add(step, is_alone=isinstance(setting, Policy))

    def _count_policy(self, policy: Policy) -> None:
        names = self._policies.get(policy.vhost_name)
        if names is None:
            vhost = self._vhosts.get(policy.vhost_name)
            listed = [] if vhost is None else vhost.policies.listed(False) + vhost.policies.listed(True)
            names = {(each.is_operator, each.name) for each in listed}
            self._policies[policy.vhost_name] = names
        names.add((policy.is_operator, policy.name))
        if len(names) > MOST_POLICIES:
            raise bad_request(f"there would be more than {MOST_POLICIES} policies in vhost '{policy.vhost_name}'")

    def _count_parameter(self, parameter: Parameter) -> None:
        self._parameters.add((parameter.vhost_name, parameter.component, parameter.name))
        if len(self._parameters) > MOST_PARAMETERS:
            raise bad_request(f"there would be more than {MOST_PARAMETERS} parameters")

    # --- topology

    def exchange(self, item: ExchangeItem) -> None:
        """An exchange; one that is there stays as it is."""
        vhost, name = self._vhost(item.vhost), _name(item.name)
        if not name or name.startswith(RESERVED_PREFIX) or self._exchange(vhost, name) is not None:
            return
        traits = ExchangeTraits(
            is_durable=item.durable,
            is_auto_delete=item.auto_delete,
            is_internal=item.internal,
            arguments=_arguments(item.arguments),
        )
        self._exchanges[vhost, name] = make_exchange(item.type.encode(), name, vhost, traits)
        self._add(partial(self._do.exchange, vhost, name, item.type.encode(), traits))

    def queue(self, item: QueueItem) -> None:
        """A queue; one that is there stays as it is."""
        vhost, name = self._vhost(item.vhost), _name(item.name)
        if not name:
            raise bad_request("the name is empty")
        if name.startswith(RESERVED_PREFIX) or self._queue_type(vhost, name):
            return
        arguments = self._with_type(item, _arguments(item.arguments))
        kind = queue_type(arguments)
        what = f"queue '{item.name}' in vhost '{vhost}'"
        check_arguments(arguments, what)
        if kind != CLASSIC:
            check_replicated_flags(what, item.durable, False, item.auto_delete)
        self._queues[vhost, name] = kind
        self._new_queues[vhost] = self._new_queues.get(vhost, 0) + 1
        self._add(partial(self._do.queue, vhost, name, item.durable, item.auto_delete, arguments))

    def _with_type(self, item: QueueItem, arguments: Table) -> Table:
        """The arguments with the type that the item names elsewhere, or that the vhost gives to its queues."""
        if names_queue_type(arguments):
            return arguments
        default = self._default_types[item.vhost]
        kind = item.type.removeprefix("rabbit_").removesuffix("_queue").encode() if item.type else default
        if kind == CLASSIC == default:
            return arguments
        fits = item.durable and not item.auto_delete
        return {**arguments, _TYPE_ARGUMENT: longstr(kind if item.type or fits else CLASSIC)}

    def binding(self, item: BindingItem) -> None:
        """A binding. The default exchange has none but the implicit ones."""
        vhost, source, destination = self._vhost(item.vhost), _name(item.source), _name(item.destination)
        if not source:
            return
        key, arguments = _name(item.routing_key), _arguments(item.arguments)
        exchange = self._exchange(vhost, source)
        kind = self._queue_type(vhost, destination) if item.destination_type == "queue" else b""
        is_there = bool(kind) if item.destination_type == "queue" else self._exchange(vhost, destination) is not None
        if exchange is None or not is_there:
            self.skipped += 1
            return
        exchange.check_binding(key, arguments)
        exchange.check_queue_type(kind)
        is_to_exchange = item.destination_type == "exchange"
        self._add(partial(self._do.binding, vhost, source, destination, is_to_exchange, key, arguments))

    def end(self) -> None:
        """Everything has been told. Limits come last, so that nothing of this import breaks the new ones.

        The old ones count: will each vhost still be within the limit that it has now?

        Raises:
            Refusal: 400, in RabbitMQ's words.
        """
        for step in self._last:
            self._add(step)
        for name, count in self._new_queues.items():
            vhost = self._vhosts.get(name)
            if vhost is None:
                continue
            limit, there = vhost.limits.get(MAX_QUEUES), len(vhost.queues)
            if 0 <= limit < there + count:
                raise bad_request(
                    f'Adding {count} queue(s) to virtual host "{name}" would exceed the limit of {limit} queue(s).\n\n'
                    f"This virtual host currently has {there} queue(s) defined.\n\nImport aborted!"
                )

    # --- what there will be

    def _user(self, name: str) -> bytes:
        if name.encode() not in self._users:
            raise bad_request(f"no_such_user {name}")
        return name.encode()

    def _vhost(self, name: str) -> str:
        if name not in self._default_types:
            raise bad_request(f"no_such_vhost {name}")
        return name

    def _exchange(self, vhost_name: str, name: bytes) -> Exchange | None:
        vhost = self._vhosts.get(vhost_name)
        known = None if vhost is None else vhost.exchanges.get(name)
        return known if known is not None else self._exchanges.get((vhost_name, name))

    def _queue_type(self, vhost_name: str, name: bytes) -> bytes:
        """Empty if there will be no such queue."""
        vhost = self._vhosts.get(vhost_name)
        known = None if vhost is None else vhost.queues.get(name)
        return known.kind if known is not None else self._queues.get((vhost_name, name), b"")


def _can_act(document: Json) -> bool:
    """Takes the keys out of a policy's definition that only clusters know; false if there were no others."""
    definition = document.get("definition")
    if not isinstance(definition, dict):
        return True
    kept = {key: value for key, value in definition.items() if not _OF_CLUSTERS.fullmatch(key)}
    is_idle = bool(definition) and not kept
    document["definition"] = kept
    return not is_idle


def _arguments(given: Json) -> Table:
    """Arguments, if the next start will be able to read them: the limits of a table hold there, too.

    Raises:
        Refusal: 400, AMQP cannot hold them.
        AmqpError: They are nested too deep, or too many.
    """
    table = table_of(given, "arguments", takes_null=True)
    if table:
        unpack_table(pack_table(table))
    return table


def _name(text: str) -> bytes:
    """The name of an exchange or a queue, or a key, as AMQP has it."""
    octets = text.encode()
    if len(octets) > LONGEST_NAME:
        raise bad_request(f"a name or key is longer than {LONGEST_NAME} octets")
    return octets


def _first(given: T | None, otherwise: T | None) -> T | None:
    return given if given is not None else otherwise
