"""AMQP connections: before the login, and behind it."""

import struct
from typing import Final

from broker.protocol.connection import Connection
from broker.protocol.states import AWAIT_HEADER, AWAIT_START_OK, CLOSED
from broker.queues.queue import Queue
from fuzz.damage import cut, damaged
from fuzz.dice import Dice
from fuzz.frames import CAPABILITIES, HEADER, HEARTBEAT, Frames, frame, longstr, method, shortstr, table
from fuzz.steps import LONG, PAUSE, RESUME, TICK, VERDICT, Steps, octets_of
from fuzz.target import Target
from fuzz.wire import Wire
from fuzz.world import LONG_S, MOMENT_S, PASSWORD, USER, Broken, World

HEADERS: Final = (
    *(b"AMQP\x01\x01\x00\x09", b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x00\x09\x02"),
    *(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32)),
    *(b"PROXY TCP4 192.0.2.7 10.0.0.1 5 6\r\n", b"SSH-2.0-x\r\n", b"\x00" * 8, b"CONNECT\n", b"STREAM", b""),
)
# What a stranger is told: connection.start, and one close.
MOST_TO_STRANGERS: Final = 4096
# An input is answered with what the outbox holds before it chokes, some times over, and no more.
MOST_TO_USERS: Final = 64 << 20
FRAME_MAX: Final = 131_072
KNOCKS: Final = 2000  # resumes that an input may need
CHANNELS: Final = (1, 1, 1, 2, 3)


class Peer:
    """One connection, and what its socket would do with it."""

    def __init__(self, world: World, address: str, most_bytes: int) -> None:
        self._world = world
        self._most_bytes = most_bytes
        self.wire = Wire()
        self.connection = Connection(world.context, self.wire, address, False)

    def take(self, steps: Steps) -> None:
        """Go through an input, to its end or that of the connection."""
        connection = self.connection
        world = self._world
        world.checker.is_late = VERDICT in steps
        for step in steps:
            if isinstance(step, bytes):
                connection.feed(step)
            elif step == TICK:
                world.wait(MOMENT_S)
            elif step == LONG:
                world.wait(LONG_S)
            elif step == PAUSE:
                connection.pause()
            elif step == RESUME:
                connection.resume()
            else:
                world.checker.finish()
            self._go_on()
            if self.wire.is_over:
                break
        world.checker.is_late = False
        world.checker.finish()
        self._go_on()

    def _go_on(self) -> None:
        """Read on where the broker has asked for it, and wherever else a socket would."""
        connection = self.connection
        for _ in range(KNOCKS):
            if self.wire.is_read_on or (
                connection.is_choked and not connection.is_waiting and not connection.is_blocked
            ):
                self.wire.is_read_on = False
                connection.resume()
            else:
                break
        else:
            raise Broken("choked without an end")
        if self._world.engine.turn.wants_turn or self._world.engine.turn.waiting_count:
            self._world.settle()
        self.check()

    def check(self) -> None:
        """What must hold at every moment."""
        connection = self.connection
        is_stranger = connection.user is None
        self.wire.check(is_stranger=is_stranger, frame_max=FRAME_MAX, most_bytes=self._most_bytes)
        state = int(connection.state)
        if not AWAIT_HEADER <= state <= CLOSED:
            raise Broken(f"state {state}")
        if state == CLOSED and not self.wire.is_over:
            raise Broken("closed, and the socket is open")
        if is_stranger and AWAIT_START_OK < state < CLOSED and not connection.wants_close_on_refusal:
            raise Broken(f"a stranger in state {state}")

    def leave(self) -> None:
        """The socket is gone: nothing of the connection may be left."""
        self.connection.lost()
        world = self._world
        context = world.context
        if context.connections or context.open_count:
            raise Broken(f"left behind: {len(context.connections)} connections, {context.open_count} open")
        if world.watcher.trouble:
            raise Broken(world.watcher.trouble)


