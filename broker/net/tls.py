"""TLS contexts of one listener: made from its files, and made anew when these have changed."""

import ssl
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from broker.auth.certificate import read_certificate
from broker.auth.external import certificate_login
from broker.protocol.tls_session import TlsSession

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_DEMANDS: Final = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class TlsError(Exception):
    """A file or a cipher list cannot be used. Its text names the key, the value and what is wrong with it."""


class Host(Struct, frozen=True):
    """A certificate for one name.

    Attributes:
        certificate: PEM file with the certificate and its chain.
        key: PEM file with its key; empty if it is in the same file.
        name: What clients ask for: ``mq.example.org``, ``*.example.org``; empty for the listener's own certificate.
    """

    certificate: str
    key: str
    name: str = ""


class TlsOptions(Struct, frozen=True):
    """How one listener speaks TLS.

    Attributes:
        host: The certificate for clients that ask for no name or for one that has no certificate of its own.
        key_password_file: Its first line unlocks the keys; empty for keys in the clear.
        versions: ``1.2`` and ``1.3``, or one of them.
        ciphers: OpenSSL's cipher list for TLS 1.2; empty for Python's choice.
        client_certificate: ``none``, ``optional`` or ``required``.
        authorities: PEM file with those who may have signed it.
        crl_file: PEM file with their revocation lists; empty to look at none.
        login_from: Part of the certificate that EXTERNAL takes for the login; ``off`` to not offer it.
        login_name_kind: Kind of alternative name that it takes.
        hosts: Certificates for other names.
    """

    host: Host
    key_password_file: str = ""
    versions: tuple[str, ...] = ("1.2", "1.3")
    ciphers: str = ""
    client_certificate: str = "none"
    authorities: str = ""
    crl_file: str = ""
    login_from: str = "off"
    login_name_kind: str = "dns"
    hosts: tuple[Host, ...] = ()


class Tls:
    """TLS of one listener.

    Attributes:
        context: What new connections are to use.
    """

    def __init__(self, options: TlsOptions, key: str) -> None:
        """Read the files.

        Args:
            options: What to do.
            key: How messages call them: ``listeners.amqp[0].tls``.

        Raises:
            TlsError: They cannot be used.
        """
        self._options = options
        self._key = key
        self.context = self._make()
        self._ciphers: dict[str, dict[str, Any]] = {
            str(each["name"]): dict(each) for each in self.context.get_ciphers()
        }

    def reload(self) -> None:
        """Read the files again, for connections that come from now on. Those that are open keep what they have.

        Raises:
            TlsError: They cannot be used; everything stays as it was.
        """
        self.context = self._make()

    def _make(self) -> ssl.SSLContext:
        options = self._options
        hosts = {}
        for number, host in enumerate(options.hosts):
            hosts[host.name.lower()] = self._context(host, f"{self._key}.hosts[{number}]")
        context = self._context(options.host, self._key)

        def choose(wanted: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
            if name is not None:
                chosen = hosts.get(name.lower()) or hosts.get("*." + name.lower().partition(".")[2])
                wanted.context = chosen or context

        if hosts:
            context.sni_callback = choose
        return context

    def _context(self, host: Host, key: str) -> ssl.SSLContext:
        options = self._options
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        versions = sorted(_VERSIONS[version] for version in options.versions)
        context.minimum_version, context.maximum_version = versions[0], versions[-1]
        # The peer pays nothing for asking for a new handshake, and we do; AMQP has no use for it.
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        if options.ciphers:
            try:
                context.set_ciphers(options.ciphers)
            except ssl.SSLError as error:
                raise TlsError(
                    f"{self._key}.ciphers = {options.ciphers!r}: expected a list that OpenSSL knows"
                ) from error
        _readable(f"{key}.certificate", host.certificate)
        if host.key:
            _readable(f"{key}.key", host.key)
        try:
            context.load_cert_chain(host.certificate, host.key or None, self._password)
        except (OSError, ValueError) as error:
            wrong = f"expected a certificate in PEM and the key {host.key or 'in the same file'!r} that belongs to it"
            raise TlsError(f"{key}.certificate = {host.certificate!r}: {wrong} ({_reason(error)})") from error
        if options.authorities:
            _readable(f"{self._key}.authorities", options.authorities)
            try:
                context.load_verify_locations(options.authorities)
            except ssl.SSLError as error:
                wrong = f"expected certificates in PEM ({_reason(error)})"
                raise TlsError(f"{self._key}.authorities = {options.authorities!r}: {wrong}") from error
        if options.crl_file:
            self._revoke(context, options.crl_file)
        context.verify_mode = _DEMANDS[options.client_certificate]
        return context

    def _revoke(self, context: ssl.SSLContext, path: str) -> None:
        """Have the lists looked at. Only for the client's own certificate: an authority in between rarely has one."""
        if "-----BEGIN X509 CRL-----" not in _readable(f"{self._key}.crl_file", path):
            raise TlsError(f"{self._key}.crl_file = {path!r}: expected revocation lists in PEM")
        try:
            context.load_verify_locations(path)
        except ssl.SSLError as error:
            wrong = f"expected revocation lists in PEM ({_reason(error)})"
            raise TlsError(f"{self._key}.crl_file = {path!r}: {wrong}") from error
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF

    def _password(self) -> str:
        """Asked for only if the key is locked. Without this, OpenSSL would ask on the terminal."""
        path = self._options.key_password_file
        if not path:
            return ""
        return _readable(f"{self._key}.key_password_file", path).split("\n", 1)[0].rstrip("\r")

    def session(self, wire: ssl.SSLObject) -> TlsSession:
        """What has been agreed on with one peer, after the handshake."""
        options = self._options
        fields: dict[str, Any] = wire.getpeercert() or {}
        certificate = read_certificate(fields) if fields else None
        has_external = options.login_from != "off"
        login = certificate_login(certificate, options.login_from, options.login_name_kind) if has_external else b""
        agreed = wire.cipher()
        suite = self._ciphers.get(agreed[0] if agreed else "", {})
        return TlsSession(
            (wire.version() or "").lower(),
            _key_exchange(suite),
            str(suite.get("symmetric", "")).replace("-", "_"),
            "aead" if suite.get("aead") else str(suite.get("digest") or ""),
            certificate,
            has_external,
            login,
        )


def _key_exchange(suite: dict[str, Any]) -> str:
    """``ecdhe_rsa`` from OpenSSL's ``kx-ecdhe`` and ``auth-rsa``; TLS 1.3 leaves both open."""
    kinds = [str(suite.get("kea", "")).removeprefix("kx-"), str(suite.get("auth", "")).removeprefix("auth-")]
    return "any" if "any" in kinds else "_".join(dict.fromkeys(kinds))


def _readable(key: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise TlsError(f"{key} = {path!r}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TlsError(f"{key} = {path!r}: expected a text in PEM") from error


def _reason(error: Exception) -> str:
    return error.reason.lower().replace("_", " ") if isinstance(error, ssl.SSLError) and error.reason else str(error)
