"""Every path of the API."""

from typing import Final

from broker.management import (
    account_changes,
    account_resources,
    bindings,
    log_paths,
    messages,
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
            *bindings.ROUTES,
            *topology_changes.ROUTES,
            *messages.ROUTES,
            *peer_changes.ROUTES,
            *policy_changes.ROUTES,
            *account_resources.ROUTES,
            *account_changes.ROUTES,
            *log_paths.ROUTES,
        )
    ).routes
)
