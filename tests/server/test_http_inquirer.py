"""The client of the HTTP backend, against a service of the test's own."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from broker.auth.remote import ALLOWED, ASK_RESOURCE, ASK_USER, DENIED, FAILED, Asker, Question, Remote
from broker.server.http_inquirer import LONGEST_ANSWER, HttpInquirer
from broker.settings.auth_http import AuthHttpSettings
from tests.clock import ManualClock

FIELDS = [("username", b"ann"), ("password", b"hunter2 &=+\xc3\xa4\xff")]


class Waiter(Asker):
    """Somebody who can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.is_answered = asyncio.Event()

    def answered(self, question: Question) -> None:
        self.is_answered.set()


class Service:
    """Answers ``text`` with ``status`` after ``delay_s``, and counts."""

    def __init__(self) -> None:
        self.text = "allow"
        self.status = 200
        self.delay_s = 0.0
        self.asked: list[tuple[str, str, str]] = []
        self.under_way = 0
        self.most_at_once = 0
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path, request.rel_url.raw_query_string or (await request.text())))
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(self.delay_s)
        self.under_way -= 1
        return web.Response(status=self.status, text=self.text, headers={"Location": "/elsewhere", "Set-Cookie": "a=b"})

    def settings(self, **others: Any) -> AuthHttpSettings:
        url = str(self.server.make_url("/auth"))
        paths = {f"{topic}_path": f"{url}/{topic}" for topic in ("user", "vhost", "resource", "topic")}
        return AuthHttpSettings(**{**paths, **others})


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    await made.server.start_server()
    yield made
    await made.server.close()


async def asked(settings: AuthHttpSettings, topic: int = ASK_USER, count: int = 1) -> list[Question]:
    """Questions, answered."""
    inquirer = HttpInquirer(settings)
    remote = Remote(ManualClock())
    remote.inquirer = inquirer
    questions = [Question(topic, FIELDS, b"") for _ in range(count)]
    waiters = [Waiter() for _ in questions]
    try:
        for question, waiter in zip(questions, waiters, strict=True):
            remote.ask(question, waiter)
        for waiter in waiters:
            await asyncio.wait_for(waiter.is_answered.wait(), 20)
    finally:
        await inquirer.stop()
    return questions


FORM = "username=ann&password=hunter2+%26%3D%2B%C3%A4%FF"


@pytest.mark.parametrize("method", ["get", "post"])
async def test_a_question_is_a_form(service: Service, method: str) -> None:
    (question,) = await asked(service.settings(method=method))
    assert question.answer == ALLOWED
    assert service.asked == [(method.upper(), "/auth/user", FORM)]


async def test_a_path_may_have_a_query_of_its_own(service: Service) -> None:
    await asked(service.settings(resource_path=str(service.server.make_url("/ask?key=k"))), ASK_RESOURCE)
    assert service.asked == [("GET", "/ask", f"key=k&{FORM}")]


@pytest.mark.parametrize(
    ("status", "text", "answer", "tags"),
    [
        (200, "allow", ALLOWED, []),
        (201, " Allow\n", ALLOWED, []),
        (200, "allow administrator  x\n", ALLOWED, ["administrator", "x"]),
        (200, "deny", DENIED, []),
        (200, "DENY", DENIED, []),
        (200, "deny too young", DENIED, []),
        (200, "", FAILED, []),
        (200, "allowed", FAILED, []),
        (200, "yes", FAILED, []),
        (200, '{"allow": true}', FAILED, []),
        (200, "allow " + "x" * LONGEST_ANSWER, FAILED, []),
        (204, "allow", FAILED, []),
        (302, "allow", FAILED, []),
        (404, "allow", FAILED, []),
        (500, "allow", FAILED, []),
    ],
)
async def test_an_answer_is_allow_or_deny_and_anything_else_is_none(
    service: Service, status: int, text: str, answer: int, tags: list[str]
) -> None:
    service.status, service.text = status, text
    (question,) = await asked(service.settings())
    assert (question.answer, question.tags) == (answer, tags)
    assert len(service.asked) == 1  # no redirect is followed


async def test_an_answer_that_does_not_come_in_time_is_none(service: Service) -> None:
    service.delay_s = 30.0
    (question,) = await asked(service.settings(request_timeout_s=0.1))
    assert question.answer == FAILED


async def test_questions_beyond_the_pool_wait(service: Service) -> None:
    service.delay_s = 0.01
    questions = await asked(service.settings(max_connections=3), count=20)
    assert {int(question.answer) for question in questions} == {ALLOWED}
    assert service.most_at_once == 3


async def test_a_service_that_is_down_gives_no_answer_and_the_log_has_no_password(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    settings = service.settings()
    service.text = "nonsense"
    with caplog.at_level(logging.DEBUG):
        await asked(settings)
        await service.server.close()
        (question,) = await asked(settings)
    assert question.answer == FAILED
    reasons = [vars(record)["reason"] for record in caplog.records if record.name == "broker.server"]
    assert reasons[0] == "neither allow nor deny"
    assert reasons[1].startswith("cannot connect")
    assert "hunter2" not in " ".join(str(vars(record)) for record in caplog.records if record.name != "aiohttp.access")


async def test_a_stop_does_not_wait_for_answers(service: Service) -> None:
    service.delay_s = 30.0
    inquirer = HttpInquirer(service.settings())
    waiter = Waiter()
    question = Question(ASK_USER, FIELDS, b"")
    remote = Remote(ManualClock())
    remote.inquirer = inquirer
    remote.ask(question, waiter)
    while not service.asked:  # noqa: ASYNC110 - the service is another's
        await asyncio.sleep(0.01)
    await asyncio.wait_for(inquirer.stop(), 5)
    assert question.answer == FAILED
