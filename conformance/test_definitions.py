"""Definitions over HTTP: what one broker exports, another one takes, PonyMQ or RabbitMQ."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pytest

from conformance.brokers import Broker, PonyMQ, RabbitMQ, make_broker
from conformance.deviations import by_broker, deviates
from conformance.http_api import ask, permit, put_user

Start = Callable[[str], Broker]

SECTIONS = (
    *("users", "permissions", "topic_permissions", "parameters", "policies"),
    *("queues", "exchanges", "bindings"),
)
# RabbitMQ's hashes: argon2id, PonyMQ's own, means nothing to RabbitMQ.
OLD_HASHES = ("--set", "auth.new_passwords=rabbit_password_hashing_sha256")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts brokers of the test's own, by name."""
    started: list[Broker] = []

    def start_one(name: str) -> Broker:
        directory = tmp_path / f"{name}-{len(started)}"
        if name == PonyMQ.name:
            directory.mkdir()
            one: Broker = PonyMQ(directory, OLD_HASHES)
        else:
            one = make_broker(name, directory)
        started.append(one)
        one.start()
        return one

    yield start_one
    for one in started:
        one.close()


def fill(broker: Broker) -> None:
    """Something of every section, in two vhosts, by the means that both brokers have."""
    assert ask(broker, "PUT", "/vhosts/shop", {"description": "the web shop", "tags": "a,b"})[0] == 201
    permit(broker, "guest", "shop")
    put_user(broker, "ann", "an apple", "monitoring,fruit")
    put_user(broker, "bob", "a bean")
    permit(broker, "ann", "shop", "^shop", "", ".*")
    permit(broker, "bob", "/")
    topic = {"exchange": "amq.topic", "write": "^a", "read": ".*"}
    assert ask(broker, "PUT", "/topic-permissions/shop/ann", topic)[0] == 201
    assert ask(broker, "PUT", "/vhost-limits/shop/max-queues", {"value": 100})[0] == 204
    assert ask(broker, "PUT", "/user-limits/bob/max-channels", {"value": 7})[0] == 204
    policy = {"pattern": "^q", "definition": {"max-length": 5}, "priority": 3, "apply-to": "queues"}
    assert ask(broker, "PUT", "/policies/shop/short", policy)[0] == 201
    assert ask(broker, "PUT", "/operator-policies/shop/shorter", policy)[0] == 201
    connection = pika.BlockingConnection(pika.URLParameters(broker.url.replace("/%2F", "/shop")))
    channel = connection.channel()
    channel.exchange_declare("orders", "topic", durable=True, arguments={"alternate-exchange": "lost"})
    channel.exchange_declare("lost", "fanout", durable=True)
    channel.exchange_declare("inner", "headers", durable=True, internal=True)
    channel.queue_declare("q-classic", durable=True, arguments={"x-message-ttl": 60_000, "x-max-priority": 4})
    channel.queue_declare("q-quorum", durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": 3})
    channel.queue_declare("q-stream", durable=True, arguments={"x-queue-type": "stream", "x-max-age": "1h"})
    channel.queue_declare("q-passing", auto_delete=True)
    channel.queue_declare("q-mine", exclusive=True)
    channel.queue_bind("q-classic", "orders", "a.#")
    channel.queue_bind("q-quorum", "amq.topic", "*.b")
    channel.queue_bind("q-stream", "lost", "")
    channel.queue_bind("q-mine", "lost", "")
    channel.exchange_bind("inner", "orders", "#")
    deep = {"list": [2**40, True, "ä"]}
    channel.queue_bind("q-classic", "inner", "", arguments={"x-match": "all", "n": 1, "deep": deep})
    connection.close()  # takes q-mine with it


def exported(broker: Broker, path: str = "/definitions") -> dict[str, Any]:
    status, document = ask(broker, "GET", path)
    assert status == 200
    assert isinstance(document, dict)
    return document


def compared(document: dict[str, Any]) -> dict[str, Any]:
    """What must be the same, in one order, without the type of a queue, which RabbitMQ 3.10 leaves to the arguments."""
    for queue in document["queues"]:
        queue.pop("type", None)
    sections = {section: sorted(document.get(section, []), key=repr_of) for section in SECTIONS if section in document}
    if "vhosts" in document:
        sections["vhosts"] = sorted(vhost["name"] for vhost in document["vhosts"])
    return sections


def repr_of(row: dict[str, Any]) -> str:
    return repr(sorted(row.items()))


def logs_in(broker: Broker, user: str, password: str, vhost: str) -> None:
    parameters = pika.ConnectionParameters(
        broker.host, broker.port, vhost, pika.PlainCredentials(user, password), blocked_connection_timeout=10
    )
    pika.BlockingConnection(parameters).close()


def test_what_is_exported_comes_back_on_an_empty_broker(broker_name: str, start: Start) -> None:
    first, second = start(broker_name), start(broker_name)
    fill(first)
    document = exported(first)
    assert ask(second, "POST", "/definitions", document)[0] == 204
    assert compared(exported(second)) == compared(document)
    before = compared(exported(second))
    assert ask(second, "POST", "/definitions", exported(second))[0] == 204
    assert compared(exported(second)) == before


def test_everything_moves_from_rabbitmq_here_and_back(broker_name: str, start: Start) -> None:
    if broker_name != PonyMQ.name:
        pytest.skip("both brokers take part, once is enough")
    old, new, again = start(RabbitMQ.name), start(PonyMQ.name), start(RabbitMQ.name)
    fill(old)
    theirs = exported(old)
    assert ask(new, "POST", "/definitions", theirs)[0] == 204
    ours = exported(new)
    assert compared(ours) == compared(theirs)
    for user, password, vhost in (("ann", "an apple", "shop"), ("bob", "a bean", "/"), ("guest", "guest", "shop")):
        logs_in(new, user, password, vhost)
    new.kill()
    new.start()
    theirs["queues"] = [queue for queue in theirs["queues"] if queue["durable"]]
    assert compared(exported(new)) == compared(theirs), "what was answered is on disk"
    described = {"description": "the web shop", "tags": "a,b"}  # RabbitMQ 3.10 takes this in, and does not let it out
    assert ask(new, "PUT", "/vhosts/shop", described)[0] == 204
    put_user(new, "eve", "an egg")
    permit(new, "eve", "shop")
    assert ask(again, "POST", "/definitions", exported(new))[0] == 204
    assert compared(exported(again)) == compared(exported(new))
    logs_in(again, "eve", "an egg", "shop")
    logs_in(again, "ann", "an apple", "shop")
    shop = ask(again, "GET", "/vhosts/shop")[1]
    assert (shop["description"], shop["tags"]) == ("the web shop", ["a", "b"])


def test_a_vhost_is_copied_into_another(broker_name: str, start: Start) -> None:
    own = start(broker_name)
    fill(own)
    assert ask(own, "PUT", "/vhosts/copy", {})[0] == 201
    document = exported(own, "/definitions/shop")
    assert all("vhost" not in row for section in ("queues", "bindings") for row in document[section])
    assert ask(own, "POST", "/definitions/copy", document)[0] == 204
    copied = exported(own, "/definitions/copy")
    for each in (document, copied):
        for row in [*each["parameters"], *each["policies"]]:
            row.pop("vhost", None)  # which 3.10 still names there
    assert compared(copied) == compared(document)


@pytest.mark.smoke
@deviates("definitions-refusals")
def test_an_object_in_an_unknown_vhost_is_refused(broker: Broker, name: str) -> None:
    queue = {"name": name, "vhost": "nowhere", "durable": True, "auto_delete": False, "arguments": {}}
    status, answer = ask(broker, "POST", "/definitions", {"queues": [queue]})
    ours = f"queues[0] ('{name}' in vhost 'nowhere'): no_such_vhost nowhere"
    assert (status, answer["reason"]) == (400, by_broker(broker, ponymq=ours, rabbitmq=["no_such_vhost", "nowhere"]))


@pytest.mark.smoke
@deviates("definitions-whole")
def test_a_wrong_object_stops_the_import(broker: Broker, name: str) -> None:
    document = {
        "users": [{"name": name, "password_hash": "", "tags": ""}],
        "permissions": [{"user": name, "vhost": "nowhere", "configure": "", "write": "", "read": ""}],
    }
    assert ask(broker, "POST", "/definitions", document)[0] == 400
    assert ask(broker, "GET", f"/users/{name}")[0] == by_broker(broker, ponymq=404, rabbitmq=200)


@pytest.mark.smoke
def test_a_queue_that_is_there_stays_as_it_is(broker: Broker, name: str) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    channel = connection.channel()
    channel.queue_declare(name, durable=True)
    queue = {"name": name, "vhost": "/", "durable": False, "auto_delete": False, "arguments": {"x-max-length": 1}}
    assert ask(broker, "POST", "/definitions", {"queues": [queue]})[0] == 204
    channel.queue_declare(name, durable=True)
    channel.queue_delete(name)
    connection.close()


@pytest.mark.smoke
def test_a_binding_without_its_ends_is_left_out(broker: Broker, name: str) -> None:
    binding = {
        "source": "amq.direct",
        "vhost": "/",
        "destination": name,
        "destination_type": "queue",
        "routing_key": "",
        "arguments": {},
    }
    assert ask(broker, "POST", "/definitions", {"bindings": [binding]})[0] == 204


@pytest.mark.smoke
def test_what_is_no_document_is_refused(broker: Broker) -> None:
    for body in ([], "text", 3):
        status, answer = ask(broker, "POST", "/definitions", body)
        assert (status, answer["reason"]) == (400, "failed_to_parse_json")


@pytest.mark.smoke
@deviates("definitions-refusals")
def test_a_vhost_that_is_not_there_has_no_definitions(broker: Broker) -> None:
    assert ask(broker, "POST", "/definitions/nowhere", {})[0] == 404
    assert ask(broker, "GET", "/definitions/nowhere")[0] == by_broker(broker, ponymq=404, rabbitmq=400)
