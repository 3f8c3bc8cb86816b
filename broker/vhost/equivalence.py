"""Redeclaring: what must be the same, and how the difference is told. AMQP 0-9-1 §1.6.2.1, §1.7.2.1."""

from broker.core.arguments import Field, Table, described, printed, same_value
from broker.core.errors import PRECONDITION_FAILED, SoftError
from broker.queues.arguments import CLASSIC, compared_arguments, queue_type
from broker.queues.queue import Queue
from broker.routing.exchange import ALTERNATE_EXCHANGE, Exchange


def check_exchange_equivalence(
    exchange: Exchange, kind: bytes, is_durable: bool, is_auto_delete: bool, is_internal: bool, arguments: Table
) -> None:
    """Compare a redeclare with the exchange there is: type, flags, and only the argument alternate-exchange.

    Raises:
        SoftError: 406, naming the first difference.
    """
    what = str(exchange)
    if kind != exchange.kind:
        _refuse_text("type", what, kind.decode("utf-8", "replace"), exchange.kind.decode())
    _compare_flag("durable", what, is_durable, exchange.is_durable)
    _compare_flag("auto_delete", what, is_auto_delete, exchange.is_auto_delete)
    _compare_flag("internal", what, is_internal, exchange.is_internal)
    _compare_argument(
        ALTERNATE_EXCHANGE, what, arguments.get(ALTERNATE_EXCHANGE), exchange.arguments.get(ALTERNATE_EXCHANGE)
    )


def check_queue_equivalence(queue: Queue, is_durable: bool, is_auto_delete: bool, arguments: Table) -> None:
    """Compare a redeclare with the queue there is: flags, then each argument that its type knows.

    An exclusive queue has no durability to compare: it never survives its connection.

    Raises:
        SoftError: 406, naming the first difference.
    """
    what = str(queue)
    if queue.owner_id == 0:
        _compare_flag("durable", what, is_durable, queue.is_durable)
    _compare_flag("auto_delete", what, is_auto_delete, queue.is_auto_delete)
    for name in compared_arguments(queue.arguments):
        received = arguments.get(name)
        current = queue.arguments.get(name)
        if name == b"x-queue-type" and queue_type(arguments) == CLASSIC and queue_type(queue.arguments) == CLASSIC:
            continue  # absent, empty and "classic" are the same type
        _compare_argument(name, what, received, current)


def _compare_flag(name: str, what: str, received: bool, current: bool) -> None:
    if received != current:
        _refuse_text(name, what, "true" if received else "false", "true" if current else "false")


def _refuse_text(name: str, what: str, received: str, current: str) -> None:
    text = f"inequivalent arg '{name}' for {what}: received '{received}' but current is '{current}'"
    raise SoftError(PRECONDITION_FAILED, text)


def _compare_argument(name: bytes, what: str, received: Field | None, current: Field | None) -> None:
    if same_value(received, current):
        return
    if received is None or current is None:
        difference = f"received {described(received)} but current is {described(current)}"
    else:
        difference = f"received '{printed(received)}' but current is '{printed(current)}'"
    raise SoftError(PRECONDITION_FAILED, f"inequivalent arg '{name.decode()}' for {what}: {difference}")
