"""Field-table values with the type letters they arrived with, and what it means for two of them to be the same.

Declare and bind arguments, client properties and message headers are tables. The letter is kept because a value goes
back out as it came in, and because RabbitMQ's refusals name it. AMQP 0-9-1 §4.2.5.5, with RabbitMQ's letters.
"""

from decimal import Decimal
from typing import Final, cast, final

from mypy_extensions import mypyc_attr

# RabbitMQ's names of the type letters, as its reply texts print them. 'L' is read as 'l'.
TYPE_NAMES: Final[dict[str, str]] = {
    "t": "bool",
    "b": "byte",
    "B": "unsignedbyte",
    "s": "short",
    "u": "unsignedshort",
    "I": "signedint",
    "i": "unsignedint",
    "l": "long",
    "f": "float",
    "d": "double",
    "D": "decimal",
    "S": "longstr",
    "x": "binary",
    "A": "array",
    "T": "timestamp",
    "F": "table",
    "V": "void",
}


@final
@mypyc_attr(native_class=True)
class Field:
    """One value of a field table. Immutable, and so are the tables and arrays inside it.

    ``==`` asks for the same letter and the same value, throughout. Whether a peer means the same thing is the
    question of ``same_value``.

    Attributes:
        kind: Type letter, one of ``TYPE_NAMES``.
        value: bool for t; int for b B s u I i l T; float for f d; (scale, unsigned value) for D; bytes for S x;
            ``Table`` for F; list of ``Field`` for A; None for V.
    """

    def __init__(self, kind: str, value: object) -> None:
        self.kind: Final = kind
        self.value: Final = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Field):
            return False
        return self.kind == other.kind and self.value == other.value

    def __hash__(self) -> int:
        # Tables and arrays have no hash of their own; fields are values to compare, seldom keys.
        return hash(self.kind)

    def __repr__(self) -> str:
        return f"Field({self.kind!r}, {self.value!r})"


Table = dict[bytes, Field]


def is_integer(field: Field) -> bool:
    """Whether argument rules count it as an integer: any width, signed or not, but not a timestamp."""
    kind = field.kind
    return kind in {"I", "l", "s", "b", "i", "u", "B"}


def integer(field: Field) -> int:
    """The number in an integer or a timestamp. Ask ``is_integer`` first."""
    return cast("int", field.value)


def octets(field: Field) -> bytes:
    """The octets of a longstr or a binary. Look at ``kind`` first."""
    return cast("bytes", field.value)


def same_value(a: Field | None, b: Field | None) -> bool:
    """Whether two arguments are equivalent: RabbitMQ's rule for redeclaring, binding and matching headers.

    The width of an integer does not matter, nor that of a float; integer, float and string never equal each other,
    and an absent argument equals only an absent one. Tables are compared irrespective of order.
    """
    if a is None or b is None:
        return a is None and b is None
    kind = a.kind
    if kind != b.kind:
        if is_integer(a) and is_integer(b):
            return a.value == b.value
        return kind in {"f", "d"} and b.kind in {"f", "d"} and a.value == b.value
    if kind == "F":
        return same_table(_table(a), _table(b))
    if kind == "A":
        return _same_array(_array(a), _array(b))
    return a.value == b.value


def same_table(a: Table, b: Table) -> bool:
    """Whether two tables have the same names with equivalent values, irrespective of order."""
    if len(a) != len(b):
        return False
    for name, field in a.items():
        if not same_value(field, b.get(name)):
            return False
    return True


def _same_array(a: list[Field], b: list[Field]) -> bool:
    if len(a) != len(b):
        return False
    for i in range(len(a)):
        if not same_value(a[i], b[i]):
            return False
    return True


def canonical_value(field: Field) -> bytes:
    """Octets that are equal exactly when ``same_value`` holds, so that equivalent values can be looked up."""
    kind = field.kind
    value = field.value
    if kind == "S":
        return b"S" + cast("bytes", value)
    if kind == "x":
        return b"x" + cast("bytes", value)
    if is_integer(field):
        return b"i" + str(cast("int", value)).encode()
    if kind == "f" or kind == "d":
        return b"f" + repr(cast("float", value) + 0.0).encode()  # adding zero makes one zero out of two
    if kind == "F":
        return b"F" + canonical_table(_table(field))
    if kind == "A":
        parts = [_delimited(canonical_value(item)) for item in _array(field)]
        return b"A" + b"".join(parts)
    return kind.encode() + str(value).encode()


def canonical_table(table: Table) -> bytes:
    """Octets that are equal exactly when ``same_table`` holds: the identity of a binding's arguments."""
    parts = [_delimited(name) + _delimited(canonical_value(table[name])) for name in sorted(table)]
    return b"".join(parts)


