"""Everything that one can do in the console, done by clicking."""

import json
from typing import Any
from urllib.parse import quote

import pika
import pytest

from conformance.brokers import Broker
from conformance.http_api import ask, put_user


def queue_of(broker: Broker, name: str) -> tuple[int, Any]:
    return ask(broker, "GET", f"/queues/%2F/{name}")


@pytest.fixture
def queue(broker: Broker, name: str) -> str:
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        connection.channel().queue_declare(name, durable=True)
    return name


def test_a_queue_is_added_with_its_arguments(visitor: Any, broker: Broker, name: str) -> None:
    visitor.go("queues")
    visitor.click("Add a queue")
    visitor.fill(name=name)
    visitor.page.get_by_text("Limits, expiry and dead letters").click()
    visitor.fill(x__max__length="10", arguments='{"x-delivery-limit": 3}')
    visitor.place.locator("[name='x-queue-type']").select_option("quorum")
    visitor.photograph("dialog-queue")
    visitor.click("Add")
    visitor.page.get_by_role("heading", name=name).wait_for()
    status, row = queue_of(broker, name)
    assert (status, row["type"], row["durable"]) == (200, "quorum", True)
    assert row["arguments"] == {"x-queue-type": "quorum", "x-max-length": 10, "x-delivery-limit": 3}


def test_what_the_broker_refuses_is_said_in_the_dialog_which_stays(visitor: Any, queue: str) -> None:
    visitor.expects(400)
    visitor.go("queues")
    visitor.click("Add a queue")
    visitor.fill(name=queue)
    visitor.place.get_by_text("Durable", exact=False).first.click()
    visitor.click("Add")
    visitor.sees("inequivalent arg 'durable'")
    visitor.click("Cancel")
    assert visitor.page.locator("dialog").count() == 0


def test_a_message_is_published_read_and_purged(visitor: Any, broker: Broker, queue: str) -> None:
    visitor.go(f"queues/%2F/{queue}")
    visitor.click("Publish")
    visitor.page.get_by_text("Headers and properties").click()
    visitor.fill(payload="héllo <b>world</b>", headers='{"attempt": 1}', properties='{"content_type": "text/plain"}')
    visitor.click("Publish")
    visitor.sees("The message is published.")
    visitor.click("Get messages")
    visitor.click("Get")
    visitor.sees("héllo <b>world</b>")
    visitor.page.get_by_text("Properties", exact=True).click()
    visitor.sees('"content_type": "text/plain"')
    visitor.photograph("messages")
    assert queue_of(broker, queue)[1]["messages"] == 1
    visitor.click("Purge")
    visitor.fill(word="another name")
    visitor.click("Purge")
    visitor.sees("That is not the name.")
    assert queue_of(broker, queue)[1]["messages"] == 1
    visitor.fill(word=queue)
    visitor.click("Purge")
    visitor.sees("The queue is empty.")
    assert queue_of(broker, queue)[1]["messages"] == 0


def test_messages_are_moved_to_another_queue(visitor: Any, broker: Broker, queue: str) -> None:
    other = f"{queue}-other"
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.queue_declare(other)
        for number in range(3):
            channel.basic_publish("", queue, b"%d" % number)
    visitor.go(f"queues/%2F/{queue}")
    visitor.click("Move")
    visitor.fill(destination=other, count="2")
    visitor.click("Move")
    visitor.sees("2 messages moved.")
    assert [queue_of(broker, each)[1]["messages"] for each in (queue, other)] == [1, 2]


def test_a_message_that_no_binding_takes_is_said(visitor: Any) -> None:
    visitor.go("exchanges/%2F/amq.direct")
    visitor.click("Publish")
    visitor.fill(routing_key="nobody's", payload="x")
    visitor.click("Publish")
    visitor.sees("The message was routed nowhere")


