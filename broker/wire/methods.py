"""Numbers and names of the AMQP 0-9-1 classes and methods, RabbitMQ's extensions included.

A method is one number, ``class << 16 | method``: the first four octets of a method frame's payload read as one
integer. ``tests/wire`` checks every row against pamqp.
"""

from typing import Final

FRAME_METHOD: Final = 1
FRAME_HEADER: Final = 2
FRAME_BODY: Final = 3
FRAME_HEARTBEAT: Final = 8
FRAME_END: Final = 0xCE
FRAME_OVERHEAD: Final = 8  # type, channel, size before the payload; the end octet after it
FRAME_MIN_SIZE: Final = 4096  # AMQP 0-9-1 §4.2.3; RabbitMQ 4.1 asks 8192, older client libraries still offer 4096

PROTOCOL_HEADER: Final = b"AMQP\x00\x00\x09\x01"

CONNECTION: Final = 10
CHANNEL: Final = 20
ACCESS: Final = 30
EXCHANGE: Final = 40
QUEUE: Final = 50
BASIC: Final = 60
CONFIRM: Final = 85
TX: Final = 90

CONNECTION_START: Final = 10 << 16 | 10
CONNECTION_START_OK: Final = 10 << 16 | 11
CONNECTION_SECURE: Final = 10 << 16 | 20
CONNECTION_SECURE_OK: Final = 10 << 16 | 21
CONNECTION_TUNE: Final = 10 << 16 | 30
CONNECTION_TUNE_OK: Final = 10 << 16 | 31
CONNECTION_OPEN: Final = 10 << 16 | 40
CONNECTION_OPEN_OK: Final = 10 << 16 | 41
CONNECTION_CLOSE: Final = 10 << 16 | 50
CONNECTION_CLOSE_OK: Final = 10 << 16 | 51
CONNECTION_BLOCKED: Final = 10 << 16 | 60
CONNECTION_UNBLOCKED: Final = 10 << 16 | 61
CONNECTION_UPDATE_SECRET: Final = 10 << 16 | 70
CONNECTION_UPDATE_SECRET_OK: Final = 10 << 16 | 71

CHANNEL_OPEN: Final = 20 << 16 | 10
CHANNEL_OPEN_OK: Final = 20 << 16 | 11
CHANNEL_FLOW: Final = 20 << 16 | 20
CHANNEL_FLOW_OK: Final = 20 << 16 | 21
CHANNEL_CLOSE: Final = 20 << 16 | 40
CHANNEL_CLOSE_OK: Final = 20 << 16 | 41

ACCESS_REQUEST: Final = 30 << 16 | 10
ACCESS_REQUEST_OK: Final = 30 << 16 | 11

EXCHANGE_DECLARE: Final = 40 << 16 | 10
EXCHANGE_DECLARE_OK: Final = 40 << 16 | 11
EXCHANGE_DELETE: Final = 40 << 16 | 20
EXCHANGE_DELETE_OK: Final = 40 << 16 | 21
EXCHANGE_BIND: Final = 40 << 16 | 30
EXCHANGE_BIND_OK: Final = 40 << 16 | 31
EXCHANGE_UNBIND: Final = 40 << 16 | 40
EXCHANGE_UNBIND_OK: Final = 40 << 16 | 51

QUEUE_DECLARE: Final = 50 << 16 | 10
QUEUE_DECLARE_OK: Final = 50 << 16 | 11
QUEUE_BIND: Final = 50 << 16 | 20
QUEUE_BIND_OK: Final = 50 << 16 | 21
QUEUE_PURGE: Final = 50 << 16 | 30
QUEUE_PURGE_OK: Final = 50 << 16 | 31
QUEUE_DELETE: Final = 50 << 16 | 40
QUEUE_DELETE_OK: Final = 50 << 16 | 41
QUEUE_UNBIND: Final = 50 << 16 | 50
QUEUE_UNBIND_OK: Final = 50 << 16 | 51

BASIC_QOS: Final = 60 << 16 | 10
BASIC_QOS_OK: Final = 60 << 16 | 11
BASIC_CONSUME: Final = 60 << 16 | 20
BASIC_CONSUME_OK: Final = 60 << 16 | 21
BASIC_CANCEL: Final = 60 << 16 | 30
BASIC_CANCEL_OK: Final = 60 << 16 | 31
BASIC_PUBLISH: Final = 60 << 16 | 40
BASIC_RETURN: Final = 60 << 16 | 50
BASIC_DELIVER: Final = 60 << 16 | 60
BASIC_GET: Final = 60 << 16 | 70
BASIC_GET_OK: Final = 60 << 16 | 71
BASIC_GET_EMPTY: Final = 60 << 16 | 72
BASIC_ACK: Final = 60 << 16 | 80
BASIC_REJECT: Final = 60 << 16 | 90
BASIC_RECOVER_ASYNC: Final = 60 << 16 | 100
BASIC_RECOVER: Final = 60 << 16 | 110
BASIC_RECOVER_OK: Final = 60 << 16 | 111
BASIC_NACK: Final = 60 << 16 | 120

