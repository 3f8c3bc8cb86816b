"""Exit codes: those of sysexits.h, as rabbitmqctl uses them."""

import http.client
from typing import Final

EX_FAILED: Final = 1
"""A check found what it looks for."""
EX_USAGE: Final = 64
EX_DATAERR: Final = 65
"""There is no such thing, or the broker does not take what was said."""
EX_NOINPUT: Final = 66
EX_NOUSER: Final = 67
EX_UNAVAILABLE: Final = 69
EX_SOFTWARE: Final = 70
EX_CANTCREAT: Final = 73
EX_TEMPFAIL: Final = 75
"""No answer in time."""
EX_NOPERM: Final = 77

_BY_STATUS: Final[dict[int, int]] = {
    http.client.BAD_REQUEST: EX_DATAERR,
    http.client.UNAUTHORIZED: EX_NOPERM,
    http.client.FORBIDDEN: EX_NOPERM,
    http.client.NOT_FOUND: EX_DATAERR,
    http.client.PRECONDITION_FAILED: EX_DATAERR,
    http.client.REQUEST_ENTITY_TOO_LARGE: EX_DATAERR,
    http.client.INTERNAL_SERVER_ERROR: EX_SOFTWARE,
}


def of_status(status: int) -> int:
    """The exit code for a refusal of the HTTP API."""
    return _BY_STATUS.get(status, EX_UNAVAILABLE)
