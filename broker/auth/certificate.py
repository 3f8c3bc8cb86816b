"""What a client's certificate says. RFC 5280; names in the form of RFC 4514, as RabbitMQ shows them."""

from collections.abc import Mapping, Sequence
from typing import Final, cast, final

from mypy_extensions import mypyc_attr

# A name as the TLS library has it: relative names in the certificate's order, each of pairs of a type and a value.
Name = Sequence[Sequence[tuple[str, str]]]

_SHORT_TYPES: Final[dict[str, str]] = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "surname": "SN",
    "givenName": "GN",
    "title": "T",
    "userId": "UID",
}
_KINDS: Final[dict[str, str]] = {"DNS": "dns", "email": "email", "IP Address": "ip", "URI": "uri"}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SPECIAL: Final = ',+"\\<>;'


@final
@mypyc_attr(native_class=True)
class PeerCertificate:
    """A certificate that was shown, and whose signature was verified.

    Attributes:
        subject: Distinguished name of its owner: ``CN=ann,O=Example``, the last relative name first.
        issuer: Distinguished name of who signed it.
        validity: From when until when, ISO 8601 in UTC: ``2026-01-01T00:00:00Z - 2027-01-01T00:00:00Z``.
        common_name: The subject's common names, joined by commas; empty if it has none.
        alternative_names: Pairs of a kind (``dns``, ``email``, ``ip``, ``uri``) and a name, in the certificate's order.
    """

    def __init__(
        self, subject: str, issuer: str, validity: str, common_name: str, alternative_names: list[tuple[str, str]]
    ) -> None:
        self.subject: Final = subject
        self.issuer: Final = issuer
        self.validity: Final = validity
        self.common_name: Final = common_name
        self.alternative_names: Final = alternative_names


def read_certificate(fields: Mapping[str, object]) -> PeerCertificate:
    """The certificate as Python's TLS library takes it apart: the result of ``SSLObject.getpeercert()``."""
    subject = cast("Name", fields.get("subject", ()))
    common_names: list[str] = []
    for relative in subject:
        for kind, value in relative:
            if kind == "commonName":
                common_names.append(value)
    alternative_names: list[tuple[str, str]] = []
    for entry in cast("Sequence[Sequence[str]]", fields.get("subjectAltName", ())):
        known = _KINDS.get(entry[0])
        if known is not None:
            alternative_names.append((known, entry[1]))
    begin, end = _iso_time(str(fields.get("notBefore", ""))), _iso_time(str(fields.get("notAfter", "")))
    return PeerCertificate(
        distinguished_name(subject),
        distinguished_name(cast("Name", fields.get("issuer", ()))),
        f"{begin} - {end}",
        ",".join(common_names),
        alternative_names,
    )


def distinguished_name(name: Name) -> str:
    """The name in RFC 4514's form: the last relative name first, special characters escaped."""
    parts: list[str] = []
    for relative in name:
        pairs: list[str] = []
        for kind, value in relative:
            pairs.append(_SHORT_TYPES.get(kind, kind) + "=" + _escaped(value))
        parts.append("+".join(pairs))
    parts.reverse()
    return ",".join(parts)


def _escaped(value: str) -> str:
    """A value that cannot be taken for more than one. RFC 4514 §2.4."""
    escaped = ""
    for index, char in enumerate(value):
        is_edge_blank = char == " " and (index == 0 or index == len(value) - 1)
        if char in _SPECIAL or is_edge_blank or (char == "#" and index == 0):
            escaped += "\\" + char
        elif char == "\x00":
            escaped += "\\00"
        else:
            escaped += char
    return escaped


def _iso_time(text: str) -> str:
    """``Nov 21 14:40:00 2026 GMT`` in ISO 8601."""
    words = text.split()
    if len(words) != 5 or words[0] not in _MONTHS:
        return text
    return f"{words[3]}-{_MONTHS.index(words[0]) + 1:02}-{int(words[1]):02}T{words[2]}Z"
