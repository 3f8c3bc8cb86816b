"""Policies read from JSON: what is taken, and RabbitMQ's words for the rest."""

import pytest

from broker.core.arguments import long, longstr
from broker.policy.keys import POLICY_KEYS
from broker.policy.policy import Policy, PolicyRefused, read_policy


def read(*, is_operator: bool = False, **document: object) -> Policy:
    named = {key.replace("_", "-"): value for key, value in document.items()}
    return read_policy("/", "p", {"pattern": "^q", "definition": {"max-length": 3}} | named, is_operator)


def refusal(*, is_operator: bool = False, **document: object) -> str:
    with pytest.raises(PolicyRefused) as caught:
        read(is_operator=is_operator, **document)
    text = str(caught.value)
    assert text.startswith("Validation failed\n\n")
    assert text.endswith("\n")
    return text.removeprefix("Validation failed\n\n").removesuffix("\n")


def test_what_is_left_out_has_rabbitmqs_defaults() -> None:
    policy = read()
    assert (policy.vhost_name, policy.name, policy.pattern) == ("/", "p", "^q")
    assert (policy.apply_to, policy.priority, policy.definition) == ("all", 0, {b"max-length": long(3)})


def test_values_become_arguments() -> None:
    policy = read(definition={"dead-letter-exchange": "x", "message-ttl": 0, "overflow": "reject-publish"})
    assert policy.definition == {
        b"dead-letter-exchange": longstr(b"x"),
        b"message-ttl": long(0),
        b"overflow": longstr(b"reject-publish"),
    }


@pytest.mark.parametrize(("given", "priority"), [("5", 5), ("-2", -2), (7, 7)])
def test_a_priority_may_come_as_a_string(given: object, priority: int) -> None:
    assert read(priority=given).priority == priority


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        ({}, "no policy provided"),
        ([1], "definition must be a dictionary: [1]"),
        (None, "definition must be a dictionary: null"),
        ({"foo": 1}, '[{<<"foo">>,1}] are not recognised policy settings'),
        (
            {"foo": [1, {"a": True}], "bar": "x", "f": 1.5, "q": None, "max-length": 3},
            '[{<<"bar">>,<<"x">>},{<<"f">>,1.5},{<<"foo">>,[1,#{<<"a">> => true}]},{<<"q">>,null}]'
            " are not recognised policy settings",
        ),
        ({"max-length": "foo"}, '<<"foo">> is not a valid maximum length'),
        ({"max-length": -1}, "-1 is not a valid maximum length"),
        ({"max-length": 1.5}, "1.5 is not a valid maximum length"),
        ({"max-length": True}, "true is not a valid maximum length"),
        ({"max-length": 2**60}, f"{2**60} is not a valid maximum length"),
        ({"max-length-bytes": None}, "null is not a valid maximum length in bytes"),
        ({"message-ttl": -1}, "-1 is not a valid message TTL"),
        ({"message-ttl": 315_360_000_001}, "315360000001 is not a valid message TTL"),
        ({"expires": 0}, "0 is not a valid queue expiry"),
        ({"overflow": "x"}, '<<"x">> is not a valid overflow value'),
        ({"dead-letter-exchange": 5}, "5 is not a valid dead letter exchange name"),
        ({"dead-letter-routing-key": {}}, "#{} is not a valid dead letter routing key"),
        ({"dead-letter-strategy": "x"}, '<<"x">> is not a valid dead letter strategy'),
        ({"alternate-exchange": []}, "[] is not a valid alternate exchange name"),
        ({"queue-mode": "x"}, '<<"x">> is not a valid queue-mode value'),
        ({"queue-version": 3}, "3 is not a valid queue-version value"),
        ({"queue-leader-locator": "x"}, '<<"x">> is not a valid queue leader locator value'),
        ({"queue-master-locator": "x"}, '<<"x">> invalid queue-master-locator value'),
        ({"delivery-limit": "x"}, '<<"x">> is not a valid delivery limit'),
        ({"max-age": "5X"}, '<<"5X">> is not a valid max age'),
        ({"max-in-memory-length": -1}, "-1 is not a valid maximum memory in bytes"),
        ({"ha-mode": "all"}, '[{<<"ha-mode">>,<<"all">>}] are not recognised policy settings'),
        ({"expires": 0, "max-length": "x", "foo": 1}, "0 is not a valid queue expiry"),
    ],
)
def test_a_wrong_definition_is_refused_in_rabbitmqs_words(definition: object, text: str) -> None:
    assert refusal(definition=definition) == text


@pytest.mark.parametrize("key", ["dead-letter-exchange", "dead-letter-routing-key", "alternate-exchange"])
def test_a_name_that_no_frame_could_carry_is_refused(key: str) -> None:
    assert read(definition={key: "é" * 127}).definition
    assert "is not a valid" in refusal(definition={key: "é" * 128})


