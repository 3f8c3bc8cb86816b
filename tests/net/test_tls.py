"""What is said about files and cipher lists that cannot be used."""

import ssl
from pathlib import Path

import pytest
from msgspec.structs import replace

from broker.net.tls import Host, Tls, TlsError, TlsOptions
from tests.net.certificates import Certificates


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def refusal(options: TlsOptions) -> str:
    with pytest.raises(TlsError) as caught:
        Tls(options, "listeners.amqp[0].tls")
    return str(caught.value)


def test_each_file_that_cannot_be_used_is_named_with_its_key(certificates: Certificates, tmp_path: Path) -> None:
    good = TlsOptions(Host(certificates.server("localhost"), ""))
    absent = str(tmp_path / "absent.pem")
    text = tmp_path / "text.pem"
    text.write_text("not a certificate")
    wrong = "expected a certificate in PEM and the key"
    cannot = "cannot be read: No such file or directory"
    assert refusal(replace(good, host=Host(absent, ""))) == f"listeners.amqp[0].tls.certificate = {absent!r}: {cannot}"
    assert f"tls.certificate = {str(text)!r}: {wrong}" in refusal(replace(good, host=Host(str(text), "")))
    assert f"tls.key = {absent!r}: {cannot}" in refusal(replace(good, host=Host(good.host.certificate, absent)))
    other = certificates.server("other", file="other.pem")
    assert wrong in refusal(replace(good, host=Host(good.host.certificate, other)))
    assert f"tls.authorities = {absent!r}: {cannot}" in refusal(replace(good, authorities=absent))
    assert f"tls.authorities = {str(text)!r}: expected cert" in refusal(replace(good, authorities=str(text)))
    assert f"tls.crl_file = {absent!r}: {cannot}" in refusal(replace(good, crl_file=absent))
    no_list = f"tls.crl_file = {certificates.authority!r}: expected revocation lists"
    assert no_list in refusal(replace(good, crl_file=certificates.authority))
    assert "tls.ciphers = 'NONESUCH': expected a list" in refusal(replace(good, ciphers="NONESUCH"))
    hosts = (Host(good.host.certificate, "", "a"), Host(absent, "", "b"))
    assert f"tls.hosts[1].certificate = {absent!r}: {cannot}" in refusal(replace(good, hosts=hosts))


def test_a_locked_key_is_unlocked_by_the_first_line_of_a_file(certificates: Certificates, tmp_path: Path) -> None:
    plain = certificates.server("localhost")
    locked = certificates.locked_key(plain, "correct horse")
    password = tmp_path / "password"
    password.write_text("correct horse\nand a comment\n")
    options = TlsOptions(Host(plain, locked), key_password_file=str(password))
    Tls(options, "tls")
    password.write_text("wrong\n")
    assert "tls.certificate" in refusal(options)
    assert "tls.certificate" in refusal(replace(options, key_password_file=""))
    assert "key_password_file" in refusal(replace(options, key_password_file=str(tmp_path / "absent")))


def test_the_defaults_are_1_2_and_1_3_without_renegotiation_and_compression(certificates: Certificates) -> None:
    context = Tls(TlsOptions(Host(certificates.server("localhost"), "")), "tls").context
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.verify_mode == ssl.CERT_NONE
