"""Brokers with TLS: certificates made for the occasion, and a broker of either kind that uses them."""

import ssl
from pathlib import Path
from typing import Final

import trustme
from typing_extensions import override

from conformance.brokers import HOST, BrokerError, PonyMQ, RabbitMQ, free_ports

PLUGINS: Final = ("rabbitmq_management", "rabbitmq_auth_mechanism_ssl")


class Certificates:
    """An authority, a server's certificate and a client's, as files below one directory.

    Attributes:
        authority: The authority's certificate.
        server: The server's certificate and chain.
        server_key: Its key.
        client: A client's key and certificate, of the common name guest.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.authority = str(directory / "authority.pem")
        self.server = str(directory / "server.pem")
        self.server_key = str(directory / "server.key")
        self.client = str(directory / "client.pem")
        self._authority.cert_pem.write_to_path(self.authority)
        issued = self._authority.issue_cert(
            "guest.example.org", common_name="guest", organization_name="Example", key_type=trustme.KeyType.ECDSA
        )
        issued.private_key_and_cert_chain_pem.write_to_path(self.client)
        self.issue_server("localhost", HOST)

    def issue_server(self, *names: str) -> None:
        """Write a certificate for the server, in place of the one before."""
        issued = self._authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA)
        chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
        Path(self.server).write_bytes(chain)
        issued.private_key_pem.write_to_path(self.server_key)

    def context(self, *, shows_certificate: bool = False) -> ssl.SSLContext:
        """A client's context that trusts the authority."""
        context = ssl.create_default_context(cafile=self.authority)
        if shows_certificate:
            context.load_cert_chain(self.client)
        return context


def ponymq_listeners(certificates: Certificates, port: int, client_certificate: str = "none") -> str:
    """PonyMQ's setting listeners.amqp for a TLS port."""
    asks = ""
    if client_certificate != "none":
        asks = (
            f', client_certificate = "{client_certificate}", authorities = "{certificates.authority}", '
            'login_from = "common_name"'
        )
    tls = f'{{certificate = "{certificates.server}", key = "{certificates.server_key}"{asks}}}'
    return f"[{{port = {port}, tls = {tls}}}]"


def rabbitmq_listeners(certificates: Certificates, port: int, client_certificate: str = "none") -> str:
    """The same in RabbitMQ's configuration."""
    lines = [
        f"listeners.ssl.1 = {HOST}:{port}",
        f"ssl_options.certfile = {certificates.server}",
        f"ssl_options.keyfile = {certificates.server_key}",
        f"ssl_options.cacertfile = {certificates.authority}",
        "ssl_options.versions.1 = tlsv1.3",
        "ssl_options.versions.2 = tlsv1.2",
    ]
    if client_certificate != "none":
        lines += [
            "ssl_options.verify = verify_peer",
            f"ssl_options.fail_if_no_peer_cert = {str(client_certificate == 'required').lower()}",
            "ssl_cert_login_from = common_name",
            "auth_mechanisms.1 = PLAIN",
            "auth_mechanisms.2 = AMQPLAIN",
            "auth_mechanisms.3 = EXTERNAL",
        ]
    return "\n".join(lines)


class SecuredPonyMQ(PonyMQ):
    """PonyMQ with a TLS port beside the plain one. See `secured_broker`."""

    def __init__(self, directory: Path, certificates: Certificates, client_certificate: str) -> None:
        super().__init__(directory)
        [self.tls_port] = free_ports(1)
        self._listeners = ponymq_listeners(certificates, self.tls_port, client_certificate)

    @override
    def environment(self) -> dict[str, str]:
        return super().environment() | {"PONYMQ_LISTENERS_AMQP": self._listeners}


class SecuredRabbitMQ(RabbitMQ):
    """RabbitMQ with a TLS port beside the plain one. See `secured_broker`."""

    def __init__(self, directory: Path, certificates: Certificates, client_certificate: str) -> None:
        [self.tls_port] = free_ports(1)
        super().__init__(directory, PLUGINS, rabbitmq_listeners(certificates, self.tls_port, client_certificate))


SecuredBroker = SecuredPonyMQ | SecuredRabbitMQ


def secured_broker(
    name: str, directory: Path, certificates: Certificates, client_certificate: str = "none"
) -> SecuredBroker:
    """Make a broker with a TLS port, its number in ``tls_port``; it is not started yet.

    Args:
        name: `ponymq` or `rabbitmq`.
        directory: The broker's own.
        certificates: What it shows.
        client_certificate: Whether it asks for the client's: none, optional or required. If so, EXTERNAL logs in the
            certificate's common name.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if name == PonyMQ.name:
        return SecuredPonyMQ(directory, certificates, client_certificate)
    if name == RabbitMQ.name:
        return SecuredRabbitMQ(directory, certificates, client_certificate)
    raise BrokerError(f"no broker is called {name!r}")
