"""A connection whose password is being checked elsewhere."""

from pamqp import commands

from broker.auth.logins import Checker, PasswordCheck
from broker.protocol.states import AWAIT_START_OK, AWAIT_TUNE_OK, RUNNING
from tests.protocol.stranger import HEADER, Stranger
from tests.queues.scene import Scene


class Shelf(Checker):
    """Keeps checks until a test runs them."""

    def __init__(self) -> None:
        super().__init__()
        self.checks: list[PasswordCheck] = []

    def start(self, check: PasswordCheck) -> None:
        self.checks.append(check)

    def run(self) -> None:
        for check in self.checks:
            check.run()
            check.finish()
        self.checks = []


def shelved(scene: Scene) -> Shelf:
    shelf = Shelf()
    scene.context.logins.checker = shelf
    return shelf


def test_nothing_is_said_before_the_verdict_and_everything_after_it(scene: Scene) -> None:
    shelf = shelved(scene)
    peer = Stranger(scene).start().log_in().tune().enter()  # it does not wait for our tune
    assert peer.names() == ["Connection.Start"]
    assert peer.connection.state == AWAIT_START_OK
    shelf.run()
    assert peer.is_read_on
    peer.connection.resume()
    assert peer.names() == ["Connection.Tune", "Connection.OpenOk"]
    assert peer.connection.state == RUNNING


def test_a_socket_that_drains_meanwhile_lets_nobody_in(scene: Scene) -> None:
    shelf = shelved(scene)
    peer = Stranger(scene).start().log_in().tune()
    peer.connection.pause()
    peer.connection.resume()
    assert peer.connection.state == AWAIT_START_OK
    shelf.run()
    peer.connection.resume()
    assert peer.connection.state != AWAIT_START_OK


def test_a_refusal_comes_with_the_verdict(scene: Scene) -> None:
    shelf = shelved(scene)
    peer = Stranger(scene).start().log_in("wrong").tune()
    assert peer.closes() == []
    shelf.run()
    peer.connection.resume()
    (close,) = peer.closes()
    assert (close.code, close.method) == (403, (0, 0))


def test_a_verdict_for_a_connection_that_is_gone_is_nobodys(scene: Scene) -> None:
    shelf = shelved(scene)
    peer = Stranger(scene).start().log_in()
    peer.connection.lost()
    shelf.run()
    peer.connection.resume()
    assert peer.names() == ["Connection.Start"]
    assert not scene.context.connections


def test_a_verdict_is_not_waited_for_longer_than_a_handshake(scene: Scene) -> None:
    shelved(scene)
    peer = Stranger(scene).start().log_in()
    peer.tick(10.0)
    assert peer.is_aborted
    assert "handshake timeout" in peer.connection.close_reason


def test_a_storm_of_connections_costs_one_check(scene: Scene) -> None:
    shelf = shelved(scene)
    crowd = [Stranger(scene).start().log_in() for _ in range(1000)]
    assert len(shelf.checks) == 1
    shelf.run()
    for peer in crowd:
        peer.connection.resume()
        assert peer.connection.state == AWAIT_TUNE_OK
    late = Stranger(scene).start().log_in()
    assert late.connection.state == AWAIT_TUNE_OK  # remembered
    assert scene.context.logins.checks_made == 1
    assert scene.counters.logins_succeeded == 1001


def test_a_header_octet_by_octet_and_a_verdict_in_between_is_a_session(scene: Scene) -> None:
    shelf = shelved(scene)
    peer = Stranger(scene)
    for octet in HEADER:
        peer.connection.feed(bytes([octet]))
    peer.log_in()
    shelf.run()
    peer.connection.resume()
    peer.tune().enter()
    peer.say(1, commands.Channel.Open())
    assert peer.names()[-1] == "Channel.OpenOk"
