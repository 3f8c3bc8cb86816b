"""Tokens as passwords, with real clients; the referee has RabbitMQ's OAuth 2 plugin."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import aio_pika
import pika
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker, ConnectionClosedByBroker, ProbableAuthenticationError

from conformance.backends import Authority, token_broker
from conformance.brokers import Broker
from conformance.clients import connection_refused
from conformance.deviations import by_broker
from conformance.http_api import ask

Log = Callable[..., pika.BlockingConnection]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def trusting(broker_name: str, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that believes the authority."""
    broker = token_broker(broker_name, tmp_path_factory.mktemp("trusting"), authority)
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


@pytest.fixture
def log_in(trusting: Broker) -> Iterator[Log]:
    """Opens connections with a token, and closes them in the end."""
    opened: list[pika.BlockingConnection] = []

    def connect(token: str, user: str = "", vhost: str = "/") -> pika.BlockingConnection:
        credentials = pika.PlainCredentials(user, token)
        made = pika.BlockingConnection(pika.ConnectionParameters(trusting.host, trusting.port, vhost, credentials))
        opened.append(made)
        return made

    yield connect
    for connection in opened:
        with contextlib.suppress(AMQPError):
            connection.close()


@pytest.mark.parametrize("kid", ["rsa", "ec"])
def test_a_token_is_a_password(authority: Authority, log_in: Log, kid: str) -> None:
    channel = log_in(authority.token(kid=kid)).channel()
    channel.confirm_delivery()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish("", queue, b"hello")
    _, _, body = channel.basic_get(queue, auto_ack=True)
    assert body == b"hello"


@pytest.mark.parametrize("kid", ["rsa", "ec"])
async def test_aio_pika_logs_in_with_a_token(trusting: Broker, authority: Authority, kid: str) -> None:
    async with await aio_pika.connect(
        host=trusting.host, port=trusting.port, login="", password=authority.token(kid=kid)
    ) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await channel.default_exchange.publish(aio_pika.Message(b"hello"), queue.name)
        message = await queue.get(no_ack=True)
        assert message.body == b"hello"


def test_users_of_the_broker_come_in_beside(trusting: Broker) -> None:
    pika.BlockingConnection(pika.URLParameters(trusting.url)).close()


def refused_tokens(authority: Authority) -> dict[str, str]:
    return {
        "expired": authority.token(exp=int(time.time()) - 1),
        "another audience": authority.token(aud=["other"]),
        "another key": authority.token(key=generate_private_key(65537, 2048)),
        "an unknown key": authority.token(key=generate_private_key(65537, 2048), kid="none"),
        "a broken signature": authority.token()[:-8] + "AAAAAAAA",
        "no token": "guess",
        "empty": "",
    }


def test_a_token_that_cannot_be_believed_lets_nobody_in(authority: Authority, log_in: Log) -> None:
    for kind, token in refused_tokens(authority).items():
        with pytest.raises(ProbableAuthenticationError, match="ACCESS_REFUSED - Login was refused"):
            log_in(token, user=kind)


def test_a_vhost_that_no_scope_names_is_not_entered(authority: Authority, log_in: Log) -> None:
    with pytest.raises(AMQPError, match="access to vhost '/' refused for user 'ann'"):
        log_in(authority.token("read:other/* tag:administrator"))


# --- scopes


