"""guest alone must not guard a port that a network can reach."""

import pytest
from msgspec.structs import replace

from broker.settings.auth import AuthSettings
from broker.settings.exposure import bind_refusal, is_loopback
from broker.settings.listeners import ListenerSettings, ListenersSettings
from broker.settings.model import Settings


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LocalHost"])
def test_addresses_of_this_machine_are_loopback(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.7", "mq.example.org", "", "localhost.example.org"])  # noqa: S104
def test_other_addresses_and_names_are_not(address: str) -> None:
    assert not is_loopback(address)


def test_the_default_address_is_fit_for_guest() -> None:
    assert bind_refusal(Settings(), ["guest"]) is None


def test_guest_alone_is_refused_on_a_network() -> None:
    refused = bind_refusal(replace(Settings(), bind="0.0.0.0"), ["guest"])  # noqa: S104
    assert refused is not None
    assert "guest is the only user" in refused


def test_another_user_or_the_setting_allows_it() -> None:
    exposed = replace(Settings(), bind="::")
    assert bind_refusal(exposed, ["guest", "ann"]) is None
    assert bind_refusal(exposed, ["ann"]) is None
    assert bind_refusal(replace(exposed, allow_only_guest=True), ["guest"]) is None


def test_where_the_brokers_users_cannot_log_in_guest_is_no_danger() -> None:
    exposed = replace(Settings(), bind="::", auth=AuthSettings(backends=("oauth2",)))
    assert bind_refusal(exposed, ["guest"]) is None
    exposed = replace(exposed, auth=AuthSettings(backends=("oauth2", "internal")))
    assert bind_refusal(exposed, ["guest"]) is not None


def test_a_further_listener_on_a_network_is_refused_as_well() -> None:
    exposed = replace(Settings(), listeners=ListenersSettings(http=(ListenerSettings(bind="10.0.0.7"),)))
    assert (bind_refusal(exposed, ["guest"]) or "").startswith("listeners.http[0].bind = '10.0.0.7': refused")
