"""Logins on real sockets, with passwords checked on real threads."""

import asyncio

from pamqp import commands

from broker.auth.remote import ALLOWED
from broker.auth.users import REMOTE
from tests.auth.service import Service
from tests.net.port import HEADER, PLAIN, Peer, Port, publish, until


def start_ok(response: str = PLAIN) -> commands.Connection.StartOk:
    properties = {"capabilities": {"authentication_failure_close": True}}
    return commands.Connection.StartOk(
        client_properties=properties, mechanism="PLAIN", response=response, locale="en_US"
    )


async def knock(port: Port, response: str = PLAIN) -> Peer:
    """A peer that has sent everything up to open at once, and read nothing."""
    peer = await port.dial()
    await peer.write(HEADER)
    tune_ok = commands.Connection.TuneOk(channel_max=2047, frame_max=131_072, heartbeat=0)
    await peer.say(start_ok(response), tune_ok, commands.Connection.Open(virtual_host="/"), channel=0)
    return peer


async def opened(peer: Peer) -> None:
    await peer.expect(commands.Connection.Start)
    await peer.expect(commands.Connection.Tune)
    await peer.expect(commands.Connection.OpenOk)


async def test_a_hundred_clients_that_reconnect_at_once_cost_one_check(port: Port) -> None:
    peers = await asyncio.gather(*[knock(port) for _ in range(100)])
    for peer in peers:
        await opened(peer)
    assert port.engine.context.logins.checks_made == 1
    await opened(await knock(port))
    assert port.engine.context.logins.checks_made == 1


async def test_the_loop_goes_on_while_passwords_are_checked(port: Port) -> None:
    guessers = [await knock(port, f"\0guest\0guess {n}") for n in range(3)]
    served = await port.login()
    await served.say(commands.Queue.Declare(queue="q"))
    await served.expect(commands.Queue.DeclareOk)
    for guesser in guessers:
        await guesser.expect(commands.Connection.Start)
        await guesser.expect(commands.Connection.Close)


async def test_a_client_that_talks_on_during_the_check_is_read_again_after_it(port: Port) -> None:
    peer = await knock(port)
    await peer.say(commands.Channel.Open())
    for n in range(200):
        await peer.say(commands.Queue.Declare(queue=f"q{n}"))
    await opened(peer)
    await peer.expect(commands.Channel.OpenOk)
    await until(lambda: len(port.engine.turn.vhosts["/"].queues) == 200)


async def test_a_client_that_leaves_during_the_check_harms_nobody(port: Port) -> None:
    peer = await knock(port, "\0guest\0wrong")
    peer.sock.close()
    await until(lambda: not port.connections)
    await opened(await knock(port))


async def test_an_answer_does_not_fill_a_socket_that_nobody_reads(port: Port) -> None:
    service = Service()
    service.at_once = ALLOWED
    logins = port.engine.context.logins
    logins.backends = [REMOTE]
    logins.remote.inquirer = service
    publisher = await port.login()
    await publisher.declare()
    for _ in range(30):
        await publisher.write(publish(*[bytes(8 * 1024)] * 100))
    await until(lambda: port.queue().ready.count == 3000)
    reader = await port.login(receive_buffer=4096)
    await reader.consume(no_ack=True)
    await until(lambda: reader.connection.is_blocked)
    service.at_once = None
    await reader.say(commands.Basic.Get(queue="another"))
    await until(lambda: bool(service.open))
    ready = int(port.queue().ready.count)
    service.deny()
    assert reader.connection.is_blocked
    assert port.queue().ready.count == ready > 0
    # When it reads, it gets the deliveries and the answer.
    while not isinstance(heard := await reader.hear(), commands.Channel.Close):
        assert heard is not None
    assert heard.reply_code == 403