def test_an_exchange_is_added_bound_drawn_unbound_and_deleted(visitor: Any, broker: Broker, queue: str) -> None:
    exchange = f"x-{queue}"
    visitor.go("exchanges")
    visitor.click("Add an exchange")
    visitor.fill(name=exchange)
    visitor.place.locator("[name='type']").select_option("topic")
    visitor.click("Add")
    visitor.page.get_by_role("heading", name=exchange).wait_for()
    visitor.click("Bind")
    visitor.fill(destination=queue, routing_key="a.*")
    visitor.click("Bind")
    visitor.page.get_by_role("link", name=f"queue {queue}").wait_for()
    assert visitor.page.locator("path.edge").count() == 1
    visitor.go(f"queues/%2F/{queue}")
    visitor.page.get_by_role("button", name=f"Unbind {exchange} from {queue}").click()
    visitor.sees("The binding is deleted.")
    visitor.go(f"exchanges/%2F/{exchange}")
    visitor.sees("Nothing is bound to it")
    visitor.expects(404)  # its page may ask for it once more
    visitor.click("Delete")
    visitor.fill(word=exchange)
    visitor.click("Delete")
    visitor.sees("The exchange is deleted.")
    assert ask(broker, "GET", f"/exchanges/%2F/{exchange}")[0] == 404


def test_a_queue_is_deleted_after_its_name_was_typed(visitor: Any, broker: Broker, queue: str) -> None:
    visitor.go(f"queues/%2F/{queue}")
    visitor.expects(404)  # its page may ask for it once more
    visitor.click("Delete")
    visitor.fill(word=queue)
    visitor.click("Delete")
    visitor.sees("The queue is deleted.")
    assert queue_of(broker, queue)[0] == 404


def test_a_connection_is_closed_with_a_reason(visitor: Any, broker: Broker, name: str) -> None:
    parameters = pika.URLParameters(broker.url)
    parameters.client_properties = {"connection_name": name}
    connection = pika.BlockingConnection(parameters)
    visitor.go("connections")
    visitor.page.get_by_role("link", name=name).click()
    visitor.sees("What the client says of itself")
    visitor.expects(404)  # its page may ask for it once more
    visitor.click("Close")
    visitor.fill(reason="lunch")
    visitor.click("Close it")
    visitor.sees("The connection is closed.")
    with pytest.raises(pika.exceptions.ConnectionClosed, match="lunch"):
        connection.process_data_events(5)


def test_a_user_is_made_let_in_changed_and_deleted(visitor: Any, broker: Broker, name: str) -> None:
    visitor.go("users")
    visitor.click("Add a user")
    visitor.fill(name=name, password="apple", again="pear", tags="monitoring")  # noqa: S106
    visitor.click("Add")
    visitor.sees("The two passwords are not the same.")
    visitor.fill(again="apple")
    visitor.click("Add")
    visitor.sees("This user may enter no vhost")
    visitor.click("Let into a vhost")
    visitor.fill(configure="^$")
    visitor.click("Set")
    visitor.sees("The rights are set.")
    _, permission = ask(broker, "GET", f"/permissions/%2F/{name}")
    assert (permission["configure"], permission["write"], permission["read"]) == ("^$", ".*", ".*")
    visitor.click("Change tags")
    visitor.fill(tags="management, own")
    visitor.click("Change")
    visitor.sees("The tags are changed.")
    assert ask(broker, "GET", "/whoami", login=f"{name}:apple")[1]["tags"] == ["management", "own"]
    visitor.click("Change password")
    visitor.fill(password="plum", again="plum")  # noqa: S106
    visitor.click("Change")
    visitor.sees("The password is changed.")
    assert ask(broker, "GET", "/whoami", login=f"{name}:plum")[0] == 200
    visitor.click("Change limits")
    visitor.fill(max__connections="3")
    visitor.click("Change")
    visitor.sees("The limits are changed.")
    assert ask(broker, "GET", f"/user-limits/{name}")[1] == [{"user": name, "value": {"max-connections": 3}}]
    visitor.click("Restrict routing keys")
    visitor.fill(exchange="amq.topic", write="^a", read="^a")
    visitor.click("Set")
    visitor.page.get_by_role("row", name="amq.topic").wait_for()
    visitor.photograph("user-with-rights")
    visitor.expects(404)  # its page may ask for it once more
    visitor.click("Delete")
    visitor.fill(word=name)
    visitor.click("Delete")
    visitor.sees("The user is deleted.")
    assert ask(broker, "GET", f"/users/{name}")[0] == 404


