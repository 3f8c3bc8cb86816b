"""Keys of tokens in files: read, read again, and refused."""

import json
import os
from pathlib import Path

import pytest

from broker.auth.tokens import TokenRefused
from broker.server.token_files import LARGEST_FILE_BYTES, TokenFileError, TokenFiles, token_verifier
from broker.settings.oauth2 import OAuth2Settings, ScopeAliasSettings, TokenKeySettings
from tests.auth.issuer import EC, RSA, SECRET, key_set, public_pem, token
from tests.clock import ManualClock


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "rsa.pem").write_bytes(public_pem(RSA))
    (tmp_path / "ec.pem").write_bytes(public_pem(EC))
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    (tmp_path / "set.json").write_bytes(key_set("one", "two"))
    return tmp_path


def at(directory: Path, jwks: str = "", **files: str) -> OAuth2Settings:
    """Settings with such a set, and with keys by kid."""
    keys = tuple(TokenKeySettings(kid, str(directory / name), kid == "hs") for kid, name in files.items())
    return OAuth2Settings("mq", str(directory / jwks) if jwks else "", keys=keys)


def refusal(settings: OAuth2Settings) -> str:
    with pytest.raises(TokenFileError) as refused:
        TokenFiles(settings)
    return str(refused.value)


def test_a_set_and_single_keys_make_one_ring(directory: Path) -> None:
    files = TokenFiles(at(directory, "set.json", rsa="rsa.pem", ec="ec.pem", hs="secret"))
    assert sorted(files.keys) == ["ec", "hs", "one", "rsa", "two"]
    assert files.keys["ec"].algorithms == ["ES256"]
    assert files.keys["hs"].key == SECRET


def test_settings_make_a_verifier(directory: Path) -> None:
    settings = OAuth2Settings(
        resource_server_id="broker",
        jwks_file=str(directory / "set.json"),
        default_key="one",
        verify_aud=False,
        scope_prefix="app:",
        preferred_username_claims=("email",),
        scope_aliases=(ScopeAliasSettings("boss", ("app:tag:administrator",)),),
    )
    said = token(kid=None, scope="boss", email="ann@example.org")
    found = token_verifier(settings, TokenFiles(settings), ManualClock()).verify(said.encode())
    assert (found.name, found.tags) == (b"ann@example.org", ["administrator"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "expected a JSON Web Key Set"),
        (b"[]", "expected a JSON Web Key Set"),
        (b'{"keys": []}', "with keys that can be used"),
        (b'{"keys": [7, {"kid": "a"}, {"kid": "a", "kty": "x"}]}', "with keys that can be used"),
        (b'{"keys": [{"kty": "oct", "kid": "a", "k": "c2hvcnQ"}]}', "with keys that can be used"),
        (b"[" * 100_000, "expected a JSON Web Key Set"),
        (b" " * (LARGEST_FILE_BYTES + 1), "larger than"),
    ],
)
def test_a_set_that_cannot_be_used_is_refused_with_its_name(directory: Path, text: bytes | None, why: str) -> None:
    path = directory / "other.json"
    if text is not None:
        path.write_bytes(text)
    said = refusal(at(directory, "other.json"))
    assert said.startswith(f"auth.oauth2.jwks_file = {str(path)!r}: ")
    assert why in said


def test_keys_for_other_uses_and_of_unknown_types_are_passed_over(directory: Path) -> None:
    keys = json.loads(key_set("good"))["keys"]
    others = [
        {**keys[0], "kid": "for encryption", "use": "enc"},
        {"kty": "new", "kid": "unknown"},
        {**keys[0], "kid": 7},
    ]
    (directory / "set.json").write_text(json.dumps({"keys": [*others, *keys]}))
    assert list(TokenFiles(at(directory, "set.json")).keys) == ["good"]


def test_a_key_with_an_algorithm_of_its_own_verifies_no_other(directory: Path) -> None:
    (fields,) = json.loads(key_set("ps"))["keys"]
    (directory / "set.json").write_text(json.dumps({"keys": [{**fields, "alg": "PS256"}]}))
    verifier = token_verifier(at(directory, "set.json"), TokenFiles(at(directory, "set.json")), ManualClock())
    verifier.verify(token(RSA, "PS256", "ps").encode())
    with pytest.raises(TokenRefused, match="algorithm"):
        verifier.verify(token(RSA, "RS256", "ps").encode())


@pytest.mark.parametrize("name", ["secret", "set.json", "private.pem"])
def test_a_file_that_is_no_public_key_is_refused(directory: Path, name: str) -> None:
    (directory / "private.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    said = refusal(at(directory, rsa=name))
    assert said.startswith(f"auth.oauth2.keys[0].file = {str(directory / name)!r}: ")


def test_a_secret_that_can_be_guessed_is_refused(directory: Path) -> None:
    (directory / "secret").write_text("guess me\n")
    assert "less than 32 octets" in refusal(at(directory, hs="secret"))


def test_files_that_have_changed_are_read_again_when_told(directory: Path) -> None:
    files = TokenFiles(at(directory, "set.json", rsa="rsa.pem"))
    (directory / "set.json").write_bytes(key_set("three"))
    assert files.reload()
    assert sorted(files.keys) == ["rsa", "three"]


def test_what_cannot_be_read_again_leaves_the_keys_as_they_were(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = TokenFiles(at(directory, "set.json"))
    (directory / "set.json").write_text("{")
    assert not files.reload()
    assert sorted(files.keys) == ["one", "two"]
    (record,) = caplog.records
    assert record.getMessage() == "keys of tokens kept as they were"


def test_a_token_with_an_unknown_key_has_the_set_read_again_if_it_has_changed(directory: Path) -> None:
    settings = at(directory, "set.json")
    files = TokenFiles(settings)
    verifier = token_verifier(settings, files, ManualClock())
    before = files.keys
    with pytest.raises(TokenRefused, match="key is not known"):
        verifier.verify(token(kid="three").encode())
    assert files.keys is before  # the file is as it was
    replacement = directory / "new.json"
    replacement.write_bytes(key_set("three"))
    os.replace(replacement, directory / "set.json")  # noqa: PTH105 - as deployments do it
    assert verifier.verify(token(kid="three").encode()).name == b"ann"
