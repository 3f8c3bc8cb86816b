"""The settings as a flat list of dotted keys, and how the text of one is read."""

import math
import re
import tomllib
from collections.abc import Collection, Mapping
from typing import Final, get_args

import msgspec
from msgspec import Struct, inspect

from broker.settings.model import OFF, Settings

_SIZE: Final = re.compile(r"(\d+)\s*([kmgt]i?)?b?", re.IGNORECASE)
_UNITS: Final = {
    "": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40,
}  # fmt: skip
_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_SECRETS: Final = frozenset({"default_pass"})


class WrongValueError(ValueError):
    """A value is not what its setting expects.

    Attributes:
        place: Where in the value, if it holds others: ``[0].tls.key``; else empty.
        raw: What was found there.
        expected: To finish the sentence "expected …".
    """

    def __init__(self, place: str, raw: object, expected: str) -> None:
        super().__init__(expected)
        self.place = place
        self.raw = raw
        self.expected = expected


class Setting(Struct, frozen=True):
    """One setting.

    Attributes:
        key: Its dotted name, as ``--set`` and the messages write it: ``log.level``.
        annotation: Its type with its limits, for ``msgspec.convert``.
        kind: The same, taken apart.
        meaning: One sentence for the operator.
        default: The value when nobody says otherwise.
        items: For a list of tables: the settings of one table, by dotted key.
    """

    key: str
    annotation: object
    kind: inspect.Type
    meaning: str
    default: object
    items: "Mapping[str, Setting]" = {}

    @property
    def environment_name(self) -> str:
        """``PONYMQ_LOG_LEVEL`` for ``log.level``."""
        return "PONYMQ_" + self.key.replace(".", "_").upper()

    @property
    def is_secret(self) -> bool:
        """True if its value must not appear in a message."""
        return self.key in _SECRETS

    @property
    def expected(self) -> str:
        """What a value must be, to finish the sentence "expected …"."""
        if isinstance(self.kind, inspect.LiteralType):
            words = get_args(get_args(self.annotation)[0])  # the model's order; ``kind`` has them sorted
            return "one of " + ", ".join(words)
        if self.items:
            return "a list of tables with any of " + ", ".join(self.items)
        text = _expected(self.kind)
        if self.key.endswith("_bytes"):
            text += ", or a size such as 64MiB"
        if self._may_be_off:
            text = text.replace(f"from {OFF} ", "from 0 ") + ', or "off"'
        return text

    def read(self, raw: object) -> object:
        """Check a value that has a type already, as the file's have. Sizes and "off" are texts in the file, too.

        Raises:
            WrongValueError: It is not what the setting expects. The caller knows where it stood and says so.
        """
        if self.items:
            return [self._read_table(table, f"[{i}]") for i, table in enumerate(self._tables(raw))]
        if isinstance(raw, str) and isinstance(self.kind, inspect.IntType):
            if self._may_be_off and raw.lower() == "off":
                return OFF
            if self.key.endswith("_bytes"):
                try:
                    raw = size_in_bytes(raw)
                except ValueError as error:
                    raise self._wrong(raw) from error
        elif isinstance(raw, float) and not math.isfinite(raw):
            raise self._wrong(raw)  # every comparison with NaN is false, so no limit would catch it
        elif self._may_be_off and raw == OFF:
            raise self._wrong(raw)
        try:
            return msgspec.convert(raw, self.annotation)
        except msgspec.ValidationError as error:
            raise self._wrong(raw) from error

    def _wrong(self, raw: object) -> WrongValueError:
        return WrongValueError("", raw, self.expected)

    def _tables(self, raw: object) -> list[Mapping[str, object]]:
        if not isinstance(raw, list) or not all(isinstance(table, dict) for table in raw):
            raise self._wrong(raw)
        return raw

    def _read_table(self, table: Mapping[str, object], place: str) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, raw in flatten(table, "", _groups(self.items)):
            item = self.items.get(key)
            if item is None:
                raise WrongValueError(f"{place}.{key}", raw, "one of the keys " + ", ".join(self.items))
            try:
                values[key] = item.read(raw)
            except WrongValueError as error:
                raise WrongValueError(f"{place}.{key}{error.place}", error.raw, error.expected) from error
        return nest(values)

    def read_text(self, text: str) -> object:
        """Read the text of a variable or flag into the setting's type.

        Raises:
            WrongValueError: It is not what the setting expects.
        """
        try:
            typed = self._typed(text)
        except ValueError as error:
            raise self._wrong(text) from error
        return self.read(typed)

    @property
    def _may_be_off(self) -> bool:
        return isinstance(self.kind, inspect.IntType) and self.kind.ge == OFF

    def _typed(self, text: str) -> object:
        word = text.strip()
        if self.items:
            return tomllib.loads(f"tables = {text}").get("tables")
        match self.kind:
            case inspect.BoolType():
                return word.lower() in _TRUE if word.lower() in _TRUE | _FALSE else text
            case inspect.IntType():
                return int(word) if word.isascii() and word.removeprefix("-").isdigit() else word
            case inspect.FloatType():
                return float(word)
            case inspect.VarTupleType():
                return [item.strip() for item in word.split(",") if item.strip()]
            case _:
                return text


