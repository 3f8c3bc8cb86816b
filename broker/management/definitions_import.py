"""Import of definitions: the whole document is read and checked first, then carried out step by step.

Both go in slices, and the loop goes back to the broker between two of them, so that ten thousand queues do not stop the
traffic for their whole length.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from broker.core.errors import AmqpError
from broker.management.account_values import password_of
from broker.management.definitions_document import (
    BindingItem,
    Document,
    ExchangeItem,
    GlobalParameterItem,
    ParameterItem,
    PermissionItem,
    PolicyItem,
    QueueItem,
    TopicPermissionItem,
    UserItem,
    VHostItem,
    items_of,
    read_document,
)
from broker.management.definitions_plan import SLICE, DefinitionsPlan, Step
from broker.management.definitions_steps import DefinitionsSteps
from broker.management.facts import Facts
from broker.management.json_values import Json
from broker.management.refusals import Refusal, bad_request
from broker.policy.policy import PolicyRefused

LOG: Final = logging.getLogger("broker.management")
AUDIT: Final = logging.getLogger("broker.audit")

T = TypeVar("T")


async def import_definitions(facts: Facts, by: bytes, octets: bytes, vhost_name: str | None = None) -> None:
    """Merge a document into the broker: nothing is deleted, queues and exchanges that exist stay as they are.

    When it returns, everything is in force, and on disk.

    Args:
        facts: The broker.
        by: Who wants it, for the log.
        octets: The document, JSON.
        vhost_name: The vhost that it is about; None for the whole broker.

    Raises:
        Refusal: 400, naming the object; nothing has changed then, unless something else changed meanwhile what the
            import builds on. 503, the disk is full.
    """
    document = read_document(octets, vhost_name)
    plan = DefinitionsPlan(DefinitionsSteps(facts, by), facts.context.users.by_name, facts.context.turn.vhosts)
    await _plan(facts, document, plan)
    for steps in plan.slices:
        _carry_out(facts, steps)
        await asyncio.sleep(0)
    await facts.until_synced()
    if plan.skipped:
        LOG.warning("bindings without both ends were not imported", extra={"bindings": plan.skipped})
    if plan.idle_policies:
        LOG.warning("policies that only clusters know were not imported", extra={"policies": plan.idle_policies})
    where = "" if vhost_name is None else vhost_name
    AUDIT.info("definitions imported", extra={"by": by, "vhost": where, "objects": sum(map(len, plan.slices))})


async def _plan(facts: Facts, document: Document, plan: DefinitionsPlan) -> None:
    sections = document.sections
    for where, user, _ in items_of("users", sections.get("users", []), UserItem):
        try:
            password = None
            if user.password is not None or user.password_hash is not None:
                password = await password_of(
                    user.password,
                    user.password_hash,
                    user.hashing_algorithm or document.hashing,
                    facts.administration.new_passwords,
                )
            plan.user(user, password)
        except (Refusal, PolicyRefused) as refusal:
            raise bad_request(f"{where}: {refusal}") from None
    await _each(document, "vhosts", VHostItem, lambda item, _: plan.vhost(item))
    await _each(document, "permissions", PermissionItem, lambda item, _: plan.permission(item))
    await _each(document, "exchanges", ExchangeItem, lambda item, _: plan.exchange(item))
    await _each(document, "topic_permissions", TopicPermissionItem, lambda item, _: plan.topic_permission(item))
    await _each(document, "global_parameters", GlobalParameterItem, lambda item, _: plan.global_parameter(item))
    await _each(document, "policies", PolicyItem, plan.policy)
    await _each(document, "parameters", ParameterItem, lambda item, _: plan.parameter(item))
    await _each(document, "queues", QueueItem, lambda item, _: plan.queue(item))
    await _each(document, "bindings", BindingItem, lambda item, _: plan.binding(item))
    plan.end()


async def _each(document: Document, section: str, kind: type[T], take: Callable[[T, Json], None]) -> None:
    """Plan every object of a section."""
    documents = document.sections.get(section, [])
    for number, (where, item, raw) in enumerate(items_of(section, documents, kind), 1):
        try:
            take(item, raw)
        except (Refusal, PolicyRefused, ValueError) as refusal:
            raise bad_request(f"{where}: {refusal}") from None
        except AmqpError as error:
            raise bad_request(f"{where}: {error.explanation}") from None
        if number % SLICE == 0:
            await asyncio.sleep(0)


def _carry_out(facts: Facts, steps: Sequence[Step]) -> None:
    try:
        with facts.turn():
            for step in steps:
                step()
    except PolicyRefused as refused:
        raise bad_request(str(refused)) from None
    except AmqpError as error:
        raise bad_request(error.explanation) from None
