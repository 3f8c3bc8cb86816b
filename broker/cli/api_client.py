"""The little of an HTTP client that the control command needs."""

import base64
import http.client
import json
import re
from typing import Final
from urllib.parse import urlsplit

_LOGIN: Final = re.compile(r"//.*@")
_TIMEOUT_S: Final = 10.0
_LONGEST_ANSWER: Final = 64 * 1024 * 1024


class ApiError(Exception):
    """The broker could not be asked, or refused. Its text is one line.

    Attributes:
        status: HTTP status of the refusal; 0 if the broker could not be asked.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class ApiClient:
    """Asks one broker's HTTP API as one user."""

    def __init__(self, uri: str, user: str, password: str, timeout_s: float = _TIMEOUT_S) -> None:
        """Take the address apart; nothing is opened yet.

        Raises:
            ApiError: The address is not one of HTTP.
        """
        self._uri = _LOGIN.sub("//", uri)  # as messages say it: somebody may have written a password into it
        wrong = ApiError(f"{self._uri}: is not an address; expected one such as http://127.0.0.1:15672")
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError:
            raise wrong from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise wrong
        self._timeout_s = timeout_s
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = port
        self._prefix = parts.path.rstrip("/")
        login = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        self._headers = {"Authorization": f"Basic {login}", "Accept": "application/json"}

    def get(self, path: str) -> object:
        """What the API answers to a GET, decoded.

        Raises:
            ApiError: No connection, a refusal, or an answer that is not JSON.
        """
        status, body = self._ask("GET", path, None)
        if status != http.client.OK:
            raise self._refusal(path, status, body)
        try:
            answer: object = json.loads(body)
        except ValueError as error:
            raise ApiError(f"{self._uri}: {path}: the answer is not JSON") from error
        return answer

    def change(self, method: str, path: str, document: object = None) -> None:
        """Have the API change something by PUT, POST or DELETE.

        Raises:
            ApiError: No connection, or it refused; with its reason, in one line.
        """
        self._send(method, path, json.dumps(document).encode())

    def upload(self, path: str, octets: bytes) -> None:
        """Have the API take a document by POST, as it is.

        Raises:
            ApiError: No connection, or it refused; with its reason, in one line.
        """
        self._send("POST", path, octets)

    def _send(self, method: str, path: str, octets: bytes) -> None:
        status, body = self._ask(method, path, octets)
        if status not in {http.client.CREATED, http.client.NO_CONTENT}:
            raise self._refusal(path, status, body)

    def _ask(self, method: str, path: str, document: bytes | None) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises:
            ApiError: No connection, or too much of an answer.
        """
        kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request(method, self._prefix + path, document, self._headers)
            response = connection.getresponse()
            body = response.read(_LONGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"{self._uri}: no answer: {error}") from error
        finally:
            connection.close()
        if len(body) > _LONGEST_ANSWER:
            raise ApiError(f"{self._uri}: {path}: the answer is longer than {_LONGEST_ANSWER} octets")
        return response.status, body

    def _refusal(self, path: str, status: int, body: bytes) -> ApiError:
        reason = _reason(body)
        if status == http.client.UNAUTHORIZED and reason in {"", "Not_Authorized"}:
            reason = "login refused"  # else a login that may not do this: 401 in both cases
        return ApiError(f"{self._uri}: {reason or f'{path} was answered with status {status}'}", status)


def _reason(body: bytes) -> str:
    """Why the API refused, in one line; empty if it does not say."""
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    return " ".join(str(answer.get("reason", "")).split()) if isinstance(answer, dict) else ""
