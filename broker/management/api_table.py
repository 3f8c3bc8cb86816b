"""Every path of the API."""

from typing import Final

from broker.management import (
    account_changes,
    account_resources,
    bindings,
    definitions_paths,
    health,
    log_paths,
    messages,
    moves,
    node_paths,
    node_resources,
    parameter_paths,
    peer_changes,
    policy_changes,
    resources,
    topology_changes,
)
from broker.management.openapi import ApiReference
from broker.management.routes import RouteTable

TABLE: Final = RouteTable(
    ApiReference(
        (
            *resources.ROUTES,
            *node_resources.ROUTES,
            *health.ROUTES,
            *bindings.ROUTES,
            *topology_changes.ROUTES,
            *messages.ROUTES,
            *moves.ROUTES,
            *peer_changes.ROUTES,
            *policy_changes.ROUTES,
            *account_resources.ROUTES,
            *account_changes.ROUTES,
            *definitions_paths.ROUTES,
            *parameter_paths.ROUTES,
            *node_paths.ROUTES,
            *log_paths.ROUTES,
        )
    ).routes
)
