"""Direct reply-to: names that lead straight to a channel that waits for answers. RabbitMQ's extension.

A requester consumes from ``amq.rabbitmq.reply-to`` and says the same in the reply_to of its requests; the broker puts a
name there that nobody can guess and that ends with the channel. What a responder publishes to that name through the
default exchange is delivered to the requester. It is never stored, listed or dead-lettered, and declares nothing.
"""

from typing import Final, final

from mypy_extensions import mypyc_attr

from broker.core.counters import Counters
from broker.core.ids import generated_name
from broker.queues.agenda import Agenda
from broker.queues.classic import ClassicQueue
from broker.store.store import Store

REPLY_TO: Final = b"amq.rabbitmq.reply-to"
PREFIX: Final = REPLY_TO + b"."
NAME_SIZE: Final = len(PREFIX) + 22


@final
@mypyc_attr(native_class=True)
class ReplyQueues:
    """The reply names of one vhost. Each is a queue with one consumer that is in no list and takes what it is sent.

    A real queue, because a requester that does not read must hold up nobody: what it has no room for waits there, and
    goes to the spool if it is much.
    """

    def __init__(self, vhost_name: str, agenda: Agenda, store: Store, counters: Counters) -> None:
        self._vhost_name: Final = vhost_name
        self._agenda: Final = agenda
        self._store: Final = store
        self._counters: Final = counters
        self._by_name: Final[dict[bytes, ClassicQueue]] = {}
        # RabbitMQ 4.2: an answer to somebody who is gone counts as routed, so no responder has it returned.
        self._nobody: Final = self._make(PREFIX)
        self._nobody.is_deleted = True

    def _make(self, name: bytes) -> ClassicQueue:
        return ClassicQueue(name, self._vhost_name, False, False, 0, {}, 0, self._agenda, self._store, self._counters)

    def open(self) -> ClassicQueue:
        """A new reply name, as a queue without a consumer yet."""
        queue = self._make(generated_name(PREFIX))
        self._by_name[queue.name] = queue
        return queue

    def close(self, queue: ClassicQueue) -> None:
        """The requester is gone: what is still sent to the name is dropped."""
        del self._by_name[queue.name]
        queue.is_deleted = True
        queue.consumers.clear()
        queue.ready.clear()

    def find(self, name: bytes) -> ClassicQueue | None:
        """The queue behind a reply name; one that takes nothing if the requester is gone; None for any other name."""
        queue = self._by_name.get(name)
        if queue is None and name.startswith(PREFIX) and len(name) == NAME_SIZE:
            return self._nobody
        return queue

    def is_answered(self, name: bytes) -> bool:
        """Does somebody wait under this name? Under the plain one everybody may."""
        return name == REPLY_TO or name in self._by_name
