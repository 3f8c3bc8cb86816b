"""The arguments of ``queue.declare``: what is refused, in which words, and what the rest means."""

import pytest

from broker.core.arguments import Field, Table
from broker.core.errors import PRECONDITION_FAILED, SoftError
from broker.queues.arguments import (
    CLASSIC,
    DROP_HEAD,
    MAX_TIME_MS,
    QUORUM,
    REJECT_PUBLISH,
    REJECT_PUBLISH_DLX,
    UNLIMITED,
    QueueLimits,
    check_arguments,
    compared_arguments,
    queue_type,
)

QUEUE = "queue 'q' in vhost '/'"
INTEGER_KINDS = "bBsuIil"
TIMES = ("x-message-ttl", "x-expires")
NUMBERS = (
    *TIMES,
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-queue-version",
    "x-consumer-timeout",
    "x-consumer-disconnected-timeout",
)
CLASSIC_ONLY = ("x-max-priority", "x-queue-mode", "x-queue-version")
STREAM_ONLY = ("x-max-age", "x-stream-max-segment-size-bytes", "x-stream-filter-size-bytes", "x-initial-cluster-size")
QUORUM_ONLY = (
    "x-dead-letter-strategy",
    "x-quorum-initial-group-size",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
)
TEXT = Field("S", b"5")


def refusal(arguments: dict[str, Field]) -> str:
    """The reply text after the name of the code; empty if the arguments are accepted."""
    try:
        check_arguments({name.encode(): field for name, field in arguments.items()}, QUEUE)
    except SoftError as error:
        return error.explanation if error.reply_code == PRECONDITION_FAILED else error.reply_text
    return ""


def invalid(name: str, detail: str) -> str:
    return f"invalid arg '{name}' for {QUEUE}: {detail}"


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("kind", INTEGER_KINDS)
def test_every_width_of_integer_is_accepted(name: str, kind: str) -> None:
    assert refusal({name: Field(kind, 2)}) == ""


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    ("field", "type_name"),
    [
        (TEXT, "longstr"),
        (Field("d", 5.0), "double"),
        (Field("f", 5.0), "float"),
        (Field("t", True), "bool"),
        (Field("T", 5), "timestamp"),
        (Field("V", None), "void"),
        (Field("A", []), "array"),
        (Field("F", {}), "table"),
        (Field("D", (0, 5)), "decimal"),
        (Field("x", b"5"), "binary"),
    ],
)
def test_anything_else_is_refused_where_an_integer_is_due(name: str, field: Field, type_name: str) -> None:
    assert refusal({name: field}) == invalid(name, f'"expected integer, got {type_name}"')


@pytest.mark.parametrize("name", NUMBERS)
def test_a_negative_number_is_refused(name: str) -> None:
    assert refusal({name: Field("l", -5)}) == invalid(name, "{value_negative,-5}")


@pytest.mark.parametrize(
    ("name", "value", "detail"),
    [
        ("x-message-ttl", 0, ""),
        ("x-message-ttl", MAX_TIME_MS, ""),
        ("x-message-ttl", MAX_TIME_MS + 1, "{value_too_large,315360000001}"),
        ("x-expires", 0, "{value_zero,0}"),
        ("x-expires", 1, ""),
        ("x-expires", MAX_TIME_MS, ""),
        ("x-expires", MAX_TIME_MS + 1, "{value_too_large,315360000001}"),
        ("x-max-length", 0, ""),
        ("x-max-length-bytes", 0, ""),
        ("x-max-length", 2**63 - 1, ""),
        ("x-max-priority", 0, ""),
        ("x-max-priority", 255, ""),
        ("x-max-priority", 256, "{max_value_exceeded,256}"),
        ("x-max-priority", 260, "{max_value_exceeded,260}"),
        ("x-queue-version", 1, ""),
        ("x-queue-version", 3, "\"unsupported queue version '3'\""),
        ("x-consumer-timeout", 0, ""),
    ],
)
def test_numbers_have_their_ranges(name: str, value: int, detail: str) -> None:
    assert refusal({name: Field("l", value)}) == (invalid(name, detail) if detail else "")


@pytest.mark.parametrize(
    ("name", "accepted", "detail"),
    [
        ("x-overflow", ["drop-head", "reject-publish", "reject-publish-dlx"], "invalid_overflow"),
        (
            "x-queue-leader-locator",
            ["client-local", "balanced", "random", "least-leaders", "min-masters"],
            "invalid_queue_locator_arg",
        ),
    ],
)
def test_choices_are_told_by_name(name: str, accepted: list[str], detail: str) -> None:
    assert [refusal({name: Field("S", each.encode())}) for each in accepted] == [""] * len(accepted)
    assert refusal({name: Field("S", b"foo")}) == invalid(name, detail)
    assert refusal({name: Field("S", b"")}) == invalid(name, detail)
    assert refusal({name: Field("I", 1)}) == invalid(name, "{unacceptable_type,signedint}")


