"""A connection as the turn sees it: something that may have octets to write."""

from mypy_extensions import mypyc_attr


@mypyc_attr(native_class=True)
class Outlet:
    """Base of the connection.

    Attributes:
        is_touched: On the turn's list of connections to flush.
    """

    def __init__(self) -> None:
        self.is_touched: bool = False

    def touch(self) -> None:
        """Something was put in the outbox: flush it at the end of the turn."""
        raise NotImplementedError

    def flush(self) -> None:
        """Write everything in the outbox with one call."""
        raise NotImplementedError
