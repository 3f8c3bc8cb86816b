"""What the broker adds to incoming messages, when the settings ask for it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp import header as pamqp_header

from broker.protocol.interceptor import KEEP, OFF, OVERWRITE, Interceptor
from broker.wire.properties import PropertyScanner, with_timestamp
from tests.queues.scene import Peer, Scene
from tests.vhost.scene import content_header

NOW_MS = 1_700_000_000_123
NODE = "ponymq@here"


def properties(octets: bytes) -> dict[str, Any]:
    """The properties that are set, as pamqp reads them."""
    assert PropertyScanner().scan(octets)
    decoded = pamqp_header.ContentHeader()
    decoded.unmarshal(octets)
    return {name: value for name, value in decoded.properties if value is not None and name != "cluster_id"}


def stamped(time_mode: int, node_mode: int, **given: Any) -> dict[str, Any]:
    interceptor = Interceptor(time_mode, node_mode, NODE.encode())
    return properties(interceptor.stamped(content_header(1, **given), NOW_MS))


@pytest.mark.parametrize("mode", [KEEP, OVERWRITE])
def test_message_without_a_time_gets_one(mode: int) -> None:
    found = stamped(mode, OFF, message_id="m", app_id="a")
    assert int(found.pop("timestamp").timestamp()) == NOW_MS // 1000
    assert found == {"delivery_mode": 2, "headers": {"timestamp_in_ms": NOW_MS}, "message_id": "m", "app_id": "a"}


def test_time_of_the_publisher_is_kept_or_overwritten() -> None:
    theirs = {"timestamp": datetime.fromtimestamp(1000, UTC), "headers": {"timestamp_in_ms": 1_000_000, "mine": True}}
    kept, ours = stamped(KEEP, OFF, **theirs), stamped(OVERWRITE, OFF, **theirs)
    assert (int(kept["timestamp"].timestamp()), kept["headers"]["timestamp_in_ms"]) == (1000, 1_000_000)
    assert (int(ours["timestamp"].timestamp()), ours["headers"]["timestamp_in_ms"]) == (NOW_MS // 1000, NOW_MS)
    assert ours["headers"]["mine"] is True


def test_name_of_the_node_is_set_kept_or_overwritten() -> None:
    theirs = {"headers": {"x-routed-by": "other"}}
    assert stamped(OFF, KEEP)["headers"] == {"x-routed-by": NODE}
    assert stamped(OFF, KEEP, **theirs)["headers"] == {"x-routed-by": "other"}
    assert stamped(OFF, OVERWRITE, **theirs)["headers"] == {"x-routed-by": NODE}


def test_full_headers_stay_as_they_are() -> None:
    full = {f"k{index}": None for index in range(32_768)}
    octets = content_header(1, headers=full)
    assert Interceptor(OFF, OVERWRITE, NODE.encode()).stamped(octets, NOW_MS) == octets


TEXT = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=20)


@given(
    given_properties=st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("content_type", "content_encoding", "correlation_id", "reply_to"), TEXT),
            **dict.fromkeys(("expiration", "message_id", "message_type", "user_id", "app_id"), TEXT),
            "priority": st.integers(0, 255),
            "timestamp": st.integers(1, 2**31).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
            "headers": st.dictionaries(TEXT, st.integers(0, 9), max_size=3),
        },
    )
)
def test_timestamp_finds_its_place_among_any_other_properties(given_properties: dict[str, Any]) -> None:
    octets = content_header(1, **given_properties)
    before, after = properties(octets), properties(with_timestamp(octets, 1_234_567_890))
    assert int(after.pop("timestamp").timestamp()) == 1_234_567_890
    before.pop("timestamp", None)
    assert after == before


def test_publishes_are_stamped_before_they_are_routed(scene: Scene) -> None:
    scene.context.interceptor = Interceptor(OVERWRITE, OVERWRITE, NODE.encode())
    scene.declare()
    peer = Peer(scene)
    peer.open()
    peer.say(1, commands.Basic.Consume(queue="amq.rabbitmq.reply-to", consumer_tag="r", no_ack=True))
    peer.publish(b"m", expiration="100000", reply_to="amq.rabbitmq.reply-to", headers={"mine": 1})
    delivery = peer.get()
    assert delivery is not None
    assert delivery.headers == {"mine": 1, "timestamp_in_ms": scene.clock.now_ms(), "x-routed-by": NODE}
    assert scene.vhost.queues[b"q"].ready.next_expiry() == 0


def test_channels_of_a_broker_that_stamps_nothing_have_no_interceptor(scene: Scene) -> None:
    scene.declare()
    peer = Peer(scene)
    peer.open()
    peer.publish(b"m")
    delivery = peer.get()
    assert delivery is not None
    assert delivery.headers is None