def _delimited(octets: bytes) -> bytes:
    return len(octets).to_bytes(4, "big") + octets


def type_name(field: Field) -> str:
    """RabbitMQ's word for the type: ``signedint``, ``longstr`` and so on."""
    return TYPE_NAMES[field.kind]


def printed(field: Field) -> str:
    """The value as RabbitMQ prints it between quotes: strings plain, everything else as an Erlang term.

    As in ``received '20' but current is '10'``.
    """
    value = field.value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return erlang_term(field)


def described(field: Field | None) -> str:
    """Value and type as an inequivalence text has them: ``the value '10' of type 'signedint'``, or ``none``."""
    if field is None:
        return "none"
    return f"the value '{printed(field)}' of type '{type_name(field)}'"


def erlang_octets(value: bytes) -> str:
    """Octets as Erlang prints a binary: ``<<"foo">>``, or numbers when they are not printable Latin-1 text."""
    for octet in value:
        if not (32 <= octet <= 126 or 160 <= octet <= 255 or 8 <= octet <= 13 or octet == 27):
            return "<<" + ",".join([str(each) for each in value]) + ">>"
    text = value.decode("latin-1")
    for plain, escape in _ESCAPES:
        text = text.replace(plain, escape)
    return f'<<"{text}">>' if text else "<<>>"


_ESCAPES: Final[list[tuple[str, str]]] = [
    ("\\", "\\\\"),
    ('"', '\\"'),
    ("\b", "\\b"),
    ("\t", "\\t"),
    ("\n", "\\n"),
    ("\v", "\\v"),
    ("\f", "\\f"),
    ("\r", "\\r"),
    ("\x1b", "\\e"),
]


def erlang_term(field: Field) -> str:
    """The value as Erlang prints the term RabbitMQ holds for it: ``10``, ``<<"foo">>``, ``[{<<"k">>,long,1}]``."""
    kind = field.kind
    value = field.value
    if kind == "t":
        return "true" if value else "false"
    if kind == "V":
        return "undefined"
    if isinstance(value, float):
        return _erlang_float(value)
    if isinstance(value, bytes):
        return erlang_octets(value)
    if kind == "A":
        return "[" + ",".join([f"{{{type_name(item)},{erlang_term(item)}}}" for item in _array(field)]) + "]"
    if kind == "F":
        items = [f"{{{erlang_octets(k)},{type_name(v)},{erlang_term(v)}}}" for k, v in _table(field).items()]
        return "[" + ",".join(items) + "]"
    if isinstance(value, tuple):
        return f"{{{value[0]},{value[1]}}}"
    return str(value)


def _erlang_float(value: float) -> str:
    """The shortest digits, plain or with an exponent, whichever is shorter; from 2^53 on always with one."""
    if value == 0.0:
        return repr(value)
    sign = "-" if value < 0 else ""
    # d.ddde±xx: the point belongs after ``place`` of these digits.
    mantissa, _, exponent = f"{Decimal(repr(abs(value))):e}".partition("e")
    digits = mantissa.replace(".", "").rstrip("0")
    place = int(exponent) + 1
    size = len(digits)
    power = str(place - 1)
    exponent_cost = len(power) + 1 + (2 if size == 1 else 1)
    with_exponent = f"{sign}{digits[0]}.{digits[1:] or '0'}e{power}"
    if abs(value) >= 2.0**53:
        return with_exponent
    if place <= 0:
        return f"{sign}0.{'0' * -place}{digits}" if 2 - place <= exponent_cost or place == 0 else with_exponent
    if place >= size:
        zeros = place - size
        return f"{sign}{digits}{'0' * zeros}.0" if zeros + 2 <= exponent_cost else with_exponent
    return f"{sign}{digits[:place]}.{digits[place:]}"


def _table(field: Field) -> Table:
    return cast("Table", field.value)


def _array(field: Field) -> list[Field]:
    return cast("list[Field]", field.value)


def longstr(value: bytes) -> Field:
    """A string made by the broker."""
    return Field("S", value)


def long(value: int) -> Field:
    """An integer made by the broker: always 64 bits, as RabbitMQ's are."""
    return Field("l", value)


def boolean(value: bool) -> Field:
    """A truth value made by the broker."""
    return Field("t", value)


def timestamp(seconds: int) -> Field:
    """A point in time made by the broker, whole seconds since 1970."""
    return Field("T", seconds)


def array(items: list[Field]) -> Field:
    """A list of values made by the broker. The list is not copied: leave it alone afterwards."""
    return Field("A", items)


def table(items: Table) -> Field:
    """A nested table made by the broker. The table is not copied: leave it alone afterwards."""
    return Field("F", items)