def test_operator_policies_hold_limits_only() -> None:
    allowed = [name for name, key in POLICY_KEYS.items() if key.is_operators]
    assert allowed == [
        "delivery-limit",
        "expires",
        "max-in-memory-bytes",
        "max-in-memory-length",
        "max-length",
        "max-length-bytes",
        "message-ttl",
        "overflow",
        "queue-version",
        "target-group-size",
    ]
    assert read(is_operator=True, definition={"overflow": "drop-head"}).is_operator
    text = '[{<<"dead-letter-exchange">>,<<"x">>}] are not recognised policy settings'
    assert refusal(is_operator=True, definition={"dead-letter-exchange": "x"}) == text


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"pattern": 5}, "pattern should be a binary but was 5"),
        ({"pattern": "["}, "pattern should be regular expression but is invalid: unterminated character set"),
        ({"priority": "x"}, 'priority should be a number, actually was <<"x">>'),
        ({"priority": 1.5}, "priority should be a number, actually was 1.5"),
        ({"priority": None}, "priority should be a number, actually was null"),
        ({"priority": True}, "priority should be a number, actually was true"),
        ({"priority": 2**70}, f"priority should be a number, actually was {2**70}"),
        (
            {"apply-to": "x"},
            "apply-to 'x' unrecognised; should be one of: 'queues', 'classic_queues', 'quorum_queues', 'streams', "
            "'exchanges', or 'all'",
        ),
        (
            {"apply-to": 5},
            "apply-to '5' unrecognised; should be one of: 'queues', 'classic_queues', 'quorum_queues', 'streams', "
            "'exchanges', or 'all'",
        ),
    ],
)
def test_what_else_is_wrong_is_refused_in_rabbitmqs_words(document: dict[str, object], text: str) -> None:
    assert refusal(**document).startswith(text)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    lines = refusal(pattern="[", definition={"foo": 1}, priority="x", apply_to="y").splitlines()
    assert [line.split()[0] for line in lines] == ['[{<<"foo">>,1}]', "apply-to", "pattern", "priority"]


def test_a_refusal_is_not_as_long_as_what_it_refuses() -> None:
    deep: object = "x" * 10_000
    for _ in range(100):
        deep = [deep, {"k": deep}] if isinstance(deep, str) else [deep]
    assert len(refusal(definition={"max-length": "x" * 100_000})) < 400
    assert len(refusal(definition={"max-length": deep})) < 400


@pytest.mark.parametrize("name", ["", "n" * 256, "é" * 128])
def test_a_name_has_1_to_255_octets(name: str) -> None:
    with pytest.raises(PolicyRefused, match="the name must have 1 to 255 octets"):
        read_policy("/", name, {"pattern": "", "definition": {"max-length": 1}}, False)


@pytest.mark.parametrize(
    ("apply_to", "kinds"),
    [
        ("all", {"exchange", "classic", "quorum", "stream"}),
        ("exchanges", {"exchange"}),
        ("queues", {"classic", "quorum", "stream"}),
        ("classic_queues", {"classic"}),
        ("quorum_queues", {"quorum"}),
        ("streams", {"stream"}),
    ],
)
def test_a_policy_covers_what_it_is_applied_to(apply_to: str, kinds: set[str]) -> None:
    policy = read(apply_to=apply_to, definition={"max-length-bytes": 1})
    covered = {kind for kind in ("classic", "quorum", "stream") if policy.covers_queue(b"q1", kind.encode())}
    if policy.covers_exchange(b"q1"):
        covered.add("exchange")
    assert covered == kinds
    assert not policy.covers_exchange(b"other")
    assert not policy.covers_queue(b"other", b"classic")


@pytest.mark.parametrize(
    ("key", "value", "kinds"),
    [
        ("max-length", 1, {"classic", "quorum"}),
        ("max-length-bytes", 1, {"classic", "quorum", "stream"}),
        ("alternate-exchange", "x", {"classic", "quorum", "stream"}),
        ("delivery-limit", 1, {"quorum"}),
        ("dead-letter-strategy", "at-least-once", {"quorum"}),
        ("max-age", "7D", {"stream"}),
        ("queue-mode", "lazy", {"classic"}),
        ("overflow", "drop-head", {"classic", "quorum"}),
        ("consumer-timeout", 1, {"classic", "quorum"}),
    ],
)
def test_a_key_that_a_type_does_not_support_keeps_the_policy_away(key: str, value: object, kinds: set[str]) -> None:
    policy = read(definition={key: value, "queue-version": 2})
    assert {kind for kind in ("classic", "quorum", "stream") if policy.covers_queue(b"q", kind.encode())} == kinds
    assert policy.covers_exchange(b"q")
