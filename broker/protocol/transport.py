"""The socket as a connection sees it."""

from mypy_extensions import mypyc_attr


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class Transport:
    """Takes octets. ``broker.net`` subclasses it; tests collect what is sent."""

    def send(self, parts: list[bytes]) -> None:
        """Write the parts in order, with one system call if the socket takes them."""
        raise NotImplementedError

    def read_on(self) -> None:
        """What the connection waited for is there: call its ``resume``, if the socket has room."""
        raise NotImplementedError

    def close(self) -> None:
        """Close when everything sent has been written."""
        raise NotImplementedError

    def abort(self) -> None:
        """Close at once."""
        raise NotImplementedError
