"""What TLS has agreed on with one peer, for lists and for the mechanism EXTERNAL."""

from typing import Final, final

from mypy_extensions import mypyc_attr

from broker.auth.certificate import PeerCertificate


@final
@mypyc_attr(native_class=True)
class TlsSession:
    """One peer's TLS.

    Attributes:
        version: ``tlsv1.2`` or ``tlsv1.3``.
        key_exchange: ``ecdhe_rsa``; ``any`` where the version leaves it open.
        cipher: ``aes_256_gcm``.
        digest: ``sha384``; ``aead`` where the cipher authenticates by itself.
        certificate: The client's; None if it has shown none.
        has_external: EXTERNAL is offered on this listener.
        login: Whom EXTERNAL logs in; empty for nobody.
    """

    def __init__(
        self,
        version: str,
        key_exchange: str,
        cipher: str,
        digest: str,
        certificate: PeerCertificate | None,
        has_external: bool,
        login: bytes,
    ) -> None:
        self.version: Final = version
        self.key_exchange: Final = key_exchange
        self.cipher: Final = cipher
        self.digest: Final = digest
        self.certificate: Final = certificate
        self.has_external: Final = has_external
        self.login: Final = login