CONFIRM_SELECT: Final = 85 << 16 | 10
CONFIRM_SELECT_OK: Final = 85 << 16 | 11

TX_SELECT: Final = 90 << 16 | 10
TX_SELECT_OK: Final = 90 << 16 | 11
TX_COMMIT: Final = 90 << 16 | 20
TX_COMMIT_OK: Final = 90 << 16 | 21
TX_ROLLBACK: Final = 90 << 16 | 30
TX_ROLLBACK_OK: Final = 90 << 16 | 31

METHOD_NAMES: Final[dict[int, str]] = {
    CONNECTION_START: "connection.start",
    CONNECTION_START_OK: "connection.start-ok",
    CONNECTION_SECURE: "connection.secure",
    CONNECTION_SECURE_OK: "connection.secure-ok",
    CONNECTION_TUNE: "connection.tune",
    CONNECTION_TUNE_OK: "connection.tune-ok",
    CONNECTION_OPEN: "connection.open",
    CONNECTION_OPEN_OK: "connection.open-ok",
    CONNECTION_CLOSE: "connection.close",
    CONNECTION_CLOSE_OK: "connection.close-ok",
    CONNECTION_BLOCKED: "connection.blocked",
    CONNECTION_UNBLOCKED: "connection.unblocked",
    CONNECTION_UPDATE_SECRET: "connection.update-secret",
    CONNECTION_UPDATE_SECRET_OK: "connection.update-secret-ok",
    CHANNEL_OPEN: "channel.open",
    CHANNEL_OPEN_OK: "channel.open-ok",
    CHANNEL_FLOW: "channel.flow",
    CHANNEL_FLOW_OK: "channel.flow-ok",
    CHANNEL_CLOSE: "channel.close",
    CHANNEL_CLOSE_OK: "channel.close-ok",
    ACCESS_REQUEST: "access.request",
    ACCESS_REQUEST_OK: "access.request-ok",
    EXCHANGE_DECLARE: "exchange.declare",
    EXCHANGE_DECLARE_OK: "exchange.declare-ok",
    EXCHANGE_DELETE: "exchange.delete",
    EXCHANGE_DELETE_OK: "exchange.delete-ok",
    EXCHANGE_BIND: "exchange.bind",
    EXCHANGE_BIND_OK: "exchange.bind-ok",
    EXCHANGE_UNBIND: "exchange.unbind",
    EXCHANGE_UNBIND_OK: "exchange.unbind-ok",
    QUEUE_DECLARE: "queue.declare",
    QUEUE_DECLARE_OK: "queue.declare-ok",
    QUEUE_BIND: "queue.bind",
    QUEUE_BIND_OK: "queue.bind-ok",
    QUEUE_PURGE: "queue.purge",
    QUEUE_PURGE_OK: "queue.purge-ok",
    QUEUE_DELETE: "queue.delete",
    QUEUE_DELETE_OK: "queue.delete-ok",
    QUEUE_UNBIND: "queue.unbind",
    QUEUE_UNBIND_OK: "queue.unbind-ok",
    BASIC_QOS: "basic.qos",
    BASIC_QOS_OK: "basic.qos-ok",
    BASIC_CONSUME: "basic.consume",
    BASIC_CONSUME_OK: "basic.consume-ok",
    BASIC_CANCEL: "basic.cancel",
    BASIC_CANCEL_OK: "basic.cancel-ok",
    BASIC_PUBLISH: "basic.publish",
    BASIC_RETURN: "basic.return",
    BASIC_DELIVER: "basic.deliver",
    BASIC_GET: "basic.get",
    BASIC_GET_OK: "basic.get-ok",
    BASIC_GET_EMPTY: "basic.get-empty",
    BASIC_ACK: "basic.ack",
    BASIC_REJECT: "basic.reject",
    BASIC_RECOVER_ASYNC: "basic.recover-async",
    BASIC_RECOVER: "basic.recover",
    BASIC_RECOVER_OK: "basic.recover-ok",
    BASIC_NACK: "basic.nack",
    CONFIRM_SELECT: "confirm.select",
    CONFIRM_SELECT_OK: "confirm.select-ok",
    TX_SELECT: "tx.select",
    TX_SELECT_OK: "tx.select-ok",
    TX_COMMIT: "tx.commit",
    TX_COMMIT_OK: "tx.commit-ok",
    TX_ROLLBACK: "tx.rollback",
    TX_ROLLBACK_OK: "tx.rollback-ok",
}
