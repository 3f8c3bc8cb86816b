"""confirm.select and the class tx. RabbitMQ's publisher confirms; AMQP 0-9-1 §1.9."""

from broker.core.errors import PRECONDITION_FAILED, SoftError
from broker.protocol.channel import Channel
from broker.protocol.transaction import Transaction
from broker.wire.arguments import ArgumentReader
from broker.wire.methods import CONFIRM_SELECT_OK, TX_ROLLBACK_OK, TX_SELECT_OK


def confirm_select(channel: Channel, reader: ArgumentReader) -> None:
    """``confirm.select``: number every publish from now on and answer it.

    Raises:
        SoftError: 406 on a transactional channel.
    """
    bits = reader.octet()
    reader.end()
    if channel.transaction is not None:
        raise SoftError(PRECONDITION_FAILED, "cannot switch from tx to confirm mode")
    channel.confirms.is_selected = True
    if bits & 1 == 0:
        channel.answer(CONFIRM_SELECT_OK, b"")


def select(channel: Channel) -> None:
    """``tx.select``: hold publishes and settlements until the commit. A second one changes nothing.

    Raises:
        SoftError: 406 on a confirming channel.
    """
    if channel.confirms.is_selected:
        raise SoftError(PRECONDITION_FAILED, "cannot switch from confirm to tx mode")
    if channel.transaction is None:
        channel.transaction = Transaction()
    channel.answer(TX_SELECT_OK, b"")


def commit(channel: Channel) -> None:
    """``tx.commit``.

    Raises:
        SoftError: 406 without ``tx.select``, or when a full queue refused a publish.
    """
    channel.commit(_transaction(channel))


def roll_back(channel: Channel) -> None:
    """``tx.rollback``.

    Raises:
        SoftError: 406 without ``tx.select``.
    """
    channel.roll_back(_transaction(channel))
    channel.answer(TX_ROLLBACK_OK, b"")


def _transaction(channel: Channel) -> Transaction:
    transaction = channel.transaction
    if transaction is None:
        raise SoftError(PRECONDITION_FAILED, "channel is not transactional")
    return transaction