def start_ok(dice: Dice, mechanism: bytes, response: bytes) -> bytes:
    """``connection.start-ok`` of a client that knows some extensions."""
    capabilities = table(*((name, b"t\x01") for name in CAPABILITIES if dice.below(3)))
    properties = table(
        (b"capabilities", b"F" + capabilities),
        (b"product", b"S" + longstr(dice.of((b"py-amqp", b"pika", b"\xff\xfe", b"x\ny")))),
    )
    return method(0, 10, 11, properties + shortstr(mechanism) + longstr(response) + shortstr(b"en_US"))


def plain(user: bytes, password: bytes) -> bytes:
    """The response of PLAIN."""
    return b"\0" + user + b"\0" + password


def amqplain(user: bytes, password: bytes) -> bytes:
    """The response of AMQPLAIN: a table without its length."""
    return table((b"LOGIN", b"S" + longstr(user)), (b"PASSWORD", b"S" + longstr(password)))[4:]


class Handshake(Target):
    """Everything that somebody can say who has not logged in; a sixth of the inputs knows the password."""

    name = "handshake"
    share = 60
    inputs_per_world = 100_000

    def begin(self, dice: Dice) -> None:
        self._world = World()
        self._frames = Frames(dice)
        users = (USER.encode(), b"guest", b"nobody", b"", b"\xff", b"x" * 300)
        passwords = (PASSWORD.encode(), b"wrong", b"", b"\0", b"x" * 5000)
        responses = [
            (mechanism, response(user, password))
            for mechanism, response in ((b"PLAIN", plain), (b"AMQPLAIN", amqplain))
            for user in users
            for password in passwords
        ]
        others = [(each, b"") for each in (b"EXTERNAL", b"ANONYMOUS", b"", b"\xff", b"CRAM-MD5", b"RABBIT-CR-DEMO")]
        self._logins = [start_ok(dice, *each) for each in (*responses, *others) for _ in range(3)]
        self._logins += [method(0, 10, 11, self._frames.table() + b"\x05PLAIN") for _ in range(100)]
        self._logins += [
            method(0, 10, 11, self._frames.table() + shortstr(b"PLAIN") + longstr(plain(b"a", b"b")) + b"\x00")
            for _ in range(200)
        ]
        self._right = start_ok(dice, b"PLAIN", plain(USER.encode(), PASSWORD.encode()))
        self._tunes = [
            method(0, 10, 31, struct.pack(">HIH", *numbers))
            for numbers in [*[(100, FRAME_MAX, 0), (100, 4096, 1)] * 3, (0, 0, 0), (1, 1, 1), (65535, 1 << 31, 65535)]
        ]
        self._opens = [method(0, 10, 40, shortstr(name) + b"\0\0") for name in (*[b"/"] * 6, b"", b"\xff", b"hidden")]
        self._closes = [method(0, 10, 50, b"\x00\xc8\x03bye\0\0\0\0"), method(0, 10, 51)]
        self._beat = frame(HEARTBEAT, 0, b"")
        self._others = [self._frames.any_frame(dice.of((0, 0, 0, 1))) for _ in range(2000)]
        self._addresses = [f"192.0.2.{host}:{port}" for host in range(200) for port in (1, 50_000)]
        self._count = 0

    def make(self, dice: Dice) -> Steps:
        header = dice.of(HEADERS) if dice.one_in(12) else HEADER
        pieces = [self._right if dice.one_in(6) else dice.of(self._logins)]
        if dice.below(3):
            pieces += [dice.of(self._tunes), dice.of(self._opens), dice.of(self._closes)]
        for _ in range(dice.below(4)):
            pieces.insert(dice.below(len(pieces) + 1), dice.of(self._others) if dice.below(4) else self._beat)
        if dice.one_in(20):
            pieces.insert(0, header)
            header = b""
        if dice.below(4):
            pieces = damaged(dice, pieces, 1 + dice.below(4))
        steps = cut(dice, header + b"".join(pieces))
        if dice.one_in(8):
            steps.insert(dice.below(len(steps) + 1), VERDICT)
        return steps

    def run(self, steps: Steps) -> None:
        self._count += 1
        world = self._world
        world.watcher.is_reading = self._count % 8 == 0
        # The number of octets stands for chance: an input comes from the same address whenever it is made again.
        peer = Peer(world, self._addresses[octets_of(steps) % len(self._addresses)], MOST_TO_STRANGERS)
        try:
            peer.take(steps)
        finally:
            peer.leave()
        if world.watcher.lines > 1000 * self._count:
            raise Broken("the log is flooded")

    def end(self) -> None:
        self._world.close()


