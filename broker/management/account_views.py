"""Users and permissions as the API shows them."""

from collections.abc import Iterator

from broker.auth.access import Access
from broker.auth.users import User
from broker.management.json_values import Json
from broker.metrics.text import shown
from broker.policy.limits import Limits


def user_view(user: User, limits: Limits) -> Json:
    """The row of one user. For administrators: it holds the password hash."""
    return {
        "name": shown(user.name),
        "password_hash": user.password.text,
        "hashing_algorithm": user.password.algorithm,
        "tags": user.tags,
        "limits": limits.values,
    }


def permission_view(access: Access) -> Json:
    """The row of a permission that there is."""
    assert access.permission is not None
    configure, write, read = access.permission.texts
    return {**_where(access), "configure": configure, "write": write, "read": read}


def topic_permission_views(access: Access) -> Iterator[Json]:
    """The rows of all topic permissions of one user in one vhost."""
    for exchange_name, topic in access.topics.items():
        yield {**_where(access), "exchange": shown(exchange_name), "write": topic.write, "read": topic.read}


def _where(access: Access) -> Json:
    return {"user": shown(access.user.name), "vhost": access.vhost_name}
