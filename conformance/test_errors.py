"""Refusals by text, code and blamed method: one row per rule, said with frames because clients hide the method ids."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from pamqp import commands
from pamqp.base import Frame as Method

from conformance.brokers import Broker
from conformance.deviations import by_broker, deviates
from conformance.raw import body_frame, close_arguments, connect, encode, header_frame, method_frame, publish

Queue, Exchange, Basic, Channel = commands.Queue, commands.Exchange, commands.Basic, commands.Channel
LOCKED = (
    "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{n}' in vhost '/'. It could be originally"
    " declared on another connection or the exclusive property value does not match that of the original declaration."
)


class Refusal(NamedTuple):
    """The last of `methods` is refused, the others are answered; `{n}` in the text is the name in use."""

    methods: Callable[[str], list[Method]]
    code: int
    text: str
    blamed: tuple[int, int]


def queue_with(**arguments: Any) -> Callable[[str], list[Method]]:
    return lambda n: [Queue.Declare(queue=n, exclusive=True, arguments=arguments)]


def redeclared_queue(first: dict[str, Any], second: dict[str, Any]) -> Callable[[str], list[Method]]:
    return lambda n: [
        Queue.Declare(queue=n, exclusive=True, arguments=first),
        Queue.Declare(queue=n, exclusive=True, arguments=second),
    ]


def redeclared_exchange(first: dict[str, Any], second: dict[str, Any]) -> Callable[[str], list[Method]]:
    return lambda n: [
        Exchange.Declare(exchange=n, **{"auto_delete": True, **first}),
        Exchange.Declare(exchange=n, **{"auto_delete": True, **second}),
    ]


def invalid_argument(key: str, detail: str) -> str:
    return f"PRECONDITION_FAILED - invalid arg '{key}' for queue '{{n}}' in vhost '/': {detail}"


def inequivalent(key: str, kind: str, rest: str) -> str:
    return f"PRECONDITION_FAILED - inequivalent arg '{key}' for {kind} '{{n}}' in vhost '/': {rest}"


DECLARE_QUEUE, DECLARE_EXCHANGE = (50, 10), (40, 10)
OF_CHANNEL = {
    "queue_missing_passive": Refusal(
        lambda n: [Queue.Declare(queue=n, passive=True)], 404, "NOT_FOUND - no queue '{n}' in vhost '/'", (50, 10)
    ),
    "queue_missing_passive_unnamed": Refusal(
        lambda n: [Queue.Declare(queue=n, exclusive=True), Queue.Declare(queue="", passive=True)],
        404,
        "NOT_FOUND - no queue '' in vhost '/'",
        (50, 10),
    ),
    "queue_missing_get": Refusal(
        lambda n: [Basic.Get(queue=n)], 404, "NOT_FOUND - no queue '{n}' in vhost '/'", (60, 70)
    ),
    "queue_missing_consume": Refusal(
        lambda n: [Basic.Consume(queue=n)], 404, "NOT_FOUND - no queue '{n}' in vhost '/'", (60, 20)
    ),
    "queue_missing_purge": Refusal(
        lambda n: [Queue.Purge(queue=n)], 404, "NOT_FOUND - no queue '{n}' in vhost '/'", (50, 30)
    ),
    "queue_missing_bind": Refusal(
        lambda n: [Queue.Bind(queue=n, exchange="amq.direct", routing_key="k")],
        404,
        "NOT_FOUND - no queue '{n}' in vhost '/'",
        (50, 20),
    ),
    "no_previous_queue_get": Refusal(
        lambda n: [Basic.Get(queue="")], 404, "NOT_FOUND - no previously declared queue", (60, 70)
    ),
    "no_previous_queue_consume": Refusal(
        lambda n: [Basic.Consume(queue="")], 404, "NOT_FOUND - no previously declared queue", (60, 20)
    ),
    "no_previous_queue_delete": Refusal(
        lambda n: [Queue.Delete(queue="")], 404, "NOT_FOUND - no previously declared queue", (50, 40)
    ),
    "no_previous_queue_bind": Refusal(
        lambda n: [Queue.Bind(queue="", exchange="amq.direct", routing_key="k")],
        404,
        "NOT_FOUND - no previously declared queue",
        (50, 20),
    ),
    "exchange_missing_passive": Refusal(
        lambda n: [Exchange.Declare(exchange=n, passive=True)],
        404,
        "NOT_FOUND - no exchange '{n}' in vhost '/'",
        (40, 10),
    ),
    "exchange_missing_bind": Refusal(
        lambda n: [Queue.Declare(queue=n, exclusive=True), Queue.Bind(queue=n, exchange=n, routing_key="k")],
        404,
        "NOT_FOUND - no exchange '{n}' in vhost '/'",
        (50, 20),
    ),
    "both_ends_missing_bind_names_the_source": Refusal(
        lambda n: [Exchange.Bind(destination=n + "-d", source=n, routing_key="k")],
        404,
        "NOT_FOUND - no exchange '{n}' in vhost '/'",
        (40, 30),
    ),
    "queue_reserved_name": Refusal(
        lambda n: [Queue.Declare(queue="amq." + n)],
        403,
        "ACCESS_REFUSED - queue name 'amq.{n}' contains reserved prefix 'amq.*'",
        (50, 10),
    ),
    "exchange_reserved_name": Refusal(
        lambda n: [Exchange.Declare(exchange="amq." + n)],
        403,
        "ACCESS_REFUSED - exchange name 'amq.{n}' contains reserved prefix 'amq.*'",
        (40, 10),
    ),
    "default_exchange_declare": Refusal(
        lambda n: [Exchange.Declare(exchange="")],
        403,
        "ACCESS_REFUSED - operation not permitted on the default exchange",
        (40, 10),
    ),
    "default_exchange_delete": Refusal(
        lambda n: [Exchange.Delete(exchange="")],
        403,
        "ACCESS_REFUSED - operation not permitted on the default exchange",
        (40, 20),
    ),
    "default_exchange_bind": Refusal(
        lambda n: [Queue.Declare(queue=n, exclusive=True), Queue.Bind(queue=n, exchange="", routing_key="k")],
        403,
        "ACCESS_REFUSED - operation not permitted on the default exchange",
        (50, 20),
    ),
    "default_exchange_unbind": Refusal(
        lambda n: [Queue.Declare(queue=n, exclusive=True), Queue.Unbind(queue=n, exchange="", routing_key=n)],
        403,
        "ACCESS_REFUSED - operation not permitted on the default exchange",
        (50, 50),
    ),
    "system_exchange_delete": Refusal(
        lambda n: [Exchange.Delete(exchange="amq.topic")],
        403,
        "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed",
        (40, 20),
    ),
    "exchange_in_use": Refusal(
        lambda n: [
            Exchange.Declare(exchange=n, auto_delete=True),
            Queue.Declare(queue=n, exclusive=True),
            Queue.Bind(queue=n, exchange=n, routing_key="k"),
            Exchange.Delete(exchange=n, if_unused=True),
        ],
        406,
        "PRECONDITION_FAILED - exchange '{n}' in vhost '/' in use",
        (40, 20),
    ),
    "queue_in_use": Refusal(
        lambda n: [
            Queue.Declare(queue=n, exclusive=True),
            Basic.Consume(queue=n),
            Queue.Delete(queue=n, if_unused=True),
        ],
        406,
        "PRECONDITION_FAILED - queue '{n}' in vhost '/' in use",
        (50, 40),
    ),
    "alternate_exchange_type": Refusal(
        lambda n: [Exchange.Declare(exchange=n, arguments={"alternate-exchange": 70000})],
        406,
        "PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' in exchange '{n}' in vhost '/'",
        (40, 10),
    ),
    "queue_durable_differs": Refusal(
        lambda n: [
            Queue.Declare(queue=n, auto_delete=True),
            Queue.Declare(queue=n, auto_delete=True, durable=True),
        ],
        406,
        inequivalent("durable", "queue", "received 'true' but current is 'false'"),
        DECLARE_QUEUE,
    ),
    "queue_auto_delete_differs": Refusal(
        lambda n: [Queue.Declare(queue=n, exclusive=True), Queue.Declare(queue=n, exclusive=True, auto_delete=True)],
        406,
        inequivalent("auto_delete", "queue", "received 'true' but current is 'false'"),
        DECLARE_QUEUE,
    ),
    "queue_exclusive_differs": Refusal(
        lambda n: [Queue.Declare(queue=n, exclusive=True), Queue.Declare(queue=n)], 405, LOCKED, DECLARE_QUEUE
    ),
    "queue_argument_differs": Refusal(
        redeclared_queue({"x-max-length": 10}, {"x-max-length": 20}),
        406,
        inequivalent("x-max-length", "queue", "received '20' but current is '10'"),
        DECLARE_QUEUE,
    ),
    "queue_argument_missing": Refusal(
        redeclared_queue({"x-message-ttl": 70000}, {}),
        406,
        inequivalent("x-message-ttl", "queue", "received none but current is the value '70000' of type 'signedint'"),
        DECLARE_QUEUE,
    ),
    "queue_argument_new": Refusal(
        redeclared_queue({}, {"x-message-ttl": 70000}),
        406,
        inequivalent("x-message-ttl", "queue", "received the value '70000' of type 'signedint' but current is none"),
        DECLARE_QUEUE,
    ),
    "queue_argument_is_a_float_now": Refusal(
        redeclared_queue({"x-max-length": 10}, {"x-max-length": 10.0}),
        406,
        inequivalent("x-max-length", "queue", "received '10.0' but current is '10'"),
        DECLARE_QUEUE,
    ),
    "exchange_type_differs": Refusal(
        redeclared_exchange({"exchange_type": "direct"}, {"exchange_type": "fanout"}),
        406,
        inequivalent("type", "exchange", "received 'fanout' but current is 'direct'"),
        DECLARE_EXCHANGE,
    ),
    "exchange_durable_differs": Refusal(
        redeclared_exchange({}, {"durable": True}),
        406,
        inequivalent("durable", "exchange", "received 'true' but current is 'false'"),
        DECLARE_EXCHANGE,
    ),
    "exchange_auto_delete_differs": Refusal(
        redeclared_exchange({}, {"auto_delete": False}),
        406,
        inequivalent("auto_delete", "exchange", "received 'false' but current is 'true'"),
        DECLARE_EXCHANGE,
    ),
    "exchange_internal_differs": Refusal(
        redeclared_exchange({}, {"internal": True}),
        406,
        inequivalent("internal", "exchange", "received 'true' but current is 'false'"),
        DECLARE_EXCHANGE,
    ),
    "exchange_alternate_differs": Refusal(
        redeclared_exchange({}, {"arguments": {"alternate-exchange": "amq.fanout"}}),
        406,
        inequivalent(
            "alternate-exchange",
            "exchange",
            "received the value 'amq.fanout' of type 'longstr' but current is none",
        ),
        DECLARE_EXCHANGE,
    ),
    "ttl_is_text": Refusal(
        queue_with(**{"x-message-ttl": "10"}),
        406,
        invalid_argument("x-message-ttl", '"expected integer, got longstr"'),
        DECLARE_QUEUE,
    ),
    "ttl_is_negative": Refusal(
        queue_with(**{"x-message-ttl": -5}),
        406,
        invalid_argument("x-message-ttl", "{{value_negative,-5}}"),
        DECLARE_QUEUE,
    ),
    "ttl_is_too_large": Refusal(
        queue_with(**{"x-message-ttl": 315360000001}),
        406,
        invalid_argument("x-message-ttl", "{{value_too_large,315360000001}}"),
        DECLARE_QUEUE,
    ),
    "expires_is_zero": Refusal(
        queue_with(**{"x-expires": 0}), 406, invalid_argument("x-expires", "{{value_zero,0}}"), DECLARE_QUEUE
    ),
    "max_length_is_negative": Refusal(
        queue_with(**{"x-max-length": -1}),
        406,
        invalid_argument("x-max-length", "{{value_negative,-1}}"),
        DECLARE_QUEUE,
    ),
    "max_priority_is_above_255": Refusal(
        queue_with(**{"x-max-priority": 260}),
        406,
        invalid_argument("x-max-priority", "{{max_value_exceeded,260}}"),
        DECLARE_QUEUE,
    ),
    "overflow_is_unknown": Refusal(
        queue_with(**{"x-overflow": "foo"}), 406, invalid_argument("x-overflow", "invalid_overflow"), DECLARE_QUEUE
    ),
    "dead_letter_key_without_exchange": Refusal(
        queue_with(**{"x-dead-letter-routing-key": "k"}),
        406,
        invalid_argument("x-dead-letter-routing-key", "routing_key_but_no_dlx_defined"),
        DECLARE_QUEUE,
    ),
    "dead_letter_exchange_is_a_number": Refusal(
        queue_with(**{"x-dead-letter-exchange": 70000}),
        406,
        "PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue '{n}' in vhost '/'",
        DECLARE_QUEUE,
    ),
    "single_active_is_a_number": Refusal(
        queue_with(**{"x-single-active-consumer": 70000}),
        406,
        invalid_argument("x-single-active-consumer", "{{unacceptable_type,signedint}}"),
        DECLARE_QUEUE,
    ),
    "delivery_tag_unknown_ack": Refusal(
        lambda n: [Basic.Ack(delivery_tag=82)], 406, "PRECONDITION_FAILED - unknown delivery tag 82", (60, 80)
    ),
    "delivery_tag_unknown_reject": Refusal(
        lambda n: [Basic.Reject(delivery_tag=83)], 406, "PRECONDITION_FAILED - unknown delivery tag 83", (60, 90)
    ),
    "delivery_tag_unknown_nack": Refusal(
        lambda n: [Basic.Nack(delivery_tag=84, multiple=True)],
        406,
        "PRECONDITION_FAILED - unknown delivery tag 84",
        (60, 120),
    ),
    "delivery_tag_zero_without_multiple": Refusal(
        lambda n: [Basic.Ack(delivery_tag=0)], 406, "PRECONDITION_FAILED - unknown delivery tag 0", (60, 80)
    ),
    "tx_commit_without_select": Refusal(
        lambda n: [commands.Tx.Commit()], 406, "PRECONDITION_FAILED - channel is not transactional", (90, 20)
    ),
    "tx_rollback_without_select": Refusal(
        lambda n: [commands.Tx.Rollback()], 406, "PRECONDITION_FAILED - channel is not transactional", (90, 30)
    ),
    "confirm_on_tx_channel": Refusal(
        lambda n: [commands.Tx.Select(), commands.Confirm.Select()],
        406,
        "PRECONDITION_FAILED - cannot switch from tx to confirm mode",
        (85, 10),
    ),
    "tx_on_confirm_channel": Refusal(
        lambda n: [commands.Confirm.Select(), commands.Tx.Select()],
        406,
        "PRECONDITION_FAILED - cannot switch from confirm to tx mode",
        (90, 10),
    ),
    "consumer_priority_is_text": Refusal(
        lambda n: [Queue.Declare(queue=n, exclusive=True), Basic.Consume(queue=n, arguments={"x-priority": "high"})],
        406,
        invalid_argument("x-priority", '"expected integer, got longstr"'),
        (60, 20),
    ),
    "consumer_priority_is_a_table": Refusal(
        lambda n: [Queue.Declare(queue=n, exclusive=True), Basic.Consume(queue=n, arguments={"x-priority": {"a": 1}})],
        406,
        invalid_argument("x-priority", '"expected integer, got table"'),
        (60, 20),
    ),
    "consumer_priority_is_an_array": Refusal(
        lambda n: [Queue.Declare(queue=n, exclusive=True), Basic.Consume(queue=n, arguments={"x-priority": [1]})],
        406,
        invalid_argument("x-priority", '"expected integer, got array"'),
        (60, 20),
    ),
    "consumer_priority_is_void": Refusal(
        lambda n: [Queue.Declare(queue=n, exclusive=True), Basic.Consume(queue=n, arguments={"x-priority": None})],
        406,
        invalid_argument("x-priority", '"expected integer, got void"'),
        (60, 20),
    ),
    "exclusive_consumer_beside_another": Refusal(
        lambda n: [
            Queue.Declare(queue=n, exclusive=True),
            Basic.Consume(queue=n),
            Basic.Consume(queue=n, exclusive=True),
        ],
        403,
        "ACCESS_REFUSED - queue '{n}' in vhost '/' in exclusive use",
        (60, 20),
    ),
    "consumer_beside_an_exclusive_one": Refusal(
        lambda n: [
            Queue.Declare(queue=n, exclusive=True),
            Basic.Consume(queue=n, exclusive=True),
            Basic.Consume(queue=n),
        ],
        403,
        "ACCESS_REFUSED - queue '{n}' in vhost '/' in exclusive use",
        (60, 20),
    ),
    "headers_match_is_unknown": Refusal(
        lambda n: [
            Queue.Declare(queue=n, exclusive=True),
            Queue.Bind(queue=n, exchange="amq.headers", arguments={"x-match": "foo"}),
        ],
        406,
        'PRECONDITION_FAILED - Invalid x-match field value <<"foo">>; expected all, any, all-with-x, or any-with-x',
        (50, 20),
    ),
    "headers_match_is_a_number": Refusal(
        lambda n: [
            Queue.Declare(queue=n, exclusive=True),
            Queue.Bind(queue=n, exchange="amq.headers", arguments={"x-match": 70000}),
        ],
        406,
        "PRECONDITION_FAILED - Invalid x-match field type signedint (value 70000); expected longstr",
        (50, 20),
    ),
}
OF_CONNECTION = {
    "qos_with_prefetch_size": Refusal(
        lambda n: [Basic.Qos(prefetch_size=1)], 540, "NOT_IMPLEMENTED - prefetch_size!=0 (1)", (60, 10)
    ),
    "recover_without_requeue": Refusal(
        lambda n: [Basic.Recover(requeue=False)], 540, "NOT_IMPLEMENTED - requeue=false", (60, 110)
    ),
    "flow_off": Refusal(lambda n: [Channel.Flow(active=False)], 540, "NOT_IMPLEMENTED - active=false", (20, 20)),
    "consumer_tag_in_use": Refusal(
        lambda n: [
            Queue.Declare(queue=n, exclusive=True),
            Basic.Consume(queue=n, consumer_tag="t"),
            Basic.Consume(queue=n, consumer_tag="t"),
        ],
        530,
        "NOT_ALLOWED - attempt to reuse consumer tag 't'",
        (60, 20),
    ),
    "channel_opened_twice": Refusal(
        lambda n: [Channel.Open()], 504, "CHANNEL_ERROR - second 'channel.open' seen", (20, 10)
    ),
}


@pytest.mark.smoke
@pytest.mark.parametrize("case", OF_CHANNEL)
def test_channel_is_closed_with_the_text_and_the_blamed_method(broker: Broker, name: str, case: str) -> None:
    refusal = OF_CHANNEL[case]
    *answered, refused = refusal.methods(name)
    with connect(broker) as client:
        for method in answered:
            client.send(encode(method))
            client.read_frame()
        client.send(encode(refused))
        client.expect_channel_close(refusal.code, refusal.text.format(n=name), *refusal.blamed)
        client.open_channel()  # the number is free again and the connection lives
        client.expect_alive()


@pytest.mark.smoke
@pytest.mark.parametrize("case", OF_CONNECTION)
def test_connection_is_closed_with_the_text_and_the_blamed_method(broker: Broker, name: str, case: str) -> None:
    refusal = OF_CONNECTION[case]
    *answered, refused = refusal.methods(name)
    with connect(broker) as client:
        for method in answered:
            client.send(encode(method))
            client.read_frame()
        client.send(encode(refused))
        client.expect_connection_close(refusal.code, refusal.text.format(n=name), *refusal.blamed)


@deviates("unknown-exchange-type")
def test_unknown_exchange_type_closes_the_channel(broker: Broker, name: str) -> None:
    code, text = by_broker(
        broker,
        ponymq=(406, "PRECONDITION_FAILED - unknown exchange type 'x-nonsense'"),
        rabbitmq=(503, "COMMAND_INVALID - unknown exchange type 'x-nonsense'"),
    )
    with connect(broker) as client:
        client.send(encode(Exchange.Declare(exchange=name, exchange_type="x-nonsense")))
        if code == 503:
            client.expect_connection_close(code, text, *DECLARE_EXCHANGE)
        else:
            client.expect_channel_close(code, text, *DECLARE_EXCHANGE)


@deviates("unknown-method")
def test_unknown_method_closes_the_connection(broker: Broker) -> None:
    with connect(broker) as client:
        client.send(method_frame(1, 60, 999))
        if broker.name == "rabbitmq":
            client.expect_end()
        else:
            answer = client.expect_method(10, 50, channel=0)
            assert close_arguments(answer).code == 540


def test_error_on_a_locked_queue_names_the_method_that_touched_it(broker: Broker, name: str) -> None:
    touches: list[tuple[Method, tuple[int, int]]] = [
        (Queue.Declare(queue=name, exclusive=True), (50, 10)),
        (Queue.Declare(queue=name, passive=True), (50, 10)),
        (Queue.Bind(queue=name, exchange="amq.direct", routing_key="k"), (50, 20)),
        (Queue.Unbind(queue=name, exchange="amq.direct", routing_key="k"), (50, 50)),
        (Queue.Purge(queue=name), (50, 30)),
        (Queue.Delete(queue=name), (50, 40)),
        (Basic.Get(queue=name), (60, 70)),
        (Basic.Consume(queue=name), (60, 20)),
    ]
    with connect(broker) as owner, connect(broker) as other:
        owner.declare_queue(name)
        owner.send(encode(Queue.Bind(queue=name, exchange="amq.direct", routing_key="k")))
        owner.expect_method(50, 21)
        for method, blamed in touches:
            other.send(encode(method))
            other.expect_channel_close(405, LOCKED.format(n=name), *blamed)
            other.open_channel()


def test_crossing_channel_closes_are_both_answered(broker: Broker, name: str) -> None:
    with connect(broker) as client:
        client.send(encode(Basic.Get(queue=name)), encode(Channel.Close(200, "done", 0, 0)))
        client.expect_method(20, 40)
        client.expect_method(20, 41)
        client.send(encode(Channel.CloseOk()))
        client.open_channel()
        client.expect_alive()


def test_everything_on_a_closed_channel_is_ignored_until_close_ok(broker: Broker, name: str) -> None:
    with connect(broker) as client:
        client.declare_queue(name)
        missing = encode(Basic.Publish(exchange=name, routing_key="k")) + header_frame(1, 1) + body_frame(1, b"x")
        client.send(missing, publish(name, b"late"), encode(Basic.Qos()))
        client.expect_channel_close(404, f"NOT_FOUND - no exchange '{name}' in vhost '/'", 60, 40)
        client.open_channel()
        assert client.get(name) is None


def test_no_wait_hides_the_reply_and_not_the_error(broker: Broker, name: str) -> None:
    with connect(broker) as client:
        client.send(encode(Queue.Declare(queue=name, exclusive=True, nowait=True)))
        client.send(encode(Queue.Bind(queue=name, exchange="amq.direct", routing_key=name, nowait=True)))
        client.send(encode(Basic.Consume(queue=name, consumer_tag="c", nowait=True)))
        client.send(encode(Basic.Cancel(consumer_tag="c", nowait=True)))
        client.expect_alive()
        client.send(encode(Queue.Declare(queue=name, exclusive=True, durable=False, auto_delete=True, nowait=True)))
        text = f"PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue '{name}' in vhost '/': "
        client.expect_channel_close(406, text + "received 'true' but current is 'false'", 50, 10)
