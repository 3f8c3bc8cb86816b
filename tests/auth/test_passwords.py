"""Password hashes: new ones, RabbitMQ's, and what is refused."""

import base64

import pytest

from broker.auth.passwords import (
    ARGON2ID,
    MD5,
    MOST_ARGON2_KIB,
    SHA256,
    SHA512,
    PasswordHash,
    digest,
    hashed,
    imported,
    no_password,
)

# RabbitMQ's own values for the password test12 and the salt 90 8D C6 0A.
KNOWN = {
    SHA256: "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
    SHA512: "kI3GChuNuIYf8lRbCCxZjgjKwsY19ns6+uFO0zcXRBGA/XGJPYD8OWMy7EB8TaOmAzjP2azv84GbINYwX2cDWb4DHnc=",
    MD5: "kI3GChNpte2FApYFXScl+0dIluk=",
}


@pytest.mark.parametrize("algorithm", KNOWN)
def test_rabbitmqs_hashes_are_understood_and_go_out_as_they_came_in(algorithm: str) -> None:
    found = imported(KNOWN[algorithm], algorithm)
    assert found.matches(b"test12")
    assert not found.matches(b"test13")
    assert found.text == KNOWN[algorithm]


@pytest.mark.parametrize("algorithm", [ARGON2ID, SHA256, SHA512])
def test_a_new_hash_has_its_own_salt_and_can_be_moved(algorithm: str) -> None:
    first, second = hashed(b"s3cret", algorithm), hashed(b"s3cret", algorithm)
    assert first.value != second.value
    moved = imported(first.text, algorithm)
    for right in (first, second, moved):
        assert right.matches(b"s3cret")
        assert not right.matches(b"S3cret")
    assert b"s3cret" not in first.value


def test_new_passwords_are_argon2id_with_the_costs_that_the_room_promises() -> None:
    assert hashed(b"p", ARGON2ID).value.startswith(b"$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("algorithm", [ARGON2ID, SHA256])
def test_an_empty_password_is_refused_even_if_it_is_the_right_one(algorithm: str) -> None:
    assert not hashed(b"", algorithm).matches(b"")


def test_a_user_without_a_password_has_no_right_one() -> None:
    for password in (b"", b"x"):
        assert not no_password().matches(password)
        assert not PasswordHash(ARGON2ID, b"").matches(password)


def test_the_digest_is_the_salt_and_then_the_digest_of_both() -> None:
    assert base64.b64encode(digest(SHA256, b"\x90\x8d\xc6\x0a", b"test12")).decode() == KNOWN[SHA256]


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        ("???", SHA256),
        ("kI3GCg==", SHA256),
        (KNOWN[SHA256], SHA512),
        (KNOWN[SHA256], "bcrypt"),
        ("A" * 600, SHA256),
        (base64.b64encode(b"$argon2i$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$aGFzaA").decode(), ARGON2ID),
        (base64.b64encode(b"$argon2id$v=19$m=x,t=1,p=1$c2FsdHNhbHQ$aGFzaA").decode(), ARGON2ID),
        (base64.b64encode(b"nonsense").decode(), ARGON2ID),
        (base64.b64encode(b"$argon2id$v=19$m=%d,t=1,p=1$c2Fsd$aGF" % (MOST_ARGON2_KIB + 1)).decode(), ARGON2ID),
    ],
)
def test_a_hash_that_is_none_or_costs_too_much_is_refused(text: str, algorithm: str) -> None:
    with pytest.raises(ValueError, match="hash"):
        imported(text, algorithm)


def test_an_imported_hash_that_argon2_cannot_read_is_a_wrong_password() -> None:
    text = base64.b64encode(b"$argon2id$v=19$m=8,t=1,p=1$!$!").decode()
    assert not imported(text, ARGON2ID).matches(b"p")
