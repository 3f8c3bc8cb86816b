"""How many connections, queues and channels a vhost or a user may have. RabbitMQ's limits."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.policy.keys import MAX_NUMBER
from broker.policy.policy import PolicyRefused, validation_failed
from broker.policy.term import printed_json

MAX_CONNECTIONS: Final = "max-connections"
MAX_QUEUES: Final = "max-queues"
MAX_CHANNELS: Final = "max-channels"
VHOST_LIMITS: Final[list[str]] = [MAX_CONNECTIONS, MAX_QUEUES]
USER_LIMITS: Final[list[str]] = [MAX_CONNECTIONS, MAX_CHANNELS]

UNLIMITED: Final = -1


@final
@mypyc_attr(native_class=True)
class Limits:
    """The limits that are set on one vhost or user. Immutable.

    Attributes:
        values: By name. 0 allows nothing at all; a negative one is no limit, like a missing one.
    """

    def __init__(self, values: dict[str, int]) -> None:
        self.values: Final = values

    def get(self, name: str) -> i64:
        """The limit, or a negative number."""
        return self.values.get(name, UNLIMITED)

    def is_reached(self, name: str, count: i64) -> bool:
        """Is one more than ``count`` too many?"""
        limit = self.get(name)
        return 0 <= limit <= count

    def having(self, name: str, value: int) -> "Limits":
        """These, and one more or another one."""
        return Limits({**self.values, name: value})

    def without(self, name: str) -> "Limits":
        """These without one."""
        return Limits({each: value for each, value in self.values.items() if each != name})


NO_LIMITS: Final = Limits({})


@final
@mypyc_attr(native_class=True)
class UserLimits:
    """The limits of users, by name."""

    def __init__(self) -> None:
        self._by_user: Final[dict[bytes, Limits]] = {}

    def of(self, user_name: bytes) -> Limits:
        """What is set for a user."""
        return self._by_user.get(user_name, NO_LIMITS)

    def set(self, user_name: bytes, limits: Limits) -> None:
        """Replace what is set for a user."""
        if limits.values:
            self._by_user[user_name] = limits
        else:
            self._by_user.pop(user_name, None)

    def all(self) -> list[tuple[bytes, Limits]]:
        """Every user who has any, by name."""
        return sorted(self._by_user.items(), key=_name)


def _name(item: tuple[bytes, Limits]) -> bytes:
    return item[0]


def read_vhost_limit(name: str, value: object) -> int:
    """The value of a vhost limit.

    Raises:
        PolicyRefused: There is no such limit, or it is not a number.
    """
    objection = _objection(name, value, VHOST_LIMITS, "limits")
    if objection:
        raise validation_failed([objection])
    assert isinstance(value, int)
    return value


def read_user_limit(name: str, value: object) -> int:
    """The value of a user limit.

    Raises:
        PolicyRefused: There is no such limit, or it is not a number.
    """
    objection = _objection(name, value, USER_LIMITS, "user-limits")
    if objection:
        raise PolicyRefused(objection)
    assert isinstance(value, int)
    return value


def _objection(name: str, value: object, known: list[str], where: str) -> str:
    if name not in known:
        return f"Unrecognised terms [{{{printed_json(name)},{printed_json(value)}}}] in {where}"
    if isinstance(value, bool) or not isinstance(value, int) or not -MAX_NUMBER <= value <= MAX_NUMBER:
        return f"{name} should be a number, actually was {printed_json(value)}"
    return ""