def test_the_strategy_of_a_quorum_queue_is_a_choice() -> None:
    quorum = {"x-queue-type": Field("S", QUORUM)}
    for accepted in (b"at-most-once", b"at-least-once"):
        assert refusal(quorum | {"x-dead-letter-strategy": Field("S", accepted)}) == ""
    text = invalid("x-dead-letter-strategy", "invalid_dlx_strategy")
    assert refusal(quorum | {"x-dead-letter-strategy": Field("S", b"foo")}) == text


def test_a_dead_letter_exchange_is_a_string_and_has_a_text_of_its_own() -> None:
    assert refusal({"x-dead-letter-exchange": Field("S", b"")}) == ""
    text = f"invalid type 'signedint' for arg 'x-dead-letter-exchange' in {QUEUE}"
    assert refusal({"x-dead-letter-exchange": Field("I", 1)}) == text
    # It is looked at before everything else.
    assert refusal({"x-expires": Field("I", 0), "x-dead-letter-exchange": Field("I", 1)}) == text


def test_a_dead_letter_key_needs_an_exchange() -> None:
    name = "x-dead-letter-routing-key"
    assert refusal({name: TEXT, "x-dead-letter-exchange": TEXT}) == ""
    assert refusal({name: TEXT}) == invalid(name, "routing_key_but_no_dlx_defined")
    assert refusal({name: Field("I", 1), "x-dead-letter-exchange": TEXT}) == invalid(
        name, "{unacceptable_type,signedint}"
    )


def test_single_active_consumer_is_a_boolean() -> None:
    name = "x-single-active-consumer"
    assert refusal({name: Field("t", False)}) == ""
    assert refusal({name: Field("I", 1)}) == invalid(name, "{unacceptable_type,signedint}")


@pytest.mark.parametrize("value", [b"", b"undefined", b"classic"])
def test_some_words_mean_a_classic_queue(value: bytes) -> None:
    assert refusal({"x-queue-type": Field("S", value)}) == ""
    assert queue_type({b"x-queue-type": Field("S", value)}) == CLASSIC


def test_an_unknown_type_is_refused() -> None:
    text = invalid("x-queue-type", "\"unsupported queue type 'foo'\"")
    assert refusal({"x-queue-type": Field("S", b"foo")}) == text


@pytest.mark.parametrize(
    ("kind", "names"), [("classic", QUORUM_ONLY + STREAM_ONLY), ("quorum", CLASSIC_ONLY + STREAM_ONLY)]
)
def test_what_only_another_type_knows_is_refused(kind: str, names: tuple[str, ...]) -> None:
    for name in names:
        text = f"invalid arg '{name}' for {QUEUE} of queue type rabbit_{kind}_queue"
        assert refusal({"x-queue-type": Field("S", kind.encode()), name: Field("I", 2)}) == text


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_unknown_arguments_and_a_delivery_limit_are_accepted_whatever_they_are(kind: str) -> None:
    nested = Field("F", {b"list": Field("A", [Field("V", None)])})
    arguments = {"x-queue-type": Field("S", kind.encode()), "x-hello": nested, "x-delivery-limit": TEXT}
    assert refusal(arguments) == ""


def test_limits_are_off_unless_asked_for() -> None:
    limits = QueueLimits({})
    assert [limits.message_ttl_ms, limits.expires_ms, limits.max_length, limits.max_bytes] == [UNLIMITED] * 4
    assert (limits.overflow, limits.max_priority, limits.is_quorum) == (DROP_HEAD, 0, False)
    assert (limits.dead_letter_exchange, limits.dead_letter_key) == (None, None)


def test_limits_are_what_the_arguments_say() -> None:
    arguments: Table = {
        b"x-message-ttl": Field("b", 1),
        b"x-expires": Field("s", 2),
        b"x-max-length": Field("I", 3),
        b"x-max-length-bytes": Field("l", 4),
        b"x-max-priority": Field("B", 5),
        b"x-overflow": Field("S", b"reject-publish-dlx"),
        b"x-dead-letter-exchange": Field("S", b""),
        b"x-dead-letter-routing-key": Field("S", b"k"),
    }
    limits = QueueLimits(arguments)
    assert (limits.message_ttl_ms, limits.expires_ms, limits.max_length, limits.max_bytes) == (1, 2, 3, 4)
    assert (limits.max_priority, limits.overflow) == (5, REJECT_PUBLISH_DLX)
    assert (limits.dead_letter_exchange, limits.dead_letter_key) == (b"", b"k")
    assert QueueLimits({b"x-overflow": Field("S", b"reject-publish")}).overflow == REJECT_PUBLISH
    assert QueueLimits({b"x-queue-type": Field("S", b"quorum")}).is_quorum


def test_a_redeclare_compares_what_its_type_knows() -> None:
    classic = compared_arguments({})
    quorum = compared_arguments({b"x-queue-type": Field("S", QUORUM)})
    assert {name.encode() for name in CLASSIC_ONLY} <= set(classic)
    assert not {name.encode() for name in CLASSIC_ONLY} & set(quorum)
    assert b"x-delivery-limit" in quorum
    assert b"x-message-ttl" in classic
    assert b"x-message-ttl" in quorum
