"""The definitions that a start imports before it opens a port."""

import hashlib
import logging
from pathlib import Path
from typing import Final

import msgspec

from broker.management.definitions_export import IMPORTED_HASH
from broker.management.definitions_import import import_definitions
from broker.management.facts import Facts
from broker.management.refusals import Refusal
from broker.policy.parameters import GLOBAL, Parameter
from broker.policy.policy import PolicyRefused
from broker.server.engine import BY_SETTINGS, Engine
from broker.settings.model import Settings

LOG: Final = logging.getLogger("broker.server")


class DefinitionsError(Exception):
    """The definitions cannot be imported. Its text names the file and the object."""


async def load_definitions(settings: Settings, engine: Engine, facts: Facts) -> None:
    """Import what the settings name. On a first start, nothing else makes a user or a vhost.

    Raises:
        DefinitionsError: A file cannot be read, or holds what cannot be. A later start is still the first one then.
        ExposureError: The users that there are now do not guard the ports.
    """
    documents = _documents(Path(settings.definitions.file))
    digest = hashlib.sha256()
    for _, octets in documents:
        digest.update(hashlib.sha256(octets).digest())
    mark = Parameter(GLOBAL, GLOBAL, IMPORTED_HASH, msgspec.json.encode(digest.hexdigest()))
    known = engine.turn.parameters.find(GLOBAL, GLOBAL, IMPORTED_HASH)
    if settings.definitions.skip_if_unchanged and known is not None and known.value == mark.value:
        LOG.info("definitions were imported before", extra={"file": settings.definitions.file})
    else:
        for path, octets in documents:
            try:
                await import_definitions(facts, BY_SETTINGS, octets)
            except Refusal as refusal:
                raise DefinitionsError(f"{path}: {refusal}") from refusal
        if settings.definitions.skip_if_unchanged and (known is None or known.value != mark.value):
            with facts.turn():
                _keep(engine, mark)
    if engine.is_first_start:
        with facts.turn():
            engine.administration.end_first_start()
        users = len(engine.context.users.by_name)
        LOG.warning("no default user and no default vhost: there are definitions", extra={"users": users})
    engine.check_exposure(settings)


def _keep(engine: Engine, mark: Parameter) -> None:
    try:
        engine.turn.set_parameter(mark)
    except PolicyRefused as refused:
        LOG.warning("the next start will import again", extra={"reason": str(refused)})


def _documents(place: Path) -> list[tuple[Path, bytes]]:
    """The file, or every JSON file in the directory by name, each with its octets."""
    try:
        paths = sorted(place.glob("*.json")) if place.is_dir() else [place]
        found = [(path, path.read_bytes()) for path in paths]
    except OSError as error:
        raise DefinitionsError(f"{error.filename}: cannot be read: {error.strerror}") from error
    if not found:
        raise DefinitionsError(f"{place}: there is no JSON file in it")
    return found
