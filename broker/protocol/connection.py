"""One connection: the frame loop, the states, and the end. AMQP 0-9-1 §1.4, §2.2, §4.2."""

import logging
from typing import Final, final

from librt.strings import read_i32_be, read_i64_be
from mypy_extensions import i64, mypyc_attr

from broker.auth.logins import WAITING
from broker.auth.remote import Question, RemoteUser, Undecided
from broker.auth.users import User
from broker.core.arguments import Table, erlang_octets
from broker.core.errors import (
    ACCESS_REFUSED,
    CHANNEL_ERROR,
    COMMAND_INVALID,
    CONNECTION_FORCED,
    FRAME_ERROR,
    INTERNAL_ERROR,
    NOT_ALLOWED,
    NOT_IMPLEMENTED,
    UNEXPECTED_FRAME,
    AmqpError,
    HardError,
    SoftError,
)
from broker.policy.limits import MAX_CHANNELS
from broker.protocol.asker import ConnectionAsker
from broker.protocol.channel import Channel
from broker.protocol.context import Context
from broker.protocol.dispatch import dispatch
from broker.protocol.handshake import ConnectionLogin, end_login, open_connection, start_ok, start_payload, tune_ok
from broker.protocol.heartbeat import Heartbeat
from broker.protocol.input import Input
from broker.protocol.renewal import end_update, update_secret
from broker.protocol.states import (
    AWAIT_HEADER,
    AWAIT_OPEN,
    AWAIT_START_OK,
    CHANNEL_CLOSING,
    CHANNEL_CROSSED,
    CHANNEL_METHODS,
    CHANNEL_RUNNING,
    CLOSED,
    CLOSING,
    CONNECTION_METHODS,
    CONNECTION_STATE_NAMES,
    EXPECT_BODY,
    EXPECT_HEADER,
    EXPECT_METHOD,
    RUNNING,
)
from broker.protocol.tls_session import TlsSession
from broker.protocol.transport import Transport
from broker.queues.queue import Queue
from broker.vhost.outlet import Outlet
from broker.vhost.publisher import Publisher
from broker.wire.arguments import ArgumentReader, octets_text
from broker.wire.methods import (
    BASIC_ACK,
    BASIC_PUBLISH,
    CHANNEL_CLOSE,
    CHANNEL_CLOSE_OK,
    CHANNEL_OPEN,
    CHANNEL_OPEN_OK,
    CONNECTION_BLOCKED,
    CONNECTION_CLOSE,
    CONNECTION_CLOSE_OK,
    CONNECTION_OPEN,
    CONNECTION_START,
    CONNECTION_START_OK,
    CONNECTION_TUNE_OK,
    CONNECTION_UNBLOCKED,
    CONNECTION_UPDATE_SECRET,
    FRAME_BODY,
    FRAME_END,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_OVERHEAD,
    METHOD_NAMES,
    PROTOCOL_HEADER,
)
from broker.wire.octets import get_u16, get_u32, shortstr, u16
from broker.wire.outbox import OUTBOX_LIMIT, Outbox
from broker.wire.tables import undecodable

LOG: Final = logging.getLogger("broker.connection")
AUDIT: Final = logging.getLogger("broker.audit")

# Octets in the outbox at which a peer's further methods wait: a chunk holds eleven thousand basic.get, and each may be
# answered with a large message.
CHOKE_BYTES: Final = 4 * 1024 * 1024
# How long a refused login stays open without a word: RabbitMQ's way to slow down guessing.
REFUSED_LOGIN_S: Final = 3.0
FRAME_ERROR_S: Final = 3.0
CLOSE_S: Final = 30.0
# A record of the type handshake, and the version that every TLS hello carries. RFC 8446 §5.1.
TLS_HANDSHAKE: Final = b"\x16\x03"


