"""The HTTP API and the metrics port, behind aiohttp's own parser."""

import asyncio
import base64
import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import uvloop
from aiohttp import web, web_app

from broker import __version__
from broker.auth.access import Permission
from broker.auth.passwords import hashed
from broker.auth.users import User
from broker.core.clock import Clock
from broker.management.api_app import Handler, api_app
from broker.management.api_table import TABLE
from broker.management.facts import Facts
from broker.management.listener import Listener
from broker.management.metrics_app import metrics_app
from broker.management.routes import Route
from broker.metrics.machine import Machine
from broker.metrics.node import Node
from broker.metrics.scrape import Scraper
from broker.net.amqp_socket import Arrival
from broker.net.complaints import Complaints
from broker.protocol.connection import Connection
from broker.server.http_peer import HttpPeer, note_arrival
from broker.settings.http import HttpSettings
from fuzz.amqp import FRAME_MAX, plain, start_ok
from fuzz.damage import cut, damaged, scratched
from fuzz.dice import Dice
from fuzz.frames import HEADER, QUEUES, Frames, method
from fuzz.steps import TICK, Steps
from fuzz.target import Target
from fuzz.wire import Wire
from fuzz.world import HIDDEN_VHOST, LONG_S, MOMENT_S, PASSWORD, USER, Broken, World

MEMBER: Final = "eve"  # may use the API, and see the vhost / only
LIMITS: Final = HttpSettings(max_body_bytes=100_000)
STATUSES: Final = frozenset({100, 200, 201, 204, 302, 400, 401, 404, 405, 412, 413, 417, 503})
MOST_OCTETS: Final = 32 << 20
# Rounds of the event loop without anything new, after which nothing more will come.
PATIENCE: Final = 6
MOST_ROUNDS: Final = 100_000

