"""Limits of vhosts and users as values."""

import pytest

from broker.policy.limits import NO_LIMITS, Limits, UserLimits, read_user_limit, read_vhost_limit
from broker.policy.policies import MOST_POLICIES, Policies
from broker.policy.policy import PolicyRefused, read_policy


@pytest.mark.parametrize(
    ("limit", "count", "is_reached"),
    [(2, 1, False), (2, 2, True), (2, 3, True), (0, 0, True), (-1, 9, False), (-7, 9, False)],
)
def test_zero_allows_nothing_and_a_negative_limit_everything(limit: int, count: int, is_reached: bool) -> None:
    assert Limits({"max-queues": limit}).is_reached("max-queues", count) is is_reached
    assert not NO_LIMITS.is_reached("max-queues", count)


def test_limits_are_changed_one_by_one() -> None:
    limits = NO_LIMITS.having("max-queues", 5).having("max-connections", -1).having("max-queues", 6)
    assert limits.values == {"max-queues": 6, "max-connections": -1}
    assert limits.without("max-connections").without("max-connections").values == {"max-queues": 6}
    assert NO_LIMITS.values == {}


def test_a_user_whose_last_limit_goes_is_forgotten() -> None:
    limits = UserLimits()
    limits.set(b"b", Limits({"max-channels": 1}))
    limits.set(b"a", Limits({"max-connections": 2}))
    assert [name for name, _ in limits.all()] == [b"a", b"b"]
    limits.set(b"a", limits.of(b"a").without("max-connections"))
    assert [name for name, _ in limits.all()] == [b"b"]
    assert limits.of(b"a") is NO_LIMITS


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("max-foo", 5, 'Validation failed\n\nUnrecognised terms [{<<"max-foo">>,5}] in limits\n'),
        ("max-channels", 5, 'Validation failed\n\nUnrecognised terms [{<<"max-channels">>,5}] in limits\n'),
        ("max-queues", "5", 'Validation failed\n\nmax-queues should be a number, actually was <<"5">>\n'),
        ("max-queues", True, "Validation failed\n\nmax-queues should be a number, actually was true\n"),
        ("max-queues", 2**70, f"Validation failed\n\nmax-queues should be a number, actually was {2**70}\n"),
    ],
)
def test_a_wrong_vhost_limit_is_refused_in_rabbitmqs_words(name: str, value: object, text: str) -> None:
    with pytest.raises(PolicyRefused) as caught:
        read_vhost_limit(name, value)
    assert str(caught.value) == text
    assert read_vhost_limit("max-queues", -1) == -1


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("max-queues", 5, 'Unrecognised terms [{<<"max-queues">>,5}] in user-limits'),
        ("max-connections", "x", 'max-connections should be a number, actually was <<"x">>'),
    ],
)
def test_a_wrong_user_limit_is_refused_in_rabbitmqs_words(name: str, value: object, text: str) -> None:
    with pytest.raises(PolicyRefused) as caught:
        read_user_limit(name, value)
    assert str(caught.value) == text
    assert read_user_limit("max-channels", 0) == 0


def test_a_vhost_has_a_bounded_number_of_policies() -> None:
    policies = Policies()
    body: dict[str, object] = {"pattern": "", "definition": {"max-length": 1}}
    for number in range(MOST_POLICIES):
        policies.set(read_policy("/", f"p{number}", body, number % 2 == 0))
    policies.set(read_policy("/", "p0", body, True))  # replaced, not added
    with pytest.raises(PolicyRefused, match="there are 1000 policies in vhost '/' already"):
        policies.set(read_policy("/", "one more", body, False))
