"""AMQP frames, methods, tables and content headers: valid ones, and such as nearly are. AMQP 0-9-1 §4.2."""

import struct

from fuzz.dice import Dice

HEADER = b"AMQP\x00\x00\x09\x01"
METHOD, CONTENT_HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
END = b"\xce"

# Arguments: o octet (bits too), s short, l long, q longlong, n short string, N long string, t table.
METHODS: dict[tuple[int, int], str] = {
    (10, 10): "ootNN",
    (10, 11): "tnNn",
    (10, 20): "N",
    (10, 21): "N",
    (10, 30): "sls",
    (10, 31): "sls",
    (10, 40): "nno",
    (10, 41): "n",
    (10, 50): "snss",
    (10, 51): "",
    (10, 60): "n",
    (10, 61): "",
    (10, 70): "Nn",
    (20, 10): "n",
    (20, 20): "o",
    (20, 21): "o",
    (20, 40): "snss",
    (20, 41): "",
    (30, 10): "no",
    (40, 10): "snnot",
    (40, 20): "sno",
    (40, 30): "snnnot",
    (40, 40): "snnnot",
    (50, 10): "snot",
    (50, 20): "snnnot",
    (50, 30): "sno",
    (50, 40): "sno",
    (50, 50): "snnnt",
    (60, 10): "lso",
    (60, 20): "snnot",
    (60, 30): "no",
    (60, 31): "n",
    (60, 40): "snno",
    (60, 60): "nqonn",
    (60, 70): "sno",
    (60, 80): "qo",
    (60, 90): "qo",
    (60, 100): "o",
    (60, 110): "o",
    (60, 120): "qo",
    (85, 10): "o",
    (90, 10): "",
    (90, 20): "",
    (90, 30): "",
}
# What a client says on a channel, the frequent more often.
ON_CHANNEL = (
    *(each for each in METHODS if each[0] in {40, 50, 60, 85, 90} and each not in {(60, 31), (60, 60)}),
    *((60, 40), (60, 40), (60, 40), (60, 70), (60, 20), (60, 80), (60, 120), (50, 10), (50, 10), (40, 10)),
)
QUEUES = (b"q0", b"q1", b"q2", b"q3", b"q4", b"durable", b"stream", b"quorum")
NAMES = (
    *QUEUES,
    *(b"", b"", b"amq.direct", b"amq.topic", b"amq.fanout", b"amq.headers", b"amq.match", b"e0", b"e1", b"e2"),
    *(b"amq.gen-x", b"amq.rabbitmq.reply-to", b"amq.rabbitmq.trace", b"a.b.c", b"a.*.#", b"#", b"x" * 255),
)
# Bits that a broker grants; others are refused with the whole connection.
GRANTED = {(60, 40): 1, (60, 110): 1, (60, 100): 1, (60, 70): 1}
EXCHANGE_TYPES = (
    *(b"direct", b"fanout", b"topic", b"headers", b"x-consistent-hash", b"x-random", b"x-modulus-hash"),
    *(b"x-recent-history", b"x-delayed-message", b"x-message-deduplication", b"nonesuch"),
)
ARGUMENTS = (
    *(b"x-message-ttl", b"x-expires", b"x-max-length", b"x-max-length-bytes", b"x-overflow", b"x-max-priority"),
    *(b"x-dead-letter-exchange", b"x-dead-letter-routing-key", b"x-dead-letter-strategy", b"x-delivery-limit"),
    *(b"x-single-active-consumer", b"x-queue-type", b"x-queue-mode", b"x-consumer-timeout", b"x-priority"),
    *(b"x-stream-offset", b"x-max-age", b"x-stream-max-segment-size-bytes", b"x-stream-filter", b"x-match", b"x-delay"),
    *(b"x-delayed-type", b"x-message-deduplication", b"x-cache-size", b"x-cache-ttl", b"x-deduplication-header"),
    *(
        b"x-recent-history-length",
        b"x-recent-history-no-store",
        b"alternate-exchange",
        b"hash-header",
        b"hash-property",
    ),
    *(b"CC", b"BCC", b"x-death", b"x-cancel-on-ha-failover", b"x-first-death-queue"),
)
WORDS = (
    *(
        b"quorum",
        b"stream",
        b"classic",
        b"lazy",
        b"drop-head",
        b"reject-publish",
        b"reject-publish-dlx",
        b"all",
        b"any",
    ),
    *(b"first", b"last", b"next", b"1h", b"7D", b"at-least-once", b"at-most-once", b"direct", b"topic", b"e0", b"q0"),
)
CAPABILITIES = (b"authentication_failure_close", b"consumer_cancel_notify", b"connection.blocked", b"basic.nack")
FIXED_KINDS = {
    b"t": 1,
    b"b": 1,
    b"B": 1,
    b"s": 2,
    b"u": 2,
    b"I": 4,
    b"i": 4,
    b"l": 8,
    b"L": 8,
    b"T": 8,
    b"f": 4,
    b"d": 8,
}
DEEPEST = 40  # the codec's own limit is 32


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """One whole frame."""
    return struct.pack(">BHI", kind & 0xFF, channel & 0xFFFF, len(payload)) + payload + END