VHOSTS: Final = ("%2F", "%2F", "%2F", "other", "absent", "", "%FF", "%00", "a%2Fb", "+", "%", "%2", "%zz", "é")
NAMES: Final = (
    *(
        "q0",
        "durable",
        "stream",
        "amq.topic",
        "amq.default",
        "e0",
        "u0",
        "u1",
        MEMBER,
        USER,
        "absent",
        "",
        "%FF",
        "%0A",
    ),
    *("x" * 300, "max-queues", "max-connections", "max-channels", "..", "~", "192.0.2.7%3A1", "a%2Fb"),
)
# Beside those of the table.
SHAPES: Final = (
    *("/", "/api", "/api/{name}", "/api/{vhost}/{name}", "/api/queues/{vhost}/{name}/{name}", "//api//queues/"),
    *("/api/health/checks/{name}", "/api/parameters", "/api/definitions", "/api/nodes", "/{name}", "*", "x"),
)
QUERIES: Final = (
    *("page=1", "page=0", "page=99999999999", "page_size=500", "page_size=0", "name=q", "name=(((", "use_regex=true"),
    *(
        "name=(a%2B)%2B$&use_regex=true",
        "sort=messages",
        "sort=name.x.y",
        "sort=%FF",
        "sort_reverse=true",
        "columns=name",
    ),
    *(
        "columns=a.b.c,name,,",
        "columns=" + "a." * 500,
        "=",
        "&&&",
        "%",
        "page=%D9%A1",
        "page=1&page=2",
        "disable_stats=x",
    ),
)
METRICS: Final = (
    *(
        "/metrics",
        "/metrics/per-object",
        "/metrics/detailed?family=queue_coarse_metrics",
        "/metrics/x",
        "/",
        "/favicon",
    ),
    *("/metrics/detailed?family=nonesuch", "/metrics/detailed?vhost=%2F&queue=(((&family=queue_metrics"),
)
METHODS: Final = (
    *("GET",) * 12,
    "PUT",
    "PUT",
    "PUT",
    "DELETE",
    "POST",
    "HEAD",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "get",
    "B@D",
    "",
)
PATTERNS: Final = (
    ".*",
    "^q",
    "(a+)+$",
    "(((",
    "[",
    "\\",
    "a{1,99999}",
    "(?i)x",
    "(?P<a>b)(?P=a)",
    "x" * 2000,
    "",
    "\ud800",
)
DEFINITIONS: Final[tuple[object, ...]] = (
    *({"max-length": 10}, {"max-length": -1}, {"max-length": "x"}, {"message-ttl": 1e308}, {"expires": 2**70}, {}),
    *({"dead-letter-exchange": "x" * 300}, {"queue-mode": "lazy"}, {"ha-mode": "all"}, {"x": [1]}, [], None),
    *({"overflow": "reject-publish", "delivery-limit": 3, "max-age": "1D"}, {"alternate-exchange": "amq.fanout"}),
)
ODD_VALUES: Final[tuple[object, ...]] = (None, True, -1, 1.5, 2**64, "", "x", [], {}, [[]], {"a": {"b": {}}}, "\x00")
TEXTS: Final = ("q0", "e0", "amq.topic", "a.b", "", "x" * 300, "\u202e", "\x00", "durable")
# What is sent for the keys of bodies; for others a text or something odd.
VALUES: Final[dict[str, tuple[object, ...]]] = {
    **dict.fromkeys(("configure", "write", "read", "pattern"), PATTERNS),
    **dict.fromkeys(("durable", "auto_delete", "internal", "requeue"), (True, False, "true", 0)),
    "tags": ("", "management", ["monitoring"], 1, "a,b", ["x" * 300]),
    "password": ("x", "", None, "y" * 2000),
    "password_hash": ("", "AAAA", "!!", base64.b64encode(bytes(36)).decode()),
    "definition": DEFINITIONS,
    "priority": (0, 1, -5, "x", 2**70),
    "apply-to": ("all", "queues", "exchanges", "streams", "nonesuch", 1),
    "value": (0, 10, -1, "x", 2**70, 1.5, None, [1]),
    "default_queue_type": ("classic", "quorum", "x", None),
    "type": ("direct", "fanout", "topic", "x-delayed-message", "nonesuch", 1),
    "arguments": (
        {},
        {"x-max-length": 3},
        {"x-queue-type": "quorum"},
        {"x": [{"y": None}]},
        {"x": 2**63},
        [],
        {"x": 1.5},
    ),
    "properties": (
        {},
        [],
        {"delivery_mode": 2},
        {"headers": {"a": [1, {"b": None}]}},
        {"expiration": "x"},
        {"priority": 999},
    ),
    "payload": ("hello", "", "aGVsbG8=", "x" * 5000, "\ud83d"),
    "payload_encoding": ("string", "base64", "x"),
    "encoding": ("auto", "base64", "x"),
    "ackmode": ("ack_requeue_true", "ack_requeue_false", "reject_requeue_true", "reject_requeue_false", "x"),
    "count": (1, 5, 0, -1, 10**9, "2"),
    "truncate": (0, 5, -1, None),
    "action": ("sync", "cancel_sync", "x"),
    "users": ([], ["u0"], ["absent", "u1"], "x"),
}
HEADERS: Final = (
    *("Content-Type: application/json", "Accept: text/html", "Connection: close", "Connection: upgrade", "Host: x"),
    *("Transfer-Encoding: chunked", "Expect: 100-continue", "Expect: x", "Upgrade: websocket", "Content-Length: 0"),
    *("Content-Encoding: gzip", "X-Vhost: /", "X-Vhost: absent", "Cookie: a=b", "Range: bytes=0-1", "If-None-Match: *"),
    *("Authorization: Bearer x", "Authorization: Basic", "Authorization: Basic %%%", "Content-Length: 99999999999"),
    *("X: " + "y" * 9000, "Origin: http://x", "Accept-Encoding: gzip", "X-Http-Method-Override: DELETE"),
)


def basic(user: str, password: str) -> str:
    """The header that logs a user in."""
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


