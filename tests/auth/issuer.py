"""An authority for tests: keys made on the fly, and tokens signed with them."""

import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as make_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as make_rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.clock import ManualClock

NOW_S = ManualClock().wall_ms // 1000
RSA = make_rsa(65537, 2048)
OTHER_RSA = make_rsa(65537, 2048)
EC = make_ec(SECP256R1())
EC_384 = make_ec(SECP384R1())
ED = Ed25519PrivateKey.generate()
SECRET = b"a secret of thirty-two octets ..."

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | bytes
CLAIMS = {"sub": "ann", "aud": "mq", "exp": NOW_S + 60, "scope": "mq.configure:*/* mq.write:*/*/* mq.read:*/*/*"}


def public_pem(key: RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_set(*kids: str) -> bytes:
    """A JSON Web Key Set of the RSA key under each of those names."""
    fields = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key()))
    return json.dumps({"keys": [{**fields, "kid": kid, "use": "sig"} for kid in kids]}).encode()


def token(
    key: PrivateKey = RSA, algorithm: str = "RS256", kid: str | None = "rsa", without: str = "", **claims: Any
) -> str:
    """A token with the claims above, changed by ``claims``."""
    said = {name: value for name, value in {**CLAIMS, **claims}.items() if name != without}
    return jwt.encode(said, key, algorithm, headers={"kid": kid} if kid is not None else {})
