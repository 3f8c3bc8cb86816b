"""TLS with real clients: pika, aio-pika, py-amqp and `openssl s_client`."""

import base64
import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import amqp
import pika
import pytest
from pika.credentials import ExternalCredentials
from pika.exceptions import AMQPError, ProbableAuthenticationError

from conformance.secured import Certificates, SecuredBroker, secured_broker

S_CLIENT_S = 20.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=["none", "optional", "required"])
def secured(
    request: pytest.FixtureRequest,
    broker_name: str,
    certificates: Certificates,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SecuredBroker]:
    """A broker for each demand for a client's certificate."""
    yield from running(broker_name, tmp_path_factory.mktemp("secured"), certificates, request.param)


@pytest.fixture(scope="module")
def asking(
    broker_name: str, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecuredBroker]:
    """A broker that takes a client's certificate if there is one."""
    yield from running(broker_name, tmp_path_factory.mktemp("asking"), certificates, "optional")


def running(name: str, directory: Path, certificates: Certificates, demand: str) -> Iterator[SecuredBroker]:
    broker = secured_broker(name, directory, certificates, demand)
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


def parameters(broker: SecuredBroker, context: ssl.SSLContext, name: str = "localhost") -> pika.ConnectionParameters:
    return pika.ConnectionParameters(
        broker.host, broker.tls_port, ssl_options=pika.SSLOptions(context, name), socket_timeout=5
    )


