"""What the setting auth.backends opens, and what it leaves alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from broker.auth.logins import Login, Logins
from broker.auth.remote import Inquirer
from broker.auth.users import Users
from broker.server.backends import BackendError, Backends
from broker.server.http_inquirer import HttpInquirer
from broker.settings.auth import AuthSettings
from broker.settings.auth_http import AuthHttpSettings
from broker.settings.oauth2 import OAuth2Settings
from tests.auth.issuer import key_set, token
from tests.clock import ManualClock


class Visitor(Login):
    """Somebody with a token."""

    def __init__(self) -> None:
        super().__init__(b"", "10.0.0.7", "10.0.0.7:5000", False, "amqp PLAIN")

    def decided(self) -> None:
        pass


class Scene:
    """Logins without users."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.logins = Logins(Users([]), self.clock)

    def open(self, settings: AuthSettings) -> Backends:
        self.logins.backends = list(settings.backends)
        return Backends(settings, self.logins, self.clock)

    def lets_in(self, said: str) -> bool:
        visitor = Visitor()
        self.logins.begin(visitor, said.encode())
        return visitor.user is not None


def tokens(path: Path) -> AuthSettings:
    return AuthSettings(backends=("oauth2",), oauth2=OAuth2Settings("mq", str(path)))


async def test_a_reload_takes_the_keys_of_the_file_and_forgets_who_was_let_in(tmp_path: Path) -> None:
    scene = Scene()
    path = tmp_path / "set.json"
    path.write_bytes(key_set("old"))
    backends = scene.open(tokens(path))
    assert scene.lets_in(token(kid="old"))
    path.write_bytes(key_set("new"))
    assert scene.lets_in(token(kid="old"))  # remembered
    backends.reload()
    assert not scene.lets_in(token(kid="old"))
    assert scene.lets_in(token(kid="new"))
    await backends.stop()


def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"auth\.oauth2\.jwks_file = .*: cannot be read"):
        Scene().open(tokens(tmp_path / "none"))


async def test_a_file_of_authorities_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    http = AuthHttpSettings(authorities=str(tmp_path / "none"))
    with pytest.raises(BackendError, match=r"auth\.http\.authorities = .*: expected certificates"):
        Scene().open(AuthSettings(backends=("http",), http=http))


async def test_the_service_is_asked_as_the_settings_say() -> None:
    scene = Scene()
    backends = scene.open(AuthSettings(backends=("http",), http=AuthHttpSettings(cache_ttl_s=7.0, cache_size=3)))
    remote = scene.logins.remote
    assert isinstance(remote.inquirer, HttpInquirer)
    assert (remote.remember_s, remote.most_remembered) == (7.0, 3)
    await backends.stop()


async def test_without_other_backends_nothing_is_opened() -> None:
    scene = Scene()
    backends = scene.open(AuthSettings())
    backends.reload()
    assert type(scene.logins.remote.inquirer) is Inquirer
    await backends.stop()


def test_the_libraries_for_tokens_are_not_loaded_without_need() -> None:
    program = "import sys, broker.server.daemon; sys.exit('jwt' in sys.modules or 'cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
