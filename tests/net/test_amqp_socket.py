"""Real sockets: peers that do not read, that vanish, and that are many."""

import asyncio
import socket
from pathlib import Path

import pytest
from pamqp import commands

from broker.net import amqp_socket
from broker.net.amqp_socket import is_loopback
from broker.net.listener import KEEPALIVE_IDLE_S
from broker.settings.amqp import AmqpSettings
from broker.wire.outbox import OUTBOX_LIMIT
from tests.net.port import HEADER, PLAIN, Peer, Port, frames, publish, until

SMALL_BUFFER = 4096
KIB = bytes(1024)
BODY = bytes(8 * 1024)
TICK_S = 0.5
TCP_TABLE = Path("/proc/net/tcp")
TCP_WRITE_LIMITS = Path("/proc/sys/net/ipv4/tcp_wmem")


def send_buffer() -> int:
    """Octets that the kernel may take from a writer before the reader has read any."""
    if not TCP_WRITE_LIMITS.exists():
        return 8 * 1024 * 1024
    return int(TCP_WRITE_LIMITS.read_text(encoding="ascii").split()[2])


async def received(peer: Peer, before: int) -> None:
    """Wait until the broker has read something that ``peer`` sent."""
    await until(lambda: int(peer.connection.octets_received) > before)


def tcp_table() -> list[list[str]]:
    """The kernel's sockets, a row each."""
    return [row.split() for row in TCP_TABLE.read_text(encoding="ascii").splitlines()[1:]]


