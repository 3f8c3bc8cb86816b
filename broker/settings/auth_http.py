"""The section ``auth.http``."""

from typing import Annotated, Literal

from msgspec import Struct

from broker.settings.meaning import above, between, means

HttpMethod = Literal["get", "post"]


class AuthHttpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The service that is asked. For the backend http."""

    user_path: Annotated[
        str, means("Asked whether a user may log in with a password, and with which tags: a URL.", min_length=1)
    ] = "http://localhost:8000/auth/user"
    vhost_path: Annotated[str, means("Asked whether the user may enter a vhost.", min_length=1)] = (
        "http://localhost:8000/auth/vhost"
    )
    resource_path: Annotated[
        str, means("Asked whether the user has a permission for a queue or exchange.", min_length=1)
    ] = "http://localhost:8000/auth/resource"
    topic_path: Annotated[str, means("Asked the same for a key on a topic exchange.", min_length=1)] = (
        "http://localhost:8000/auth/topic"
    )
    method: Annotated[
        HttpMethod, means("get is RabbitMQ's default; post keeps passwords out of the service's access log.")
    ] = "get"
    request_timeout_s: Annotated[float, above(0, 3600, "From the question to the answer; later it is a no.")] = 15.0
    connection_timeout_s: Annotated[float, above(0, 3600, "Of that, to get a connection to the service.")] = 15.0
    max_connections: Annotated[
        int, between(1, 10_000, "Connections to the service; further questions wait for one.")
    ] = 20
    cache_ttl_s: Annotated[float, between(1, 86_400, "How long a yes is good for. A no is asked again.")] = 15.0
    cache_size: Annotated[int, between(1, 10_000_000, "Answers kept at most.")] = 10_000
    authorities: Annotated[str, means("PEM file with the authorities for https; empty for those of the system.")] = ""
