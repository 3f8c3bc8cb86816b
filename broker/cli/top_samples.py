"""Two looks at a broker, and what has happened between them."""

from typing import Final

from msgspec import Struct

from broker.cli.api_client import ApiClient

Row = dict[str, object]

_QUEUE_PATH: Final = (
    "/api/queues?columns=vhost,name,type,state,messages,messages_ready,messages_unacknowledged,consumers,message_stats,"
    "ponymq_why"
)
_CONNECTION_PATH: Final = "/api/connections?columns=name,user_provided_name,user,vhost,state,channels,recv_oct,send_oct"


class Sample(Struct, frozen=True):
    """One look.

    Attributes:
        at_s: When, on a clock that only rises.
        overview: The whole broker.
        queues: Every queue that the user may see.
        connections: Every connection.
    """

    at_s: float
    overview: Row
    queues: list[Row]
    connections: list[Row]


class QueueLine(Struct, frozen=True):
    """One queue; rates are messages per second since the look before, -1 if there was none."""

    vhost: str
    name: str
    ready: int
    unacked: int
    consumers: int
    rate_in: float
    rate_out: float
    why: str

    @property
    def activity(self) -> float:
        """Messages that come and go, per second."""
        return self.rate_in + self.rate_out


class ConnectionLine(Struct, frozen=True):
    """One connection; octets per second, likewise."""

    name: str
    user: str
    vhost: str
    state: str
    channels: int
    received: float
    sent: float


def look(client: ApiClient, now_s: float) -> Sample:
    """Look at the broker.

    Raises:
        ApiError: It cannot be asked.
    """
    overview = client.get("/api/overview")
    return Sample(
        now_s,
        overview if isinstance(overview, dict) else {},
        _rows(client.get(_QUEUE_PATH)),
        _rows(client.get(_CONNECTION_PATH)),
    )


def queue_lines(now: Sample, before: Sample | None) -> list[QueueLine]:
    """The queues, as the API orders them."""
    earlier = {(row.get("vhost"), row.get("name")): row for row in before.queues} if before is not None else {}
    lines = []
    for row in now.queues:
        was = earlier.get((row.get("vhost"), row.get("name")))
        lines.append(
            QueueLine(
                str(row.get("vhost", "")),
                str(row.get("name", "")),
                number(row, "messages_ready"),
                number(row, "messages_unacknowledged"),
                number(row, "consumers"),
                rate(now, row, before, was, "message_stats", "publish"),
                rate(now, row, before, was, "message_stats", "deliver_get"),
                _why(row),
            )
        )
    return lines


def connection_lines(now: Sample, before: Sample | None) -> list[ConnectionLine]:
    """The connections, as the API orders them."""
    earlier = {row.get("name"): row for row in before.connections} if before is not None else {}
    lines = []
    for row in now.connections:
        was = earlier.get(row.get("name"))
        lines.append(
            ConnectionLine(
                str(row.get("user_provided_name") or row.get("name", "")),
                str(row.get("user", "")),
                str(row.get("vhost", "")),
                str(row.get("state", "")),
                number(row, "channels"),
                rate(now, row, before, was, "recv_oct"),
                rate(now, row, before, was, "send_oct"),
            )
        )
    return lines


def rate(now: Sample, row: Row, before: Sample | None, was: Row | None, *path: str) -> float:
    """How fast a counter rises; -1 if it was not there before. A counter that begins anew has risen by what it is."""
    if before is None or was is None or now.at_s <= before.at_s:
        return -1.0
    count, earlier = number(row, *path), number(was, *path)
    return (count - earlier if count >= earlier else count) / (now.at_s - before.at_s)


def number(row: Row, *path: str) -> int:
    """A whole number in a row; 0 where there is none."""
    value: object = row
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return int(value) if isinstance(value, int | float) else 0


def _why(row: Row) -> str:
    """Why the queue is as it is, where the broker says so; else its state."""
    told = row.get("ponymq_why")
    reasons = told.get("reasons") if isinstance(told, dict) else None
    if isinstance(reasons, list) and reasons and isinstance(reasons[0], dict):
        return str(reasons[0].get("text", ""))
    return str(row.get("state", ""))


def _rows(answer: object) -> list[Row]:
    return [row for row in answer if isinstance(row, dict)] if isinstance(answer, list) else []
