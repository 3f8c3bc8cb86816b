"""From where a user may come."""

import pytest

from broker.auth.logins import Logins
from broker.auth.users import Users
from broker.management.access import is_loopback, log_in
from broker.management.refusals import Refusal
from tests.auth.people import add_user
from tests.clock import ManualClock
from tests.management.asking import basic


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.7", False),
        ("::ffff:10.0.0.7", False),
        ("fe80::1%eth0", False),
        ("localhost", False),
        ("", False),
        (None, False),
    ],
)
def test_only_addresses_of_this_machine_are_loopback(address: str | None, expected: bool) -> None:
    assert is_loopback(address) is expected


async def test_guest_comes_from_this_machine_only() -> None:
    users = Users([b"guest"])
    add_user(users, b"guest", b"guest", ["administrator"])
    logins = Logins(users, ManualClock())
    header = basic("guest", "guest")
    assert (await log_in(logins, header, "127.0.0.1")).name == b"guest"
    with pytest.raises(Refusal, match="User can only log in via localhost"):
        await log_in(logins, header, "10.0.0.7")
    with pytest.raises(Refusal, match="Not_Authorized"):
        await log_in(logins, basic("guest", "wrong"), "10.0.0.7")


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
async def test_octets_that_are_no_text_are_a_refusal_and_no_mistake_of_ours(scheme: str) -> None:
    logins = Logins(Users([]), ManualClock())
    with pytest.raises(Refusal, match="Not_Authorized"):
        await log_in(logins, f"{scheme} e\udcdcp", "127.0.0.1")  # as aiohttp hands on an octet that is not UTF-8
