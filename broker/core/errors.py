"""The two kinds of refusal of AMQP 0-9-1, and their reply codes.

    AmqpError
      SoftError   closes the channel      (403, 404, 405, 406, 311, 313)
      HardError   closes the connection   (320, 402, 501-506, 530, 540, 541)

Raising one is the whole act: the channel or the connection machine in ``broker.protocol`` turns it into
``channel.close`` or ``connection.close``. Reply texts follow RabbitMQ's, because people and clients match on them.
"""

from typing import Final

CONTENT_TOO_LARGE: Final = 311
NO_ROUTE: Final = 312
NO_CONSUMERS: Final = 313
CONNECTION_FORCED: Final = 320
INVALID_PATH: Final = 402
ACCESS_REFUSED: Final = 403
NOT_FOUND: Final = 404
RESOURCE_LOCKED: Final = 405
PRECONDITION_FAILED: Final = 406
FRAME_ERROR: Final = 501
SYNTAX_ERROR: Final = 502
COMMAND_INVALID: Final = 503
CHANNEL_ERROR: Final = 504
UNEXPECTED_FRAME: Final = 505
RESOURCE_ERROR: Final = 506
NOT_ALLOWED: Final = 530
NOT_IMPLEMENTED: Final = 540
INTERNAL_ERROR: Final = 541

REPLY_NAMES: Final[dict[int, str]] = {
    CONTENT_TOO_LARGE: "CONTENT_TOO_LARGE",
    NO_ROUTE: "NO_ROUTE",
    NO_CONSUMERS: "NO_CONSUMERS",
    CONNECTION_FORCED: "CONNECTION_FORCED",
    INVALID_PATH: "INVALID_PATH",
    ACCESS_REFUSED: "ACCESS_REFUSED",
    NOT_FOUND: "NOT_FOUND",
    RESOURCE_LOCKED: "RESOURCE_LOCKED",
    PRECONDITION_FAILED: "PRECONDITION_FAILED",
    FRAME_ERROR: "FRAME_ERROR",
    SYNTAX_ERROR: "SYNTAX_ERROR",
    COMMAND_INVALID: "COMMAND_INVALID",
    CHANNEL_ERROR: "CHANNEL_ERROR",
    UNEXPECTED_FRAME: "UNEXPECTED_FRAME",
    RESOURCE_ERROR: "RESOURCE_ERROR",
    NOT_ALLOWED: "NOT_ALLOWED",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    INTERNAL_ERROR: "INTERNAL_ERROR",
}


class AmqpError(Exception):
    """A refusal that the peer is told about.

    Attributes:
        reply_code: One of the constants above.
        explanation: What goes after ``NAME - `` in the reply text; empty for a bare name.
        names_method: The close frame names the method that was refused; False where RabbitMQ blames none.
    """

    def __init__(self, reply_code: int, explanation: str, names_method: bool = True) -> None:
        super().__init__(explanation)
        self.reply_code = reply_code
        self.explanation = explanation
        self.names_method = names_method

    @property
    def reply_text(self) -> str:
        """The text for the close method: ``NAME - explanation``, or the bare name."""
        name = REPLY_NAMES[self.reply_code]
        return f"{name} - {self.explanation}" if self.explanation else name


class SoftError(AmqpError):
    """Closes the channel it was raised on. AMQP 0-9-1 §1.2, "channel exceptions"."""


class HardError(AmqpError):
    """Closes the whole connection. AMQP 0-9-1 §1.2, "connection exceptions"."""
