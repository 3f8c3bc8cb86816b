"""Headers exchanges: the arguments of a binding against the headers of a message. AMQP 0-9-1 §3.1.3.4.

Bindings are compiled when they are made, and indexed by a header they ask for, so that a message is compared only with
bindings that share a value with it. The index has, by header name, two kinds of buckets: one per value, and
one (under b"", which no value is) for arguments without a value, which ask only that the header be there.
"""

from typing import Final, final

from mypy_extensions import mypyc_attr

from broker.core.arguments import (
    Field,
    Table,
    canonical_value,
    erlang_octets,
    erlang_term,
    integer,
    octets,
    same_value,
    type_name,
)
from broker.core.destination import Destination
from broker.core.errors import PRECONDITION_FAILED, SoftError
from broker.routing.binding import Binding
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.matches import Matches

X_MATCH: Final = b"x-match"
_PRESENCE: Final = b""


@final
@mypyc_attr(native_class=True)
class _Rule:
    """A compiled binding.

    Attributes:
        destination: Where it leads.
        required: The arguments that count.
        is_any: One met argument is enough; otherwise all must be met.
        indexed_under: The name whose bucket holds a rule that asks for all; unused for the others.
    """

    def __init__(self, destination: Destination, required: Table, is_any: bool) -> None:
        self.destination: Final = destination
        self.required: Final = required
        self.is_any: Final = is_any
        self.indexed_under: bytes = b""

    def is_met(self, headers: Table) -> bool:
        """Whether every required argument is met."""
        if len(self.required) > len(headers):
            return False
        for name, wanted in self.required.items():
            header = headers.get(name)
            if header is None or not (wanted.kind == "V" or same_header(wanted, header)):
                return False
        return True


def same_header(wanted: Field, header: Field) -> bool:
    """Whether a header has the value that a binding asks for.

    RabbitMQ compares values here and not types, so beyond ``same_value`` a binary equals the longstr of the same octets
    (pika sends ``bytes`` as one and ``str`` as the other), and a timestamp the integer of the same number.
    """
    return same_value(wanted, header) or _looked_up(wanted) == _looked_up(header)


def _looked_up(field: Field) -> bytes:
    """Octets that are equal for headers that ``same_header`` holds for."""
    kind = field.kind
    if kind == "x":
        return b"S" + octets(field)
    if kind == "T":
        return b"i" + str(integer(field)).encode()
    return canonical_value(field)


def _compiled(binding: Binding) -> _Rule:
    x_match = binding.arguments.get(X_MATCH)
    mode = octets(x_match) if x_match is not None and x_match.kind == "S" else b"all"
    with_x = mode.endswith(b"-with-x")
    required: Table = {}
    for name, wanted in binding.arguments.items():
        if name != X_MATCH and (with_x or not name.startswith(b"x-")):
            required[name] = wanted
    return _Rule(binding.destination, required, mode.startswith(b"any"))


def _bucket_of(wanted: Field) -> bytes:
    return _PRESENCE if wanted.kind == "V" else _looked_up(wanted)


@final
@mypyc_attr(native_class=True)
class HeadersExchange(Exchange):
    """Routes by headers; the key plays no part."""

    def __init__(self, name: bytes, vhost_name: str, traits: ExchangeTraits) -> None:
        super().__init__(b"headers", name, vhost_name, traits, needs_headers=True)
        self._rules: Final[dict[Binding, _Rule]] = {}
        # Rules that ask for all of nothing: every message meets them.
        self._always: Final[dict[_Rule, bool]] = {}
        self._index: Final[dict[bytes, dict[bytes, dict[_Rule, bool]]]] = {}

    def check_binding(self, key: bytes, arguments: Table) -> None:
        """Refuse an ``x-match`` that is none of the four.

        Raises:
            SoftError: 406, in RabbitMQ's words.
        """
        x_match = arguments.get(X_MATCH)
        if x_match is None:
            return
        if x_match.kind != "S":
            raise SoftError(
                PRECONDITION_FAILED,
                f"Invalid x-match field type {type_name(x_match)} (value {erlang_term(x_match)}); expected longstr",
            )
        mode = octets(x_match)
        if mode not in {b"all", b"any", b"all-with-x", b"any-with-x"}:
            raise SoftError(
                PRECONDITION_FAILED,
                f"Invalid x-match field value {erlang_octets(mode)}; expected all, any, all-with-x, or any-with-x",
            )

    def collect(self, key: bytes, headers: Table | None, into: Matches) -> None:
        """Add the destinations of the bindings that these headers meet."""
        for rule in self._always:
            into.add(rule.destination)
        if not headers:
            return
        if len(headers) <= len(self._index):
            for name, header in headers.items():
                buckets = self._index.get(name)
                if buckets is not None:
                    self._collect_header(buckets, header, headers, into)
        else:
            for name, buckets in self._index.items():
                asked = headers.get(name)
                if asked is not None:
                    self._collect_header(buckets, asked, headers, into)

    def _collect_header(
        self, buckets: dict[bytes, dict[_Rule, bool]], header: Field, headers: Table, into: Matches
    ) -> None:
        present = buckets.get(_PRESENCE)
        if present is not None:
            self._collect_rules(present, headers, into)
        equal = buckets.get(_looked_up(header))
        if equal is not None:
            self._collect_rules(equal, headers, into)

    def _collect_rules(self, rules: dict[_Rule, bool], headers: Table, into: Matches) -> None:
        """Add from a bucket. Being there means that one argument is met, which is enough for ``any``."""
        for rule in rules:
            if rule.is_any or rule.is_met(headers):
                into.add(rule.destination)

    def attach(self, binding: Binding) -> None:
        """Compile the binding and put it in the index.

        ``any`` goes under every argument; ``all`` under the one whose bucket is emptiest, because bindings often
        agree in one argument and differ in another.
        """
        rule = _compiled(binding)
        self._rules[binding] = rule
        if rule.is_any:
            for name, wanted in rule.required.items():
                self._put(name, wanted, rule)
            return
        if not rule.required:
            self._always[rule] = True
            return
        least = -1
        for name, wanted in rule.required.items():
            size = self._bucket_size(name, wanted)
            if least < 0 or size < least:
                least = size
                rule.indexed_under = name
        self._put(rule.indexed_under, rule.required[rule.indexed_under], rule)

    def detach(self, binding: Binding) -> None:
        """Take the compiled binding out of the index."""
        rule = self._rules.pop(binding)
        if rule.is_any:
            for name, wanted in rule.required.items():
                self._take(name, wanted, rule)
        elif rule.required:
            self._take(rule.indexed_under, rule.required[rule.indexed_under], rule)
        else:
            del self._always[rule]

    def _bucket_size(self, name: bytes, wanted: Field) -> int:
        buckets = self._index.get(name)
        if buckets is None:
            return 0
        bucket = buckets.get(_bucket_of(wanted))
        return len(bucket) if bucket is not None else 0

    def _put(self, name: bytes, wanted: Field, rule: _Rule) -> None:
        buckets = self._index.get(name)
        if buckets is None:
            buckets = {}
            self._index[name] = buckets
        at = _bucket_of(wanted)
        bucket = buckets.get(at)
        if bucket is None:
            bucket = {}
            buckets[at] = bucket
        bucket[rule] = True

    def _take(self, name: bytes, wanted: Field, rule: _Rule) -> None:
        buckets = self._index[name]
        at = _bucket_of(wanted)
        bucket = buckets[at]
        del bucket[rule]
        if not bucket:
            del buckets[at]
            if not buckets:
                del self._index[name]
