"""Runtime parameters: named JSON values that tools keep in the broker. RabbitMQ's parameters and global parameters."""

from typing import Final, final

from mypy_extensions import mypyc_attr

from broker.policy.policy import PolicyRefused

MOST_PARAMETERS: Final = 10_000
LONGEST_VALUE: Final = 65_536  # octets of JSON
LONGEST_NAME: Final = 255  # octets of a name or a component

GLOBAL: Final = ""
"""The vhost and the component of a global parameter, which has neither."""


@final
@mypyc_attr(native_class=True)
class Parameter:
    """One value. Immutable.

    Attributes:
        vhost_name: Where it belongs; ``GLOBAL`` for a global one.
        component: What it is for: ``shovel``, ``federation-upstream``…; ``GLOBAL`` likewise.
        name: Its own name.
        value: JSON.
    """

    def __init__(self, vhost_name: str, component: str, name: str, value: bytes) -> None:
        """Make one.

        Raises:
            PolicyRefused: A name or the value is too long, or there is no name.
        """
        for text in (component, name):
            if len(text.encode("utf-8", "replace")) > LONGEST_NAME:
                raise PolicyRefused(f"the name is longer than {LONGEST_NAME} octets")
        if not name:
            raise PolicyRefused("the name is empty")
        if len(value) > LONGEST_VALUE:
            raise PolicyRefused(f"the value is longer than {LONGEST_VALUE} octets")
        self.vhost_name: Final = vhost_name
        self.component: Final = component
        self.name: Final = name
        self.value: Final = value


@final
@mypyc_attr(native_class=True)
class Parameters:
    """All parameters of the broker. Nothing here acts on them."""

    def __init__(self) -> None:
        self._by_key: Final[dict[tuple[str, str, str], Parameter]] = {}

    def find(self, vhost_name: str, component: str, name: str) -> Parameter | None:
        """The parameter of that name; None if there is none."""
        return self._by_key.get((vhost_name, component, name))

    def listed(self) -> list[Parameter]:
        """Every one, by vhost, component and name; global ones first."""
        return [self._by_key[key] for key in sorted(self._by_key)]

    def set(self, parameter: Parameter) -> None:
        """Add a parameter, or replace the one of its name.

        Raises:
            PolicyRefused: There are too many already.
        """
        key = (parameter.vhost_name, parameter.component, parameter.name)
        if key not in self._by_key and len(self._by_key) >= MOST_PARAMETERS:
            raise PolicyRefused(f"there are {MOST_PARAMETERS} parameters already")
        self._by_key[key] = parameter

    def remove(self, vhost_name: str, component: str, name: str) -> bool:
        """Remove a parameter; false if there is none of that name."""
        return self._by_key.pop((vhost_name, component, name), None) is not None

    def forget_vhost(self, vhost_name: str) -> None:
        """The vhost is gone, and its parameters with it."""
        for key in list(self._by_key):
            if key[0] == vhost_name:
                del self._by_key[key]
