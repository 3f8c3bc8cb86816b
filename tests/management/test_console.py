"""The web console over HTTP: its files, its login, and what a page of somebody else cannot do with it."""

import json
import re
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

from broker.management import console_files
from broker.management.api_app import api_app
from broker.management.console_files import DIRECTORY
from broker.management.console_login import COOKIE
from broker.management.facts import Facts
from tests.management.asking import Http, basic
from tests.metrics.scene import Broker

OURS = {"X-Requested-With": "PonyMQ"}
SESSION = "/api/ponymq/session"
MODULES = sorted(str(path.relative_to(DIRECTORY)) for path in DIRECTORY.rglob("*.js"))
STYLES = sorted(path.name for path in DIRECTORY.glob("*.css"))


@pytest.fixture
async def browser(facts: Facts) -> AsyncIterator[Http]:
    """A client that keeps cookies, as a browser does."""
    async with TestClient(TestServer(api_app(facts)), cookie_jar=CookieJar(unsafe=True)) as client:
        yield client


async def log_in(client: Http, login: str = "guest:guest") -> tuple[int, SimpleCookie]:
    name, _, password = login.partition(":")
    async with client.post(SESSION, json={"username": name, "password": password}, headers=OURS) as response:
        return response.status, response.cookies


async def whoami(client: Http, headers: dict[str, str] = OURS) -> int:
    async with client.get("/api/whoami", headers=headers) as response:
        assert "WWW-Authenticate" not in response.headers or headers != OURS
        return response.status


# --- files


async def test_the_root_is_the_console_and_tells_browsers_to_load_nothing_else(api: Http) -> None:
    async with api.get("/") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = response.headers["Content-Security-Policy"]
        for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert rule in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Server"] == "PonyMQ"
        assert "<title>PonyMQ</title>" in await response.text()


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/theme.css", "text/css; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/pages/queue.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ],
)
async def test_a_file_comes_with_its_type_compressed_or_not(api: Http, path: str, content_type: str) -> None:
    octets = (DIRECTORY / path[1:]).read_bytes()
    for encoding in ("gzip", "identity"):
        async with api.get(path, headers={"Accept-Encoding": encoding}) as response:
            assert response.headers["Content-Type"] == content_type
            assert response.headers.get("Content-Encoding", "identity") == encoding
            assert await response.read() == octets


async def test_a_file_that_the_browser_has_is_not_sent_again(api: Http) -> None:
    async with api.get("/app.js") as response:
        etag = response.headers["ETag"]
    async with api.get("/app.js", headers={"If-None-Match": etag}) as response:
        assert response.status == 304
        assert await response.read() == b""
    async with api.get("/theme.css", headers={"If-None-Match": etag}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "path", ["/absent.js", "/..%2Fapi_app.py", "/%2e%2e/api_app.py", "/pages", "/pages%2Fqueue.js%00"]
)
async def test_nothing_but_the_consoles_files_is_served(api: Http, path: str) -> None:
    async with api.get(path) as response:
        assert response.status == 404


async def test_files_are_only_read(api: Http) -> None:
    async with api.head("/") as response:
        assert (response.status, await response.read()) == (200, b"")
    async with api.post("/") as response:
        assert response.status == 405


async def test_files_of_other_kinds_stay_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("secret")
    (tmp_path / "index.html").write_text("hello")
    assert list(console_files.ConsoleFiles(tmp_path)._files) == ["index.html"]


def test_every_module_is_announced_so_that_the_browser_need_not_find_them_one_by_one() -> None:
    page = (DIRECTORY / "index.html").read_text()
    announced = re.findall(r'<link rel="modulepreload" href="([^"]+)">', page)
    assert ["app.js", *announced] == ["app.js", *(name for name in MODULES if name != "app.js")]


@pytest.mark.parametrize("name", [*MODULES, *STYLES, "index.html"])
def test_a_file_asks_nobody_else_and_makes_no_html_of_texts(name: str) -> None:
    text = (DIRECTORY / name).read_text()
    assert max(map(len, text.splitlines())) <= 120
    elsewhere = re.findall(r"https?://[^'\" )]+", text)
    assert set(elsewhere) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert " style=" not in text


# --- logging in


async def test_a_login_lasts_as_a_cookie_that_scripts_and_other_sites_never_get(browser: Http) -> None:
    status, cookies = await log_in(browser)
    assert status == 204
    cookie = cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert cookie["path"] == "/"
    assert cookie["max-age"] == "28800"
    assert not cookie["secure"]  # this port has no TLS
    assert await whoami(browser) == 200


