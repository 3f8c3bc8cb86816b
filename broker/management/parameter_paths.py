"""Parameters, global parameters and the cluster's name."""

import logging
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct

from broker.management.answers import CREATED, DONE, Answer, as_json
from broker.management.call import Call
from broker.management.json_values import Json
from broker.management.parameters import (
    CLUSTER_NAME,
    POLICY,
    clear_parameter,
    global_rows,
    keep_parameter,
    parameter_rows,
    policy_rows,
    read_parameter,
    set_parameter,
)
from broker.management.refusals import Refusal, bad_request, not_found
from broker.management.request_body import require
from broker.management.routes import ADMINISTRATOR, Route
from broker.metrics.text import shown
from broker.policy.parameters import GLOBAL, LONGEST_NAME, Parameter
from broker.policy.policy import PolicyRefused
from broker.vhost.vhost import VHost

AUDIT: Final = logging.getLogger("broker.audit")


class ParameterBody(Struct):
    """What ``PUT /parameters`` is given: any JSON as the value."""

    value: object


class ClusterNameBody(Struct):
    """What ``PUT /cluster-name`` is given."""

    name: str


# --- parameters


def parameters(call: Call) -> Answer:
    """Every parameter of the vhosts that the user may set policies in."""
    return _rows(call, _vhosts(call), "")


def component_parameters(call: Call, component: bytes) -> Answer:
    """The parameters of a component."""
    return _rows(call, _vhosts(call), shown(component))


def vhost_parameters(call: Call, component: bytes, vhost: bytes) -> Answer:
    """The parameters of a component in a vhost."""
    return _rows(call, [_vhost(call, vhost)], shown(component))


def one_parameter(call: Call, component: bytes, vhost: bytes, name: bytes) -> Answer:
    """One parameter."""
    for row in _found(call, [_vhost(call, vhost)], shown(component)):
        if row["name"] == shown(name):
            return as_json(row)
    raise not_found()


def put_parameter(call: Call, component: bytes, vhost_name: bytes, name: bytes) -> Answer:
    """Make or replace a parameter. Operator policies and limits of vhosts act at once, others are only kept."""
    vhost = _vhost(call, vhost_name)
    value = _value(call)
    try:
        setting = read_parameter(vhost.name, shown(component), shown(name), value)
        with call.facts.turn():
            is_new = set_parameter(call.facts.context.turn, vhost, setting)
    except PolicyRefused as refused:
        raise bad_request(str(refused)) from None
    _audit(call, "parameter set", vhost.name, component, name)
    return CREATED if is_new else DONE


def delete_parameter(call: Call, component: bytes, vhost_name: bytes, name: bytes) -> Answer:
    """Remove a parameter and what it did."""
    vhost = _vhost(call, vhost_name)
    with call.facts.turn():
        if not clear_parameter(call.facts.context.turn, vhost, shown(component), shown(name)):
            raise not_found()
    _audit(call, "parameter cleared", vhost.name, component, name)
    return DONE


def _vhosts(call: Call) -> list[VHost]:
    call.viewer.must_be_policymaker()
    return [vhost for vhost in call.vhosts() if call.viewer.may_set_policies(vhost.name)]


def _vhost(call: Call, name: bytes) -> VHost:
    call.viewer.must_be_policymaker(shown(name))
    vhost = call.facts.context.turn.vhosts.get(shown(name))
    if vhost is None:
        raise Refusal(404, "not_found", "vhost_not_found")
    return vhost


def _found(call: Call, vhosts: list[VHost], component: str) -> Iterable[Json]:
    """The parameters of a component; of all of them, but not the policies, for the empty one."""
    if component == POLICY:
        return policy_rows(vhosts)
    rows = parameter_rows(call.facts.context.turn, vhosts)
    return [row for row in rows if component in {"", row["component"]}]


def _rows(call: Call, vhosts: list[VHost], component: str) -> Answer:
    return call.rows(list(_found(call, vhosts, component)))


# --- global parameters


def global_parameters(call: Call) -> Answer:
    """Every global parameter."""
    call.viewer.must_be_policymaker()
    return call.rows(list(global_rows(call.facts.context.turn)))


def one_global_parameter(call: Call, name: bytes) -> Answer:
    """One global parameter."""
    call.viewer.must_be_policymaker()
    for row in global_rows(call.facts.context.turn):
        if row["name"] == shown(name):
            return as_json(row)
    raise not_found()


def put_global_parameter(call: Call, name: bytes) -> Answer:
    """Make or replace a global parameter. ``cluster_name`` names the cluster, others are only kept."""
    call.viewer.must_be_policymaker()
    return CREATED if _keep(call, shown(name), _value(call)) else DONE


def delete_global_parameter(call: Call, name: bytes) -> Answer:
    """Remove a global parameter."""
    call.viewer.must_be_policymaker()
    with call.facts.turn():
        if not call.facts.context.turn.remove_parameter(GLOBAL, GLOBAL, shown(name)):
            raise not_found()
    _audit(call, "parameter cleared", GLOBAL, b"", name)
    return DONE


def cluster_name(call: Call) -> Answer:
    """The cluster's name."""
    return as_json({"name": call.facts.node.cluster_name})


def put_cluster_name(call: Call) -> Answer:
    """Give the cluster another name; a name in the settings counts again from the next start on."""
    document = call.document()
    require(document, "name")
    name = document["name"]
    if not isinstance(name, str) or not 0 < len(name.encode()) <= LONGEST_NAME:
        raise bad_request(f"the name is not a text of 1 to {LONGEST_NAME} octets")
    _keep(call, CLUSTER_NAME, name)
    return DONE


def _keep(call: Call, name: str, value: object) -> bool:
    """Set a global parameter; whether there was none of that name."""
    try:
        with call.facts.turn():
            parameter = Parameter(GLOBAL, GLOBAL, name, msgspec.json.encode(value))
            is_new = keep_parameter(call.facts.context.turn, parameter)
    except PolicyRefused as refused:
        raise bad_request(str(refused)) from None
    if name == CLUSTER_NAME:
        call.facts.take_cluster_name()
    _audit(call, "parameter set", GLOBAL, b"", name.encode())
    return is_new


def _value(call: Call) -> object:
    document = call.document()
    require(document, "value")
    return document["value"]


def _audit(call: Call, event: str, vhost_name: str, component: bytes, name: bytes) -> None:
    fields = {"by": call.viewer.name, "vhost": vhost_name, "component": component, "parameter": name}
    AUDIT.info(event, extra=fields)


_PARAMETER: Final = "/parameters/{component}/{vhost}/{parameter}"
_GLOBAL: Final = "/global-parameters/{parameter}"

ROUTES: Final = (
    Route("GET", "/parameters", parameters),
    Route("GET", "/parameters/{component}", component_parameters),
    Route("GET", "/parameters/{component}/{vhost}", vhost_parameters),
    Route("GET", _PARAMETER, one_parameter),
    Route("PUT", _PARAMETER, put_parameter, body=ParameterBody, statuses=[201, 204]),
    Route("DELETE", _PARAMETER, delete_parameter, statuses=[204]),
    Route("GET", "/global-parameters", global_parameters),
    Route("GET", _GLOBAL, one_global_parameter),
    Route("PUT", _GLOBAL, put_global_parameter, body=ParameterBody, statuses=[201, 204]),
    Route("DELETE", _GLOBAL, delete_global_parameter, statuses=[204]),
    Route("GET", "/cluster-name", cluster_name),
    Route("PUT", "/cluster-name", put_cluster_name, ADMINISTRATOR, body=ClusterNameBody, statuses=[204]),
)