class Socket(asyncio.Transport):
    """aiohttp's transport."""

    def __init__(self) -> None:
        super().__init__()
        self.octets = b""
        self.is_over = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.octets += bytes(data)

    def writelines(self, list_of_data: Any) -> None:
        self.octets += b"".join(bytes(each) for each in list_of_data)

    def close(self) -> None:
        self.is_over = True

    def abort(self) -> None:
        self.is_over = True

    def is_closing(self) -> bool:
        return self.is_over

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        """What was said is said: it waits in the parser."""

    def resume_reading(self) -> None:
        """See ``pause_reading``."""


class AtOnce(ThreadPoolExecutor):
    """Runs its jobs where they are handed in: threads would bring chance in."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - belongs to whoever waits
            future.set_exception(error)
        return future


class Site:
    """One application, and how many of its requests are under way."""

    def __init__(self, app: web.Application) -> None:
        self.under_way = 0
        app.middlewares.insert(0, self._counted())
        app.middlewares.append(note_arrival)
        self.runner = web.AppRunner(app, access_log=None)

    def _counted(self) -> Any:
        @web.middleware
        async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.under_way += 1
            try:
                return await handler(request)
            finally:
                self.under_way -= 1

        return counted


class Requests(Target):
    """Everything that somebody can say to the HTTP ports, logged in or not."""

    name = "http"
    share = 8
    inputs_per_world = 2000

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None  # one for each process, made in it

    def begin(self, dice: Dice) -> None:
        self._world = World()
        self._clock: Clock = self._world.clock
        if self._loop is None:
            self._loop = uvloop.new_event_loop()
            self._loop.set_default_executor(AtOnce())
        self._run = self._loop.run_until_complete
        self._complaints = Complaints()
        self._add_people()
        self._fill(dice)
        context = self._world.context
        node = Node("ponymq@fuzz", "fuzz", "x" * 22, __version__, "4.1.0", 0.0)
        listeners = [Listener("amqp", "127.0.0.1", 5672), Listener("http/prometheus", "127.0.0.1", 15692)]
        machine = Machine(self._world.settings.data_dir)
        facts = Facts(context, node, listeners, self._world.engine.administration, self._world.attend, machine)
        scraper = Scraper(context.turn, facts.peers, node, machine, self._clock)
        self._api = Site(api_app(facts, LIMITS.max_body_bytes))
        self._metrics = Site(metrics_app(scraper))
        for site in (self._api, self._metrics):
            self._run(site.runner.setup())
        self._logins = (
            *(basic(USER, PASSWORD),) * 5,
            *(basic(MEMBER, "eve"),) * 2,
            *(basic("nobody", "nobody"), basic(USER, "wrong"), basic("absent", "x"), basic("", ""), ""),
        )
        self._administrator = basic(USER, PASSWORD).encode()
        self._count = 0

    def _add_people(self) -> None:
        context = self._world.context
        administration = self._world.engine.administration
        with_turn = self._world.engine.turn
        with_turn.begin()
        administration.create_vhost("other", "", [], b"fuzz")
        algorithm = administration.new_passwords
        users: dict[bytes, User] = context.users.by_name
        administration.put_user(USER.encode(), users[USER.encode()].password, ["administrator", "protected"], b"fuzz")
        for name, tags in ((MEMBER, ["management", "protected"]), ("nobody", ["protected"])):
            administration.put_user(name.encode(), hashed(name.encode(), algorithm), tags, b"fuzz")
            administration.permit(name.encode(), "/", Permission(".*", ".*", ".*"), b"fuzz")
        with_turn.finish()
        self._hashes = [user.password.text.encode() for user in users.values()]

    def _fill(self, dice: Dice) -> None:
        """Connections, queues and messages for the lists."""
        frames = Frames(dice)
        for number in range(4):
            connection = Connection(self._world.context, Wire(), f"192.0.2.7:{number}", False)
            connection.feed(HEADER + start_ok(dice, b"PLAIN", plain(USER.encode(), PASSWORD.encode())))
            connection.feed(method(0, 10, 31, b"\0\x64" + FRAME_MAX.to_bytes(4, "big") + b"\0\0"))
            connection.feed(method(0, 10, 40, b"\x01/\0\0") + method(1, 20, 10, b"\0"))
            for name in QUEUES[:6]:
                connection.feed(method(1, 50, 10, b"\0\0" + bytes([len(name)]) + name + b"\x02\0\0\0\0"))
            for _ in range(60):
                connection.feed(frames.channel_method(1))
            self._world.settle()

    # --- inputs

    def make(self, dice: Dice) -> Steps:
        pieces: list[bytes] = []
        for _ in range(1 if dice.below(3) else 1 + dice.below(4)):
            pieces += self._request(dice)
        if dice.below(3) == 0:
            pieces = damaged(dice, pieces, 1 + dice.below(3))
        steps = cut(dice, b"".join(pieces))
        # The first octet of an input says which port it is for.
        return [b"M" if dice.one_in(40) else b"A", *steps]

    def _request(self, dice: Dice) -> list[bytes]:
        route = dice.of(TABLE.routes)
        how = route.method if dice.below(6) else dice.of(METHODS)
        path = dice.of(METRICS) if dice.one_in(30) else self._path(dice, route)
        lines = [f"{how} {path} HTTP/1.{dice.of('1111109x')}", "Host: localhost", dice.of(self._logins)]
        lines += [dice.of(HEADERS) for _ in range(dice.below(3) if dice.one_in(4) else 0)]
        body = self._body(dice, route.body) if route.body is not None or dice.one_in(8) else b""
        if body or dice.one_in(10):
            lines.append(f"Content-Length: {len(body) if dice.below(20) else dice.below(200)}")
        head = "\r\n".join(line for line in lines if line) + "\r\n\r\n"
        return [head.encode("utf-8", "surrogatepass"), body] if body else [head.encode("utf-8", "surrogatepass")]

    def _path(self, dice: Dice, route: Route) -> str:
        shape = f"/api{route.path}" if dice.below(8) else dice.of(SHAPES)
        parts = shape.split("/")
        for at, part in enumerate(parts):
            if part.startswith("{"):
                parts[at] = dice.of(VHOSTS) if part == "{vhost}" else dice.of(NAMES)
        path = "/".join(parts)
        if dice.one_in(3):
            path += "?" + "&".join(dice.of(QUERIES) for _ in range(1 + dice.below(3)))
        return path

    def _body(self, dice: Dice, kind: Any) -> bytes:
        if kind is None or dice.one_in(12):
            return dice.of(
                (b"", b"null", b"[]", b'"x"', b"{", b"[" * 3000, b"\xff\xfe", b'{"a":' * 500, dice.octets(50))
            )
        value: dict[str, object] = {}
        for key in kind.__struct_encode_fields__:
            if dice.below(5):
                value[key] = dice.of(VALUES.get(key, TEXTS)) if dice.below(8) else dice.of(ODD_VALUES)
        octets = json.dumps(value).encode()
        return scratched(dice, octets) if dice.one_in(8) else octets

    # --- trying them

    def run(self, steps: Steps) -> None:
        self._count += 1
        world = self._world
        world.watcher.is_reading = self._count % 8 == 0
        site = self._metrics if steps[:1] == [b"M"] else self._api
        said = b"".join(step for step in steps[1:] if isinstance(step, bytes))
        heard = self._run(self._exchange(site, steps[1:]))
        if site.under_way:
            raise Broken(f"{site.under_way} requests without an end")
        self._check(heard, is_administrator=self._administrator in said, is_api=site is self._api)
        if world.watcher.trouble:
            raise Broken(world.watcher.trouble)

    async def _exchange(self, site: Site, steps: Steps) -> bytes:
        world = self._world
        socket = Socket()
        peer = HttpPeer(
            site.runner,
            Arrival("192.0.2.7", 50000, self._clock.monotonic_s()),
            LIMITS,
            limit_s=10.0,
            complaints=self._complaints,
            clock=self._clock,
        )
        peer.connection_made(socket)
        for step in steps:
            if isinstance(step, bytes):
                peer.data_received(step)
                await asyncio.sleep(0)
            else:
                await self._wait(site, socket)
                world.wait(MOMENT_S if step == TICK else LONG_S)
            if socket.is_over:
                break
        await self._wait(site, socket)
        for _ in range(2000):
            if site.under_way:
                world.wait(LONG_S)  # logins that are slowed down, one behind the other
                await self._wait(site, socket)
        peer.connection_lost(None)
        for _ in range(PATIENCE):
            await asyncio.sleep(0)
        return socket.octets

    async def _wait(self, site: Site, socket: Socket) -> None:
        """Until nothing more comes: the request is answered, or is not whole."""
        seen = (-1, -1)
        calm = 0
        for _ in range(MOST_ROUNDS):
            await asyncio.sleep(0)
            now = (len(socket.octets), site.under_way)
            calm = calm + 1 if now == seen else 0
            seen = now
            if calm >= (PATIENCE if not site.under_way else 4 * PATIENCE):
                return
        raise Broken("an answer without an end")

    def _check(self, octets: bytes, *, is_administrator: bool, is_api: bool) -> None:
        if len(octets) > MOST_OCTETS:
            raise Broken(f"{len(octets)} octets were sent")
        if PASSWORD.encode() in octets:
            raise Broken(f"told a password: {octets[:2000]!r}")
        if not is_administrator:
            for each in self._hashes:
                if each in octets:
                    raise Broken(f"told a password hash: {octets[:2000]!r}")
            if is_api and HIDDEN_VHOST.encode() in octets:
                raise Broken(f"told of a vhost that is none of theirs: {octets[:2000]!r}")
        while octets:
            octets = _check_answer(octets, is_api=is_api)

    def end(self) -> None:
        self._run(self._stop())
        # aiohttp keeps every application for ever, as a process has only one.
        web_app._cached_build_middleware.cache_clear()
        for connection in list(self._world.context.connections.values()):
            connection.lost()
        self._world.close()

    async def _stop(self) -> None:
        for site in (self._api, self._metrics):
            await site.runner.cleanup()
        lingering = asyncio.all_tasks() - {asyncio.current_task()}  # bodies that never came are waited for
        for task in lingering:
            task.cancel()
        await asyncio.gather(*lingering, return_exceptions=True)


def _check_answer(octets: bytes, *, is_api: bool) -> bytes:
    """Look at the first answer; returns what is behind it."""
    head, blank, rest = octets.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    words = lines[0].split(b" ", 2)
    if not blank or words[0] not in {b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9"} or int(words[1]) not in STATUSES:
        raise Broken(f"an answer that may not be: {octets[:500]!r}")
    status = int(words[1])
    if status == 100:
        return rest
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    if headers.get(b"server") != b"PonyMQ" or headers.get(b"x-content-type-options") != b"nosniff":
        raise Broken(f"an answer without our headers: {head!r}")
    size = int(headers.get(b"content-length", b"0"))
    body = rest[:size]
    if not rest or rest.startswith(b"HTTP/"):  # to a HEAD
        return rest
    if len(body) < size:
        raise Broken(f"an answer that is cut off: {octets[:500]!r}")
    if headers.get(b"content-type", b"").startswith(b"application/json"):
        value = json.loads(body)
        if status >= 400 and not {"error", "reason"} <= value.keys() and "status" not in value:
            raise Broken(f"an error in another shape: {octets[:500]!r}")
    elif is_api and status >= 400 and body and status != 417:
        raise Broken(f"an error that is not JSON: {octets[:500]!r}")
    return rest[size:]