async def test_a_consumer_that_does_not_read_gets_a_bounded_output_and_the_rest_stays_ready(port: Port) -> None:
    publisher = await port.login()
    await publisher.declare()
    total = 3000
    chunk = publish(*[BODY] * 100)
    for _ in range(total // 100):
        await publisher.write(chunk)
    await until(lambda: port.queue().ready.count == total)
    reader = await port.login(receive_buffer=SMALL_BUFFER)
    await reader.consume(no_ack=True)
    await until(lambda: reader.connection.is_blocked)
    await quiet(port)
    taken = total - int(port.queue().ready.count)
    most = 2 * OUTBOX_LIMIT + send_buffer() + 2 * 65536
    assert 0 < taken * len(BODY) < most < total * len(BODY)
    assert port.queue().ready.count > 0
    # A neighbour notices nothing.
    await publisher.declare("other")
    await publisher.consume("other", no_ack=True)
    await publisher.write(publish(b"quick", queue="other"))
    assert await publisher.deliveries(1) == [b"quick"]
    # When it reads, it gets everything, in order and once.
    assert await reader.deliveries(total) == [BODY] * total
    assert port.queue().ready.count == 0


async def quiet(port: Port) -> None:
    """Wait until two looks at the counters find no octet moved."""
    counters = port.engine.context.counters
    before = -1
    while before != int(counters.bytes_sent):
        before = int(counters.bytes_sent)
        await asyncio.sleep(0.05)


async def test_a_reader_that_wakes_up_gets_the_deliveries_of_every_channel(port: Port) -> None:
    reader = await port.login(receive_buffer=SMALL_BUFFER)
    for channel in (2, 3):
        await reader.say(commands.Channel.Open(), channel=channel)
        await reader.expect(commands.Channel.OpenOk)
    publisher = await port.login()
    for channel in (1, 2, 3):
        await publisher.declare(f"q{channel}")
        await reader.consume(f"q{channel}", channel=channel, no_ack=True)
        await reader.expect(commands.Basic.ConsumeOk)
    count = 0
    while not reader.connection.is_blocked:
        for channel in (1, 2, 3):
            await publisher.write(publish(*[KIB] * 100, queue=f"q{channel}"))
        count += 300
        await asyncio.sleep(0)
    for channel in (1, 2, 3):
        await publisher.write(publish(*[b"behind"] * 50, queue=f"q{channel}"))
    count += 150
    await until(lambda: port.queue(b"q3").ready.count >= 50)
    assert len(await reader.deliveries(count)) == count
    for channel in (1, 2, 3):
        assert port.queue(b"q%d" % channel).ready.count == 0


async def test_a_peer_that_asks_and_never_reads_is_no_longer_read_from_and_recovers(port: Port) -> None:
    peer = await port.login(receive_buffer=SMALL_BUFFER)
    publisher = await port.login()
    await publisher.declare()
    large = bytes(1_000_000)
    await publisher.write(publish(large))
    await until(lambda: port.queue().ready.count == 1)
    # Each get and its reject is answered with a megabyte; nothing of it is read.
    asked = 0
    while not peer.connection.is_held:
        assert asked < 200, "the broker reads on whatever it cannot send"
        asked += 1
        before = int(peer.connection.octets_received)
        await peer.say(commands.Basic.Get(queue="q"), commands.Basic.Reject(asked, True))
        await received(peer, before)
    octets = int(peer.connection.octets_received)
    assert int(peer.connection.octets_sent) < amqp_socket.UNREAD_LIMIT + 2 * len(large) + send_buffer() + 65536
    await peer.write(publish(b"while held"))
    await quiet(port)
    assert int(peer.connection.octets_received) == octets
    assert await peer.deliveries(asked) == [large] * asked
    await until(lambda: not peer.connection.is_held)
    await until(lambda: port.queue().ready.count == 2)  # what it published meanwhile has arrived


@pytest.mark.parametrize("cut", [1, 7, 8, 20, 40])
async def test_a_reset_in_mid_frame_loses_the_frame_and_nothing_else(port: Port, cut: int) -> None:
    peer = await port.login()
    await peer.declare()
    await peer.write(publish(b"whole"))
    await until(lambda: port.queue().ready.count == 1)
    peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    held = int(peer.connection.octets_received)
    await peer.write(publish(b"never whole")[:cut])
    await until(lambda: int(peer.connection.octets_received) == held + cut)
    peer.reset()
    await until(lambda: not port.connections)
    assert port.queue().ready.count == 1


async def test_a_peer_may_vanish_after_any_octet_of_a_session(port: Port) -> None:
    login = commands.Connection.StartOk(client_properties={}, mechanism="PLAIN", response=PLAIN, locale="en_US")
    tuned = commands.Connection.TuneOk(channel_max=10, frame_max=8192, heartbeat=0)
    session = HEADER + frames(0, login, tuned, commands.Connection.Open(virtual_host="/"))
    session += frames(1, commands.Channel.Open(), commands.Queue.Declare(queue="q"), commands.Confirm.Select())
    session += publish(b"one", b"two") + frames(1, commands.Basic.Consume(queue="q"), commands.Basic.Ack(1))
    session += frames(1, commands.Queue.Declare(queue="mine", exclusive=True), commands.Channel.Close(200, "", 0, 0))
    session += frames(0, commands.Connection.Close(200, "", 0, 0))
    lost = 0
    for cut in range(1, len(session), 3):
        peer = await port.dial()
        await peer.write(session[:cut])
        if cut % 2:
            peer.reset()
        else:
            peer.sock.close()
        lost += 1
        await until(lambda: not port.connections)
    assert port.engine.context.counters.connections_closed <= lost
    queue = port.queue()
    assert (queue.unacked_count, len(queue.consumers)) == (0, 0)
    assert set(port.engine.turn.vhosts["/"].queues) == {b"q"}


async def test_a_reset_with_deliveries_out_puts_them_back_at_once(port: Port) -> None:
    publisher = await port.login()
    await publisher.declare()
    await publisher.write(publish(*[b"%d" % number for number in range(300)]))
    reader = await port.login()
    await reader.consume()
    assert len(await reader.deliveries(300)) == 300
    reader.reset()
    await until(lambda: port.queue().ready.count == 300)
    assert (port.queue().unacked_count, len(port.connections)) == (0, 1)


async def test_a_peer_that_ends_its_stream_is_gone(port: Port) -> None:
    peer = await port.login()
    peer.sock.shutdown(socket.SHUT_WR)
    assert await peer.read_to_end() == b""
    await until(lambda: not port.connections)


async def test_a_peer_that_ends_its_stream_with_output_unread_gives_back_its_deliveries_at_once(port: Port) -> None:
    reader = await port.login(receive_buffer=SMALL_BUFFER)
    publisher = await port.login()
    await publisher.declare()
    await reader.consume()
    total = 0
    while not reader.connection.is_blocked:
        await publisher.write(publish(*[BODY] * 100))
        total += 100
        await quiet(port)
    assert port.queue().unacked_count > 0
    reader.sock.shutdown(socket.SHUT_WR)
    await until(lambda: len(port.connections) == 1)
    assert (port.queue().ready.count, port.queue().unacked_count) == (total, 0)


async def test_a_silent_peer_is_dropped_without_a_word_and_what_it_held_is_ready_again(port: Port) -> None:
    peer = await port.login(heartbeat_s=1)
    await peer.declare()
    await peer.write(publish(b"m"))
    await peer.consume()
    await peer.expect(commands.Basic.ConsumeOk)
    assert await peer.deliveries(1) == [b"m"]
    loop = asyncio.get_running_loop()
    began = loop.time()
    rest = await peer.read_to_end()
    assert 2.0 - TICK_S <= loop.time() - began <= 3.0 + 4 * TICK_S
    assert rest.replace(b"\x08\0\0\0\0\0\0\xce", b"") == b""  # heartbeats, and no connection.close
    await until(lambda: port.queue().ready.count == 1)


@pytest.mark.skipif(not TCP_TABLE.exists(), reason="the kernel's list of sockets is Linux's")
async def test_a_peer_behind_a_dead_network_is_found_by_the_kernel_where_heartbeats_are_off(port: Port) -> None:
    await port.login(heartbeat_s=0)
    await quiet(port)
    # sl local remote st tx:rx tr:when …; state 01 is established, timer 02 is keepalive
    [timer] = [row[5] for row in tcp_table() if row[1].endswith(f":{port.number:04X}") and row[3] == "01"]
    kind, when = timer.split(":")
    assert kind == "02"
    assert int(when, 16) <= KEEPALIVE_IDLE_S * 100  # in hundredths of a second


@pytest.mark.parametrize("port", [AmqpSettings(handshake_timeout_s=0.6)], indirect=True)
@pytest.mark.parametrize("said", [b"", b"A", HEADER, HEADER + b"\x01\0\0\0\0\0\x20"])
async def test_a_handshake_has_a_limit_counted_from_accept(port: Port, said: bytes) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    peer = await port.dial()
    await peer.write(said)
    answer = await peer.read_to_end()
    assert 0.5 <= loop.time() - began <= 0.6 + 2 * TICK_S
    assert bool(answer) == said.startswith(HEADER)  # connection.start and nothing more
    assert b"\x00\x0a\x00\x32" not in answer  # no connection.close
    await until(lambda: not port.connections)


@pytest.mark.parametrize("port", [AmqpSettings(handshake_timeout_s=0.6)], indirect=True)
async def test_dripping_octets_do_not_lengthen_the_handshake_and_an_open_connection_is_not_limited(port: Port) -> None:
    opened = await port.login()
    dripping = await port.dial()
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        for octet in HEADER + b"\x01\0\0\0\0\x10\0" + bytes(60):
            await dripping.write(bytes([octet]))
            await asyncio.sleep(0.05)  # how slowly it drips is the test
    except ConnectionError:
        pass
    assert loop.time() - began < 0.6 + 3 * TICK_S
    await opened.declare("still here")


async def test_many_connections_come_publish_and_are_cut_at_once(port: Port) -> None:
    count = 200
    peers = await asyncio.gather(*[port.login() for _ in range(count)])
    assert len(port.connections) == count
    await peers[0].declare()
    for number, peer in enumerate(peers):
        await peer.write(publish(b"%d" % number))
    await until(lambda: port.queue().ready.count == count)
    for peer in peers:
        peer.reset()
    await until(lambda: not port.connections, 5.0)
    assert port.engine.context.counters.connections_closed == count


async def test_an_exclusive_queue_goes_with_its_connection_and_other_connections_stay(port: Port) -> None:
    owner = await port.login()
    await owner.say(commands.Queue.Declare(queue="mine", exclusive=True))
    await owner.expect(commands.Queue.DeclareOk)
    other = await port.login()
    owner.reset()
    await until(lambda: len(port.connections) == 1)
    assert b"mine" not in port.engine.turn.vhosts["/"].queues
    await other.declare("mine")


async def test_a_large_message_passes_whole_in_both_directions(port: Port) -> None:
    peer = await port.login()
    await peer.declare()
    await peer.consume(no_ack=True)
    await peer.expect(commands.Basic.ConsumeOk)
    large = bytes(range(256)) * 20_000
    sending = asyncio.create_task(peer.write(publish(large)))
    assert await peer.deliveries(1) == [large]
    await sending


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("local", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("128.0.0.1", False),
        ("", False),
    ],
)
def test_loopback_is_told_from_elsewhere(host: str, *, expected: bool) -> None:
    assert is_loopback(host) == expected
