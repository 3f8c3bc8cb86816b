"""What a running broker says of itself that somebody should know."""

import http.client
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final

from broker.auth.passwords import SHA256, imported
from broker.cli.api_client import ApiClient, ApiError
from broker.cli.finding import Finding, note, ok, problem
from broker.cli.paths import api_path
from broker.cli.remote import GUEST
from broker.management.access import is_loopback

SKEW_S: Final = 5.0
"""Clocks further apart than this are told; a header's date is rounded to seconds."""
STEP_S: Final = 0.5
_ADVICE: Final = {
    "memory": "let consumers work, purge, or raise limits.memory_high_watermark",
    "disk": "make room on the disk of the data directory, or lower limits.disk_free_limit_bytes",
    "store": "the broker cannot write any more: look into its log, and at the disk",
}


def broker_findings(client: ApiClient) -> Iterator[Finding]:
    """Look at everything that the API tells; one note if nobody answers."""
    began_s, offset_s = time.time(), time.time() - time.monotonic()
    try:
        overview = client.get("/api/overview")
    except ApiError as error:
        yield note("broker", str(error), "not running? what only a running broker knows is left out")
        return
    told = overview if isinstance(overview, dict) else {}
    yield ok("broker", f"PonyMQ {told.get('product_version')} answers at {client.where}")
    yield clock(client.date, (began_s + time.time()) / 2)
    yield from alarms(client)
    yield from guest(client, told)
    yield steadiness(time.time() - time.monotonic() - offset_s)


def clock(date: str, here_s: float) -> Finding:
    """Do the broker and this machine agree on the time? Expiry and time stamps go by the broker's."""
    try:
        ahead_s = parsedate_to_datetime(date).timestamp() - here_s
    except ValueError:
        return note("clock", "the broker does not say what time it is")
    if abs(ahead_s) > SKEW_S:
        text = f"the broker's clock is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} this one"
        return problem("clock", text, "have both machines keep time: chrony or systemd-timesyncd")
    return ok("clock", "the broker's and this one agree")


def steadiness(step_s: float) -> Finding:
    """Was the clock set while we looked?"""
    if abs(step_s) > STEP_S:
        advice = "something sets it in steps; heartbeats do not mind, time stamps of messages do"
        return note("clock steps", f"the clock was set by {step_s:+.1f} s meanwhile", advice)
    return ok("clock steps", "none while this looked")


def alarms(client: ApiClient) -> Iterator[Finding]:
    """Are publishers refused?"""
    try:
        client.get("/api/health/checks/alarms")
    except ApiError as error:
        found = error.document.get("alarms") if isinstance(error.document, dict) else None
        if not isinstance(found, list):
            yield note("alarms", str(error))
            return
        for each in found:
            name = str(each.get("resource"))
            yield problem("alarms", f"{name}: publishers are refused", _ADVICE.get(name, "look into the broker's log"))
        return
    yield ok("alarms", "none")


def guest(client: ApiClient, overview: dict[str, object]) -> Iterator[Finding]:
    """Does everybody know a password?"""
    try:
        row = client.get(api_path("users", GUEST))
    except ApiError as error:
        if error.status == http.client.NOT_FOUND:
            yield ok("guest", "there is no such user")
        else:
            yield note("guest", f"not looked at: {error}", "ask as an administrator")
        return
    told = row if isinstance(row, dict) else {}
    password = imported(str(told.get("password_hash")), str(told.get("hashing_algorithm") or SHA256))
    found = overview.get("listeners")
    listeners = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    beyond = [f"{each['ip_address']}:{each['port']}" for each in listeners if not is_loopback(str(each["ip_address"]))]
    if not password.matches(GUEST.encode()):
        yield ok("guest", "has a password of its own")
    elif beyond:
        advice = "ponymqctl delete-user guest, or change-password guest; loopback_users keeps guest out only by default"
        yield problem(
            "guest", f"has the password that everybody knows, and {', '.join(beyond)} is open to others", advice
        )
    else:
        yield note(
            "guest", "has the password that everybody knows; only this machine is let in", "change-password guest"
        )
