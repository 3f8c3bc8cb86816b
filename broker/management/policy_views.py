"""Policies and limits as the API shows them."""

from broker.management.json_values import Json, json_table
from broker.policy.limits import Limits
from broker.policy.policy import Policy


def policy_view(policy: Policy) -> Json:
    """The row of one policy, of either kind."""
    return {
        "vhost": policy.vhost_name,
        "name": policy.name,
        "pattern": policy.pattern,
        "apply-to": policy.apply_to,
        "definition": json_table(policy.definition),
        "priority": policy.priority,
    }


def limits_view(kind: str, name: str, limits: Limits) -> Json:
    """The row of one vhost or user, whichever ``kind`` says."""
    return {kind: name, "value": limits.values}
