"""The section ``interceptors``."""

from typing import Annotated, Literal

from msgspec import Struct

from broker.settings.meaning import means

Interception = Literal["off", "keep", "overwrite"]


class InterceptorSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is added to the headers of every message that comes in. RabbitMQ's message interceptors."""

    set_header_timestamp: Annotated[
        Interception,
        means(
            "The time, as the property timestamp and the header timestamp_in_ms: never, where the publisher has "
            "set none, or in any case."
        ),
    ] = "off"
    set_header_routing_node: Annotated[
        Interception, means("The name of this node, as the header x-routed-by. Likewise.")
    ] = "off"