def method(channel: int, class_id: int, method_id: int, arguments: bytes = b"") -> bytes:
    """A method frame."""
    return frame(METHOD, channel, struct.pack(">HH", class_id, method_id) + arguments)


def shortstr(text: bytes) -> bytes:
    """A short string; what is too long is cut."""
    return bytes([min(len(text), 255)]) + text[:255]


def longstr(text: bytes) -> bytes:
    """A long string."""
    return struct.pack(">I", len(text)) + text


def table(*pairs: tuple[bytes, bytes]) -> bytes:
    """A field table of names and values, these with their letters."""
    return longstr(b"".join(shortstr(name) + value for name, value in pairs))


class Frames:
    """Makes frames by chance."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice

    def value(self, depth: int = 0) -> bytes:
        """A value of a table, with its letter; sometimes one whose length is a lie."""
        dice = self._dice
        throw = dice.below(20)
        if throw < 5:
            return b"S" + longstr(dice.of(WORDS) if dice.one_in(2) else dice.of(NAMES))
        if throw < 9:
            return dice.of((b"I", b"i", b"s", b"b")) + dice.integer(4)
        if throw < 10:
            return b"t" + dice.of((b"\x00", b"\x01", b"\x02"))
        if throw < 15:
            kind = dice.of(tuple(FIXED_KINDS))
            return kind + dice.integer(FIXED_KINDS[kind])
        if throw < 16:
            return b"D" + dice.integer(1) + dice.integer(4)
        if throw < 17:
            return dice.of((b"V", b"x" + longstr(dice.octets(40)), b"?", b"S" + dice.integer(4)))
        if depth > 3:
            return b"V"
        if throw < 18:
            return b"F" + self.table(depth + 1)
        if throw < 19:
            return b"A" + longstr(b"".join(self.value(depth + 1) for _ in range(dice.below(4))))
        return self.nested()

    def nested(self) -> bytes:
        """A table in a table in a table."""
        kind = self._dice.of((b"F", b"A"))
        value = b"V"
        for _ in range(self._dice.below(DEEPEST)):
            value = b"F" + table((b"k", value)) if kind == b"F" else b"A" + longstr(value)
        return value

    def table(self, depth: int = 0) -> bytes:
        """A field table, of arguments that mean something for the most part."""
        dice = self._dice
        if dice.one_in(200):
            return longstr((b"\x00V" if dice.one_in(2) else b"\x01aV") * dice.below(40_000))
        pairs = []
        for _ in range(dice.below(4)):
            name = dice.octets(12) if dice.one_in(8) else dice.of(ARGUMENTS)
            pairs.append((name, self.value(depth)))
        return table(*pairs)

    def argument(self, kind: str) -> bytes:
        """One argument of a method."""
        dice = self._dice
        if kind == "n":
            return shortstr(dice.octets(300) if dice.one_in(60) else dice.of(NAMES))
        if kind == "t":
            return self.table() if dice.one_in(2) else b"\x00\x00\x00\x00"
        if kind == "o":
            return bytes([dice.below(32)])
        if kind == "s":
            return b"\x00\x00" if dice.one_in(2) else dice.integer(2)
        if kind == "N":
            return longstr(dice.octets(60))
        if kind == "l" and dice.below(6):
            return b"\x00\x00\x00\x00"
        if kind == "q" and not dice.one_in(6):
            return dice.below(8).to_bytes(8, "big")
        return dice.integer(4 if kind == "l" else 8)

    def any_method(self, channel: int) -> bytes:
        """Any method with any arguments."""
        dice = self._dice
        class_id, method_id = dice.of(tuple(METHODS))
        arguments = b"".join(self.argument(kind) for kind in METHODS[class_id, method_id])
        return method(channel, class_id, method_id, arguments)

    def channel_method(self, channel: int) -> bytes:
        """A method that belongs on a channel; a publish has its content behind it, for the most part."""
        dice = self._dice
        number = dice.of(ON_CHANNEL)
        if number == (40, 10):
            octets = b"\x00\x00" + shortstr(dice.of(NAMES)) + shortstr(dice.of(EXCHANGE_TYPES)) + self.argument("o")
            return method(channel, 40, 10, octets + self.argument("t"))
        granted = GRANTED.get(number, 31)
        if number == (60, 40) and dice.below(3):
            octets = b"\x00\x00" + shortstr(dice.of((b"", b"", b"amq.fanout"))) + shortstr(dice.of(QUEUES))
            return method(channel, 60, 40, octets + bytes([dice.below(2)])) + self.content(channel)
        octets = b""
        for kind in METHODS[number]:
            octets += bytes([dice.below(32) & granted]) if kind == "o" and dice.below(20) else self.argument(kind)
        octets = method(channel, *number, octets)
        return octets + self.content(channel) if number == (60, 40) and dice.below(8) else octets

    def publishes(self, channel: int) -> list[bytes]:
        """Publishes that are alike but for their bodies, as a broker sees them most of the time."""
        dice = self._dice
        octets = b"\x00\x00" + shortstr(dice.of((b"", b"", b"amq.fanout", b"e0"))) + shortstr(dice.of(QUEUES)) + b"\x00"
        size = dice.below(300)
        properties = b"\x00\x00" if dice.one_in(2) else self.properties()
        head = method(channel, 60, 40, octets)
        head += frame(CONTENT_HEADER, channel, b"\x00\x3c\x00\x00" + size.to_bytes(8, "big") + properties)
        return [head + (frame(BODY, channel, dice.randbytes(size)) if size else b"") for _ in range(2 + dice.below(6))]

    def properties(self) -> bytes:
        """The flags and the properties of a content header."""
        dice = self._dice
        flags = dice.below(0x10000) if dice.one_in(10) else dice.below(0x4000) << 2
        octets = struct.pack(">H", flags)
        for bit, kind in zip(range(15, 1, -1), "nntoonnnnqnnnn", strict=True):
            if flags >> bit & 1:
                octets += self.table() if kind == "t" else self.argument(kind)
        return octets

    def content(self, channel: int) -> bytes:
        """A content header and its bodies; now and then of another size than announced."""
        dice = self._dice
        body = dice.octets(200) if dice.below(20) else dice.octets(20_000)
        size = len(body).to_bytes(8, "big") if dice.below(12) else dice.integer(8)
        properties = b"\x00\x00" if dice.one_in(2) else self.properties()
        octets = frame(CONTENT_HEADER, channel, b"\x00\x3c\x00\x00" + size + properties)
        if body and dice.one_in(5):
            cut = dice.below(len(body))
            return octets + frame(BODY, channel, body[:cut]) + frame(BODY, channel, body[cut:])
        return octets + frame(BODY, channel, body) if body else octets

    def any_frame(self, channel: int) -> bytes:
        """A frame of any type, with anything in it."""
        dice = self._dice
        throw = dice.below(6)
        if throw == 0:
            return frame(HEARTBEAT, dice.of((0, 0, 0, channel)), b"" if dice.below(3) else dice.octets(9))
        if throw == 1:
            return frame(dice.below(256), channel, dice.octets(50))
        if throw == 2:
            return self.content(channel)
        return self.any_method(channel)
