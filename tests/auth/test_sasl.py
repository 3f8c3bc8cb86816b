"""SASL responses: what they say, and everything that is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import encode

from broker.auth.sasl import MECHANISMS, read_response
from broker.core.arguments import Field, Table, longstr
from broker.wire.tables import encode_table


def read(mechanism: bytes, response: bytes) -> tuple[bytes, bytes] | None:
    credentials = read_response(mechanism, response)
    return None if credentials is None else (credentials.name, credentials.password)


def amqplain(fields: Table) -> bytes:
    """A field table without its length, as AMQPLAIN sends it."""
    return encode_table(fields)[4:]


def test_mechanisms_offered_are_those_that_are_read() -> None:
    assert MECHANISMS.split() == [b"PLAIN", b"AMQPLAIN"]
    assert read(b"PLAIN", b"\x00guest\x00guest") == (b"guest", b"guest")
    assert read(b"AMQPLAIN", encode.field_table({"LOGIN": "guest", "PASSWORD": "guest"})[4:]) == (b"guest", b"guest")


@pytest.mark.parametrize("mechanism", [b"", b"plain", b"EXTERNAL", b"ANONYMOUS", b"PLAIN AMQPLAIN", b"CRAM-MD5"])
def test_unknown_mechanism_says_nothing(mechanism: bytes) -> None:
    assert read(mechanism, b"\x00guest\x00guest") is None


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"\x00",
        b"guest",
        b"guest\x00guest",
        b"\x00guest",
        b"me\x00guest\x00guest",
        b"\x00guest\x00guest\x00",
        b"\x00guest\x00gu\x00est",
    ],
)
def test_plain_has_exactly_two_parts_and_no_identity_before_them(response: bytes) -> None:
    assert read(b"PLAIN", response) is None


@given(name=st.binary(max_size=20), password=st.binary(max_size=20))
def test_plain_takes_any_octets_but_nul(name: bytes, password: bytes) -> None:
    expected = None if b"\x00" in name + password else (name, password)
    assert read(b"PLAIN", b"\x00" + name + b"\x00" + password) == expected


def test_plain_passes_on_a_blank_password_for_the_users_to_refuse() -> None:
    assert read(b"PLAIN", b"\x00guest\x00") == (b"guest", b"")


def test_amqplain_ignores_order_and_further_fields() -> None:
    fields = {b"PASSWORD": longstr(b"p\x00p"), b"x": Field("I", 1), b"LOGIN": longstr(b"me")}
    assert read(b"AMQPLAIN", amqplain(fields)) == (b"me", b"p\x00p")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {b"LOGIN": longstr(b"me")},
        {b"PASSWORD": longstr(b"p")},
        {b"login": longstr(b"me"), b"password": longstr(b"p")},
    ],
)
def test_amqplain_without_login_or_password_is_malformed(fields: Table) -> None:
    assert read(b"AMQPLAIN", amqplain(fields)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {b"LOGIN": Field("I", 1), b"PASSWORD": longstr(b"p")},
        {b"LOGIN": longstr(b"me"), b"PASSWORD": Field("V", None)},
        {b"LOGIN": longstr(b"me"), b"PASSWORD": Field("A", [longstr(b"p")])},
        {b"LOGIN": Field("x", b"me"), b"PASSWORD": longstr(b"p")},
    ],
)
def test_amqplain_with_anything_but_long_strings_names_nobody(fields: Table) -> None:
    credentials = read_response(b"AMQPLAIN", amqplain(fields))
    assert credentials is not None
    assert (credentials.name, credentials.password) == (b"", b"")  # and an empty password is nobody's


def test_amqplain_with_its_length_in_front_is_malformed() -> None:
    assert read(b"AMQPLAIN", encode_table({b"LOGIN": longstr(b"me"), b"PASSWORD": longstr(b"p")})) is None


def test_amqplain_cut_at_any_octet_is_malformed() -> None:
    whole = amqplain({b"LOGIN": longstr(b"me"), b"PASSWORD": longstr(b"p")})
    assert [read(b"AMQPLAIN", whole[:cut]) for cut in range(len(whole))] == [None] * len(whole)


@given(mechanism=st.sampled_from([b"PLAIN", b"AMQPLAIN"]), response=st.binary(max_size=60))
def test_random_octets_are_credentials_or_malformed(mechanism: bytes, response: bytes) -> None:
    credentials = read_response(mechanism, response)
    if credentials is not None and mechanism == b"PLAIN":
        assert response == b"\x00" + credentials.name + b"\x00" + credentials.password
    elif credentials is not None and credentials.name:
        assert credentials.name in response
