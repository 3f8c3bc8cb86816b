"""What the broker adds to the headers of every message that comes in, if the settings ask for it.

RabbitMQ's message interceptors ``set_header_timestamp`` and ``set_header_routing_node``.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Table, long, longstr
from broker.core.errors import HardError
from broker.wire.properties import has_timestamp, headers_of, rewritten, with_timestamp

# What to do about one header.
OFF: Final = 0
KEEP: Final = 1  # set it where the publisher has not
OVERWRITE: Final = 2

TIMESTAMP_HEADER: Final = b"timestamp_in_ms"
NODE_HEADER: Final = b"x-routed-by"


@final
@mypyc_attr(native_class=True)
class Interceptor:
    """Stamps content headers. A broker that stamps nothing has none."""

    def __init__(self, timestamp: int, routing_node: int, node_name: bytes) -> None:
        """Stamp with the time, with the name of this node, or with both.

        Args:
            timestamp: OFF, KEEP or OVERWRITE: the property ``timestamp`` in seconds, and a header in milliseconds.
            routing_node: OFF, KEEP or OVERWRITE: the header ``x-routed-by``.
            node_name: What that says.
        """
        self._timestamp: Final = timestamp
        self._routing_node: Final = routing_node
        self._node_name: Final = longstr(node_name)

    def stamped(self, header: bytes, now_ms: i64) -> bytes:
        """The content header with what it is to have; as it is, if its headers have no room for more.

        Args:
            header: One that ``PropertyScanner.scan`` accepts.
            now_ms: Wall clock.

        Raises:
            HardError: 501 or 502, its headers cannot be decoded.
        """
        headers: Table = dict(headers_of(header) or {})
        is_changed = False
        if self._timestamp == OVERWRITE or (self._timestamp == KEEP and TIMESTAMP_HEADER not in headers):
            headers[TIMESTAMP_HEADER] = long(int(now_ms))
            is_changed = True
        if self._routing_node == OVERWRITE or (self._routing_node == KEEP and NODE_HEADER not in headers):
            headers[NODE_HEADER] = self._node_name
            is_changed = True
        if is_changed:
            try:
                header = rewritten(header, headers, keep_expiration=True)
            except HardError:
                return header
        if self._timestamp == OVERWRITE or (self._timestamp == KEEP and not has_timestamp(header)):
            header = with_timestamp(header, now_ms // 1000)
        return header
