"""A connection that waits for somebody's answer."""

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import mypyc_attr

from broker.auth.remote import Asker, Question, RemoteUser

if TYPE_CHECKING:
    from broker.protocol.connection import Connection


@final
@mypyc_attr(native_class=True)
class ConnectionAsker(Asker):
    """A connection whose next method cannot be carried out before a question is answered."""

    def __init__(self, connection: "Connection", user: RemoteUser) -> None:
        self._connection: Final = connection
        self._user: Final = user

    def answered(self, question: Question) -> None:
        self._user.learn(question)
        connection = self._connection
        if connection.is_waiting:
            connection.is_waiting = False
            connection.transport.read_on()
