"""The section ``store``."""

from typing import Annotated

from msgspec import Struct

from broker.settings.meaning import between


class StoreSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The sizes of the log on disk."""

    segment_bytes: Annotated[
        int, between(65_536, 1_073_741_824, "Size at which a segment of the commit log is sealed.")
    ] = 33_554_432
    log_bytes: Annotated[
        int,
        between(
            131_072,
            1_099_511_627_776,
            "Size of the commit log over which the messages still wanted move to their queues' own files.",
        ),
    ] = 268_435_456