def s_client(broker: SecuredBroker, certificates: Certificates, *words: str) -> str:
    """What `openssl s_client` says of a handshake, once the end of its input has ended it."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("there is no openssl here")
    address = f"{broker.host}:{broker.tls_port}"
    result = subprocess.run(
        [program, "s_client", "-connect", address, "-CAfile", certificates.authority, *words],
        input="", capture_output=True, text=True, timeout=S_CLIENT_S, check=False,
    )  # fmt: skip
    return result.stdout + result.stderr


def listed_connection(broker: SecuredBroker) -> dict[str, object]:
    """The one connection as the HTTP API lists it."""
    request = urllib.request.Request(f"http://{broker.host}:{broker.http_port}/api/connections")
    request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
    deadline = time.monotonic() + 15.0
    while time.monotonic() < deadline:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - our own address
            rows = json.load(answer)
        if len(rows) == 1 and rows[0].get("ssl_cipher"):  # RabbitMQ lists a connection some seconds later
            return dict(rows[0])
        time.sleep(0.2)
    raise AssertionError(f"not one connection: {rows}")


@pytest.mark.parametrize("shows_certificate", [False, True])
def test_pika_publishes_and_consumes_over_tls(
    secured: SecuredBroker,
    certificates: Certificates,
    name: str,
    *,
    shows_certificate: bool,
    request: pytest.FixtureRequest,
) -> None:
    demand = request.node.callspec.params["secured"]
    wanted = parameters(secured, certificates.context(shows_certificate=shows_certificate))
    if demand == "required" and not shows_certificate:
        with pytest.raises((AMQPError, OSError)):
            pika.BlockingConnection(wanted)
        return
    with pika.BlockingConnection(wanted) as connection:
        channel = connection.channel()
        channel.queue_declare(name, exclusive=True)
        channel.confirm_delivery()
        bodies = [b"", b"x", b"y" * 300_000]
        for body in bodies:
            channel.basic_publish("", name, body)
        received = [channel.basic_get(name, auto_ack=True)[2] for _ in bodies]
        assert received == bodies


@pytest.mark.smoke
async def test_aio_pika_publishes_and_consumes_over_tls(
    asking: SecuredBroker, certificates: Certificates, name: str
) -> None:
    url = f"amqps://guest:guest@{asking.host}:{asking.tls_port}/"
    connection = await aio_pika.connect(url, ssl_context=certificates.context())
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, exclusive=True)
        for number in range(100):
            await channel.default_exchange.publish(aio_pika.Message(b"%d" % number), name)
        async with queue.iterator() as messages:
            for number in range(100):
                message = await anext(messages)
                async with message.process():
                    assert message.body == b"%d" % number


def test_py_amqp_publishes_and_consumes_over_tls(asking: SecuredBroker, certificates: Certificates, name: str) -> None:
    options = {"ca_certs": certificates.authority, "server_hostname": "localhost", "cert_reqs": ssl.CERT_REQUIRED}
    address = f"{asking.host}:{asking.tls_port}"
    # Left alone it would choose EXTERNAL, which is on offer here.
    with amqp.Connection(address, ssl=options, confirm_publish=True, login_method="PLAIN") as connection:
        channel = connection.channel()
        channel.queue_declare(name, exclusive=True)
        channel.basic_publish_confirm(amqp.Message("x" * 100_000), routing_key=name)
        assert channel.basic_get(name).body == "x" * 100_000


def test_external_logs_in_the_certificates_common_name(asking: SecuredBroker, certificates: Certificates) -> None:
    wanted = parameters(asking, certificates.context(shows_certificate=True))
    wanted.credentials = ExternalCredentials()
    with pika.BlockingConnection(wanted):
        row = listed_connection(asking)
    assert row["user"] == "guest"
    assert row["auth_mechanism"] == "EXTERNAL"
    assert row["ssl"] is True
    assert row["ssl_protocol"] == "tlsv1.3"
    assert (row["ssl_key_exchange"], row["ssl_cipher"], row["ssl_hash"]) == ("any", "aes_256_gcm", "aead")
    assert str(row["peer_cert_subject"]).startswith("CN=guest,")
    assert str(row["peer_cert_subject"]).endswith(",O=Example")
    assert "trustme" in str(row["peer_cert_issuer"])
    assert str(row["peer_cert_validity"]).startswith("2000-01-01T00:00:00Z - ")


def test_external_is_refused_without_a_certificate(asking: SecuredBroker, certificates: Certificates) -> None:
    wanted = parameters(asking, certificates.context())
    wanted.credentials = ExternalCredentials()
    with pytest.raises(ProbableAuthenticationError, match="using authentication mechanism EXTERNAL"):
        pika.BlockingConnection(wanted)


@pytest.mark.parametrize(
    ("flag", "said"), [("-tls1_2", "New, TLSv1.2, Cipher is ECDHE-ECDSA-"), ("-tls1_3", "New, TLSv1.3, Cipher is TLS_")]
)
def test_openssl_speaks_tls_1_2_and_1_3(
    asking: SecuredBroker, certificates: Certificates, flag: str, said: str
) -> None:
    text = s_client(asking, certificates, flag, "-verify_return_error")
    assert said in text
    assert "Verify return code: 0 (ok)" in text


@pytest.mark.parametrize("flag", ["-tls1_1", "-tls1"])
def test_openssl_is_refused_with_older_versions(asking: SecuredBroker, certificates: Certificates, flag: str) -> None:
    text = s_client(asking, certificates, flag, "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is (NONE)" in text


def test_openssl_sees_whether_a_certificate_is_wanted(
    secured: SecuredBroker, certificates: Certificates, request: pytest.FixtureRequest
) -> None:
    text = s_client(secured, certificates, "-tls1_2")
    demand = request.node.callspec.params["secured"]
    assert ("Client Certificate Types:" in text) == (demand != "none")
    assert ("DONE" in text) == (demand != "required")  # it has ended a connection that was made


def test_a_renegotiation_asked_for_by_the_client_does_no_harm(
    asking: SecuredBroker, certificates: Certificates
) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("there is no openssl here")
    address = f"{asking.host}:{asking.tls_port}"
    subprocess.run(
        [program, "s_client", "-connect", address, "-CAfile", certificates.authority, "-tls1_2"],
        input="R\nR\nR\n", capture_output=True, text=True, timeout=S_CLIENT_S, check=False,
    )  # fmt: skip
    with pika.BlockingConnection(parameters(asking, certificates.context())) as connection:
        assert connection.is_open


@pytest.mark.skipif("config.getoption('--broker') == 'rabbitmq'", reason="RabbitMQ reads certificates again by itself")
def test_a_renewed_certificate_is_served_after_sighup_and_a_publisher_notices_nothing(
    tmp_path: Path, name: str
) -> None:
    own = Certificates(tmp_path / "certificates")
    broker = secured_broker("ponymq", tmp_path / "broker", own)
    try:
        broker.start()
        confirmed = publish_through_renewals(broker, own, name)
        assert confirmed > 100
    finally:
        broker.close()


def publish_through_renewals(broker: SecuredBroker, own: Certificates, name: str) -> int:
    """Publish with confirms while the certificate changes three times; returns how many were confirmed."""
    is_done = threading.Event()
    confirmed: list[int] = []

    def publish() -> None:
        with pika.BlockingConnection(parameters(broker, own.context())) as connection:
            channel = connection.channel()
            channel.queue_declare(name)
            channel.confirm_delivery()
            while not is_done.is_set():
                channel.basic_publish("", name, b"x")
                confirmed.append(1)

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        while len(confirmed) < 50:
            assert publisher.is_alive()
            time.sleep(0.01)
        for renewed in ("first", "second", "third"):
            own.issue_server(renewed)
            os.kill(broker.pid, signal.SIGHUP)
            deadline = time.monotonic() + 10.0
            while True:
                try:
                    pika.BlockingConnection(parameters(broker, own.context(), renewed)).close()
                    break
                except (AMQPError, OSError):
                    assert time.monotonic() < deadline
    finally:
        before = len(confirmed)
        is_done.set()
        publisher.join(20.0)
    assert not publisher.is_alive()
    with pika.BlockingConnection(parameters(broker, own.context(), "third")) as connection:
        count = connection.channel().queue_declare(name, passive=True).method.message_count
    assert count == len(confirmed)
    assert before > 50
    return len(confirmed)
