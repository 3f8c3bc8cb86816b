"""Closing connections over HTTP. RabbitMQ's HTTP API."""

from collections.abc import Callable, Iterator
from urllib.parse import quote

import pika
import pytest
from pika.exceptions import ConnectionClosedByBroker

from conformance.brokers import Broker
from conformance.http_api import ask, converse, eventually, permit, put_user

LogIn = Callable[[], pika.BlockingConnection]


@pytest.fixture
def user(broker: Broker, name: str) -> Iterator[str]:
    """A user with the password ``apple``, the tag management, and all rights in the vhost ``/``."""
    put_user(broker, name, "apple", "management")
    permit(broker, name)
    yield name
    ask(broker, "DELETE", f"/users/{name}")


@pytest.fixture
def log_in(broker: Broker, user: str) -> Iterator[LogIn]:
    opened: list[pika.BlockingConnection] = []

    def connect() -> pika.BlockingConnection:
        credentials = pika.PlainCredentials(user, "apple")
        opened.append(pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.port, "/", credentials)))
        return opened[-1]

    yield connect
    for connection in opened:
        if connection.is_open:
            connection.close()


def names_of(broker: Broker, user: str) -> list[str]:
    return [row["name"] for row in ask(broker, "GET", "/connections")[1] if row["user"] == user]


def closed(connection: pika.BlockingConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosedByBroker) as caught:
        connection.process_data_events(10)
    return caught.value.reply_code, caught.value.reply_text


@pytest.mark.parametrize("reason", ["", "enough now"])
def test_a_closed_client_is_told_why(broker: Broker, user: str, log_in: LogIn, reason: str) -> None:
    connection = log_in()
    eventually(lambda: len(names_of(broker, user)) == 1)
    path = f"/connections/{quote(names_of(broker, user)[0], safe='')}"
    headers = {"X-Reason": reason} if reason else {}
    assert converse(broker, "DELETE", path, headers=headers)[0] == 204
    assert closed(connection) == (320, f"CONNECTION_FORCED - {reason or 'Closed via management plugin'}")
    eventually(lambda: ask(broker, "GET", path)[0] == 404)
    assert ask(broker, "DELETE", path)[0] == 404


def test_all_connections_of_a_user_are_listed_and_closed(broker: Broker, user: str, log_in: LogIn) -> None:
    connections = [log_in(), log_in()]
    path = f"/connections/username/{user}"
    eventually(lambda: len(ask(broker, "GET", path)[1]) == 2)
    assert {(row["user"], row["vhost"]) for row in ask(broker, "GET", path)[1]} == {(user, "/")}
    assert ask(broker, "DELETE", path)[0] == 204
    for connection in connections:
        assert closed(connection)[0] == 320
    eventually(lambda: ask(broker, "GET", path)[1] == [])
    assert ask(broker, "DELETE", path)[0] == 204


def test_who_is_no_administrator_closes_only_his_own(
    broker: Broker, user: str, log_in: LogIn, connection: pika.BlockingConnection
) -> None:
    own = log_in()
    assert connection.is_open
    eventually(lambda: len(names_of(broker, user)) == 1 and names_of(broker, "guest") != [])
    login = f"{user}:apple"
    others = quote(names_of(broker, "guest")[0], safe="")
    assert ask(broker, "DELETE", f"/connections/{others}", login=login)[0] in {401, 404}
    mine = quote(names_of(broker, user)[0], safe="")
    assert ask(broker, "DELETE", f"/connections/{mine}", login=login)[0] == 204
    assert closed(own)[0] == 320
