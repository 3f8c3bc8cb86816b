"""The broker built from its settings, and rebuilt from what it left on disk."""

from pathlib import Path

import pytest

from broker.auth.passwords import SHA512
from broker.core.arguments import Field, Table, octets
from broker.definitions.journal import topology_records
from broker.definitions.records import ExchangeRecord, encode_record
from broker.net.amqp_socket import AmqpSocket, Attendant, Entrance
from broker.server.engine import CAPABILITIES, Engine, ExposureError, server_properties
from broker.settings.amqp import AmqpSettings
from broker.settings.auth import AuthSettings
from broker.settings.model import Settings
from broker.store.errors import StoreError
from broker.store.files import Files
from broker.store.limits import StoreLimits
from broker.store.store import Store
from tests.queues.scene import number, transient


def leave(engine: Engine) -> None:
    """End as a killed process does: nothing is closed in order."""
    engine.store.close_files()
    engine.store.directory.release()


def declare(engine: Engine, name: bytes, arguments: Table | None = None) -> None:
    engine.turn.begin()
    engine.turn.vhosts["/"].declare_queue(name, True, False, False, arguments or {}, 0)
    engine.turn.finish()


def test_two_engines_cannot_have_one_data_directory(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"))
    first = Engine(settings)
    with pytest.raises(StoreError, match="in use by process"):
        Engine(settings)
    leave(first)
    leave(Engine(settings))


def test_a_crash_keeps_durable_queues_and_says_how_many(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"))
    first = Engine(settings)
    declare(first, b"kept")
    first.turn.begin()
    first.turn.vhosts["/"].declare_queue(b"transient", False, False, False, {}, 0)
    first.turn.finish()
    leave(first)
    second = Engine(settings)
    assert set(second.turn.vhosts["/"].queues) == {b"kept"}
    assert second.recovered["queues"] == 1
    assert second.context.counters.queues_deleted == 0
    leave(second)


def test_another_default_vhost_gives_up_nothing_of_the_old_one(tmp_path: Path) -> None:
    data_dir = str(tmp_path / "data")
    first = Engine(Settings(data_dir=data_dir))
    declare(first, b"kept")
    leave(first)
    second = Engine(Settings(data_dir=data_dir, default_vhost="other", default_user="ann"))
    assert set(second.turn.vhosts) == {"/"}  # defaults are for the first start
    assert set(second.context.users.by_name) == {b"guest"}
    assert set(second.turn.vhosts["/"].queues) == {b"kept"}
    second.store.compact_journal(topology_records(second.turn, second.context.users))
    leave(second)
    third = Engine(Settings(data_dir=data_dir))
    assert set(third.turn.vhosts["/"].queues) == {b"kept"}
    leave(third)


def test_a_queue_that_expired_while_it_was_recovered_stays_deleted(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"))
    first = Engine(settings)
    declare(first, b"short-lived", {b"x-expires": number(1)})
    leave(first)
    second = Engine(settings)
    queues = second.turn.vhosts["/"].queues
    while b"short-lived" in queues:
        second.turn.begin()
        second.turn.finish()
    leave(second)
    third = Engine(settings)
    assert third.recovered["queues"] == 0
    leave(third)


def test_a_number_of_a_queue_is_not_used_again_after_a_restart(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"))
    first = Engine(settings)
    declare(first, b"a")
    used = first.turn.vhosts["/"].queues[b"a"].log_id
    leave(first)
    second = Engine(settings)
    declare(second, b"b")
    assert second.turn.vhosts["/"].queues[b"b"].log_id > used
    leave(second)


def test_the_limits_of_the_settings_reach_the_connections(tmp_path: Path) -> None:
    amqp = AmqpSettings(heartbeat_s=7, frame_max=8192, channel_max=9, handshake_timeout_s=1.5, max_message_bytes=100)
    engine = Engine(Settings(data_dir=str(tmp_path / "data"), amqp=amqp, default_user="ann", default_vhost="v"))
    limits = engine.context.limits
    assert (limits.heartbeat_s, limits.frame_max, limits.channel_max) == (7, 8192, 9)
    assert (limits.handshake_s, limits.max_message_bytes) == (1.5, 100)
    assert set(engine.turn.vhosts) == {"v"}
    leave(engine)


def test_the_server_properties_are_those_that_clients_choose_by() -> None:
    properties = server_properties(Settings(cluster_name="stable"))
    assert octets(properties[b"product"]) == b"RabbitMQ"
    assert octets(properties[b"version"]).count(b".") == 2
    assert octets(properties[b"cluster_name"]) == b"stable"
    capabilities = properties[b"capabilities"].value
    assert isinstance(capabilities, dict)
    assert capabilities == {name: Field("t", True) for name in CAPABILITIES}


def test_what_was_published_before_a_crash_is_ready_after_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"))
    first = Engine(settings)
    declare(first, b"q")
    queue = first.turn.vhosts["/"].queues[b"q"]
    first.turn.begin()
    queue.push(transient(b"only in memory"))
    first.turn.finish()
    leave(first)
    second = Engine(settings)
    assert second.turn.vhosts["/"].queues[b"q"].ready.count == 0  # it was not persistent
    leave(second)


class Door:
    """As much of a transport as a refused peer touches."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Nobody(Attendant):
    def attend(self) -> None:
        """Nothing is left to the loop."""


async def test_peer_that_the_kernel_accepted_while_the_broker_stops_is_not_let_in(tmp_path: Path) -> None:
    engine = Engine(Settings(data_dir=str(tmp_path / "data")))
    engine.context.is_stopping = True
    socket, door = AmqpSocket(engine.context, Nobody(), Entrance()), Door()
    socket.connection_made(door)
    socket.data_received(b"AMQP\x00\x00\x09\x01")
    socket.connection_lost(None)
    assert door.is_closed
    assert engine.context.connections == {}
    leave(engine)


def test_the_first_start_makes_an_administrator_with_all_rights_and_no_later_one_does(tmp_path: Path) -> None:
    data_dir = str(tmp_path / "data")
    first = Engine(Settings(data_dir=data_dir, default_user="ann", default_pass="apple", default_vhost="v"))  # noqa: S106
    (ann,) = first.context.users.by_name.values()
    assert ann.tags == ["administrator"]
    assert ann.password.algorithm == "argon2id"
    assert ann.may_enter("v")
    leave(first)
    second = Engine(Settings(data_dir=data_dir, default_user="bob", default_pass="pear", default_vhost="w"))  # noqa: S106
    (ann,) = second.context.users.by_name.values()
    assert (ann.name, ann.password.matches(b"apple"), ann.may_enter("v")) == (b"ann", True, True)
    assert set(second.turn.vhosts) == {"v"}
    second.turn.begin()
    second.administration.delete_user(ann, b"ann")
    second.administration.delete_vhost(second.turn.vhosts["v"], b"ann")
    second.turn.finish()
    leave(second)
    third = Engine(Settings(data_dir=data_dir))
    assert (third.context.users.by_name, third.turn.vhosts) == ({}, {})  # guest does not come back by the back door
    leave(third)


def test_a_data_directory_from_before_users_were_stored_gets_the_default_user_in_every_vhost(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "data"), Files(), StoreLimits())
    store.recover()
    for vhost in ("/", "older"):
        store.record_topology(encode_record(ExchangeRecord(vhost, b"x", b"direct", False, False, b"\0\0\0\0")))
    store.write()
    store.close()
    for _ in range(2):
        engine = Engine(Settings(data_dir=str(tmp_path / "data")))
        assert {name: b"x" in vhost.exchanges for name, vhost in engine.turn.vhosts.items()} == {
            "/": True,
            "older": True,
        }
        guest = engine.context.users.by_name[b"guest"]
        assert guest.may_enter("/")
        assert guest.may_enter("older")
        leave(engine)


def test_new_passwords_are_hashed_as_the_settings_say(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"), auth=AuthSettings(new_passwords=SHA512))
    engine = Engine(settings)
    assert engine.context.users.by_name[b"guest"].password.algorithm == SHA512
    assert engine.administration.new_passwords == SHA512
    leave(engine)


def test_a_start_that_would_show_guest_to_a_network_is_refused_and_leaves_no_user(tmp_path: Path) -> None:
    data_dir = str(tmp_path / "data")
    with pytest.raises(ExposureError, match="guest is the only user"):
        Engine(Settings(data_dir=data_dir, bind="192.0.2.1"))
    engine = Engine(Settings(data_dir=data_dir, bind="192.0.2.1", default_user="ann"))
    assert set(engine.context.users.by_name) == {b"ann"}
    leave(engine)
