"""Heartbeats both ways. AMQP 0-9-1 §4.2.7, at RabbitMQ's times."""

from typing import final

from mypy_extensions import i64, mypyc_attr


@final
@mypyc_attr(native_class=True)
class Heartbeat:
    """Looks now and then whether octets have moved since the last look. Any octet counts as a heartbeat."""

    def __init__(self) -> None:
        self._send_look_s: float = 0.0
        self._sent: i64 = 0
        self._receive_look_s: float = 0.0
        self._received: i64 = 0
        self._silences: i64 = 0

    def start(self, now_s: float, interval_s: float) -> None:
        """Begin to count at ``now_s``."""
        self._send_look_s = now_s + interval_s / 2
        self._receive_look_s = now_s + interval_s

    def is_due(self, now_s: float, sent: i64, interval_s: float) -> bool:
        """Must a heartbeat be sent? Asked at any time; looks every half interval."""
        if now_s < self._send_look_s:
            return False
        self._send_look_s = _next(self._send_look_s, now_s, interval_s / 2)
        is_silent = sent == self._sent
        self._sent = sent
        return is_silent

    def is_peer_dead(self, now_s: float, received: i64, interval_s: float) -> bool:
        """Was nothing received during two intervals in a row? Looks every interval: after two to three of them."""
        if now_s < self._receive_look_s:
            return False
        self._receive_look_s = _next(self._receive_look_s, now_s, interval_s)
        if received != self._received:
            self._received = received
            self._silences = 0
            return False
        self._silences += 1
        return self._silences >= 2


def _next(look_s: float, now_s: float, interval_s: float) -> float:
    """The look after the one that was due at ``look_s``; counted from there, so that late ticks do not add up."""
    following = look_s + interval_s
    return following if following > now_s else now_s + interval_s
