"""What a certificate says, and whom it logs in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.auth.certificate import PeerCertificate, distinguished_name, read_certificate
from broker.auth.external import certificate_login

# As Python's ssl gives it.
FIELDS: dict[str, object] = {
    "subject": (
        (("countryName", "DE"),),
        (("organizationName", "Example, Inc."),),
        (("commonName", "ann"), ("emailAddress", "ann@example.org")),
    ),
    "issuer": ((("commonName", "Authority"),),),
    "version": 3,
    "serialNumber": "01",
    "notBefore": "Nov  1 08:05:09 2026 GMT",
    "notAfter": "Jan 31 23:59:59 2027 GMT",
    "subjectAltName": (
        ("DirName", ((("commonName", "x"),),)),
        ("DNS", "ann.example.org"),
        ("DNS", "bob.example.org"),
        ("email", "ann@example.org"),
        ("IP Address", "192.0.2.7"),
        ("URI", "spiffe://example.org/ann"),
    ),
}
ANN = read_certificate(FIELDS)
NOBODY = read_certificate({})


def test_names_and_times_are_written_as_rabbitmq_writes_them() -> None:
    assert ANN.subject == r"CN=ann+emailAddress=ann@example.org,O=Example\, Inc.,C=DE"
    assert ANN.issuer == "CN=Authority"
    assert ANN.validity == "2026-11-01T08:05:09Z - 2027-01-31T23:59:59Z"


@pytest.mark.parametrize(
    ("login_from", "kind", "login"),
    [
        ("common_name", "dns", b"ann"),
        ("distinguished_name", "dns", rb"CN=ann+emailAddress=ann@example.org,O=Example\, Inc.,C=DE"),
        ("subject_alternative_name", "dns", b"ann.example.org"),
        ("subject_alternative_name", "email", b"ann@example.org"),
        ("subject_alternative_name", "ip", b"192.0.2.7"),
        ("subject_alternative_name", "uri", b"spiffe://example.org/ann"),
    ],
)
def test_the_login_is_the_part_that_was_chosen(login_from: str, kind: str, login: bytes) -> None:
    assert certificate_login(ANN, login_from, kind) == login
    assert certificate_login(NOBODY, login_from, kind) == b""
    assert certificate_login(None, login_from, kind) == b""


def test_a_certificate_without_a_name_of_that_kind_logs_nobody_in() -> None:
    only_dns = PeerCertificate("CN=a", "", "", "a", [("dns", "a.example.org")])
    assert certificate_login(only_dns, "subject_alternative_name", "email") == b""


def test_several_common_names_are_not_one_of_them() -> None:
    both = read_certificate({"subject": ((("commonName", "ann"),), (("commonName", "guest"),))})
    assert both.common_name == "ann,guest"


WORDS = st.text(st.sampled_from('a ,+"\\<>;=#\0é'), max_size=8)


@given(one=st.lists(WORDS, min_size=1, max_size=3), other=st.lists(WORDS, min_size=1, max_size=3))
def test_different_names_are_never_written_alike(one: list[str], other: list[str]) -> None:
    def written(values: list[str]) -> str:
        return distinguished_name([[("commonName", value)] for value in values])

    assert (written(one) == written(other)) == (one == other)


@given(words=st.lists(WORDS, max_size=3))
def test_no_value_can_be_taken_for_a_further_name(words: list[str]) -> None:
    text = distinguished_name([[("organizationName", word)] for word in words])
    assert text.replace("\\\\", "").replace("\\,", "").count(",") == max(len(words) - 1, 0)