@final
@mypyc_attr(native_class=True)
class Connection(Outlet):
    """A peer, from its protocol header to its last octet.

    Feed it every chunk that arrives and call ``tick`` twice a second; it writes through its transport, at the end of
    each turn, and closes the transport when it is done.

    Attributes:
        id: Number of the connection, never used twice in one run.
        context: The broker.
        peer: Address of the other end, for the log and for lists.
        listener: Address of the port that it came in by.
        tls: What TLS has agreed on; None on a port without it.
        state: One of the connection states.
        channels: Open and closing channels by number.
        client_properties: As ``connection.start-ok`` had them.
        login: Its last login, at the start or with a new secret, and the verdict on it; None before.
        user: Who logged in; None before.
        exclusive_queues: Queues that go when it goes.
        max_payload: Largest payload of a frame that it may send, octets.
        is_blocked: Its peer does not read: the socket's buffer is full.
        is_held: We do not read from it, because it does not read our answers; so its silence proves nothing.
        is_choked: It was answered with more than the outbox should hold, so the rest of what it said waits
            until ``resume``; or ``is_waiting``.
        is_waiting: Its password is being checked, or somebody is asked what it may do; nothing more is read until then.
        question: What was asked last.
        has_published: It has sent at least one message.
        has_channel_qos: ``basic.qos`` without global reaches running consumers as well.
        wants_cancel_notify: The client asked to be told when a queue it consumes from is deleted.
        wants_blocked_notify: The client asked to be told when publishers are refused for want of memory or disk.
        is_alarmed: It publishes under an alarm, and was told so if it wants to know.
    """

    def __init__(
        self,
        context: Context,
        transport: Transport,
        peer: str,
        is_loopback: bool,
        listener: str = "",
        tls: TlsSession | None = None,
        waited_s: float = 0.0,
    ) -> None:
        """Begin with a peer's first octet.

        Args:
            context: The broker.
            transport: Takes what is to be sent.
            peer: Address of the other end.
            is_loopback: It is on this machine.
            listener: Address of the port that it came in by.
            tls: What TLS has agreed on.
            waited_s: Time that has passed since its socket was accepted: it counts as handshake.
        """
        super().__init__()
        self.id: Final[i64] = context.next_connection_id()
        self.context: Final = context
        self.peer: Final = peer
        self.is_loopback: Final = is_loopback
        self.listener: Final = listener
        self.tls: Final = tls
        self.transport: Final = transport
        self._turn: Final = context.turn
        self._counters: Final = context.counters
        self.outbox: Final = Outbox(context.warm_outboxes)
        self._input: Final = Input()
        self._pos: i64 = 0
        self._number: i64 = 0  # channel and method of the frame being handled, for the close frame if it is refused
        self._method: i64 = 0
        self.state: i64 = AWAIT_HEADER
        self.channels: Final[dict[int, Channel]] = {}
        self._recent: Channel | None = None
        self._recent_number: i64 = -1
        # what the handshake agrees on
        self.login: ConnectionLogin | None = None
        self.is_waiting: bool = False
        self._awaits_verdict: bool = False
        self.question: Question | None = None
        self.user: User | None = None
        self.user_name: bytes = b""
        self.mechanism: bytes = b""
        self.vhost_name: str = ""
        self.client_properties: Table = {}
        self.wants_cancel_notify: bool = False
        self.wants_blocked_notify: bool = False
        self.wants_close_on_refusal: bool = False
        self.has_channel_qos: bool = False
        self.publisher: Publisher | None = None
        self.frame_max: i64 = context.limits.handshake_frame_max
        self.channel_max: i64 = context.limits.channel_max
        self.heartbeat_s: i64 = 0
        self._heartbeat: Final = Heartbeat()
        self.max_payload: i64 = context.limits.handshake_frame_max
        now_s = context.clock.monotonic_s()
        self.connected_ms: Final[i64] = context.clock.now_ms()
        self._deadline_s: float = now_s + context.limits.handshake_s - waited_s
        self.exclusive_queues: Final[dict[bytes, Queue]] = {}
        self.is_blocked: bool = False
        self.is_held: bool = False
        self.is_choked: bool = False
        self._was_full: bool = False
        self._is_deaf: bool = False  # after octets that are no frames, or in a refused login: nothing is read any more
        self.has_published: bool = False
        self.is_alarmed: bool = False
        self._alarmed_octets: i64 = 0  # octets_received when it was told: the chunk that was under way
        self.octets_received: i64 = 0
        self.octets_sent: i64 = 0
        self.close_reason: str = ""
        context.connections[self.id] = self
        context.counters.connections_opened += 1

    # --- octets in

    @property
    def tail(self) -> bytes:
        """The end of the last chunk, if the next one may be read behind it; else empty."""
        return self._input.tail

    def feed(self, data: bytes, tail: i64 = 0) -> None:
        """Handle one chunk to its end: every whole frame in it, and everything they cause.

        Args:
            data: The chunk.
            tail: So many octets of it are ``tail``, which was there before; 0 for none.
        """
        fresh = len(data) - tail
        self.octets_received += fresh
        self._counters.bytes_received += fresh
        if self._is_deaf or self.state == CLOSED:
            return
        data = self._input.joined(data, tail > 0)
        if self.is_choked:
            self._input.keep(data, 0)
        elif data:
            self._go_through(data)

    def _go_through(self, data: bytes) -> None:
        self._turn.begin()
        self._pos = 0
        going = True
        while going:
            try:
                self._read(data)
                going = False
            # Two names: mypyc gives one variable one type, and would refuse the second kind.
            except SoftError as soft:
                self._refuse_on_channel(soft)
            except HardError as hard:
                self._refuse(hard)
                going = not self._is_deaf
            except Undecided as undecided:
                self._pos = last_frame_start(data, self._pos)
                going = self._ask(undecided)
        self._input.keep(data, self._pos)
        self._turn.finish()

    def _read(self, data: bytes) -> None:
        """Every frame in ``data`` from ``_pos`` on; leaves ``_pos`` behind the last whole one, refused or not."""
        pos = self._pos
        end: i64 = len(data)
        if self.state == AWAIT_HEADER:
            if end < len(PROTOCOL_HEADER):
                return
            self._protocol_header(data)
            pos = self._pos
        while end - pos >= 7 and not self._is_deaf and not self.is_choked:
            channel = self._recent
            if channel is not None and channel.pattern.size > 0 and channel.expects == EXPECT_METHOD:
                pattern = channel.pattern
                start = pos + pattern.size
                if data[pos:start] == pattern.octets:
                    stop = start + pattern.body_size
                    if stop < start:
                        channel.expects = EXPECT_HEADER
                        pos = start
                        self._pos = start
                        continue
                    if stop < end and data[stop] == FRAME_END:
                        self._number = channel.number
                        if channel.takes_run():
                            pos = self._read_run(data, pos, channel)
                        else:
                            pos = stop + 1
                            self._pos = pos
                            channel.publish_again(data[start:stop])
                        continue
            kind: i64 = data[pos]
            number = get_u16(data, pos + 1)
            size = get_u32(data, pos + 3)
            if size > self.max_payload:
                self._number = 0
                text = f"type {kind}, all octets = <<>>: {{frame_too_large,{size},{self.max_payload - FRAME_OVERHEAD}}}"
                self._frame_error(text)
            after = pos + 8 + size
            if after > end:
                self._input.wants(after - pos)
                break
            start = pos + 7
            stop = after - 1
            if data[stop] != FRAME_END:
                self._frame_error(f"type {kind}, all octets = <<>>: {{invalid_frame_end_marker,{data[stop]}}}")
            pos = after
            self._pos = after
            self._number = number
            self._method = 0
            if number != self._recent_number or channel is None:
                channel = self.channels.get(number)
                if channel is not None:
                    self._recent = channel
                    self._recent_number = number
            if channel is None or channel.state != CHANNEL_RUNNING or self.state != RUNNING:
                self._other_frame(kind, number, channel, data[start:stop])
            elif kind == FRAME_BODY:
                channel.content_body(data[start:stop])
            elif kind == FRAME_HEADER:
                channel.content_header(data[start:stop])
            elif kind == FRAME_METHOD and size >= 4:
                method = i64(read_i32_be(data, start))
                self._method = method
                if channel.expects != EXPECT_METHOD:
                    self._refuse_method(channel)
                elif method == BASIC_PUBLISH:
                    channel.begin_publish(data[start:stop])
                elif method == BASIC_ACK and size == 13:
                    channel.acknowledge(read_i64_be(data, start + 4), data[start + 12] & 1 != 0)
                else:
                    self._channel_method(channel, method, data[start:stop])
            else:
                self._other_frame(kind, number, channel, data[start:stop])

    def _read_run(self, data: bytes, pos: i64, channel: Channel) -> i64:
        """Publish the messages that follow one another and are alike. The first one, at ``pos``, is whole.

        Returns:
            The place behind the last one.
        """
        octets = channel.pattern.octets
        size = channel.pattern.size
        body_size = channel.pattern.body_size
        end: i64 = len(data)
        bodies: list[bytes] = []
        start = pos + size
        stop = start + body_size
        while stop < end and data[stop] == FRAME_END and data[pos:start] == octets:
            bodies.append(data[start:stop])
            pos = stop + 1
            start = pos + size
            stop = start + body_size
        self._pos = pos
        channel.publish_run(bodies)
        return pos

    def _refuse_method(self, channel: Channel) -> None:
        what = "body" if channel.expects == EXPECT_BODY else "header for class 60"
        got = "non content body" if channel.expects == EXPECT_BODY else "non content header"
        raise HardError(UNEXPECTED_FRAME, f"expected content {what}, got {got} frame instead")

    def _frame_error(self, text: str) -> None:
        """Octets that are no frame: what follows cannot be told apart, so nothing more is read."""
        self._is_deaf = True
        self._number = 0
        self._method = 0
        raise HardError(FRAME_ERROR, text)

    def _protocol_header(self, data: bytes) -> None:
        # AMQP 1 1 0 9 is the header of version 0-9, which RabbitMQ accepts as well. §4.2.2.
        header = data[:8]
        if header != PROTOCOL_HEADER and header != b"AMQP\x01\x01\x00\x09":
            if header.startswith(TLS_HANDSHAKE):
                self.close_reason = "a TLS client on a port without TLS"
            else:
                self.close_reason = f"unknown protocol header {erlang_octets(header)}"
            self.outbox.raw(PROTOCOL_HEADER)
            self.touch()
            self._hang_up()
            return
        self._pos = 8
        self.enter(AWAIT_START_OK)
        self.outbox.method(0, CONNECTION_START, start_payload(self))
        self.touch()

    # --- frames that are not a running channel's methods and contents

    def _other_frame(self, kind: i64, number: i64, channel: Channel | None, payload: bytes) -> None:
        if kind == FRAME_HEARTBEAT and not payload:
            if number != 0:
                self._unexpected(kind, payload)
            return
        if kind != FRAME_METHOD and kind != FRAME_HEADER and kind != FRAME_BODY:
            self._frame_error(f"type {kind}, {octets_text(payload)}: unknown_frame")
        if number == 0:
            if kind != FRAME_METHOD:
                if self.state != CLOSING:
                    self._unexpected(kind, payload)
                return
            self._connection_frame(payload)
            return
        if self.state == CLOSING:
            return
        if self.state != RUNNING:
            self._unexpected(kind, payload)
        if kind == FRAME_METHOD:
            method = self._method_of(payload)
            if channel is None:
                self._first_method(number, method, payload)
            else:
                self._channel_method(channel, method, payload)
        elif channel is None:
            raise HardError(CHANNEL_ERROR, "expected 'channel.open'")

    def _unexpected(self, kind: i64, payload: bytes) -> None:
        raise HardError(UNEXPECTED_FRAME, f"type {kind}, {octets_text(payload)}")

    def _method_of(self, payload: bytes) -> i64:
        if len(payload) < 4:
            raise undecodable(payload, 0, len(payload))
        self._method = i64(read_i32_be(payload, 0))
        return self._method

    def _connection_frame(self, payload: bytes) -> None:
        method = self._method_of(payload)
        if method not in CONNECTION_METHODS[int(self.state)]:
            if self.state == CLOSING:
                return
            if method not in METHOD_NAMES:
                raise HardError(NOT_IMPLEMENTED, "")
            state_name = CONNECTION_STATE_NAMES[int(self.state)]
            raise HardError(CHANNEL_ERROR, f"unexpected method in connection state {state_name}")
        reader = ArgumentReader(payload, self.context.limits.tables)
        if method == CONNECTION_START_OK:
            start_ok(self, reader)
        elif method == CONNECTION_TUNE_OK:
            tune_ok(self, reader)
        elif method == CONNECTION_OPEN:
            open_connection(self, reader)
        elif method == CONNECTION_UPDATE_SECRET:
            update_secret(self, reader)
        elif method == CONNECTION_CLOSE:
            self._closed_by_client(reader)
        else:
            self._hang_up()

    def await_verdict(self) -> None:
        """The password is being checked: what the peer says meanwhile is left until ``resume``."""
        self._awaits_verdict = True
        self.is_waiting = True
        self.is_choked = True

    def _ask(self, undecided: Undecided) -> bool:
        """Have somebody asked; the frame that needs the answer is read again then. True if the answer is there."""
        user = self.user
        assert isinstance(user, RemoteUser)
        question = undecided.question
        self.context.logins.remote.ask(question, ConnectionAsker(self, user))
        if user.knows(question):
            return True
        self.question = question
        self.is_waiting = True
        self.is_choked = True
        return False

    def _end_waiting(self) -> None:
        """The verdict is in."""
        self._awaits_verdict = False
        self.is_waiting = False
        self._number = 0
        self._turn.begin()
        try:
            if self.state == AWAIT_START_OK:
                end_login(self)
            elif self.state == RUNNING:
                end_update(self)
        except HardError as refusal:
            self._refuse(refusal)
        self._turn.finish()

    def _closed_by_client(self, reader: ArgumentReader) -> None:
        code = reader.short()
        text = reader.shortstr()
        if not self.close_reason:
            self.close_reason = f"closed by client: {code} {text.decode('utf-8', 'replace')}"
        self.release()  # exclusive names must be free before the client sees close-ok
        self.outbox.method(0, CONNECTION_CLOSE_OK, b"")
        self.touch()
        self._hang_up()

    # --- channels

    def _first_method(self, number: i64, method: i64, payload: bytes) -> None:
        """A method on a number without a channel: only channel.open will do. §1.5.2.1."""
        if method not in METHOD_NAMES:
            raise HardError(NOT_IMPLEMENTED, "")
        if method != CHANNEL_OPEN:
            raise HardError(CHANNEL_ERROR, "expected 'channel.open'")
        ArgumentReader(payload).shortstr()
        if self.channel_max > 0 and (number > self.channel_max or len(self.channels) >= self.channel_max):
            opened = len(self.channels)
            text = f"number of channels opened ({opened}) has reached the negotiated channel_max ({self.channel_max})"
            raise HardError(NOT_ALLOWED, text, names_method=False)
        self._check_user_limit()
        publisher = self.publisher
        assert publisher is not None
        self.channels[int(number)] = Channel(self, number, publisher, self.outbox)
        self._counters.channels_opened += 1
        self.outbox.method(number, CHANNEL_OPEN_OK, b"\x00\x00\x00\x00")
        self.touch()

    def _check_user_limit(self) -> None:
        """Refuse one channel too many of the user, on all connections together."""
        limit = self._turn.user_limits.of(self.user_name).get(MAX_CHANNELS)
        if limit < 0:
            return
        count = 0
        for connection in self.context.connections_of(self.user_name):
            count += len(connection.channels)
        if count >= limit:
            user = self.user_name.decode("utf-8", "replace")
            text = (
                f"number of channels opened for user '{user}' has reached the maximum allowed user limit of ({limit})"
            )
            raise HardError(NOT_ALLOWED, text, names_method=False)

    def _channel_method(self, channel: Channel, method: i64, payload: bytes) -> None:
        """Any method on an open or closing channel, but publish and ack, which the frame loop handles."""
        if method not in CHANNEL_METHODS[int(channel.state)]:
            if channel.state != CHANNEL_RUNNING:
                return
            if method == CHANNEL_OPEN:
                raise HardError(CHANNEL_ERROR, "second 'channel.open' seen")
            if method not in METHOD_NAMES:
                raise HardError(NOT_IMPLEMENTED, "")
            raise HardError(COMMAND_INVALID, "unimplemented method")
        if method == CHANNEL_CLOSE:
            if channel.state == CHANNEL_RUNNING:
                channel.close()
                self._forget_channel(channel)
            else:
                channel.state = CHANNEL_CROSSED
            self.outbox.method(channel.number, CHANNEL_CLOSE_OK, b"")
            self.touch()
        elif method == CHANNEL_CLOSE_OK:
            self._forget_channel(channel)
        elif method == CHANNEL_OPEN:
            self._forget_channel(channel)
            self._first_method(channel.number, method, payload)
        elif channel.confirms.is_committing:
            raise HardError(CHANNEL_ERROR, "unexpected command while processing 'tx.commit'")
        else:
            dispatch(channel, method, ArgumentReader(payload, self.context.limits.tables))
            if self.outbox.size > CHOKE_BYTES:
                self.is_choked = True

    def _forget_channel(self, channel: Channel) -> None:
        del self.channels[int(channel.number)]
        if self._recent is channel:
            self._recent = None
            self._recent_number = -1

    # --- refusals

    def _refuse_on_channel(self, refusal: SoftError) -> None:
        """Close the channel of the frame being handled; on channel 0 that is the connection."""
        channel = self.channels.get(int(self._number))
        if channel is None or channel.state != CHANNEL_RUNNING:
            self._refuse(refusal)
            return
        arguments = self._close_arguments(refusal)
        channel.close()
        channel.state = CHANNEL_CLOSING
        if refusal.reply_code == ACCESS_REFUSED:
            AUDIT.warning(
                "refused",
                extra={
                    "by": self.user_name,
                    "peer": self.peer,
                    "vhost": self.vhost_name,
                    "reason": refusal.explanation,
                },
            )
        LOG.warning(
            "channel closed",
            extra={"peer": self.peer, "channel": int(self._number), "reason": refusal.reply_text},
        )
        self.outbox.method(self._number, CHANNEL_CLOSE, arguments)
        self.touch()

    def _refuse(self, refusal: AmqpError) -> None:
        """Close the connection, or hang up where RabbitMQ says nothing: while the login is not known."""
        self.close_reason = refusal.reply_text
        if self.state <= AWAIT_START_OK or self._method == CONNECTION_UPDATE_SECRET:
            # It is logged, and the octets that could not be read may hold a password or a token.
            self.close_reason = without_octets(refusal.reply_text)
        if self.state == CLOSING or self.state == CLOSED:
            return
        if self.state <= AWAIT_START_OK and not self.wants_close_on_refusal:
            self.linger(REFUSED_LOGIN_S)
            return
        arguments = self._close_arguments(refusal)
        was_running = self.state == RUNNING
        self.release()
        self.outbox.method(0, CONNECTION_CLOSE, arguments)
        self.touch()
        self.enter(CLOSING)
        wait_s = FRAME_ERROR_S
        if was_running and not self._is_deaf:
            wait_s = min(float(self.heartbeat_s), CLOSE_S) if self.heartbeat_s > 0 else CLOSE_S
        self._deadline_s = self.context.clock.monotonic_s() + wait_s

    def linger(self, seconds: float) -> None:
        """Read nothing more, and hang up after ``seconds``."""
        self._is_deaf = True
        self._deadline_s = self.context.clock.monotonic_s() + seconds

    def _close_arguments(self, refusal: AmqpError) -> bytes:
        method = self._method if refusal.names_method else 0
        channel = self.channels.get(int(self._number))
        if refusal.names_method and channel is not None and channel.expects != EXPECT_METHOD:
            method = BASIC_PUBLISH  # the content belongs to it, and so does what came instead of the content
        text = shortstr_text(refusal.reply_text)
        return u16(refusal.reply_code) + text + u16(method >> 16) + u16(method & 0xFFFF)

    def fail(self) -> None:
        """A broken invariant: close with 541 and tell the peer nothing else."""
        self._number = 0
        self._method = 0
        self._is_deaf = True
        self._refuse(HardError(INTERNAL_ERROR, ""))
        self.flush()

    def force_close(self, explanation: str) -> None:
        """Close from the broker's side with 320: shutdown, or somebody's request. §1.1, reply code 320."""
        if self.state == CLOSED:
            return
        if self.state < RUNNING:
            self._hang_up()
            return
        self._number = 0
        self._method = 0
        self._refuse(HardError(CONNECTION_FORCED, explanation))

    # --- octets out

    def touch(self) -> None:
        if not self.is_touched:
            self.is_touched = True
            self._turn.touch(self)

    def flush(self) -> None:
        self.is_touched = False
        size = self.outbox.size
        if size > 0:
            self.octets_sent += size
            self._counters.bytes_sent += size
            self.transport.send(self.outbox.take())
        if self.state == CLOSED:
            self.transport.close()
        elif self._was_full and not self.is_blocked:
            self._wake_consumers()

    def has_room(self) -> bool:
        """May a delivery be put in the outbox? If not, its consumers are woken when there is room again."""
        if self.is_blocked or self.outbox.size > OUTBOX_LIMIT:
            self._was_full = True
            return False
        return True

    def pause(self) -> None:
        """The socket's buffer is full: deliver nothing until ``resume``."""
        self.is_blocked = True

    def resume(self) -> None:
        """The socket takes octets again, or what was waited for is there."""
        self.is_blocked = False
        login = self.login
        if self._awaits_verdict and login is not None and login.verdict != WAITING:
            self._end_waiting()
        if self.is_choked and not self.is_waiting:
            self.is_choked = False
            self.feed(b"")
        if self._was_full:
            self._turn.begin()
            self._wake_consumers()
            self._turn.finish()

    def _wake_consumers(self) -> None:
        self._was_full = False
        for channel in self.channels.values():
            channel.wake_consumers()

    # --- alarms

    def may_publish(self) -> bool:
        """Under an alarm: may a publish without confirm still be taken? The publisher is told of the alarm first.

        Everybody has the same time of grace, counted from the alarm and not from the connection: clients that
        reconnect whenever they are closed would never come to the end of one of their own. Who begins to publish later
        keeps the chunk that told it, because it could not know.
        """
        if not self.is_alarmed:
            self._block()
        context = self.context
        if self._alarmed_octets == self.octets_received:
            return True
        return context.clock.monotonic_s() - context.alarms.since_s < context.limits.blocked_grace_s

    def _block(self) -> None:
        self.is_alarmed = True
        self._alarmed_octets = self.octets_received
        if self.wants_blocked_notify:
            self.outbox.method(0, CONNECTION_BLOCKED, shortstr(self.context.alarms.reason()))
            self.touch()

    def _look_at_alarms(self) -> None:
        """Tell a publisher that an alarm is on, or that all are off. RabbitMQ's extension connection.blocked."""
        if self.context.alarms.is_on:
            if self.has_published and not self.is_alarmed:
                self._block()
        elif self.is_alarmed:
            self.is_alarmed = False
            if self.wants_blocked_notify:
                self.outbox.method(0, CONNECTION_UNBLOCKED, b"")
                self.touch()

    # --- time and the end

    def _look_at_acks(self, now_s: float) -> None:
        """Close the channels whose deliveries wait too long for an acknowledgement."""
        for channel in self.channels.values():
            if channel.ack_clock is not None and channel.state == CHANNEL_RUNNING:
                try:
                    channel.check_acks(now_s)
                except SoftError as overdue:
                    self._number = channel.number
                    self._refuse_on_channel(overdue)

    def _look_at_user(self, now_s: float) -> None:
        """Close with a token that expires, and forget what was found out about the user's rights too long ago."""
        user = self.user
        if user is None:
            return
        if user.expires_ms > 0 and self._turn.agenda.now_ms >= user.expires_ms:
            self.force_close("credential expired")
        elif not self.is_choked and user.forgets(now_s):  # what waits will need what it has asked for
            self.forget_routes()

    def forget_routes(self) -> None:
        """The user's rights may have changed: look at them again before the next publish."""
        if self.publisher is not None:
            self.publisher.forget_routes()
        for channel in self.channels.values():
            channel.look_again()

    def tick(self, now_s: float) -> None:
        """Look at the deadlines, the alarms and the heartbeats. Call it twice a second; flush the turn afterwards."""
        if self.state != RUNNING or self._is_deaf:
            if now_s >= self._deadline_s:
                if not self.close_reason:
                    name = CONNECTION_STATE_NAMES[int(self.state)]
                    self.close_reason = f"handshake timeout in state {name}"
                self.transport.abort()
            return
        self._look_at_alarms()
        self._look_at_acks(now_s)
        if self.heartbeat_s > 0:
            if not self.is_held and self._heartbeat.is_peer_dead(now_s, self.octets_received, float(self.heartbeat_s)):
                self.close_reason = f"missed heartbeats from client, timeout: {self.heartbeat_s}s"
                self.transport.abort()
            elif self._heartbeat.is_due(now_s, self.octets_sent, float(self.heartbeat_s)):
                self.outbox.heartbeat()
                self.touch()
        self._look_at_user(now_s)

    def lost(self) -> None:
        """The socket is gone: requeue, cancel, delete what was exclusive."""
        if self.state == CLOSED and self.id not in self.context.connections:
            return
        self.is_waiting = False
        self._turn.begin()
        self.release()
        self.enter(CLOSED)
        if self.publisher is not None:
            self.context.open_count -= 1
        self.context.connections.pop(int(self.id), None)
        self._counters.connections_closed += 1
        self._turn.finish()

    def release(self) -> None:
        """Close every channel without a word and delete the exclusive queues."""
        channels = list(self.channels.values())
        self.channels.clear()
        self._recent = None
        self._recent_number = -1
        for channel in channels:
            if channel.state == CHANNEL_RUNNING:
                channel.close()
        queues = list(self.exclusive_queues.values())
        self.exclusive_queues.clear()
        for queue in queues:
            if not queue.is_deleted:
                self.context.turn.vhosts[self.vhost_name].delete_queue(queue)

    def _hang_up(self) -> None:
        """Write what is waiting, then close the socket."""
        self._is_deaf = True
        self._deadline_s = self.context.clock.monotonic_s() + CLOSE_S
        self.enter(CLOSED)
        self.touch()

    def agreed(self) -> None:
        """Tune-ok was accepted: frames may have the size that it says."""
        self.outbox.limit_frames(self.frame_max)
        # RabbitMQ gives eight octets of grace: a payload of frame_max is let through.
        self.max_payload = self.frame_max if self.frame_max > 0 else 0x7FFFFFFF
        self._heartbeat.start(self.context.clock.monotonic_s(), float(self.heartbeat_s))
        self.enter(AWAIT_OPEN)

    def enter(self, state: i64) -> None:
        """Go to another state."""
        self.state = state

    def blame(self, method: i64) -> None:
        """Name ``method`` in the close frame if what follows is refused; 0 for none."""
        self._method = method


def last_frame_start(data: bytes, end: i64) -> i64:
    """Where the frame begins that ends before ``end``. Chunks begin with a whole frame or the protocol header."""
    start: i64 = 0
    next_start: i64 = len(PROTOCOL_HEADER) if data.startswith(b"AMQP") else 0
    while next_start < end:
        start = next_start
        next_start = start + 8 + get_u32(data, start + 3)
    return start


def without_octets(text: str) -> str:
    """A reply text that does not show what the peer sent: ``FRAME_ERROR - cannot decode <<...>>``."""
    said, mark, _ = text.partition("<<")
    return f"{said}<<...>>" if mark else text


def shortstr_text(text: str) -> bytes:
    """A reply text as a short string, cut at 255 octets and not within a character."""
    octets = text.encode()[:255]
    return shortstr(octets.decode("utf-8", "ignore").encode())
