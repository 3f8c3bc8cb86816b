"""TLS and PROXY headers in front of AMQP: who comes through, who does not, and that neither disturbs anybody else."""

import asyncio
import logging
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pamqp.frame
import pytest
import pytest_asyncio
from pamqp import commands

from broker.net.door import Door
from broker.net.listener import bound_port
from broker.net.tls import Host, Tls, TlsError, TlsOptions
from broker.settings.amqp import AmqpSettings
from broker.wire.proxy_header import SIGNATURE_2
from tests.net.certificates import Certificates
from tests.net.port import HEADER, PLAIN, Port, frames, publish, until

HASTY = AmqpSettings(handshake_timeout_s=0.5)
# One connection a second and ten at once; who is let in may stay for longer than the test takes.
PATIENT = AmqpSettings(max_connection_rate=1, handshake_timeout_s=600.0)
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSION_1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 5672\r\n"
VERSION_2 = (
    SIGNATURE_2 + b"\x21\x11" + struct.pack(">H4s4sHH", 12, b"\xc0\x00\x02\x07", b"\x0a\x00\x00\x01", 50000, 5672)
)
REFUSED = ("connection refused", "connection closed")


class Client:
    """An AMQP client on an asyncio stream, TLS or not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def hear(self) -> object:
        head = await asyncio.wait_for(self.reader.readexactly(7), 10.0)
        rest = await asyncio.wait_for(self.reader.readexactly(int.from_bytes(head[3:7], "big") + 1), 10.0)
        return pamqp.frame.unmarshal(head + rest)[2]

    async def start(self) -> str:
        """Say the protocol header; returns the mechanisms on offer."""
        self.writer.write(HEADER)
        said = await self.hear()
        assert isinstance(said, commands.Connection.Start)
        return str(said.mechanisms)

    async def log_in(self, mechanism: str = "PLAIN", response: str = PLAIN) -> object:
        """Returns the answer to start-ok."""
        properties = {"capabilities": {"authentication_failure_close": True}}
        self.say(0, commands.Connection.StartOk(properties, mechanism, response, "en_US"))
        return await self.hear()

    async def open(self, mechanism: str = "PLAIN", response: str = PLAIN) -> "Client":
        """Go through the whole handshake, and open channel 1."""
        await self.start()
        assert isinstance(await self.log_in(mechanism, response), commands.Connection.Tune)
        self.say(0, commands.Connection.TuneOk(2047, 131_072, 0), commands.Connection.Open("/"))
        assert isinstance(await self.hear(), commands.Connection.OpenOk)
        self.say(1, commands.Channel.Open())
        assert isinstance(await self.hear(), commands.Channel.OpenOk)
        return self

    def say(self, channel: int, *methods: object) -> None:
        self.writer.write(frames(channel, *methods))

    async def end(self) -> bytes:
        """What is still said until the end of the stream."""
        try:
            return await asyncio.wait_for(self.reader.read(), 10.0)
        except ConnectionError:
            return b""

    def close(self) -> None:
        self.writer.close()


class Doors:
    """A broker whose further ports have TLS or a PROXY header in front."""

    def __init__(self, port: Port, certificates: Certificates) -> None:
        self.port = port
        self.certificates = certificates
        self.opened: list[Door] = []
        self.clients: list[Client] = []

    def tls(self, **options: object) -> Tls:
        certificate = self.certificates.server("localhost")
        return Tls(TlsOptions(Host(certificate, ""), **options), "listeners.amqp[0].tls")  # type: ignore[arg-type]

    async def open(self, tls: Tls | None = None, *, has_proxy: bool = False) -> int:
        """Open a port; returns its number."""
        door = await self.port.listeners.listen("127.0.0.1", 0, tls, has_proxy=has_proxy)
        assert isinstance(door, Door)
        self.opened.append(door)
        return bound_port(door)

    async def connect(
        self, number: int, context: ssl.SSLContext | None = None, before: bytes = b"", name: str = "localhost"
    ) -> Client:
        """A stream to the port; ``before`` is said before TLS begins."""
        sock = socket.socket()
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(sock, ("127.0.0.1", number))
        except OSError:
            sock.close()
            raise
        if before:
            await loop.sock_sendall(sock, before)
        streams = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name if context else None)
        client = Client(*streams)
        self.clients.append(client)
        return client

    async def close(self) -> None:
        for client in self.clients:
            client.close()
        for door in self.opened:
            door.close()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "certificates")


@pytest_asyncio.fixture
async def doors(port: Port, certificates: Certificates) -> AsyncIterator[Doors]:
    made = Doors(port, certificates)
    yield made
    await made.close()


# --- TLS


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
async def test_messages_go_both_ways_over_tls(doors: Doors, version: ssl.TLSVersion) -> None:
    number = await doors.open(doors.tls())
    client = await doors.connect(number, doors.certificates.trusting(version=version))
    await client.open()
    bodies = [b"x" * size for size in (0, 1, 100_000, 1_000_000)] + [b"%d" % i for i in range(2000)]
    client.say(1, commands.Queue.Declare(queue="q"))
    await client.hear()
    client.writer.write(publish(*bodies))
    client.say(1, commands.Basic.Consume(queue="q", no_ack=True))
    await client.hear()
    received: list[bytes] = []
    while len(b"".join(received)) < len(b"".join(bodies)):
        said = await client.hear()
        if isinstance(said, pamqp.frame.body.ContentBody):
            received.append(said.value)
    assert b"".join(received) == b"".join(bodies)
    [connection] = doors.port.connections
    assert connection.tls is not None
    assert connection.tls.version == ("tlsv1.2" if version == TLS_1_2 else "tlsv1.3")
    assert connection.tls.key_exchange == ("ecdhe_ecdsa" if version == TLS_1_2 else "any")
    assert (connection.tls.cipher, connection.tls.digest) == ("aes_256_gcm", "aead")
    assert connection.tls.certificate is None
    assert connection.listener == f"127.0.0.1:{number}"


async def test_a_tls_client_that_does_not_read_gets_no_more_than_the_buffers_hold(doors: Doors) -> None:
    number = await doors.open(doors.tls())
    client = await doors.connect(number, doors.certificates.trusting())
    await client.open()
    client.say(1, commands.Queue.Declare(queue="q"))
    await client.hear()
    sender = await doors.port.login()
    for _ in range(60):
        await sender.write(publish(b"x" * 1_000_000))
    await sender.declare("other")  # everything before it has arrived
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    client.say(1, commands.Basic.Consume(queue="q", no_ack=True))
    [connection] = [each for each in doors.port.connections if each.tls is not None]
    await until(lambda: connection.is_blocked)
    assert doors.port.queue().ready.count > 40
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def read_all() -> None:
        received = 0
        while received < 60_000_000:
            said = await client.hear()
            received += len(said.value) if isinstance(said, pamqp.frame.body.ContentBody) else 0

    await asyncio.wait_for(read_all(), 60.0)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_tls_1_1_is_refused(doors: Doors) -> None:
    number = await doors.open(doors.tls())
    old = doors.certificates.trusting(version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await doors.connect(number, old)


async def test_a_listener_for_tls_1_3_refuses_1_2(doors: Doors) -> None:
    number = await doors.open(doors.tls(versions=("1.3",)))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await doors.connect(number, doors.certificates.trusting(version=TLS_1_2))
    await (await doors.connect(number, doors.certificates.trusting())).open()


async def test_only_the_ciphers_of_the_listener_are_spoken(doors: Doors) -> None:
    number = await doors.open(doors.tls(ciphers="ECDHE+CHACHA20"))
    await (await doors.connect(number, doors.certificates.trusting(version=TLS_1_2))).open()
    [connection] = doors.port.connections
    assert connection.tls is not None
    assert connection.tls.cipher.startswith("chacha20")


async def test_a_required_certificate_is_required_and_must_be_signed_by_the_authority(
    doors: Doors, tmp_path: Path
) -> None:
    number = await doors.open(doors.tls(client_certificate="required", authorities=doors.certificates.authority))
    strangers = Certificates(tmp_path / "strangers")
    for certificate in ("", strangers.client("ann.example.org")):
        context = doors.certificates.trusting(certificate, TLS_1_2)  # 1.3 tells a client only after its handshake
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await doors.connect(number, context)
    certificate = doors.certificates.client("ann.example.org", common_name="ann")
    await (await doors.connect(number, doors.certificates.trusting(certificate))).open()
    [connection] = doors.port.connections
    assert connection.tls is not None
    assert connection.tls.certificate is not None
    assert connection.tls.certificate.common_name == "ann"
    assert connection.tls.certificate.subject.startswith("CN=ann,")
    assert "trustme" in connection.tls.certificate.issuer


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
async def test_a_revoked_certificate_is_refused_once_the_list_has_been_read(
    doors: Doors, version: ssl.TLSVersion
) -> None:
    made = doors.certificates
    stolen = made.client("ann.example.org", common_name="guest", file="stolen.pem")
    good = made.client("bob.example.org", common_name="guest")
    options = {"client_certificate": "optional", "authorities": made.authority, "login_from": "common_name"}
    tls = doors.tls(**options, crl_file=made.revoked())
    number = await doors.open(tls)
    inside = await (await doors.connect(number, made.trusting(stolen, version))).open("EXTERNAL", "")
    made.revoked(stolen)
    await (await doors.connect(number, made.trusting(stolen, version))).open("EXTERNAL", "")  # not read again yet
    tls.reload()
    # With 1.3 a client learns only by the first read that it was refused.
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await (await doors.connect(number, made.trusting(stolen, version))).open("EXTERNAL", "")
    for certificate in (good, ""):
        await (await doors.connect(number, made.trusting(certificate, version))).start()
    inside.say(1, commands.Queue.Declare(queue="q"))
    assert isinstance(await inside.hear(), commands.Queue.DeclareOk)


async def test_a_revocation_list_that_is_out_of_date_refuses_every_certificate(doors: Doors) -> None:
    made = doors.certificates
    tls = doors.tls(client_certificate="required", authorities=made.authority, crl_file=made.revoked(is_outdated=True))
    number = await doors.open(tls)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await doors.connect(number, made.trusting(made.client("ann.example.org"), TLS_1_2))


async def test_an_optional_certificate_may_be_left_out(doors: Doors) -> None:
    number = await doors.open(doors.tls(client_certificate="optional", authorities=doors.certificates.authority))
    await (await doors.connect(number, doors.certificates.trusting())).open()


async def test_a_name_has_the_certificate_that_was_made_for_it(doors: Doors) -> None:
    other = doors.certificates.server("mq.example.org", file="other.pem")
    wild = doors.certificates.server("*.example.net", file="wild.pem")
    hosts = (Host(other, "", "MQ.example.org"), Host(wild, "", "*.example.net"))
    number = await doors.open(doors.tls(hosts=hosts))
    context = doors.certificates.trusting()  # each name is checked against the certificate
    for name in ("localhost", "mq.example.org", "a.example.net"):
        await (await doors.connect(number, context, name=name)).open()
    for name in ("a.b.example.net", "example.net", "x.example.org"):
        with pytest.raises(ssl.SSLCertVerificationError):
            await doors.connect(number, context, name=name)


async def test_a_certificate_read_again_is_for_new_connections_and_open_ones_go_on(doors: Doors) -> None:
    tls = doors.tls()
    number = await doors.open(tls)
    context = doors.certificates.trusting()
    first = await (await doors.connect(number, context)).open()
    doors.certificates.server("renewed")
    await (await doors.connect(number, context)).open()  # nobody has asked to read it yet
    tls.reload()
    await (await doors.connect(number, context, name="renewed")).open()
    with pytest.raises(ssl.SSLCertVerificationError):
        await doors.connect(number, context)
    first.say(1, commands.Queue.Declare(queue="q"))
    assert isinstance(await first.hear(), commands.Queue.DeclareOk)


async def test_files_that_cannot_be_used_leave_everything_as_it_was(doors: Doors) -> None:
    tls = doors.tls()
    number = await doors.open(tls)
    doors.certificates.damage("server.pem")
    with pytest.raises(TlsError):
        tls.reload()
    await (await doors.connect(number, doors.certificates.trusting())).open()


# --- EXTERNAL


async def test_external_logs_in_whom_the_certificate_names(doors: Doors) -> None:
    options = {"client_certificate": "optional", "authorities": doors.certificates.authority}
    number = await doors.open(doors.tls(**options, login_from="common_name"))
    certificate = doors.certificates.client("ann.example.org", common_name="guest")
    client = await doors.connect(number, doors.certificates.trusting(certificate))
    await client.open("EXTERNAL", "whatever")
    [connection] = doors.port.connections
    assert (connection.user_name, connection.mechanism) == (b"guest", b"EXTERNAL")


@pytest.mark.parametrize("names", [(), ("nobody",)])
async def test_external_is_offered_and_refused_to_those_whom_nobody_knows(doors: Doors, names: tuple[str, ...]) -> None:
    options = {"client_certificate": "optional", "authorities": doors.certificates.authority}
    number = await doors.open(doors.tls(**options, login_from="common_name"))
    certificate = doors.certificates.client("x.example.org", common_name=names[0]) if names else ""
    client = await doors.connect(number, doors.certificates.trusting(certificate))
    assert await client.start() == "PLAIN AMQPLAIN EXTERNAL"
    said = await client.log_in("EXTERNAL", "guest")
    assert isinstance(said, commands.Connection.Close)
    assert said.reply_text.startswith("ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL")


async def test_external_is_unknown_where_it_is_not_switched_on(doors: Doors) -> None:
    authority = doors.certificates.authority
    number = await doors.open(doors.tls(client_certificate="required", authorities=authority))
    certificate = doors.certificates.client("ann.example.org", common_name="guest")
    context = doors.certificates.trusting(certificate)
    clients = [await doors.connect(number, context), await doors.connect(doors.port.number)]
    for client in clients:
        assert await client.start() == "PLAIN AMQPLAIN"
        client.say(0, commands.Connection.StartOk({}, "EXTERNAL", "guest", "en_US"))
    assert [await client.end() for client in clients] == [b"", b""]
    assert doors.port.engine.context.counters.logins_succeeded == 0


# --- strangers


async def test_a_plain_client_on_a_tls_port_is_refused_and_told_of_once(
    doors: Doors, caplog: pytest.LogCaptureFixture
) -> None:
    number = await doors.open(doors.tls())
    with caplog.at_level(logging.INFO, logger="broker"):
        for _ in range(5):
            client = await doors.connect(number)
            client.writer.write(HEADER)
            assert HEADER not in await client.end()
    [line] = [record for record in caplog.records if record.getMessage() in REFUSED]
    assert "no TLS handshake" in line.__dict__["reason"]
    await (await doors.connect(number, doors.certificates.trusting())).open()


async def test_a_tls_client_on_a_plain_port_is_refused_and_told_of_once(
    doors: Doors, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="broker"):
        for _ in range(5):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await doors.connect(doors.port.number, doors.certificates.trusting())
        await until(lambda: not doors.port.connections)
    [line] = [record for record in caplog.records if record.getMessage() in REFUSED]
    assert line.__dict__["reason"] == "a TLS client on a port without TLS"


@pytest.mark.parametrize("port", [HASTY], indirect=True)
async def test_a_tls_handshake_that_never_ends_is_cut_off(doors: Doors) -> None:
    number = await doors.open(doors.tls())
    began = time.monotonic()
    for before in (b"", b"\x16\x03\x01\x02\x00\x01"):
        client = await doors.connect(number)
        client.writer.write(before)
        await client.end()
    assert 0.9 < time.monotonic() - began < 6.0


@pytest.mark.parametrize("port", [HASTY], indirect=True)
async def test_the_time_that_tls_took_counts_as_handshake(doors: Doors) -> None:
    number = await doors.open(has_proxy=True)
    client = await doors.connect(number)
    await asyncio.sleep(0.3)  # the deadline is the loop's: there is no clock to turn
    began = time.monotonic()
    client.writer.write(VERSION_1 + HEADER)
    await client.hear()
    assert (await client.end()) == b""
    assert time.monotonic() - began < 0.3 + 0.6  # what is left, and one tick


@pytest.mark.parametrize("port", [HASTY], indirect=True)
async def test_hundreds_of_silent_peers_do_not_keep_a_client_out(doors: Doors) -> None:
    number = await doors.open(doors.tls())
    silent = [await doors.connect(number) for _ in range(300)]
    for client in silent[::2]:
        client.writer.write(b"\x16\x03\x01")
    began = time.monotonic()
    good = await (await doors.connect(number, doors.certificates.trusting())).open()
    assert time.monotonic() - began < 5.0
    for client in silent:
        await client.end()
    good.say(1, commands.Queue.Declare(queue="q"))
    assert isinstance(await good.hear(), commands.Queue.DeclareOk)


async def test_when_too_many_stand_at_the_door_the_oldest_goes(doors: Doors) -> None:
    number = await doors.open(doors.tls())
    doors.opened[0].most_entering = 20
    waiting = [await doors.connect(number) for _ in range(30)]
    await (await doors.connect(number, doors.certificates.trusting())).open()
    assert [await client.end() for client in waiting[:11]] == [b""] * 11
    still_there = asyncio.create_task(waiting[-1].reader.read())
    assert await asyncio.wait([still_there], timeout=0.05) == (set(), {still_there})


@pytest.mark.parametrize("port", [PATIENT], indirect=True)
async def test_a_flood_from_one_address_is_cut_off_and_other_addresses_come_in(doors: Doors) -> None:
    number = await doors.open(has_proxy=True)
    flood = [await doors.connect(number, before=VERSION_1) for _ in range(200)]
    ends = [asyncio.create_task(client.end()) for client in flood]
    await until(lambda: sum(end.done() for end in ends) >= 150)
    # Those that were let in have not logged in, so they take nobody's place.
    other = VERSION_1.replace(b"192.0.2.7", b"192.0.2.8")
    client = await doors.connect(number, before=other)
    assert await client.start() == "PLAIN AMQPLAIN"
    for each in flood:
        each.close()
    await asyncio.gather(*ends, return_exceptions=True)


@pytest.mark.parametrize("port", [PATIENT], indirect=True)
async def test_the_rate_holds_on_a_plain_port_too(doors: Doors, caplog: pytest.LogCaptureFixture) -> None:
    first = [await doors.connect(doors.port.number) for _ in range(10)]
    ends = [asyncio.create_task((await doors.connect(doors.port.number)).end()) for _ in range(90)]
    await until(lambda: sum(end.done() for end in ends) >= 50)
    for client in first:
        assert await client.start() == "PLAIN AMQPLAIN"
    assert [each.getMessage() for each in caplog.records] == ["connection refused"]
    await doors.close()
    await asyncio.gather(*ends)


@pytest.mark.parametrize("port", [AmqpSettings(max_connections=1)], indirect=True)
async def test_strangers_do_not_count_against_the_connections_of_the_node(doors: Doors) -> None:
    for _ in range(10):
        await (await doors.connect(doors.port.number)).start()
    first = await (await doors.connect(doors.port.number)).open()
    second = await doors.connect(doors.port.number)
    await second.start()
    await second.log_in()
    second.say(0, commands.Connection.TuneOk(2047, 131_072, 0), commands.Connection.Open("/"))
    said = await second.hear()
    assert isinstance(said, commands.Connection.Close)
    assert said.reply_text == "NOT_ALLOWED - connection refused: node connection limit (1) is reached"
    first.close()
    await until(lambda: doors.port.engine.context.open_count == 0)
    await (await doors.connect(doors.port.number)).open()


# --- PROXY


@pytest.mark.parametrize("header", [VERSION_1, VERSION_2])
async def test_the_announced_address_is_the_peers(doors: Doors, header: bytes) -> None:
    number = await doors.open(has_proxy=True)
    client = await doors.connect(number, before=header + HEADER)  # in one segment with what follows
    assert isinstance(await client.hear(), commands.Connection.Start)
    [connection] = doors.port.connections
    assert connection.peer == "192.0.2.7:50000"
    assert not connection.is_loopback
    said = await client.log_in()  # guest, from afar
    assert isinstance(said, commands.Connection.Close)
    assert said.reply_code == 403


@pytest.mark.parametrize("header", [VERSION_1, VERSION_2])
async def test_a_header_may_come_octet_by_octet(doors: Doors, header: bytes) -> None:
    number = await doors.open(has_proxy=True)
    client = await doors.connect(number)
    for i in range(len(header)):
        client.writer.write(header[i : i + 1])
        await asyncio.sleep(0.001)
    assert await client.start() == "PLAIN AMQPLAIN"


async def test_tls_follows_the_proxy_header(doors: Doors) -> None:
    number = await doors.open(doors.tls(), has_proxy=True)
    client = await doors.connect(number, doors.certificates.trusting(), before=VERSION_2)
    assert await client.start() == "PLAIN AMQPLAIN"
    [connection] = doors.port.connections
    assert connection.peer == "192.0.2.7:50000"
    assert connection.tls is not None


async def test_a_proxy_that_speaks_for_itself_has_its_own_address(doors: Doors) -> None:
    number = await doors.open(has_proxy=True)
    client = await doors.connect(number, before=b"PROXY UNKNOWN\r\n")
    await client.open()
    [connection] = doors.port.connections
    assert connection.peer.startswith("127.0.0.1:")
    assert connection.is_loopback


@pytest.mark.parametrize("said", [HEADER, b"PROXY TCP4 nobody", b"PROXY " + b"1" * 500, b"\x00" * 20])
async def test_what_is_no_proxy_header_is_refused(doors: Doors, said: bytes, caplog: pytest.LogCaptureFixture) -> None:
    number = await doors.open(has_proxy=True)
    client = await doors.connect(number, before=said)
    if said.endswith(b"nobody"):
        client.writer.write(b"\r\n")
    assert await client.end() == b""
    [line] = [record for record in caplog.records if record.getMessage() == "connection refused"]
    assert "PROXY header" in line.__dict__["reason"]


async def test_a_proxy_header_is_believed_only_where_it_is_switched_on(doors: Doors) -> None:
    client = await doors.connect(doors.port.number, before=VERSION_1)
    assert await client.end() == HEADER


@pytest.mark.parametrize("port", [HASTY], indirect=True)
async def test_a_proxy_that_says_nothing_is_cut_off(doors: Doors) -> None:
    number = await doors.open(doors.tls(), has_proxy=True)
    for before in (b"", VERSION_2[:20]):
        client = await doors.connect(number, before=before)
        assert await client.end() == b""


async def test_closing_the_door_drops_who_stands_in_it_and_keeps_who_is_inside(doors: Doors) -> None:
    number = await doors.open(doors.tls())
    inside = await (await doors.connect(number, doors.certificates.trusting())).open()
    waiting = await doors.connect(number)
    await asyncio.sleep(0.05)
    doors.opened.pop().close()
    assert await waiting.end() == b""
    inside.say(1, commands.Queue.Declare(queue="q"))
    assert isinstance(await inside.hear(), commands.Queue.DeclareOk)
    with pytest.raises(ConnectionError):
        await doors.connect(number)