class Channels(Target):
    """Everything that somebody can say who has logged in."""

    name = "channels"
    share = 12
    inputs_per_world = 2000

    def begin(self, dice: Dice) -> None:
        self._world = World()
        self._frames = frames = Frames(dice)
        self._hello = HEADER + start_ok(dice, b"PLAIN", plain(USER.encode(), PASSWORD.encode()))
        self._tunes = [method(0, 10, 31, struct.pack(">HIH", 100, size, 0)) for size in (FRAME_MAX, 4096)]
        self._open = method(0, 10, 40, b"\x01/\0\0")
        self._channels = [method(number, 20, 10, b"\0") for number in (1, 2, 3)]
        self._said = [[frames.channel_method(number) for _ in range(700)] for number in (1, 2, 3)]
        self._runs = [frames.publishes(dice.of(CHANNELS)) for _ in range(100)]
        self._odd = [frames.any_frame(dice.of((0, 1, 1, 2, 4))) for _ in range(300)]
        self._closes = [method(1, 20, 40, b"\x00\xc8\x03bye\0\0\0\0"), method(1, 20, 41), self._channels[0]]
        setup = self._hello + self._tunes[0] + self._open + self._channels[0]
        for name in (b"q0", b"q1", b"q2", b"durable"):
            setup += method(1, 50, 10, b"\0\0" + shortstr(name) + b"\x02" + table())
            setup += method(1, 50, 20, b"\0\0" + shortstr(name) + shortstr(b"amq.fanout") + b"\0\0" + table())
        for name in (b"stream", b"quorum"):
            kind = table((b"x-queue-type", b"S" + longstr(name)))
            setup += method(1, 50, 10, b"\0\0" + shortstr(name) + b"\x02" + kind)
        self._count = 0
        self.run([setup])

    def make(self, dice: Dice) -> Steps:
        pieces = []
        for _ in range(1 + dice.below(12)):
            throw = dice.below(60)
            if throw == 0:
                pieces.append(dice.of(self._odd))
            elif throw == 1:
                pieces.append(dice.of(self._closes))
            elif throw == 2:
                pieces.append(Frames(dice).channel_method(1))
            elif throw < 9:
                pieces += dice.of(self._runs)
            else:
                pieces.append(dice.of(self._said[dice.of(CHANNELS) - 1]))
        if dice.one_in(3):
            pieces = damaged(dice, pieces, 1 + dice.below(3))
        steps = cut(dice, b"".join(pieces))
        if dice.one_in(10):
            steps.insert(dice.below(len(steps) + 1), PAUSE)
            steps.append(RESUME)
        return [self._hello + dice.of(self._tunes) + self._open + b"".join(self._channels), *steps]

    def run(self, steps: Steps) -> None:
        self._count += 1
        world = self._world
        world.watcher.is_reading = self._count % 8 == 0
        peer = Peer(world, "127.0.0.1:50000", MOST_TO_USERS)
        try:
            peer.take(steps)
        finally:
            peer.leave()
        world.settle()
        for vhost in world.engine.turn.vhosts.values():
            for queue in vhost.queues.values():
                _check_left(queue)

    def end(self) -> None:
        self._world.close()


def _check_left(queue: Queue) -> None:
    """Nobody is connected: nothing of the queue may be out, and nobody may wait for it."""
    if queue.unacked_count or queue.consumers or queue.owner_id:
        raise Broken(f"left behind in {queue.name!r}: {queue.unacked_count} unacked, {len(queue.consumers)} consumers")
