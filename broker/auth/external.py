"""The SASL mechanism EXTERNAL: the login is in the certificate that TLS has verified. RFC 4422, appendix A."""

from typing import Final

from broker.auth.certificate import PeerCertificate

EXTERNAL: Final = b"EXTERNAL"
COMMON_NAME: Final = "common_name"
DISTINGUISHED_NAME: Final = "distinguished_name"
ALTERNATIVE_NAME: Final = "subject_alternative_name"


def certificate_login(certificate: PeerCertificate | None, login_from: str, name_kind: str) -> bytes:
    """Whom a certificate logs in; empty for nobody.

    Args:
        certificate: As TLS has verified it; None if the client has shown none.
        login_from: COMMON_NAME, DISTINGUISHED_NAME or ALTERNATIVE_NAME; RabbitMQ's ``ssl_cert_login_from``.
        name_kind: For ALTERNATIVE_NAME: of this kind, the first one.
    """
    if certificate is None:
        return b""
    if login_from == COMMON_NAME:
        return certificate.common_name.encode()
    if login_from == DISTINGUISHED_NAME:
        return certificate.subject.encode()
    for kind, name in certificate.alternative_names:
        if login_from == ALTERNATIVE_NAME and kind == name_kind:
            return name.encode()
    return b""
