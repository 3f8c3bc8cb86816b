"""TLS of one listener."""

from typing import Annotated, Literal

from msgspec import Struct

from broker.settings.meaning import means

TlsVersion = Literal["1.2", "1.3"]
ClientCertificate = Literal["none", "optional", "required"]
LoginFrom = Literal["off", "common_name", "distinguished_name", "subject_alternative_name"]
NameKind = Literal["dns", "email", "ip", "uri"]


class HostSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Another certificate of one listener, for clients that ask for another name (SNI)."""

    name: Annotated[str, means("The name that clients ask for: mq.example.org, or *.example.org.")] = ""
    certificate: Annotated[str, means("As of the listener, for this name.")] = ""
    key: Annotated[str, means("As of the listener, for this name.")] = ""


class TlsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What a listener with TLS shows its clients, and what it asks of them."""

    certificate: Annotated[
        str, means("PEM file with the certificate and, behind it, its chain. Without one there is no TLS here.")
    ] = ""
    key: Annotated[str, means("PEM file with its private key; empty if it is in the same file.")] = ""
    key_password_file: Annotated[str, means("File whose first line unlocks the key; empty for a key in the clear.")] = (
        ""
    )
    versions: Annotated[tuple[TlsVersion, ...], means("Versions of TLS that are spoken.", min_length=1)] = (
        "1.2",
        "1.3",
    )
    ciphers: Annotated[
        str, means("Ciphers for TLS 1.2 in OpenSSL's notation; empty for Python's choice. Those of 1.3 are fixed.")
    ] = ""
    client_certificate: Annotated[
        ClientCertificate, means("Whether clients are asked for a certificate, and refused without one.")
    ] = "none"
    authorities: Annotated[str, means("PEM file with the authorities that may sign clients' certificates.")] = ""
    crl_file: Annotated[
        str,
        means(
            "PEM file with a revocation list of each of these authorities; what is on it is refused. A list that "
            "is missing or out of date refuses every certificate of its authority. Empty to look at none."
        ),
    ] = ""
    login_from: Annotated[
        LoginFrom, means("Offer the mechanism EXTERNAL: the login is this part of the client's certificate.")
    ] = "off"
    login_name_kind: Annotated[
        NameKind, means("Which kind of alternative name is the login; the first of that kind in the certificate.")
    ] = "dns"
    hosts: Annotated[
        tuple[HostSettings, ...],
        means("Other certificates, for clients that ask for other names (SNI).", max_length=1000),
    ] = ()
