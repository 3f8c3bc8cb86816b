"""What comes out of arguments, a policy and an operator policy: the rules one by one, and against a naive model."""

from hypothesis import given
from hypothesis import strategies as st

from broker.core.arguments import Field, Table, long, longstr
from broker.policy.effective import combined, effective_arguments
from broker.policy.policies import Policies
from broker.policy.policy import Policy, read_policy

LIMITS = ("message-ttl", "expires", "max-length", "max-length-bytes")
TEXTS = {"dead-letter-exchange": ["a", "b"], "dead-letter-routing-key": ["a", "b"], "alternate-exchange": ["a", "b"]}
OVERFLOWS = ["drop-head", "reject-publish", "reject-publish-dlx"]
Said = dict[str, int | str]

NUMBERS = st.fixed_dictionaries({}, optional=dict.fromkeys(LIMITS, st.integers(1, 4)))
OVERFLOW = st.fixed_dictionaries({}, optional={"overflow": st.sampled_from(OVERFLOWS)})
WORDS = st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in TEXTS.items()})
RETRIES = st.fixed_dictionaries({}, optional={"delivery-limit": st.integers(-2, 4)})


def merged(*parts: Said) -> Said:
    result: Said = {}
    for part in parts:
        result |= part
    return result


OPERATOR = st.builds(merged, NUMBERS, OVERFLOW, RETRIES)
USER = st.builds(merged, NUMBERS, OVERFLOW, RETRIES, WORDS)


def table(said: Said, prefix: str = "") -> Table:
    return {
        (prefix + key).encode(): longstr(value.encode()) if isinstance(value, str) else long(value)
        for key, value in said.items()
    }


def naive(arguments: Said, policy: Said, operator: Said, kind: str) -> Said:
    """Key by key, as the rules are told."""
    result: Said = {}
    for key in {*arguments, *policy, *operator}:
        argument, value = arguments.get(key), policy.get(key)
        if key in operator:
            value = operator[key] if value is None else stricter(key, value, operator[key])
        if argument is None:
            assert value is not None
            result[key] = value
        elif value is None:
            result[key] = argument
        elif kind == "stream" or (kind == "quorum" and key == "overflow"):
            result[key] = value
        elif isinstance(argument, int):
            result[key] = stricter(key, argument, value)
        else:
            result[key] = argument
    return result


def stricter(key: str, a: int | str, b: int | str) -> int | str:
    if isinstance(a, str) or isinstance(b, str):
        return b
    if key == "delivery-limit" and min(a, b) < 0:
        return max(a, b)
    return min(a, b)


@given(arguments=USER, policy=USER, operator=OPERATOR, kind=st.sampled_from(["classic", "quorum", "stream"]))
def test_effective_values_are_those_of_the_rules_told_key_by_key(
    arguments: Said, policy: Said, operator: Said, kind: str
) -> None:
    definition = combined(table(policy), table(operator))
    effective = effective_arguments(table(arguments, "x-"), definition, kind.encode())
    assert effective == table(naive(arguments, policy, operator, kind), "x-")


def test_inputs_are_left_as_they_were() -> None:
    arguments, policy, operator = {b"x-max-length": long(5)}, {b"max-length": long(4)}, {b"max-length": long(3)}
    effective_arguments(arguments, combined(policy, operator), b"classic")
    assert (arguments[b"x-max-length"], policy, operator) == (
        long(5),
        {b"max-length": long(4)},
        {b"max-length": long(3)},
    )


def test_integers_of_any_width_are_compared_and_the_stricter_one_keeps_its_letter() -> None:
    effective = effective_arguments({b"x-max-length": Field("B", 5)}, {b"max-length": long(6)}, b"classic")
    assert effective[b"x-max-length"] == Field("B", 5)


# --- which policy applies


def policy(name: str, priority: int = 0, *, is_operator: bool = False, **document: object) -> Policy:
    named = {key.replace("_", "-"): value for key, value in document.items()}
    body = {"pattern": "", "definition": {"max-length": 1}, "priority": priority} | named
    return read_policy("/", name, body, is_operator)


def test_the_highest_priority_that_matches_applies_and_only_that() -> None:
    policies = Policies()
    for each in (
        policy("low", 1, definition={"expires": 1000}),
        policy("high", 9),
        policy("other", 99, pattern="^other$"),
        policy("exchanges", 100, apply_to="exchanges"),
    ):
        policies.set(each)
    effective = policies.for_queue(b"q", b"classic")
    assert (effective.name, effective.operator_name, effective.definition) == ("high", None, {b"max-length": long(1)})
    assert policies.for_queue(b"other", b"classic").name == "other"
    assert policies.for_exchange(b"q").name == "exchanges"


def test_a_policy_with_a_key_for_other_types_is_passed_over_for_the_next() -> None:
    policies = Policies()
    policies.set(policy("streams", 9, definition={"max-age": "1h", "max-length-bytes": 1}))
    policies.set(policy("retries", 8, definition={"delivery-limit": 3, "max-length": 5}))
    policies.set(policy("plain", 1, definition={"max-length-bytes": 5}))
    found = [policies.for_queue(b"q", kind).name for kind in (b"stream", b"quorum", b"classic")]
    assert found == ["streams", "retries", "plain"]


def test_one_policy_of_each_kind_applies_and_names_do_not_clash() -> None:
    policies = Policies()
    policies.set(policy("p", definition={"max-length": 5, "dead-letter-exchange": "x"}))
    policies.set(policy("p", is_operator=True, definition={"max-length": 3, "expires": 10}))
    effective = policies.for_queue(b"q", b"classic")
    assert (effective.name, effective.operator_name) == ("p", "p")
    assert effective.definition == table({"max-length": 3, "expires": 10, "dead-letter-exchange": "x"})
    assert policies.remove("p", False)
    assert not policies.remove("p", False)
    effective = policies.for_queue(b"q", b"classic")
    assert (effective.name, effective.operator_name) == (None, "p")


def test_objects_of_the_same_policies_share_what_comes_out() -> None:
    policies = Policies()
    policies.set(policy("p"))
    first = policies.for_queue(b"a", b"classic")
    assert policies.for_exchange(b"b") is first
    policies.set(policy("p", definition={"max-length": 2}))
    assert not policies.for_queue(b"a", b"classic").is_of(first)
