"""Asks a service over HTTP who may come in and what they may do: RabbitMQ's HTTP backend."""

import asyncio
import logging
import ssl
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from broker.auth.remote import (
    ALLOWED,
    ASK_RESOURCE,
    ASK_TOPIC,
    ASK_USER,
    ASK_VHOST,
    DENIED,
    FAILED,
    Inquirer,
    Question,
    Remote,
)
from broker.settings.auth_http import AuthHttpSettings

LOG = logging.getLogger("broker.server")

# An answer is a word, tags and perhaps a reason.
LONGEST_ANSWER = 8192
_SUCCESSES = frozenset({200, 201})


class AnswerError(Exception):
    """What came back is no answer. Its text is for the log; questions hold passwords, so it repeats nothing of them."""


class HttpInquirer(Inquirer):
    """A pool of connections to the service. Questions beyond it wait for one, and no longer than for an answer."""

    def __init__(self, settings: AuthHttpSettings) -> None:
        """Serve the running loop.

        Raises:
            OSError: The file of authorities cannot be used.
        """
        super().__init__()
        self._paths = {
            ASK_USER: settings.user_path,
            ASK_VHOST: settings.vhost_path,
            ASK_RESOURCE: settings.resource_path,
            ASK_TOPIC: settings.topic_path,
        }
        self._is_post = settings.method == "post"
        tls = ssl.create_default_context(cafile=settings.authorities or None)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.max_connections, ssl=tls),
            timeout=aiohttp.ClientTimeout(total=settings.request_timeout_s, connect=settings.connection_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._asking: set[asyncio.Task[None]] = set()

    def ask(self, remote: Remote, question: Question) -> None:
        """Ask beside everything else, and tell ``remote`` what comes back."""
        asking = asyncio.get_running_loop().create_task(self._ask(remote, question))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)

    async def _ask(self, remote: Remote, question: Question) -> None:
        path = self._paths[question.topic]
        answer, tags = FAILED, list[str]()
        try:
            answer, tags = read_answer(await self._fetch(path, question))
        except (aiohttp.ClientError, AnswerError, OSError) as error:
            LOG.error("no answer of the HTTP backend", extra={"path": path, "reason": _reason(error)})
        finally:
            remote.answer(question, answer, tags)

    async def _fetch(self, path: str, question: Question) -> str:
        form = urlencode(question.fields)
        if self._is_post:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            request = self._session.post(path, data=form.encode(), headers=headers, allow_redirects=False)
        else:
            url = URL(f"{path}{'&' if '?' in path else '?'}{form}", encoded=True)
            request = self._session.get(url, allow_redirects=False)
        async with request as response:
            if response.status not in _SUCCESSES:
                raise AnswerError(f"status {response.status}")
            octets = await response.content.read(LONGEST_ANSWER + 1)
        return octets.decode("utf-8", "replace")

    async def stop(self) -> None:
        """Leave the questions that are out: nobody waits for their answers any more."""
        for asking in list(self._asking):
            asking.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        await self._session.close()


def read_answer(text: str) -> tuple[int, list[str]]:
    """What the service says: ``allow``, ``allow tag tag``, ``deny`` or ``deny a reason``.

    Raises:
        AnswerError: None of these.
    """
    words = text.split()
    match words[0].lower() if words and len(text) <= LONGEST_ANSWER else "":
        case "allow":
            return ALLOWED, words[1:]
        case "deny":
            if len(words) > 1:
                LOG.info("the HTTP backend denies", extra={"reason": " ".join(words[1:])})
            return DENIED, []
        case _:
            raise AnswerError("neither allow nor deny")


def _reason(error: Exception) -> str:
    """For the log. The library's own texts repeat the URL, and with it the password of a GET."""
    if isinstance(error, AnswerError):
        return str(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect: {error.os_error.strerror}"
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
