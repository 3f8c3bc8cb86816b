"""Keys that tokens are signed with: PEM files, secrets, and sets of JSON Web Keys. RFC 7517, RFC 7518.

A key verifies only what its type is made for: whoever knows a public RSA key cannot use it as a secret.
"""

import json
from typing import Final, final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from jwt import PyJWK
from jwt.exceptions import PyJWTError
from mypy_extensions import mypyc_attr

Key = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | bytes

RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVE_ALGORITHMS: Final[dict[str, str]] = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
SECRET_ALGORITHMS: Final = ("HS256", "HS384", "HS512")
LEAST_RSA_BITS: Final = 2048
LEAST_SECRET_BYTES: Final = 32  # RFC 7518 §3.2, for HS256


@final
@mypyc_attr(native_class=True)
class TokenKey:
    """A key, and what it may verify.

    Attributes:
        key: As the cryptography library has it, or the octets of a secret.
        algorithms: Names as in a token's header.
    """

    def __init__(self, key: Key, algorithms: list[str]) -> None:
        self.key: Final = key
        self.algorithms: Final = algorithms


def read_pem(text: bytes) -> TokenKey:
    """The public key, or that of the certificate, in a PEM file.

    Raises:
        ValueError: There is none, or it is of no use.
    """
    try:
        if b"-----BEGIN CERTIFICATE-----" in text:
            return _public(load_pem_x509_certificate(text).public_key())
        return _public(load_pem_public_key(text))
    except UnsupportedAlgorithm as error:
        raise ValueError("a key of an unknown type") from error


def read_secret(text: bytes) -> TokenKey:
    """A secret that is shared with the signer. One line feed at its end is the editor's.

    Raises:
        ValueError: It is short enough to be guessed.
    """
    secret = text.removesuffix(b"\n").removesuffix(b"\r")
    if len(secret) < LEAST_SECRET_BYTES:
        raise ValueError(f"a secret of less than {LEAST_SECRET_BYTES} octets")
    return TokenKey(secret, list(SECRET_ALGORITHMS))


def read_key_set(text: bytes) -> dict[str, TokenKey]:
    """The signing keys of a JSON Web Key Set by their ``kid``. Keys of unknown types are passed over, as §5 says.

    Raises:
        ValueError: It is no such set.
    """
    try:
        keys = json.loads(text)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("expected a JSON Web Key Set") from None
    found: dict[str, TokenKey] = {}
    for each in keys if isinstance(keys, list) else []:
        if not isinstance(each, dict) or not isinstance(each.get("kid"), str) or each.get("use", "sig") != "sig":
            continue
        try:
            key = _json_web_key(each)
        except (ValueError, PyJWTError):
            continue
        found[each["kid"]] = key
    if not found:
        raise ValueError("expected a JSON Web Key Set with keys that can be used, each with a kid")
    return found


def _json_web_key(fields: dict[str, object]) -> TokenKey:
    key = PyJWK(fields).key
    found = read_secret(key) if isinstance(key, bytes) else _public(key)
    algorithm = fields.get("alg")
    if algorithm is None:
        return found
    # Not in one line: mypyc 2.4.1 would only borrow ``found.key``, and let go of ``found`` before the key is used.
    public = found.key
    algorithms = [each for each in found.algorithms if each == algorithm]
    return TokenKey(public, algorithms)


def _public(key: object) -> TokenKey:
    if isinstance(key, RSAPublicKey):
        if key.key_size < LEAST_RSA_BITS:
            raise ValueError(f"an RSA key of less than {LEAST_RSA_BITS} bits")
        return TokenKey(key, list(RSA_ALGORITHMS))
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in CURVE_ALGORITHMS:
        return TokenKey(key, [CURVE_ALGORITHMS[key.curve.name]])
    if isinstance(key, Ed25519PublicKey):
        return TokenKey(key, ["EdDSA"])
    raise ValueError("expected a public key: RSA, EC on P-256, P-384 or P-521, or Ed25519")
