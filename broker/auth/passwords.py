"""Password hashes: argon2id for new ones, and RabbitMQ's salted digests, so that its users can move in and out."""

import base64
import binascii
import hashlib
import hmac
import os
from typing import Final, final

from argon2.exceptions import Argon2Error
from argon2.low_level import Type, hash_secret, verify_secret
from mypy_extensions import mypyc_attr

ARGON2ID: Final = "argon2id"
SHA256: Final = "rabbit_password_hashing_sha256"
SHA512: Final = "rabbit_password_hashing_sha512"
MD5: Final = "rabbit_password_hashing_md5"  # RabbitMQ before 3.6: understood, never made

# RabbitMQ keeps salt + digest(salt + password).
SALT_BYTES: Final = 4
DIGESTS: Final[dict[str, str]] = {SHA256: "sha256", SHA512: "sha512", MD5: "md5"}
DIGEST_BYTES: Final[dict[str, int]] = {SHA256: 32, SHA512: 64, MD5: 16}

ARGON2_PASSES: Final = 2
ARGON2_KIB: Final = 19_456
ARGON2_LANES: Final = 1
ARGON2_SALT_BYTES: Final = 16
ARGON2_HASH_BYTES: Final = 32
# What an imported hash may ask of this machine for each login.
MOST_ARGON2_KIB: Final = 262_144
MOST_ARGON2_PASSES: Final = 20
LONGEST_HASH: Final = 512


@final
@mypyc_attr(native_class=True)
class PasswordHash:
    """A password that can be recognised and not read.

    Attributes:
        algorithm: One of the names above; RabbitMQ's names for its own.
        value: For argon2id the text of its standard format, else salt and digest. Empty: no password is the right one.
    """

    def __init__(self, algorithm: str, value: bytes) -> None:
        self.algorithm: Final = algorithm
        self.value: Final = value

    @property
    def text(self) -> str:
        """``value`` as JSON has it: base64."""
        return base64.b64encode(self.value).decode("ascii")

    def matches(self, password: bytes) -> bool:
        """Is this the password? An empty one never is. Takes as long for a wrong password under any algorithm."""
        if self.value and password:
            if self._matches(password):
                return True
            if self.algorithm == ARGON2ID:
                return False
        spend(password)
        return False

    def _matches(self, password: bytes) -> bool:
        if self.algorithm == ARGON2ID:
            try:
                return verify_secret(self.value, password, Type.ID)
            except Argon2Error:
                return False
        expected = digest(self.algorithm, self.value[:SALT_BYTES], password)
        return hmac.compare_digest(self.value, expected)


def digest(algorithm: str, salt: bytes, password: bytes) -> bytes:
    """RabbitMQ's octets for a password: ``salt`` followed by the digest of salt and password."""
    return salt + hashlib.new(DIGESTS[algorithm], salt + password, usedforsecurity=False).digest()


def hashed(password: bytes, algorithm: str) -> PasswordHash:
    """A new hash of ``password`` with a salt of its own. Takes tens of milliseconds with argon2id."""
    if algorithm == ARGON2ID:
        return PasswordHash(algorithm, _argon2(password))
    return PasswordHash(algorithm, digest(algorithm, os.urandom(SALT_BYTES), password))


def no_password() -> PasswordHash:
    """The hash of a user who cannot log in with a password."""
    return PasswordHash(SHA256, b"")


def spend(password: bytes) -> None:
    """Take as long as a real check: an answer that comes sooner would tell that there is no such user."""
    _argon2(password)


def imported(text: str, algorithm: str) -> PasswordHash:
    """A hash from somebody's definitions.

    Raises:
        ValueError: It is not base64, not of that algorithm, or asks for more work than a login may cost.
    """
    if algorithm != ARGON2ID and algorithm not in DIGESTS:
        raise ValueError(f"unknown hashing algorithm {algorithm}")
    if not text:
        return PasswordHash(algorithm, b"")
    if len(text) > LONGEST_HASH:
        raise ValueError("password hash is too long")
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("password hash is not base64") from None
    if algorithm == ARGON2ID:
        _check_argon2(value)
    elif len(value) != SALT_BYTES + DIGEST_BYTES[algorithm]:
        raise ValueError(f"password hash has the wrong length for {algorithm}")
    return PasswordHash(algorithm, value)


def _argon2(password: bytes) -> bytes:
    salt = os.urandom(ARGON2_SALT_BYTES)
    return hash_secret(password, salt, ARGON2_PASSES, ARGON2_KIB, ARGON2_LANES, ARGON2_HASH_BYTES, Type.ID)


def _check_argon2(value: bytes) -> None:
    """``$argon2id$v=19$m=19456,t=2,p=1$salt$hash``, and within the limits."""
    parts = value.split(b"$")
    if len(parts) != 6 or parts[1] != b"argon2id":
        raise ValueError("password hash is not of argon2id")
    costs: dict[bytes, int] = {}
    for pair in parts[3].split(b","):
        name, _, number = pair.partition(b"=")
        if not number.isdigit() or len(number) > 9:
            raise ValueError("password hash is not of argon2id")
        costs[name] = int(number)
    if costs.get(b"m", 0) > MOST_ARGON2_KIB or costs.get(b"t", 0) > MOST_ARGON2_PASSES or costs.get(b"p", 0) > 16:
        raise ValueError("password hash costs more than a login may")