def test_a_vhost_is_added_chosen_changed_and_deleted(visitor: Any, broker: Broker, name: str) -> None:
    visitor.go("vhosts")
    visitor.click("Add a vhost")
    visitor.fill(name=name, description="the shop")
    visitor.click("Add")
    row = visitor.page.get_by_role("row", name=name)
    row.get_by_role("button", name="Change").click()
    visitor.fill(description="the other shop")
    visitor.click("Change")
    visitor.sees("the other shop")
    visitor.page.get_by_label("Virtual host", exact=True).select_option(name)
    visitor.go("queues")
    visitor.sees("There is no queue yet.")
    visitor.go("vhosts")
    row.get_by_role("button", name="Delete").click()
    visitor.fill(word=name)
    visitor.click("Delete")
    visitor.sees("The vhost is deleted.")
    assert ask(broker, "GET", f"/vhosts/{name}")[0] == 404


def test_a_policy_is_added_to_a_queue_and_taken_away(visitor: Any, broker: Broker, queue: str) -> None:
    visitor.go("policies")
    visitor.click("Add a policy")
    visitor.fill(name=queue, pattern=f"^{queue}$", definition='{"max-length": 7}')
    visitor.click("Add")
    row = visitor.page.get_by_role("row", name=queue)
    row.wait_for()
    assert queue_of(broker, queue)[1]["effective_policy_definition"] == {"max-length": 7}
    row.get_by_role("button", name="Delete").click()
    visitor.click("Delete")
    visitor.sees("The policy is deleted.")
    assert not queue_of(broker, queue)[1]["policy"]


def test_limits_are_set_and_ended(visitor: Any, broker: Broker, name: str) -> None:
    put_user(broker, name, "apple")
    visitor.go("limits")
    for typed, limits in (("5", [{"user": name, "value": {"max-channels": 5}}]), ("", [])):
        visitor.page.get_by_role("button", name=f"Change the limits of {name}").click()
        visitor.fill(max__channels=typed)
        visitor.click("Change")
        visitor.page.locator("dialog").wait_for(state="detached")
        assert ask(broker, "GET", f"/user-limits/{name}")[1] == limits


def test_definitions_are_downloaded_and_come_back(visitor: Any, broker: Broker, queue: str, tmp_path: Any) -> None:
    visitor.go("definitions")
    with visitor.page.expect_download() as download:
        visitor.click("Download")
    path = tmp_path / "definitions.json"
    download.value.save_as(path)
    content = json.loads(path.read_text())
    assert queue in [each["name"] for each in content["queues"]]
    assert ask(broker, "DELETE", f"/queues/%2F/{quote(queue)}")[0] == 204
    visitor.page.locator("[name=file]").set_input_files(path)
    visitor.click("Look at it")
    visitor.sees("nothing is deleted")
    visitor.click("Load")
    visitor.sees("The definitions are loaded.")
    assert queue_of(broker, queue)[0] == 200


def test_a_file_that_is_no_json_is_refused_before_it_is_sent(visitor: Any, tmp_path: Any) -> None:
    path = tmp_path / "notes.json"
    path.write_text("not json")
    visitor.go("definitions")
    visitor.page.locator("[name=file]").set_input_files(path)
    visitor.click("Look at it")
    visitor.sees("notes.json is not JSON")


def test_the_log_shows_what_has_just_happened_and_can_be_filtered(visitor: Any, broker: Broker, name: str) -> None:
    put_user(broker, name, "apple")
    visitor.go("log")
    visitor.sees("user created")
    visitor.page.get_by_placeholder("Filter by any word").fill(name)
    visitor.sees("1 line, newest first")
    visitor.page.get_by_label("Least level").select_option(label="error and worse")
    visitor.sees("No line is like that.")
