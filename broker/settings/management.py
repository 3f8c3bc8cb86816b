"""The section ``management``."""

from typing import Annotated, Literal

from msgspec import Struct

from broker.settings.meaning import between, means

RatesMode = Literal["none", "basic", "detailed"]


class ManagementSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the broker is looked after: what the HTTP API tells, and who is let in without a password."""

    rates_mode: Annotated[
        RatesMode,
        means(
            "Whether counters are read every five seconds, for rates and their past. With none, all rates are "
            "zero. detailed is the same as basic."
        ),
    ] = "basic"
    login_session_timeout_s: Annotated[
        float, between(60, 31_536_000, "Longest login to the web console; an hour without use ends it.")
    ] = 28_800.0
    socket: Annotated[
        str,
        means(
            "Unix socket that serves the HTTP API without a password to the broker's own user and root, in the "
            "data directory unless the path is absolute. Empty for none."
        ),
    ] = "ponymqctl.sock"