@pytest.mark.parametrize(
    ("name", "password", "reason"),
    [
        ("guest", "wrong", "Not_Authorized"),
        ("guest", "", "Not_Authorized"),
        ("stranger", "guest", "Not_Authorized"),
        ("guest", "x" * 1025, "Not_Authorized"),
        ("x" * 1025, "guest", "Not_Authorized"),
        ("nobody", "secret", "Not management user"),
    ],
)
async def test_a_wrong_login_has_no_cookie_and_no_dialog_of_the_browser(
    browser: Http, name: str, password: str, reason: str
) -> None:
    async with browser.post(SESSION, json={"username": name, "password": password}, headers=OURS) as response:
        assert response.status == 401
        assert (await response.json())["reason"] == reason
        assert "WWW-Authenticate" not in response.headers
        assert COOKIE not in response.cookies
    assert await whoami(browser) == 401


async def test_tries_by_the_console_are_slowed_down_with_all_others(broker: Broker, browser: Http) -> None:
    for _ in range(5):
        assert (await log_in(browser, "guest:wrong"))[0] == 401
    made = int(broker.context.logins.checks_made)
    assert made == 5
    # The sixth waits for a second of the clock, which stands still here; enough of them are refused at once.
    waiting = broker.context.logins._failures.next_start_s(b"guest", "127.0.0.1", broker.clock.monotonic_s())
    assert waiting > broker.clock.monotonic_s()


async def test_logging_out_ends_the_session_itself_and_not_only_the_cookie(browser: Http) -> None:
    _, cookies = await log_in(browser)
    async with browser.delete(SESSION, headers=OURS) as response:
        assert response.status == 204
        assert response.cookies[COOKIE].value == ""
    stolen = {**OURS, "Cookie": f"{COOKIE}={cookies[COOKIE].value}"}
    assert await whoami(browser, stolen) == 401


async def test_anybody_may_ask_whether_a_session_is_open(browser: Http) -> None:
    for is_open in (False, True):
        async with browser.get(SESSION, headers=OURS) as response:
            assert (response.status, await response.json()) == (200, {"is_open": is_open})
        await log_in(browser)


async def test_a_user_who_loses_the_tag_is_out_at_once(broker: Broker, browser: Http) -> None:
    assert (await log_in(browser, "eve:apple"))[0] == 204
    assert await whoami(browser) == 200
    broker.users.by_name[b"eve"].tags = []
    assert await whoami(browser) == 401


# --- what others cannot do


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/vhosts"),
        ("HEAD", "/vhosts"),
        ("PUT", "/vhosts/new"),
        ("POST", "/vhosts/other/deletion/protection"),
        ("DELETE", "/vhosts/other"),
    ],
)
async def test_the_cookie_alone_is_worth_nothing(broker: Broker, browser: Http, method: str, path: str) -> None:
    await log_in(browser)
    async with browser.request(method, f"/api{path}", data="{}") as response:
        assert response.status == 401
    assert list(broker.turn.vhosts) == ["/", "other"]
    assert not broker.turn.vhosts["other"].is_protected


@pytest.mark.parametrize("headers", [{}, {"X-Requested-With": "XMLHttpRequest"}])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_form_of_another_site_can_neither_log_in_nor_out(
    browser: Http, method: str, headers: dict[str, str]
) -> None:
    await log_in(browser)
    body = json.dumps({"username": "eve", "password": "apple"})
    async with browser.request(method, SESSION, data=body, headers=headers) as response:
        assert response.status == 400
        assert COOKIE not in response.cookies
    assert await whoami(browser) == 200


async def test_no_other_origin_is_told_that_it_may_send_the_header(browser: Http) -> None:
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Headers": "x-requested-with"}
    async with browser.options("/api/overview", headers=asked) as response:
        assert not [name for name in response.headers if name.lower().startswith("access-control")]


async def test_a_password_in_the_request_counts_and_not_the_session(browser: Http) -> None:
    await log_in(browser)
    assert await whoami(browser, {**OURS, "Authorization": basic("guest", "wrong")}) == 401
    async with browser.get("/api/whoami", headers={**OURS, "Authorization": basic("eve", "apple")}) as response:
        assert (await response.json())["name"] == "eve"


# --- the log


async def test_monitors_read_the_last_lines_of_the_log(facts: Facts, guest: Http, api: Http) -> None:
    facts.log.add('{"event":"start"}')
    facts.log.add('{"event":"ready"}')
    async with guest.get("/api/ponymq/log?after=1") as response:
        assert await response.json() == {"last": 2, "lines": [{"event": "ready"}]}
    async with guest.get("/api/ponymq/log?after=x") as response:
        assert response.status == 400
    async with api.get("/api/ponymq/log", headers={"Authorization": basic("eve", "apple")}) as response:
        assert response.status == 401
        assert (await response.json())["reason"] == "Not monitor user"
