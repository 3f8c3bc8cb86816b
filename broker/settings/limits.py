"""The section ``limits``."""

from typing import Annotated

from msgspec import Struct

from broker.settings.meaning import between


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """When publishers are refused to protect the machine. Consumers go on."""

    memory_high_watermark: Annotated[
        float,
        between(
            0,
            1e13,
            "Memory of the process above which publishers are refused: up to 1 as a share of the machine's memory "
            "(or the container's), above 1 in octets. 0 refuses always.",
        ),
    ] = 0.6
    disk_free_limit_bytes: Annotated[
        int,
        between(
            0,
            1_152_921_504_606_846_976,
            "Free disk under which publishers are refused. 0 for the largest of 1 GiB, 5 % of the disk and three "
            "segments, but at most 10 % of the disk.",
        ),
    ] = 0
