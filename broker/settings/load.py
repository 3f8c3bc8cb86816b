"""Defaults, then the file, then the environment, then the flags: the later one wins.

For the three ``default_*`` settings two more places are looked at, because RabbitMQ's deployments set them there:
``RABBITMQ_DEFAULT_USER``, ``_PASS`` and ``_VHOST`` stand below the file (as they do in RabbitMQ), and
``PONYMQ_DEFAULT_PASS_FILE`` (and ``_USER_FILE``) name a file with the value, as container secrets are handed over.
RabbitMQ's key ``load_definitions`` is understood beside ours.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from broker.settings.keys import GROUPS, SETTINGS, Setting, WrongValueError, flatten, nest
from broker.settings.model import Settings
from broker.settings.together import contradiction

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
# Keys of rabbitmq.conf that stand for one of ours, wherever a key may stand.
_RABBITMQ_KEYS: Final = {"load_definitions": "definitions.file"}
_FROM_NAMED_FILE: Final = {
    "PONYMQ_DEFAULT_USER_FILE": "default_user",
    "PONYMQ_DEFAULT_PASS_FILE": "default_pass",
}


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
            setting = SETTINGS.get(_RABBITMQ_KEYS.get(key, key))
            if setting is None:
                raise SettingsError(_unknown("command line", key, raw, SETTINGS))
            values[setting.key] = _read(setting, raw, f"command line: {key}")
    settings = msgspec.convert(nest(values), Settings)
    wrong = contradiction(settings)
    if wrong is not None:
        raise SettingsError(f"settings: {wrong}")
    return settings


def _from_file(path: str) -> dict[str, object]:
    try:
        with Path(path).open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}; expected a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not TOML: {_one_line(str(error))}") from error
    values: dict[str, object] = {}
    for key, raw in flatten(table, "", GROUPS):
        setting = SETTINGS.get(_RABBITMQ_KEYS.get(key, key))
        if setting is None:
            raise SettingsError(_unknown(path, key, raw, SETTINGS))
        values[setting.key] = _read(setting, raw, f"{path}: {key}", is_text=False)
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    by_name = {setting.environment_name: setting for setting in SETTINGS.values()}
    by_name |= {f"PONYMQ_{name.upper()}": SETTINGS[key] for name, key in _RABBITMQ_KEYS.items()}
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
    except WrongValueError as error:
        shown = (
            "(hidden)"
            if setting.is_secret or _may_be_secret(error.place)
            else _shown(error.raw if error.place else raw)
        )
        raise SettingsError(f"{where}{_one_line(error.place)} = {shown}: expected {error.expected}") from error


def _unknown(where: str, key: str, raw: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key, list(known), n=1)
    advice = f"did you mean {close[0]}?" if close else "expected one of the keys of config/ponymq.toml"
    shown = "(hidden)" if _may_be_secret(key) else _shown(raw)
    return f"{where}: {_one_line(key)} = {shown}: there is no such setting; {advice}"


def _may_be_secret(key: str) -> bool:
    """The value of a key nobody knows may well be a password under a misspelt name."""
    return "pass" in key.lower() or "secret" in key.lower()


def _shown(raw: object) -> str:
    if not isinstance(raw, str | int | float):
        return f"a {type(raw).__name__}"  # a list or table may hold anything, passwords too
    text = repr(raw)
    return text if len(text) <= 80 else text[:77] + "..."


def _one_line(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")
