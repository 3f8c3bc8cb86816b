"""The path that reads the tail of the log."""

from typing import Final

from broker.management.answers import Answer
from broker.management.call import Call
from broker.management.log_ring import line_number
from broker.management.refusals import not_authorised
from broker.management.routes import Parameter, Route

AFTER: Final = Parameter("after", "Number of the last line that is known already.", "integer", least=0)


def log_tail(call: Call) -> Answer:
    """The last lines of the log, for monitors.

    ``last`` is the number of the newest line, ``lines`` are those behind ``after`` that are still kept.

    Raises:
        Refusal: 401, or 400 for what is no number.
    """
    if not call.viewer.is_monitor:
        raise not_authorised("Not monitor user")
    return Answer(body=call.facts.log.after(line_number(call.query.get("after", "0"))))


ROUTES: Final = (Route("GET", "/ponymq/log", log_tail, query=(AFTER,)),)
