"""Limits of vhosts and users as clients meet them. RabbitMQ's texts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pamqp import commands, frame

from broker.policy.limits import Limits
from tests.metrics.scene import Broker, Client


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    built = Broker(tmp_path / "data")
    yield built
    built.close()


def closed_with(client: Client) -> tuple[int, str] | None:
    """Code and text of the connection.close that the client was sent; None if there was none."""
    octets = client.transport.octets[0:]
    while octets:
        size, _, method = frame.unmarshal(octets)
        octets = octets[size:]
        if isinstance(method, commands.Connection.Close):
            return method.reply_code, method.reply_text
    return None


def test_a_vhost_lets_in_as_many_connections_as_its_limit(broker: Broker) -> None:
    vhost = broker.turn.vhosts["/"]
    vhost.set_limits(Limits({"max-connections": 2}))
    first, second, third = Client(broker), Client(broker, user="eve"), Client(broker)
    assert (closed_with(first), closed_with(second)) == (None, None)
    text = "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (2) is reached"
    assert closed_with(third) == (530, text)
    first.connection.lost()
    assert closed_with(Client(broker)) is None
    vhost.set_limits(Limits({"max-connections": -1}))
    assert closed_with(Client(broker)) is None


def test_a_limit_of_no_connections_leaves_open_ones_alone(broker: Broker) -> None:
    open_one = Client(broker)
    broker.turn.vhosts["/"].set_limits(Limits({"max-connections": 0}))
    text = "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (0) is reached"
    assert closed_with(Client(broker)) == (530, text)
    open_one.declare("q")
    assert closed_with(open_one) is None


def test_a_user_opens_as_many_connections_as_the_limit(broker: Broker) -> None:
    broker.turn.set_user_limits(b"eve", Limits({"max-connections": 1}))
    assert closed_with(Client(broker, user="eve")) is None
    text = "NOT_ALLOWED - connection refused for user 'eve': user connection limit (1) is reached"
    assert closed_with(Client(broker, user="eve")) == (530, text)
    assert closed_with(Client(broker)) is None


def test_a_users_channels_are_counted_on_all_connections(broker: Broker) -> None:
    broker.turn.set_user_limits(b"eve", Limits({"max-channels": 3}))
    one, other = Client(broker, user="eve"), Client(broker, user="eve")
    one.tell(commands.Channel.Open(), 2)
    assert closed_with(one) is None
    other.tell(commands.Channel.Open(), 2)
    text = "NOT_ALLOWED - number of channels opened for user 'eve' has reached the maximum allowed user limit of (3)"
    assert closed_with(other) == (530, text)
    assert closed_with(one) is None
    one.tell(commands.Channel.Open(), 3)  # those of the closed connection count no more
    assert closed_with(one) is None


def test_a_user_may_have_no_channels_at_all(broker: Broker) -> None:
    broker.turn.set_user_limits(b"guest", Limits({"max-channels": 0}))
    text = "NOT_ALLOWED - number of channels opened for user 'guest' has reached the maximum allowed user limit of (0)"
    assert closed_with(Client(broker)) == (530, text)
