"""States of connections and channels, and the methods each state admits. AMQP 0-9-1 §2.2.4, §4.2.1.

A method that is not in the table of its state is refused, never ignored; what refuses it, and how, is in the text of
``refusal``. While closing, everything but the end of the close handshake is discarded: §1.4.2.10, "MUST discard".
"""

from typing import Final

from broker.wire.methods import (
    ACCESS_REQUEST,
    BASIC_ACK,
    BASIC_CANCEL,
    BASIC_CANCEL_OK,
    BASIC_CONSUME,
    BASIC_GET,
    BASIC_NACK,
    BASIC_PUBLISH,
    BASIC_QOS,
    BASIC_RECOVER,
    BASIC_RECOVER_ASYNC,
    BASIC_REJECT,
    CHANNEL_CLOSE,
    CHANNEL_CLOSE_OK,
    CHANNEL_FLOW,
    CHANNEL_OPEN,
    CONFIRM_SELECT,
    CONNECTION_CLOSE,
    CONNECTION_CLOSE_OK,
    CONNECTION_OPEN,
    CONNECTION_START_OK,
    CONNECTION_TUNE_OK,
    CONNECTION_UPDATE_SECRET,
    EXCHANGE_BIND,
    EXCHANGE_DECLARE,
    EXCHANGE_DELETE,
    EXCHANGE_UNBIND,
    QUEUE_BIND,
    QUEUE_DECLARE,
    QUEUE_DELETE,
    QUEUE_PURGE,
    QUEUE_UNBIND,
    TX_COMMIT,
    TX_ROLLBACK,
    TX_SELECT,
)

# Connection states, in the order a connection goes through them.
AWAIT_HEADER: Final = 0
AWAIT_START_OK: Final = 1
AWAIT_TUNE_OK: Final = 2
AWAIT_OPEN: Final = 3
RUNNING: Final = 4
CLOSING: Final = 5  # connection.close was sent; its close-ok is awaited
CLOSED: Final = 6  # nothing is read any more

# As RabbitMQ names them in "unexpected method in connection state …".
CONNECTION_STATE_NAMES: Final[dict[int, str]] = {
    AWAIT_HEADER: "handshake",
    AWAIT_START_OK: "starting",
    AWAIT_TUNE_OK: "tuning",
    AWAIT_OPEN: "opening",
    RUNNING: "running",
    CLOSING: "closing",
    CLOSED: "closed",
}

# Methods on channel 0.
CONNECTION_METHODS: Final[dict[int, set[int]]] = {
    AWAIT_HEADER: set(),
    AWAIT_START_OK: {CONNECTION_START_OK, CONNECTION_CLOSE},
    AWAIT_TUNE_OK: {CONNECTION_TUNE_OK, CONNECTION_CLOSE},
    AWAIT_OPEN: {CONNECTION_OPEN, CONNECTION_CLOSE},
    RUNNING: {CONNECTION_CLOSE, CONNECTION_UPDATE_SECRET},
    CLOSING: {CONNECTION_CLOSE, CONNECTION_CLOSE_OK},
    CLOSED: set(),
}

# Channel states.
CHANNEL_ABSENT: Final = 0  # never opened, or closed: the number is free
CHANNEL_RUNNING: Final = 1
CHANNEL_CLOSING: Final = 2  # channel.close was sent; its close-ok is awaited
CHANNEL_CROSSED: Final = 3  # the client's own channel.close met ours and was answered; its close-ok may come or not

CHANNEL_METHODS: Final[dict[int, set[int]]] = {
    CHANNEL_ABSENT: {CHANNEL_OPEN},
    CHANNEL_RUNNING: {
        CHANNEL_CLOSE,
        CHANNEL_FLOW,
        ACCESS_REQUEST,
        EXCHANGE_DECLARE,
        EXCHANGE_DELETE,
        EXCHANGE_BIND,
        EXCHANGE_UNBIND,
        QUEUE_DECLARE,
        QUEUE_BIND,
        QUEUE_UNBIND,
        QUEUE_PURGE,
        QUEUE_DELETE,
        BASIC_QOS,
        BASIC_CONSUME,
        BASIC_CANCEL,
        BASIC_CANCEL_OK,
        BASIC_PUBLISH,
        BASIC_GET,
        BASIC_ACK,
        BASIC_NACK,
        BASIC_REJECT,
        BASIC_RECOVER,
        BASIC_RECOVER_ASYNC,
        CONFIRM_SELECT,
        TX_SELECT,
        TX_COMMIT,
        TX_ROLLBACK,
    },
    CHANNEL_CLOSING: {CHANNEL_CLOSE, CHANNEL_CLOSE_OK},
    CHANNEL_CROSSED: {CHANNEL_CLOSE, CHANNEL_CLOSE_OK, CHANNEL_OPEN},
}

# What frame a channel wants next: §4.2.6, a content is method, header, bodies without anything between.
EXPECT_METHOD: Final = 0
EXPECT_HEADER: Final = 1
EXPECT_BODY: Final = 2