def configure(channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(name, auto_delete=True)


def read(channel: BlockingChannel, name: str) -> None:
    channel.queue_purge(name)


def write(channel: BlockingChannel, name: str) -> None:
    channel.basic_publish(name, "k", b"m")


def publish_topic(channel: BlockingChannel, key: str) -> None:
    channel.basic_publish("amq.topic", key, b"m")


Act = Callable[[BlockingChannel, str], Any]
# Scopes, what is tried, and whether they allow it. Allowed is also what fails for want of the thing itself.
SCOPES: list[tuple[str, Act, str, bool]] = [
    ("configure:*/*", configure, "a-thing", True),
    ("configure:%2F/*", configure, "a-thing", True),
    ("configure:%2f/a-*", configure, "a-thing", True),
    ("configure:*/*thing", configure, "a-thing", True),
    ("configure:*/a*g", configure, "a-thing", True),
    ("configure:*/*thing", configure, "thing-thing", False),
    ("configure:*/a**", configure, "a", False),
    ("configure:*/a*", configure, "a", True),
    ("configure:*/a+thing", configure, "a thing", True),
    ("configure:*/a%20thing", configure, "a thing", True),
    ("configure:*/%C3%A4*", configure, "ä-thing", True),
    ("configure:*/%2A", configure, "*", True),
    ("configure:*/%2A", configure, "other", False),
    ("configure:*/%zz read:*/*", configure, "%zz", False),
    ("configure:*/other read:*/*", configure, "a-thing", False),
    ("configure:other/* read:*/*", configure, "a-thing", False),
    ("configure:*/*/*", configure, "a-thing", True),
    ("configure:*/*/*/* read:*/*", configure, "a-thing", False),
    ("configure:* read:*/*", configure, "a-thing", False),
    ("write:*/*", configure, "a-thing", False),
    ("read:*/q", read, "q", True),
    ("read:*/x", read, "q", False),
    ("write:*/amq.direct", write, "amq.direct", True),
    ("write:*/amq.default", write, "", True),
    ("write:*/amq.direct", write, "", False),
    ("write:*/*", publish_topic, "a.b", False),
    ("write:*/*/*", publish_topic, "a.b", True),
    ("write:*/amq.topic/a.*", publish_topic, "a.b", True),
    ("write:*/amq.topic/a.*", publish_topic, "b.a.b", False),
    ("write:*/amq.topic read:*/amq.topic/*", publish_topic, "a.b", False),
]


@pytest.mark.parametrize(("scope", "act", "name", "allowed"), SCOPES, ids=[f"{n}" for n in range(len(SCOPES))])
def test_a_scope_allows_what_it_says(
    authority: Authority, log_in: Log, scope: str, act: Act, name: str, allowed: bool
) -> None:
    channel = log_in(authority.token(scope)).channel()
    channel.confirm_delivery()
    code = 0
    try:
        act(channel, name)
    except ChannelClosedByBroker as closed:
        code = closed.reply_code
    assert (code != 403) == allowed, code


# --- renewal and end


def test_a_new_token_takes_the_place_of_the_old_one(authority: Authority, log_in: Log) -> None:
    connection = log_in(authority.token("read:*/*"))
    connection.update_secret(authority.token(), "it expires")
    connection.channel().queue_declare("", exclusive=True)


def test_a_new_token_that_cannot_be_believed_ends_the_connection(authority: Authority, log_in: Log) -> None:
    connection = log_in(authority.token())
    with connection_refused(530, "NOT_ALLOWED - New secret was refused by one of the backends"):
        connection.update_secret(authority.token(aud=["other"]), "it expires")


@pytest.mark.deviates("token-user")
def test_a_new_token_of_another_user(trusting: Broker, authority: Authority, log_in: Log) -> None:
    connection = log_in(authority.token())
    refused = by_broker(trusting, ponymq=True, rabbitmq=False)
    with pytest.raises(ConnectionClosedByBroker) if refused else contextlib.nullcontext():
        connection.update_secret(authority.token(sub="bob"), "it expires")


@pytest.mark.deviates("token-expiry")
def test_the_end_of_a_token(trusting: Broker, authority: Authority, log_in: Log) -> None:
    connection = log_in(authority.token(exp=int(time.time()) + 3))
    channel = connection.channel()

    def live_on() -> None:
        deadline = time.monotonic() + 15.0
        while time.monotonic() < deadline:
            connection.process_data_events(time_limit=0.2)
            if trusting.name == "rabbitmq":
                channel.queue_declare(f"q-{time.monotonic()}", exclusive=True)

    with pytest.raises(AMQPError) as ended:
        live_on()
    text = by_broker(
        trusting,
        ponymq="CONNECTION_FORCED - credential expired",
        rabbitmq="Provided JWT token has expired",
    )
    assert text in str(ended.value)


@pytest.mark.deviates("secret-of-a-user")
def test_a_new_secret_of_a_user_of_the_broker(trusting: Broker) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(trusting.url))
    connection.update_secret("guest", "as good as the old one")
    refused = by_broker(trusting, ponymq=True, rabbitmq=False)
    with pytest.raises(ConnectionClosedByBroker) if refused else contextlib.nullcontext():
        connection.update_secret("wrong", "nobody's password")
    with contextlib.suppress(AMQPError):
        connection.close()


# --- HTTP


def test_the_http_api_takes_a_token_as_a_password(trusting: Broker, authority: Authority) -> None:
    status, body = ask(trusting, "GET", "/whoami", login=f"x:{authority.token('tag:administrator')}")
    assert (status, body["name"], body["tags"]) == (200, "ann", ["administrator"])
    status, _ = ask(trusting, "GET", "/whoami", login=f"x:{authority.token('read:*/*')}")
    assert status == 401


def test_no_token_is_in_the_log(trusting: Broker, authority: Authority, log_in: Log) -> None:
    if trusting.name == "rabbitmq":
        pytest.skip("the referee's log is its own business")
    said = [*refused_tokens(authority).values(), authority.token()]
    for token in said:
        with contextlib.suppress(AMQPError):
            log_in(token).update_secret(token[:-8] + "AAAAAAAA", "a bad one")
        ask(trusting, "GET", "/whoami", login=f"x:{token}")
    parts = [part for token in said for part in token.split(".") if len(part) > 40]
    assert parts
    assert not any(part in trusting.log for part in parts)
