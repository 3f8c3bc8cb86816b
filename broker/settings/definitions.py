"""The section ``definitions``."""

from typing import Annotated

from msgspec import Struct

from broker.settings.meaning import means


class DefinitionsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Definitions that each start imports before it opens a port."""

    file: Annotated[
        str,
        means(
            "JSON file with definitions, PonyMQ's or RabbitMQ's, or a directory of such; empty for none. With it a "
            "first start makes no default user and no default vhost. RabbitMQ's load_definitions."
        ),
    ] = ""
    skip_if_unchanged: Annotated[bool, means("Import only what is not, octet for octet, what was imported last.")] = (
        False
    )
