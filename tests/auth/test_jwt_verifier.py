"""Which tokens are believed, and why the others are not."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest

from broker.auth.jwt_verifier import JwtVerifier, KeyRing
from broker.auth.token_claims import TokenRules
from broker.auth.token_keys import RSA_ALGORITHMS, SECRET_ALGORITHMS, read_key_set, read_pem, read_secret
from broker.auth.tokens import LONGEST_TOKEN, MOST_SCOPES, TokenRefused, TokenUser
from tests.auth.issuer import EC, EC_384, ED, NOW_S, OTHER_RSA, RSA, SECRET, key_set, public_pem, token
from tests.clock import ManualClock

KEYS = {
    "rsa": read_pem(public_pem(RSA)),
    "ec": read_pem(public_pem(EC)),
    "ec384": read_pem(public_pem(EC_384)),
    "ed": read_pem(public_pem(ED)),
    "secret": read_secret(SECRET),
}
RSA_JWS = jwt.PyJWS()
ALL = [*RSA_ALGORITHMS, "ES256", "ES384", "ES512", "EdDSA"]


def verifier(
    ring: KeyRing | None = None, *, algorithms: list[str] = ALL, default_key: str = "", **rules: Any
) -> JwtVerifier:
    return JwtVerifier(ring or KeyRing(KEYS), algorithms, default_key, TokenRules("mq", **rules), ManualClock())


def refusal(said: str | bytes, tried: JwtVerifier | None = None) -> str:
    octets = said if isinstance(said, bytes) else said.encode()
    with pytest.raises(TokenRefused) as refused:
        (tried or verifier()).verify(octets)
    return str(refused.value)


def part(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [
        (RSA, "RS256", "rsa"),
        (RSA, "PS512", "rsa"),
        (EC, "ES256", "ec"),
        (EC_384, "ES384", "ec384"),
        (ED, "EdDSA", "ed"),
    ],
)
def test_a_token_signed_by_a_known_key_is_believed(key: Any, algorithm: str, kid: str) -> None:
    said = verifier().verify(token(key, algorithm, kid).encode())
    assert said.name == b"ann"
    assert said.expires_ms == (NOW_S + 60) * 1000


def test_a_secret_counts_only_if_its_algorithm_is_named() -> None:
    said = token(SECRET, "HS256", "secret")
    assert "algorithm" in refusal(said)
    assert verifier(algorithms=list(SECRET_ALGORITHMS)).verify(said.encode()).name == b"ann"


def test_a_public_key_is_nobodys_secret() -> None:
    # The attack: sign with the public key's text as if it were a secret, and say HS256.
    signed = part({"alg": "HS256", "kid": "rsa"}) + b"." + part({"sub": "eve", "aud": "mq", "exp": NOW_S + 60})
    digest = hmac.new(public_pem(RSA), signed, hashlib.sha256).digest()
    forged = signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")
    assert "algorithm" in refusal(forged)
    assert "algorithm" in refusal(forged, verifier(algorithms=[*ALL, *SECRET_ALGORITHMS]))


@pytest.mark.parametrize("name", ["none", "NONE", "", "HS256", "RS1", 256, None, ["RS256"]])
def test_no_other_algorithm_is_let_through(name: object) -> None:
    unsigned = part({"alg": name, "kid": "rsa"}) + b"." + part({"sub": "eve", "aud": "mq", "exp": NOW_S + 60}) + b"."
    assert "algorithm" in refusal(unsigned) or "no token" in refusal(unsigned)


def test_a_key_of_one_type_does_not_verify_another_types_algorithm() -> None:
    assert "algorithm" in refusal(token(RSA, "RS256", "ec"))
    assert "algorithm" in refusal(token(EC, "ES256", "ec384"))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "no token"),
        ("guest", "no token"),
        ("a.b.c", "no token"),
        ("..", "no token"),
        ("a.b", "no token"),
        ("\xff.\xff.\xff", "no token"),
        (token(kid="other"), "key is not known"),
        (token(kid=None), "key is not known"),
        (token(OTHER_RSA), "signature is wrong"),
        (token() + "A", "signature is wrong"),
        (token(exp=NOW_S), "expired"),
        (token(exp=NOW_S - 1000), "expired"),
        (token(exp="soon"), "exp claim is no time"),
        (token(exp=True), "exp claim is no time"),
        (token(exp=1e300), "exp claim is no time"),
        (token(exp=float("nan")), "exp claim is no time"),
        (token(exp=-5), "exp claim is no time"),
        (token(without="exp"), "no exp claim"),
        (token(nbf=NOW_S + 1), "not valid yet"),
        (token(nbf=[]), "nbf claim is no time"),
        (token(aud="other"), "aud"),
        (token(aud=["other", "mqx"]), "aud"),
        (token(aud={"mq": 1}), "aud"),
        (token(without="aud"), "aud"),
        (token(sub="a" * 256), "longer than 255 octets"),
        (token(sub="a\ud800"), "sub claim is no text"),
        (token(scope=[f"mq.read:*/{n}" for n in range(MOST_SCOPES + 1)], without="x")[: LONGEST_TOKEN + 9], "longer"),
    ],
)
def test_a_token_is_refused(said: str, why: str) -> None:
    assert why in refusal(said)


def test_a_token_with_too_many_scopes_is_refused() -> None:
    scopes = [f"mq.{n}" for n in range(MOST_SCOPES + 1)]
    assert len(verifier().verify(token(scope=scopes[1:]).encode()).scopes) == 0
    assert "scopes" in refusal(token(scope=scopes))


@pytest.mark.parametrize("payload", [b"[]", b"1", b"{", b"\xff", b"[" * 20_000])
def test_a_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    signed = RSA_JWS.encode(payload, RSA, "RS256", headers={"kid": "rsa"})
    assert "payload" in refusal(signed)


def test_a_wrong_signature_is_not_a_question_of_the_claims() -> None:
    header, _, signature = token().split(".")
    claims = part({"sub": "root", "aud": "mq", "exp": NOW_S + 60}).decode()
    assert "signature" in refusal(f"{header}.{claims}.{signature}")


def test_a_token_that_names_no_key_is_verified_by_the_default_one() -> None:
    assert verifier(default_key="rsa").verify(token(kid=None).encode()).name == b"ann"
    assert "signature" in refusal(token(OTHER_RSA, kid=None), verifier(default_key="rsa"))


def test_clocks_may_differ_by_the_leeway() -> None:
    patient = verifier(leeway_s=10.0)
    assert patient.verify(token(exp=NOW_S - 9).encode()).expires_ms == (NOW_S + 1) * 1000
    patient.verify(token(nbf=NOW_S + 10).encode())
    assert "expired" in refusal(token(exp=NOW_S - 10), patient)
    assert "yet" in refusal(token(nbf=NOW_S + 11), patient)


def test_a_token_without_an_end_is_believed_only_if_that_is_switched_on() -> None:
    assert verifier(require_exp=False).verify(token(without="exp").encode()).expires_ms == 0


def test_the_issuer_is_checked_where_one_is_named() -> None:
    strict = verifier(issuer="https://id.example.org")
    strict.verify(token(iss="https://id.example.org").encode())
    for said in (token(), token(iss="https://id.example.org/")):
        assert "issuer" in refusal(said, strict)


def test_the_audience_may_be_several_or_left_unchecked() -> None:
    for audience in ("mq", ["other", "mq"], "other mq"):
        verifier().verify(token(aud=audience).encode())
    verifier(verify_aud=False).verify(token(without="aud").encode())


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"sub": "ann", "client_id": "app"}, b"ann"),
        ({"sub": None, "client_id": "app"}, b"app"),
        ({"sub": 7}, b"unknown"),
        ({"sub": "ann", "email": "ann@example.org"}, b"ann@example.org"),
    ],
)
def test_the_users_name_is_a_claim(claims: dict[str, Any], name: bytes) -> None:
    assert verifier(user_claims=["email"]).verify(token(**claims).encode()).name == name


@pytest.mark.parametrize(
    ("claims", "rules"),
    [
        ({"scope": "other mq.read:v/q mq.read:v/q"}, {}),
        ({"scope": ["mq.read:v/q", 7]}, {}),
        ({"scope": "app:read:v/q"}, {"scope_prefix": "app:"}),
        ({"scope": "read:v/q"}, {"scope_prefix": ""}),
        ({"scope": "", "extra": "mq.read:v/q"}, {"additional_scopes": ["extra"]}),
        ({"scope": "", "extra": {"mq": ["read:v/q"]}}, {"additional_scopes": ["extra"]}),
        ({"scope": "", "a": {"b": [{"c": ["mq.read:v/q"]}, 7]}}, {"additional_scopes": ["a.b.c", "a.x"]}),
        ({"scope": "", "authorization": {"permissions": [{"scopes": ["mq.read:v/q"]}]}}, {}),
        ({"scope": "reader"}, {"aliases": {"reader": ["mq.read:v/q"]}}),
    ],
)
def test_scopes_are_found_where_authorities_put_them(claims: dict[str, Any], rules: dict[str, Any]) -> None:
    (scope,) = verifier(**rules).verify(token(**claims).encode()).scopes
    assert scope.vhost.matches(b"v")
    assert scope.name.matches(b"q")


def test_tags_are_scopes_too() -> None:
    said = token(scope="mq.tag:monitoring mq.tag:administrator tag:policymaker mq.tag:monitoring")
    assert TokenUser(verifier().verify(said.encode())).tags == ["administrator", "monitoring"]


class Library(KeyRing):
    """A ring that has another key when it is asked to look."""

    def refresh(self) -> None:
        self.keys = read_key_set(key_set("new"))


def test_a_key_that_is_not_there_is_looked_for_again() -> None:
    tried = verifier(Library(KEYS))
    assert tried.verify(token(kid="new").encode()).name == b"ann"
    assert "not known" in refusal(token(kid="rsa"), tried)


def test_no_refusal_repeats_what_the_token_says() -> None:
    for said in (token(aud="tell-tale"), token(exp="tell-tale"), token(kid="tell-tale"), "tell-tale.b.c"):
        assert "tell-tale" not in refusal(said)
