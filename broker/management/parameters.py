"""Parameters with a vhost: what is kept as it is, and what is a limit or an operator policy under another name."""

from collections.abc import Iterable, Iterator
from typing import Final, cast

import msgspec

from broker.management.json_values import Json
from broker.management.policy_views import policy_view
from broker.policy.limits import Limits, read_vhost_limit
from broker.policy.parameters import GLOBAL, Parameter
from broker.policy.policy import Policy, PolicyRefused, read_policy, validation_failed
from broker.policy.term import printed_json
from broker.vhost.turn import Turn
from broker.vhost.vhost import VHost

POLICY: Final = "policy"
OPERATOR_POLICY: Final = "operator_policy"
VHOST_LIMITS: Final = "vhost-limits"
LIMITS_NAME: Final = "limits"  # of the one parameter that all limits of a vhost are in

CLUSTER_NAME: Final = "cluster_name"
"""The global parameter that names the cluster."""

Setting = Policy | Limits | Parameter


def read_parameter(vhost_name: str, component: str, name: str, value: object) -> Setting:
    """What a parameter sets.

    Raises:
        PolicyRefused: It cannot be, with RabbitMQ's text where it has one.
    """
    if component == POLICY:
        raise PolicyRefused("policies may not be set using this method")
    if component == OPERATOR_POLICY:
        if not isinstance(value, dict):
            raise validation_failed([f"operator policy {name} must be a dictionary: {printed_json(value)}"])
        return read_policy(vhost_name, name, cast("Json", value), is_operator=True)
    if component == VHOST_LIMITS:
        if name != LIMITS_NAME:
            raise PolicyRefused(f"the limits of a vhost have the name {LIMITS_NAME}")
        return read_limits(value)
    if not component:
        raise PolicyRefused("the component is empty")
    return Parameter(vhost_name, component, name, msgspec.json.encode(value))


def read_limits(value: object) -> Limits:
    """All limits of a vhost in one object; old tools write an empty list for none.

    Raises:
        PolicyRefused: It is none, or there is no such limit.
    """
    if value == []:
        return Limits({})
    if not isinstance(value, dict):
        raise validation_failed([f"limits should be a dictionary, actually was {printed_json(value)}"])
    return Limits({name: read_vhost_limit(name, each) for name, each in cast("Json", value).items()})


def set_parameter(turn: Turn, vhost: VHost, setting: Setting) -> bool:
    """Put it into force, unless it is already. Returns whether there was none of that name.

    Raises:
        PolicyRefused: There are too many.
    """
    if isinstance(setting, Limits):
        is_new = not vhost.limits.values
        if setting.values != vhost.limits.values:
            vhost.set_limits(setting)
        return is_new
    if isinstance(setting, Policy):
        known = vhost.policies.find(setting.name, setting.is_operator)
        if known is None or policy_view(known) != policy_view(setting):
            vhost.set_policy(setting)
        return known is None
    return keep_parameter(turn, setting)


def keep_parameter(turn: Turn, parameter: Parameter) -> bool:
    """Keep a parameter that means nothing here, global ones included. Returns whether there was none of that name.

    Raises:
        PolicyRefused: There are too many.
    """
    known = turn.parameters.find(parameter.vhost_name, parameter.component, parameter.name)
    if known is None or known.value != parameter.value:
        turn.set_parameter(parameter)
    return known is None


def clear_parameter(turn: Turn, vhost: VHost, component: str, name: str) -> bool:
    """Remove a parameter and what it did; false if there is none of that name."""
    if component == OPERATOR_POLICY:
        return vhost.remove_policy(name, is_operator=True)
    if component == VHOST_LIMITS:
        if name != LIMITS_NAME or not vhost.limits.values:
            return False
        vhost.set_limits(Limits({}))
        return True
    return turn.remove_parameter(vhost.name, component, name)


def parameter_rows(turn: Turn, vhosts: Iterable[VHost]) -> Iterator[Json]:
    """The parameters of vhosts as RabbitMQ lists them: operator policies and limits among them, policies not."""
    names: set[str] = set()
    for vhost in vhosts:
        names.add(vhost.name)
        for policy in vhost.policies.listed(is_operator=True):
            yield _row(vhost.name, OPERATOR_POLICY, policy.name, _policy_value(policy))
        if vhost.limits.values:
            yield _row(vhost.name, VHOST_LIMITS, LIMITS_NAME, vhost.limits.values)
    for parameter in turn.parameters.listed():
        if parameter.vhost_name in names:
            value = msgspec.Raw(parameter.value)
            yield _row(parameter.vhost_name, parameter.component, parameter.name, value)


def policy_rows(vhosts: Iterable[VHost]) -> Iterator[Json]:
    """Policies in the shape of parameters; RabbitMQ shows them so when that component is asked for."""
    for vhost in vhosts:
        for policy in vhost.policies.listed(is_operator=False):
            yield _row(vhost.name, POLICY, policy.name, _policy_value(policy))


def global_rows(turn: Turn) -> Iterator[Json]:
    """The global parameters."""
    for parameter in turn.parameters.listed():
        if parameter.vhost_name == GLOBAL:
            yield {"name": parameter.name, "value": msgspec.Raw(parameter.value)}


def cluster_name_of(turn: Turn) -> str:
    """The name that the cluster was given while it ran; empty if it has none."""
    parameter = turn.parameters.find(GLOBAL, GLOBAL, CLUSTER_NAME)
    value = None if parameter is None else msgspec.json.decode(parameter.value)
    return value if isinstance(value, str) else ""


def _policy_value(policy: Policy) -> Json:
    return {key: value for key, value in policy_view(policy).items() if key not in {"vhost", "name"}}


def _row(vhost_name: str, component: str, name: str, value: object) -> Json:
    return {"value": value, "vhost": vhost_name, "component": component, "name": name}
