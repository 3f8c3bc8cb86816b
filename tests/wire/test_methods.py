"""Numbers and names of methods, each against pamqp's."""

import re
from typing import Any

import pytest
from pamqp import commands

from broker.wire import methods
from broker.wire.methods import METHOD_NAMES

# RabbitMQ still answers the class that the specification dropped after 0-8; pamqp no longer knows it.
ONLY_OURS = {methods.ACCESS_REQUEST: "access.request", methods.ACCESS_REQUEST_OK: "access.request-ok"}


def dashed(name: str) -> str:
    """``Queue.DeclareOk`` as the specification writes it: ``queue.declare-ok``."""
    of_class, of_method = name.split(".")
    return of_class.lower() + "." + re.sub(r"(?<=[a-z])(?=[A-Z])", "-", of_method).lower()


def test_every_method_has_the_number_and_the_name_that_pamqp_gives_it() -> None:
    known: dict[int, Any] = dict(commands.INDEX_MAPPING)
    theirs = {number: dashed(command.name) for number, command in known.items()}
    assert theirs | ONLY_OURS == METHOD_NAMES


@pytest.mark.parametrize(("number", "name"), sorted(METHOD_NAMES.items()))
def test_constant_of_a_method_is_named_like_the_method(number: int, name: str) -> None:
    assert getattr(methods, name.upper().replace(".", "_").replace("-", "_")) == number


@pytest.mark.parametrize("name", ["Connection", "Channel", "Exchange", "Queue", "Basic", "Confirm", "Tx"])
def test_class_has_the_number_that_pamqp_gives_it(name: str) -> None:
    assert getattr(methods, name.upper()) == getattr(commands, name).frame_id


def test_method_number_is_the_first_four_octets_of_the_payload() -> None:
    assert methods.QUEUE_UNBIND_OK.to_bytes(4, "big") == b"\x00\x32\x00\x33"
