"""A published message, and its place in one queue."""

from typing import Final, final

from mypy_extensions import i32, i64, mypyc_attr

from broker.core.destination import Destination

# Values of Queued.log_segment for a message without a record in the commit log.
NOT_STORED: Final = -1  # transient, or in a queue that is not durable: never gets a record
PENDING: Final = -2  # asked for in this turn, not encoded yet: settling it now costs no octet on disk
SETTLED: Final = -3  # settled before its record was encoded: the commit log passes it over


@final
@mypyc_attr(native_class=True)
class Message:
    """One publish, shared by every queue it was routed to. Immutable.

    Attributes:
        route: Exchange and routing key as two short strings, the octets that ``basic.deliver`` carries.
        header: Payload of the content header frame as it arrived: class, weight, body size, flags, properties.
        body: The whole body.
        is_persistent: delivery_mode 2.
        timestamp_ms: Wall clock at publish, for expiry after a restart.
        priority: The priority property, 0 if absent.
        ttl_ms: The expiration property; -1 if absent.
        is_dead_letter: The broker made it of one that died: the history in its headers is the broker's own.
    """

    def __init__(
        self,
        route: bytes,
        header: bytes,
        body: bytes,
        is_persistent: bool,
        timestamp_ms: i64,
        priority: i64,
        ttl_ms: i64,
        is_dead_letter: bool = False,
    ) -> None:
        self.route: Final = route
        self.header: Final = header
        self.body: Final = body
        self.is_persistent: Final = is_persistent
        self.is_dead_letter: Final = is_dead_letter
        self.timestamp_ms: Final[i64] = timestamp_ms
        self.priority: Final[i64] = priority
        self.ttl_ms: Final[i64] = ttl_ms

    def is_like(self, other: "Message") -> bool:
        """Do they differ in nothing but the body, and when they were published?"""
        if self is other:
            return True
        return self.header == other.header and self.route == other.route and self.is_dead_letter == other.is_dead_letter

    def with_body(self, body: bytes, timestamp_ms: i64) -> "Message":
        """A message like this one, with another body of the same size, published at another time."""
        return Message(
            self.route,
            self.header,
            body,
            self.is_persistent,
            timestamp_ms,
            self.priority,
            self.ttl_ms,
            self.is_dead_letter,
        )


@mypyc_attr(native_class=True)
class Enqueuer(Destination):
    """What takes messages that were routed to it: a queue as a rule. What the store and a delivery need to know of it.

    Attributes:
        log_id: Number of a durable queue in the store, never used twice; 0 for a queue without a log.
        next_position: Position of the next message.
        is_aside: It only looks on. A message that nobody else takes has not been routed, and one that somebody
            refused is not shown to it.
        stores_all: Transient messages are stored as well: a quorum queue.
    """

    def __init__(self, name: bytes, vhost_name: str, is_durable: bool, log_id: i64, *, is_aside: bool = False) -> None:
        super().__init__(name, vhost_name, False, is_durable)
        self.log_id: i64 = log_id
        self.next_position: i64 = 1
        self.is_aside: Final = is_aside
        self.stores_all: bool = False

    def push(self, message: Message) -> bool:
        """Take in one message.

        Returns:
            False if it is refused.
        """
        raise NotImplementedError

    def takes_run(self, like: Message) -> bool:
        """May messages like this one, which has no time to live, come by ``push_run``?

        They may if nothing is to be done for one but to keep its place: nobody stores it, counts it against a limit or
        looks at what it says. So they need not become objects, with or without a consumer that is waiting.
        """
        return False

    def push_run(self, like: Message, bodies: list[bytes]) -> None:
        """``push`` for several messages. Only after ``takes_run``.

        Args:
            like: A message with the same route, header and properties.
            bodies: Their bodies, in order, all of the size that the header says; at least one.
        """
        raise NotImplementedError

    def restore(self, queued: "Queued") -> None:
        """Put back a message that the store recovered."""
        raise NotImplementedError

    def take_back(self, first_position: i64) -> None:
        """The disk is full: forget the messages that the store has given up and nobody was handed.

        Nothing is dead-lettered: they were never taken in, and their publishers are told so.

        Args:
            first_position: Of those of the present turn; the ones given up are marked SETTLED.
        """
        raise NotImplementedError

    def time_has_come(self, time_ms: i64) -> None:
        """The agenda's call at a time that was asked for."""


@final
@mypyc_attr(native_class=True)
class Queued:
    """A message's place in one queue. At any time it is ready, unacked on one channel, or settled.

    Attributes:
        message: What was published.
        queue: The queue it is in.
        position: Order in that queue: 1, 2, 3…; kept through requeue and restart.
        log_segment: Number of the commit log segment that holds its record, or one of the constants above.
        expires_ms: Wall clock after which it must not be delivered; 0 for never. While it is delayed, when it is due.
        redelivered: It had been handed to a client before.
        acquired_count: Times it came back from a client; kept by queues that count, 0 in others.
        delivery_count: Those times among them that were failures: rejected, or lost with a channel.
    """

    def __init__(self, message: Message, queue: Enqueuer, position: i64) -> None:
        self.message: Final = message
        self.queue: Final = queue
        self.position: Final[i64] = position
        self.log_segment: i64 = NOT_STORED
        self.expires_ms: i64 = 0
        self.redelivered: bool = False
        # 32 bits each: with the flag they fill one word, so that no queue pays for those that count.
        self.acquired_count: i32 = 0
        self.delivery_count: i32 = 0
