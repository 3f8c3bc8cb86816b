"""Defaults, then the file, then the environment, then the flags: the later one wins.

For the three ``default_*`` settings two more places are looked at, because RabbitMQ's deployments set them there:
``RABBITMQ_DEFAULT_USER``, ``_PASS`` and ``_VHOST`` stand below the file (as they do in RabbitMQ), and
``PONYMQ_DEFAULT_PASS_FILE`` (and ``_USER_FILE``) name a file with the value, as container secrets are handed over.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from broker.settings.keys import SETTINGS, Setting
from broker.settings.model import Settings

NOT_SETTINGS: Final = frozenset({"PONYMQ_CONFIG", "PONYMQ_EXPECT_COMPILED"})
"""Variables of ours that are not settings: where the file is, and what the test suite was promised."""

# Kubernetes puts the address of a service called "ponymq" into every container of its namespace, under these names.
# PONYMQ_PORT=tcp://10.0.0.7:5672 is one of them, and would otherwise stop every broker deployed beside its service.
_SERVICE_LINK: Final = re.compile(r"PONYMQ_(SERVICE_(HOST|PORT).*|PORT_\d+_(TCP|UDP).*)")
_SERVICE_ADDRESS: Final = re.compile(r"(tcp|udp)://.+")

_FROM_RABBITMQ: Final = {
    "RABBITMQ_DEFAULT_USER": "default_user",
    "RABBITMQ_DEFAULT_PASS": "default_pass",
    "RABBITMQ_DEFAULT_VHOST": "default_vhost",
}
_FROM_NAMED_FILE: Final = {
    "PONYMQ_DEFAULT_USER_FILE": "default_user",
    "PONYMQ_DEFAULT_PASS_FILE": "default_pass",
}
_GROUPS: Final = frozenset(key.split(".")[0] for key in SETTINGS if "." in key)


class SettingsError(Exception):
    """A setting is wrong. Its text is one line: where, which key, which value, and what was expected."""


def load_settings(config_path: str | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Put all sources on top of each other and check every value.

    Args:
        config_path: The TOML file; None for the one that ``PONYMQ_CONFIG`` names, or no file.
        environ: The environment.
        flags: Values given on the command line, by dotted key. None means that a flag was not given.

    Raises:
        SettingsError: A key or value is wrong, or the file cannot be read.
    """
    values: dict[str, object] = {}
    for name, key in _FROM_RABBITMQ.items():
        if name in environ:
            values[key] = _read(SETTINGS[key], environ[name], f"environment: {name}")
    path = config_path or environ.get("PONYMQ_CONFIG")
    if path:
        values |= _from_file(path)
    values |= _from_environment(environ)
    for key, raw in flags.items():
        if raw is not None:
            setting = SETTINGS.get(key)
            if setting is None:
                raise SettingsError(_unknown("command line", key, raw, SETTINGS))
            values[key] = _read(setting, raw, f"command line: {key}")
    _check_together(values)
    return msgspec.convert(_nest(values), Settings)


def _from_file(path: str) -> dict[str, object]:
    try:
        with Path(path).open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}; expected a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not TOML: {_one_line(str(error))}") from error
    values: dict[str, object] = {}
    for key, raw in _flatten(table, ""):
        setting = SETTINGS.get(key)
        if setting is None:
            raise SettingsError(_unknown(path, key, raw, SETTINGS))
        values[key] = _read(setting, raw, f"{path}: {key}", is_text=False)
    return values


def _flatten(table: Mapping[str, object], prefix: str) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in table.items():
        if isinstance(value, dict) and (value or prefix + name in _GROUPS):
            found += _flatten(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, value))
    return found


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    by_name = {setting.environment_name: setting for setting in SETTINGS.values()}
    values: dict[str, object] = {}
    for name, key in _FROM_NAMED_FILE.items():
        if name in environ:
            values[key] = _read(SETTINGS[key], _first_line(environ[name], name), f"environment: {name}")
    for name, raw in environ.items():
        if not name.startswith("PONYMQ_") or name in NOT_SETTINGS or name in _FROM_NAMED_FILE:
            continue
        if _SERVICE_LINK.fullmatch(name) or (name == "PONYMQ_PORT" and _SERVICE_ADDRESS.fullmatch(raw)):
            continue
        setting = by_name.get(name)
        if setting is None:
            raise SettingsError(_unknown("environment", name, raw, by_name))
        values[setting.key] = _read(setting, raw, f"environment: {name}")
    return values


def _first_line(path: str, name: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"environment: {name} = {path!r}: cannot be read: {reason}; expected a file") from error


def _read(setting: Setting, raw: object, where: str, is_text: bool = True) -> object:
    try:
        return setting.read_text(raw) if isinstance(raw, str) and is_text else setting.read(raw)
    except ValueError as error:
        shown = "(hidden)" if setting.is_secret else _shown(raw)
        raise SettingsError(f"{where} = {shown}: expected {setting.expected}") from error


def _unknown(where: str, key: str, raw: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key, list(known), n=1)
    advice = f"did you mean {close[0]}?" if close else "expected one of the keys of config/ponymq.toml"
    # The value of a key nobody knows may well be a password under a misspelt name.
    is_secret = "pass" in key.lower() or "secret" in key.lower()
    return f"{where}: {_one_line(key)} = {'(hidden)' if is_secret else _shown(raw)}: there is no such setting; {advice}"


def _shown(raw: object) -> str:
    if not isinstance(raw, str | int | float):
        return f"a {type(raw).__name__}"  # a list or table may hold anything, passwords too
    text = repr(raw)
    return text if len(text) <= 80 else text[:77] + "..."


def _one_line(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")


def _check_together(values: Mapping[str, object]) -> None:
    def value_of(key: str) -> object:
        return values.get(key, SETTINGS[key].default)

    taken: dict[object, str] = {}
    for key in ("port", "http_port", "metrics_port"):
        port = value_of(key)
        if isinstance(port, int) and port > 0 and port in taken:
            raise SettingsError(f"settings: {key} = {port}: expected another port than {taken[port]}, which has it too")
        taken[port] = key
    segment_bytes, log_bytes = value_of("store.segment_bytes"), value_of("store.log_bytes")
    if isinstance(segment_bytes, int) and isinstance(log_bytes, int) and log_bytes < 2 * segment_bytes:
        raise SettingsError(
            f"settings: store.log_bytes = {log_bytes}: expected at least two segments of store.segment_bytes = "
            f"{segment_bytes}"
        )


def _nest(values: Mapping[str, object]) -> dict[str, object]:
    nested: dict[str, object] = {}
    groups: dict[str, dict[str, object]] = {}
    for key, value in values.items():
        group, dot, name = key.partition(".")
        if dot:
            groups.setdefault(group, {})[name] = value
        else:
            nested[key] = value
    return nested | groups
