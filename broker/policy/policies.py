"""The policies of one vhost, and which of them apply to a name."""

from operator import attrgetter
from typing import Final, final

from mypy_extensions import mypyc_attr

from broker.policy.effective import NO_POLICY, EffectivePolicy
from broker.policy.policy import Policy, PolicyRefused

# Each is tried for everything that is declared. RabbitMQ has no such limit; installations have a few dozen.
MOST_POLICIES: Final = 1000

_by_name = attrgetter("name")


@final
@mypyc_attr(native_class=True)
class Policies:
    """User and operator policies of a vhost. Whoever changes them has them applied afterwards."""

    def __init__(self) -> None:
        self._by_name: Final[dict[tuple[bool, str], Policy]] = {}
        # Highest priority first; equals by name, where RabbitMQ makes no promise.
        self._users: list[Policy] = []
        self._operators: list[Policy] = []
        self._effective: Final[dict[tuple[str, str], EffectivePolicy]] = {}

    def find(self, name: str, is_operator: bool) -> Policy | None:
        """The policy of that name; None if there is none."""
        return self._by_name.get((is_operator, name))

    def listed(self, is_operator: bool) -> list[Policy]:
        """All of one kind, by name."""
        return sorted(self._operators if is_operator else self._users, key=_by_name)

    def set(self, policy: Policy) -> None:
        """Add a policy, or replace the one of its name.

        Raises:
            PolicyRefused: There are too many already.
        """
        key = (policy.is_operator, policy.name)
        if key not in self._by_name and len(self._by_name) >= MOST_POLICIES:
            raise PolicyRefused(f"there are {MOST_POLICIES} policies in vhost '{policy.vhost_name}' already")
        self._by_name[key] = policy
        self._sort()

    def remove(self, name: str, is_operator: bool) -> bool:
        """Remove a policy; false if there is none of that name."""
        if self._by_name.pop((is_operator, name), None) is None:
            return False
        self._sort()
        return True

    def for_exchange(self, name: bytes) -> EffectivePolicy:
        """What applies to the exchange of that name."""
        if not self._by_name:
            return NO_POLICY
        return self._of(_first_for_exchange(self._users, name), _first_for_exchange(self._operators, name))

    def for_queue(self, name: bytes, queue_type: bytes) -> EffectivePolicy:
        """What applies to the queue of that name and type."""
        if not self._by_name:
            return NO_POLICY
        return self._of(
            _first_for_queue(self._users, name, queue_type), _first_for_queue(self._operators, name, queue_type)
        )

    def _sort(self) -> None:
        self._effective.clear()
        ranked = sorted(self._by_name.values(), key=_rank)
        self._users = [policy for policy in ranked if not policy.is_operator]
        self._operators = [policy for policy in ranked if policy.is_operator]

    def _of(self, policy: Policy | None, operator_policy: Policy | None) -> EffectivePolicy:
        """Made once for each pair: thousands of queues may share it."""
        if policy is None and operator_policy is None:
            return NO_POLICY
        key = ("" if policy is None else policy.name, "" if operator_policy is None else operator_policy.name)
        effective = self._effective.get(key)
        if effective is None:
            effective = EffectivePolicy(policy, operator_policy)
            self._effective[key] = effective
        return effective


def _rank(policy: Policy) -> tuple[int, str]:
    return -int(policy.priority), policy.name


def _first_for_exchange(policies: list[Policy], name: bytes) -> Policy | None:
    for policy in policies:
        if policy.covers_exchange(name):
            return policy
    return None


def _first_for_queue(policies: list[Policy], name: bytes, queue_type: bytes) -> Policy | None:
    for policy in policies:
        if policy.covers_queue(name, queue_type):
            return policy
    return None
