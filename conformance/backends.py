"""Brokers with other login backends than their own users, of either kind, and who stands behind those."""

import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as make_ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as make_rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typing_extensions import override

from conformance.brokers import HOST, Broker, BrokerError, PonyMQ, RabbitMQ

PLUGINS: Final = ("rabbitmq_management", "rabbitmq_auth_backend_oauth2", "rabbitmq_auth_backend_http")
RESOURCE_SERVER: Final = "mq"

Key = RSAPrivateKey | EllipticCurvePrivateKey


class Authority:
    """Signs tokens, with an RSA key called rsa and an EC key called ec."""

    def __init__(self, directory: Path) -> None:
        self._keys: dict[str, Key] = {"rsa": make_rsa(65537, 2048), "ec": make_ec(SECP256R1())}
        self.files = {name: directory / f"{name}.pem" for name in self._keys}
        for name, key in self._keys.items():
            pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            self.files[name].write_bytes(pem)

    def token(
        self,
        scope: str = "configure:*/* write:*/*/* read:*/*/*",
        *,
        kid: str = "rsa",
        key: Key | None = None,
        **claims: Any,
    ) -> str:
        """A token of ann's, good for ten minutes; ``scope`` without the prefix, and ``claims`` in addition."""
        said = {
            "sub": "ann",
            "aud": [RESOURCE_SERVER],
            "exp": int(time.time()) + 600,
            "scope": [f"{RESOURCE_SERVER}.{each}" for each in scope.split()],
            **claims,
        }
        algorithm = "ES256" if kid == "ec" else "RS256"
        return jwt.encode(said, key or self._keys[kid], algorithm, headers={"kid": kid})


class Service:
    """An HTTP service that is asked who may come in, on loopback.

    Attributes:
        asked: Every question: the last part of its path, and its parameters.
        denied: It says deny to questions with one of these values in them, and allow to all others.
        tags: What follows allow for users.
        status: Of its answers.
        delay_s: How long it thinks.
    """

    def __init__(self) -> None:
        service = self
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.denied: set[str] = set()
        self.tags = "administrator"
        self.status = 200
        self.delay_s = 0.0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(urlsplit(self.path).query)

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

            def _answer(self, form: str) -> None:
                fields = dict(parse_qsl(form, keep_blank_values=True))
                topic = urlsplit(self.path).path.rpartition("/")[2]
                answer = service.answer(topic, fields).encode()
                self.send_response(service.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What its four paths begin with."""
        return f"http://{HOST}:{self._server.server_address[1]}/auth"

    def answer(self, topic: str, fields: dict[str, str]) -> str:
        """What it says to one question."""
        self.asked.append((topic, fields))
        time.sleep(self.delay_s)
        if self.denied & set(fields.values()):
            return "deny"
        return f"allow {self.tags}" if topic == "user" else "allow"

    def about(self, topic: str) -> list[dict[str, str]]:
        """The parameters of the questions on one path."""
        return [fields for path, fields in self.asked if path == topic]

    def close(self) -> None:
        """Answer nothing more; its port is free."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class BackedPonyMQ(PonyMQ):
    """PonyMQ with settings of its own in the environment."""

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        super().__init__(directory)
        self._settings = settings

    @override
    def environment(self) -> dict[str, str]:
        return super().environment() | {f"PONYMQ_AUTH_{name}": value for name, value in self._settings.items()}


def token_broker(name: str, directory: Path, authority: Authority) -> Broker:
    """A broker that believes ``authority``, and has its own users beside; it is not started yet."""
    directory.mkdir(parents=True, exist_ok=True)
    if name == PonyMQ.name:
        keys = ", ".join(f"{{kid = '{kid}', file = '{file}'}}" for kid, file in authority.files.items())
        settings = {
            "BACKENDS": "oauth2,internal",
            "OAUTH2_RESOURCE_SERVER_ID": RESOURCE_SERVER,
            "OAUTH2_KEYS": f"[{keys}]",
        }
        return BackedPonyMQ(directory, settings)
    if name == RabbitMQ.name:
        lines = [
            "auth_backends.1 = rabbit_auth_backend_oauth2",
            "auth_backends.2 = internal",
            f"auth_oauth2.resource_server_id = {RESOURCE_SERVER}",
            "auth_oauth2.default_key = rsa",
            *(f"auth_oauth2.signing_keys.{kid} = {file}" for kid, file in authority.files.items()),
        ]
        return RabbitMQ(directory, PLUGINS, "\n".join(lines))
    raise BrokerError(f"no broker is called {name!r}")


def http_broker(name: str, directory: Path, service: Service, method: str) -> Broker:
    """A broker that asks ``service``, after its own users; it is not started yet."""
    directory.mkdir(parents=True, exist_ok=True)
    topics = ("user", "vhost", "resource", "topic")
    if name == PonyMQ.name:
        settings = {"BACKENDS": "internal,http", "HTTP_METHOD": method, "HTTP_CACHE_TTL_S": "600"}
        return BackedPonyMQ(
            directory, settings | {f"HTTP_{topic.upper()}_PATH": f"{service.url}/{topic}" for topic in topics}
        )
    if name == RabbitMQ.name:
        lines = [
            "auth_backends.1 = internal",
            "auth_backends.2 = http",
            f"auth_http.http_method = {method}",
            *(f"auth_http.{topic}_path = {service.url}/{topic}" for topic in topics),
        ]
        return RabbitMQ(directory, PLUGINS, "\n".join(lines))
    raise BrokerError(f"no broker is called {name!r}")
