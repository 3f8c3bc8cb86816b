"""Which function answers which method, for all that the frame loop does not handle itself."""

from mypy_extensions import i64

from broker.protocol import basic_methods, channel_methods, exchange_methods, queue_methods, transaction_methods
from broker.protocol.channel import Channel
from broker.wire.arguments import ArgumentReader
from broker.wire.methods import (
    ACCESS_REQUEST,
    BASIC_ACK,
    BASIC_CANCEL,
    BASIC_CONSUME,
    BASIC_GET,
    BASIC_NACK,
    BASIC_QOS,
    BASIC_RECOVER,
    BASIC_RECOVER_ASYNC,
    BASIC_REJECT,
    CHANNEL_FLOW,
    CONFIRM_SELECT,
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


def dispatch(channel: Channel, method: i64, reader: ArgumentReader) -> None:
    """Carry out one method of an open channel; the channel's table of methods has admitted it.

    Raises:
        SoftError: The channel is to be closed.
        HardError: The connection is.
    """
    if method == BASIC_REJECT:
        basic_methods.reject(channel, reader)
    elif method == BASIC_NACK:
        basic_methods.nack(channel, reader)
    elif method == BASIC_ACK:
        basic_methods.ack(channel, reader)
    elif method == BASIC_GET:
        basic_methods.get(channel, reader)
    elif method == BASIC_CONSUME:
        basic_methods.consume(channel, reader)
    elif method == BASIC_CANCEL:
        basic_methods.cancel(channel, reader)
    elif method == BASIC_QOS:
        basic_methods.qos(channel, reader)
    elif method == BASIC_RECOVER:
        basic_methods.recover(channel, reader, is_async=False)
    elif method == BASIC_RECOVER_ASYNC:
        basic_methods.recover(channel, reader, is_async=True)
    elif method == QUEUE_DECLARE:
        queue_methods.declare(channel, reader)
    elif method == QUEUE_BIND:
        queue_methods.bind(channel, reader)
    elif method == QUEUE_UNBIND:
        queue_methods.unbind(channel, reader)
    elif method == QUEUE_PURGE:
        queue_methods.purge(channel, reader)
    elif method == QUEUE_DELETE:
        queue_methods.delete(channel, reader)
    elif method == EXCHANGE_DECLARE:
        exchange_methods.declare(channel, reader)
    elif method == EXCHANGE_DELETE:
        exchange_methods.delete(channel, reader)
    elif method == EXCHANGE_BIND:
        exchange_methods.bind(channel, reader)
    elif method == EXCHANGE_UNBIND:
        exchange_methods.unbind(channel, reader)
    elif method == CONFIRM_SELECT:
        transaction_methods.confirm_select(channel, reader)
    elif method == TX_SELECT:
        transaction_methods.select(channel)
    elif method == TX_COMMIT:
        transaction_methods.commit(channel)
    elif method == TX_ROLLBACK:
        transaction_methods.roll_back(channel)
    elif method == CHANNEL_FLOW:
        channel_methods.flow(channel, reader)
    elif method == ACCESS_REQUEST:
        channel_methods.access_request(channel)
    # What remains are answers to methods of ours that need no reaction: basic.cancel-ok and channel.flow-ok.
