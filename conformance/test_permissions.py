"""Users, permissions and vhosts, changed over HTTP and met over AMQP. RabbitMQ's access control."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ConnectionClosedByBroker, ProbableAccessDeniedError

from conformance.brokers import Broker
from conformance.clients import channel_refused, connection_refused, wait_until
from conformance.http_api import ask, permit, put_user

# For the salt 90 8D C6 0A and the password test12, from RabbitMQ's documentation.
SHA256_OF_TEST12 = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"

Log = Callable[..., pika.BlockingConnection]


@pytest.fixture
def user(broker: Broker, name: str) -> Iterator[str]:
    """A user with the password ``apple`` and all rights in the vhost ``/``."""
    put_user(broker, name, "apple")
    permit(broker, name)
    yield name
    ask(broker, "DELETE", f"/users/{name}")


@pytest.fixture
def log_in(broker: Broker) -> Iterator[Log]:
    """Opens connections, and closes them in the end."""
    opened: list[pika.BlockingConnection] = []

    def connect(user: str, password: str = "apple", vhost: str = "/") -> pika.BlockingConnection:  # noqa: S107
        credentials = pika.PlainCredentials(user, password)
        made = pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.port, vhost, credentials))
        opened.append(made)
        return made

    yield connect
    for connection in opened:
        with contextlib.suppress(AMQPError):
            connection.close()


def refusal(broker: Broker, verb: str, what: str, user: str) -> str:
    """RabbitMQ names the verb since 3.11."""
    verb = "" if broker.name == "rabbitmq" else f"{verb} "
    return f"ACCESS_REFUSED - {verb}access to {what} in vhost '/' refused for user '{user}'"


Method = Callable[[BlockingChannel, str], Any]
METHODS: dict[str, tuple[str, str, Method]] = {
    "exchange.declare": ("configure", "exchange", lambda channel, x: channel.exchange_declare(x)),
    "exchange.delete": ("configure", "exchange", lambda channel, x: channel.exchange_delete(x)),
    "exchange.bind to": ("write", "exchange", lambda channel, x: channel.exchange_bind(x, "amq.direct")),
    "exchange.bind from": ("read", "exchange", lambda channel, x: channel.exchange_bind("amq.direct", x)),
    "exchange.unbind to": ("write", "exchange", lambda channel, x: channel.exchange_unbind(x, "amq.direct")),
    "exchange.unbind from": ("read", "exchange", lambda channel, x: channel.exchange_unbind("amq.direct", x)),
    "queue.declare": ("configure", "queue", lambda channel, q: channel.queue_declare(q)),
    "queue.delete": ("configure", "queue", lambda channel, q: channel.queue_delete(q)),
    "queue.bind": ("write", "queue", lambda channel, q: channel.queue_bind(q, "amq.direct", "k")),
    "queue.bind from": ("read", "exchange", lambda channel, x: channel.queue_bind(f"{x}-q", x, "k")),
    "queue.unbind": ("write", "queue", lambda channel, q: channel.queue_unbind(q, "amq.direct", "k")),
    "queue.unbind from": ("read", "exchange", lambda channel, x: channel.queue_unbind(f"{x}-q", x, "k")),
    "queue.purge": ("read", "queue", lambda channel, q: channel.queue_purge(q)),
    "basic.consume": ("read", "queue", lambda channel, q: channel.basic_consume(q, print)),
    "basic.get": ("read", "queue", lambda channel, q: channel.basic_get(q)),
    "alternate-exchange": (
        "write",
        "exchange",
        lambda channel, x: channel.exchange_declare(f"{x}-2", arguments={"alternate-exchange": x}),
    ),
    "dead-letter-exchange": (
        "write",
        "exchange",
        lambda channel, x: channel.queue_declare(f"{x}-2", arguments={"x-dead-letter-exchange": x}),
    ),
}


@pytest.mark.deviates("permission-verb")
@pytest.mark.parametrize("method", METHODS)
def test_a_method_without_its_right_is_refused_whether_or_not_the_thing_exists(
    broker: Broker, user: str, log_in: Log, method: str
) -> None:
    verb, kind, call = METHODS[method]
    thing = f"{user}-thing"
    rights = {"configure": ".*", "write": ".*", "read": ".*"}
    permit(broker, user, **{**rights, verb: f"^(?!{thing}$)"})
    with channel_refused(403, refusal(broker, verb, f"{kind} '{thing}'", user)):
        call(log_in(user).channel(), thing)


@pytest.mark.deviates("permission-verb")
@pytest.mark.parametrize(("exchange", "named"), [("", "amq.default"), ("amq.direct", "amq.direct"), ("none", "none")])
def test_a_publish_without_write_permission_is_refused(
    broker: Broker, user: str, log_in: Log, exchange: str, named: str
) -> None:
    permit(broker, user, write="")
    channel = log_in(user).channel()
    channel.confirm_delivery()
    with channel_refused(403, refusal(broker, "write", f"exchange '{named}'", user)):
        channel.basic_publish(exchange, "k", b"m")


def test_an_empty_expression_allows_nothing_and_one_that_is_not_anchored_is_searched(
    broker: Broker, user: str, log_in: Log, name: str
) -> None:
    permit(broker, user, configure="middle")
    channel = log_in(user).channel()
    channel.queue_declare(f"{name}-middle-end", exclusive=True)
    permit(broker, user, configure="")
    with pytest.raises(AMQPError, match="ACCESS_REFUSED"):
        log_in(user).channel().queue_declare(f"{name}-x", exclusive=True)


@pytest.mark.deviates("permission-verb")
def test_topics_outside_the_permission_are_refused(broker: Broker, user: str, log_in: Log) -> None:
    body = {"exchange": "amq.topic", "write": "^{username}\\.", "read": "^{vhost}a\\."}
    assert ask(broker, "PUT", f"/topic-permissions/%2F/{user}", body)[0] == 201
    connection = log_in(user)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("amq.topic", f"{user}.k", b"m")
    channel.queue_declare(user, exclusive=True)
    channel.queue_bind(user, "amq.topic", "/a.*")
    what = "topic '{}' in exchange 'amq.topic'"
    with channel_refused(403, refusal(broker, "write", what.format("other.k"), user)):
        channel.basic_publish("amq.topic", "other.k", b"m")
    channel = connection.channel()
    with channel_refused(403, refusal(broker, "read", what.format("b.*"), user)):
        channel.queue_bind(user, "amq.topic", "b.*")
    assert ask(broker, "DELETE", f"/topic-permissions/%2F/{user}")[0] == 204


def test_a_vhost_without_permission_is_refused(broker: Broker, user: str, log_in: Log) -> None:
    assert ask(broker, "DELETE", f"/permissions/%2F/{user}")[0] == 204
    with pytest.raises(ProbableAccessDeniedError) as refused:
        log_in(user)
    assert f"access to vhost '/' refused for user '{user}'" in str(refused.value)


def test_only_an_impersonator_gives_another_users_name(broker: Broker, user: str, log_in: Log) -> None:
    properties = pika.BasicProperties(user_id="somebody")
    channel = log_in(user).channel()
    channel.confirm_delivery()
    text = f"PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was '{user}'"
    with channel_refused(406, text):
        channel.basic_publish("", "none", b"m", properties)
    put_user(broker, user, "apple", "impersonator")
    channel = log_in(user).channel()
    channel.confirm_delivery()
    channel.basic_publish("", "none", b"m", properties)


def test_connections_of_a_deleted_user_are_closed(broker: Broker, user: str, log_in: Log) -> None:
    connection = log_in(user)
    assert ask(broker, "DELETE", f"/users/{user}")[0] == 204
    with connection_refused(320, f"CONNECTION_FORCED - user '{user}' is deleted"):
        wait_until(connection, lambda: connection.is_closed)


@pytest.mark.deviates("vhost-deleted")
def test_a_vhost_is_made_used_and_deleted_with_its_connections(
    broker: Broker, user: str, log_in: Log, name: str
) -> None:
    vhost = f"{name}/v"
    path = f"/vhosts/{quote(vhost, safe='')}"
    assert ask(broker, "PUT", path, {})[0] == 201
    assert ask(broker, "PUT", path, {})[0] == 204
    permit(broker, user, vhost)
    connection = log_in(user, vhost=vhost)
    channel = connection.channel()
    channel.queue_declare("q", durable=True)
    channel.basic_publish("", "q", b"m", pika.BasicProperties(delivery_mode=2))
    assert ask(broker, "DELETE", path)[0] == 204
    with pytest.raises(ConnectionClosedByBroker) as closed:
        wait_until(connection, lambda: connection.is_closed)
    texts = {f"CONNECTION_FORCED - vhost '{vhost}' is deleted"}
    if broker.name == "rabbitmq":
        texts.add(f"CONNECTION_FORCED - vhost '{vhost}' is down")
    assert closed.value.reply_text in texts
    assert ask(broker, "DELETE", path)[0] == 404
    assert ask(broker, "GET", f"/permissions/{quote(vhost, safe='')}/{user}")[0] == 404
    with pytest.raises(ProbableAccessDeniedError) as refused:
        log_in(user, vhost=vhost)
    assert f"vhost {vhost} not found" in str(refused.value)


def test_a_changed_password_counts_at_the_next_login(broker: Broker, user: str, log_in: Log) -> None:
    connection = log_in(user)
    put_user(broker, user, "pear")
    connection.channel().close()
    with pytest.raises(AMQPError, match="ACCESS_REFUSED"):
        log_in(user)
    log_in(user, "pear")


def test_rabbitmqs_hash_lets_its_password_in_and_comes_back_as_it_was(broker: Broker, name: str, log_in: Log) -> None:
    body = {"password_hash": SHA256_OF_TEST12, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": "a,b"}
    assert ask(broker, "PUT", f"/users/{name}", body)[0] == 201
    permit(broker, name)
    log_in(name, "test12")
    status, row = ask(broker, "GET", f"/users/{name}")
    assert status == 200
    assert row == {
        "name": name,
        "password_hash": SHA256_OF_TEST12,
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": ["a", "b"],
        "limits": {},
    }
    assert ask(broker, "DELETE", f"/users/{name}")[0] == 204


def test_rows_of_permissions_have_the_same_keys(broker: Broker, user: str) -> None:
    row = {"user": user, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    assert ask(broker, "GET", f"/permissions/%2F/{user}") == (200, row)
    assert ask(broker, "GET", f"/users/{user}/permissions") == (200, [row])
    body = {"exchange": "amq.topic", "write": "a", "read": "b"}
    assert ask(broker, "PUT", f"/topic-permissions/%2F/{user}", body)[0] == 201
    assert ask(broker, "GET", f"/topic-permissions/%2F/{user}") == (200, [{"user": user, "vhost": "/", **body}])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/users/{user}", None),
        ("PUT", "/users/another", {"password": "x", "tags": ""}),
        ("PUT", "/vhosts/another", {}),
        ("GET", "/permissions", None),
    ],
)
def test_users_are_for_administrators(broker: Broker, user: str, method: str, path: str, body: object) -> None:
    put_user(broker, user, "apple", "management")
    status, answer = ask(broker, method, path.format(user=user), body, login=f"{user}:apple")
    assert (status, answer) == (401, {"error": "not_authorised", "reason": "Not administrator user"})


def test_who_has_no_tag_does_not_get_in(broker: Broker, user: str) -> None:
    assert ask(broker, "GET", "/whoami", login=f"{user}:apple")[0] == 401


def test_what_is_not_there_is_404_and_what_cannot_be_is_400(broker: Broker, user: str) -> None:
    assert ask(broker, "GET", "/users/stranger")[0] == 404
    assert ask(broker, "DELETE", "/users/stranger")[0] == 404
    rights = {"configure": "", "write": "", "read": ""}
    assert ask(broker, "PUT", "/permissions/%2F/stranger", rights)[0] == 400
    assert ask(broker, "PUT", f"/permissions/absent/{user}", rights)[0] == 400
    assert ask(broker, "PUT", f"/permissions/%2F/{user}", {**rights, "read": "("})[0] == 400
    assert ask(broker, "PUT", "/users/another", {"password": "x"})[0] == 400
    both = {"password": "x", "password_hash": SHA256_OF_TEST12, "tags": ""}
    assert ask(broker, "PUT", "/users/another", both)[0] == 400


@pytest.mark.deviates("permission-cache")
def test_a_permission_that_is_revoked_is_gone_for_new_channels_at_least(
    broker: Broker, user: str, log_in: Log, name: str
) -> None:
    connection = log_in(user)
    channel = connection.channel()
    channel.queue_declare(name, exclusive=True)
    channel.basic_get(name)
    permit(broker, user, read="")
    if broker.name == "rabbitmq":
        channel = connection.channel()  # it caches what it allowed on a channel
    with pytest.raises(AMQPError, match="ACCESS_REFUSED"):
        channel.basic_get(name)