def size_in_bytes(text: str) -> int:
    """Read ``4096``, ``64MiB`` (powers of 1024) or ``64MB`` (powers of 1000), as RabbitMQ's configuration does.

    Raises:
        ValueError: It is none of these.
    """
    match = _SIZE.fullmatch(text)
    if match is None or not text.isascii():
        raise ValueError(text)
    number, unit = match.groups()
    return int(number) * _UNITS[(unit or "").lower()]


def _expected(kind: inspect.Type) -> str:
    match kind:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType(ge=int(low), le=int(high)):
            return f"a whole number from {low} to {high}"
        case inspect.FloatType(gt=float() | int() as above, le=float() | int() as high):
            return f"a number above {above:g}, up to {high:g}"
        case inspect.FloatType(ge=float() | int() as low, le=float() | int() as high):
            return f"a number from {low:g} to {high:g}"
        case inspect.VarTupleType(item_type=inspect.LiteralType(values=words)):
            return "a list of any of " + ", ".join(str(word) for word in words)
        case inspect.VarTupleType():
            return "a list of names"
        case inspect.StrType(pattern=str()):
            return "a version such as 4.1.0"
        case inspect.StrType(max_length=int(most), min_length=least):
            return f"a text of {least or 0} to {most} characters"
        case inspect.StrType(min_length=None):
            return "a text"
        case _:
            return "a text that is not empty"


def _walk(group: type[Struct], prefix: str) -> list[Setting]:
    found: list[Setting] = []
    for field in msgspec.structs.fields(group):
        if isinstance(field.default, Struct):
            found += _walk(type(field.default), f"{prefix}{field.name}.")
            continue
        annotated = inspect.type_info(field.type)
        if not isinstance(annotated, inspect.Metadata):
            raise AssertionError(f"setting {prefix}{field.name} has no meaning written beside it")
        meaning = str((annotated.extra_json_schema or {})["description"])
        kind = annotated.type
        items: dict[str, Setting] = {}
        if isinstance(kind, inspect.VarTupleType) and isinstance(kind.item_type, inspect.StructType):
            items = {setting.key: setting for setting in _walk(kind.item_type.cls, "")}
        found.append(Setting(prefix + field.name, field.type, kind, meaning, field.default, items))
    return found


def flatten(table: Mapping[str, object], prefix: str, groups: Collection[str]) -> list[tuple[str, object]]:
    """The values of a table and of the tables in it, by dotted key. An empty table is a value, unless it is a group."""
    found: list[tuple[str, object]] = []
    for name, value in table.items():
        if isinstance(value, dict) and (value or prefix + name in groups):
            found += flatten(value, f"{prefix}{name}.", groups)
        else:
            found.append((prefix + name, value))
    return found


def nest(values: Mapping[str, object]) -> dict[str, object]:
    """The reverse of ``flatten``."""
    nested: dict[str, object] = {}
    groups: dict[str, dict[str, object]] = {}
    for key, value in values.items():
        group, dot, name = key.partition(".")
        if dot:
            groups.setdefault(group, {})[name] = value
        else:
            nested[key] = value
    return nested | {group: nest(inner) for group, inner in groups.items()}


def _groups(settings: Collection[str]) -> frozenset[str]:
    """Every section: ``auth`` and ``auth.oauth2`` for ``auth.oauth2.issuer``."""
    return frozenset(key[:end] for key in settings for end in range(len(key)) if key[end] == ".")


SETTINGS: Final[dict[str, Setting]] = {setting.key: setting for setting in _walk(Settings, "")}
"""Every setting by its dotted key, in the order of the model."""
GROUPS: Final = _groups(SETTINGS)
"""The sections of the file."""
