"""The certificates of all listeners: read at the start, and again on SIGHUP."""

import logging

from broker.net.tls import Host, Tls, TlsError, TlsOptions
from broker.settings.model import Settings
from broker.settings.tls import TlsSettings
from broker.settings.together import listeners_of

LOG = logging.getLogger("broker.server")


class TlsFiles:
    """TLS of each listener that has it, by the listener's name in messages."""

    def __init__(self, settings: Settings) -> None:
        """Read every file.

        Raises:
            TlsError: One cannot be used.
        """
        self._tls: dict[str, Tls] = {}
        for key, listener in listeners_of(settings):
            if listener.tls.certificate:
                self._tls[key] = Tls(tls_options(listener.tls), f"{key}.tls")

    def of(self, key: str) -> Tls | None:
        """TLS of the listener ``key``: ``listeners.amqp[0]``; None if it has none."""
        return self._tls.get(key)

    def reload(self) -> None:
        """Read the files again, for new connections. A listener whose files cannot be used keeps what it has."""
        for key, tls in self._tls.items():
            try:
                tls.reload()
            except TlsError as error:
                LOG.error("certificates kept as they were", extra={"listener": key, "reason": str(error)})
            else:
                LOG.info("certificates read again", extra={"listener": key})


def certificates_of(tls: TlsSettings) -> tuple[str, ...]:
    """The files with the certificates that a listener shows; none without TLS."""
    if not tls.certificate:
        return ()
    return (tls.certificate, *(host.certificate for host in tls.hosts))


def tls_options(tls: TlsSettings) -> TlsOptions:
    """The settings as the listener takes them."""
    return TlsOptions(
        host=Host(tls.certificate, tls.key),
        key_password_file=tls.key_password_file,
        versions=tls.versions,
        ciphers=tls.ciphers,
        client_certificate=tls.client_certificate,
        authorities=tls.authorities,
        crl_file=tls.crl_file,
        login_from=tls.login_from,
        login_name_kind=tls.login_name_kind,
        hosts=tuple(Host(each.certificate, each.key, each.name) for each in tls.hosts),
    )
