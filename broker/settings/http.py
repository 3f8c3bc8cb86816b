"""The section ``http``."""

from typing import Annotated

from msgspec import Struct

from broker.settings.meaning import between


class HttpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What the HTTP ports bear from their clients."""

    max_body_bytes: Annotated[int, between(0, 1_073_741_824, "Largest body of one request.")] = 16_777_216
    max_headers: Annotated[int, between(8, 32_768, "Headers of one request.")] = 128
    max_header_bytes: Annotated[
        int, between(256, 1_048_576, "Size of one header, and of the line that has the path.")
    ] = 8190
