"""The little of an HTTP client that the control command needs, over TCP or over the broker's local socket."""

import base64
import http.client
import json
import re
import socket
from typing import Final
from urllib.parse import urlsplit

from broker.cli.exit_codes import EX_TEMPFAIL, EX_UNAVAILABLE, EX_USAGE, of_status

TIMEOUT_S: Final = 10.0
_LONGEST_ANSWER: Final = 64 * 1024 * 1024
_LOGIN: Final = re.compile(r"//.*@")
_DONE: Final = frozenset({http.client.OK, http.client.CREATED, http.client.NO_CONTENT})


class ApiError(Exception):
    """The broker could not be asked, or refused. Its text is one line.

    Attributes:
        status: HTTP status of the refusal; 0 if the broker could not be asked.
        exit_code: What a command that could not go on ends with.
        document: What came with the refusal, decoded; None if that was no JSON.
    """

    def __init__(self, text: str, status: int = 0, exit_code: int = EX_UNAVAILABLE, document: object = None) -> None:
        super().__init__(text)
        self.status = status
        self.exit_code = exit_code
        self.document = document


class LocalConnection(http.client.HTTPConnection):
    """A connection to the broker's local socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path
        self._timeout_s = timeout_s

    def connect(self) -> None:
        """Open it.

        Raises:
            OSError: Nobody listens there, or not to this user.
        """
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(self._path)


class ApiClient:
    """Asks one broker's HTTP API as one user.

    Attributes:
        where: The address, as messages name it: without a login.
        timeout_s: How long to wait for an answer.
        date: When the broker answered last, by its own clock, as its headers say; empty before.
    """

    def __init__(self, uri: str, user: str, password: str, timeout_s: float = TIMEOUT_S) -> None:
        """Take the address apart; nothing is opened yet.

        Args:
            uri: ``http://host:port``, ``https://…``, or ``unix:///path`` for a local socket, which wants no login.
            user: The login.
            password: Its password.
            timeout_s: How long to wait for an answer.

        Raises:
            ApiError: It is none of these.
        """
        self.where = _LOGIN.sub("//", uri)  # somebody may have written a password into it
        wrong = ApiError(f"{self.where}: is not an address; expected one such as http://127.0.0.1:15672")
        try:
            parts = urlsplit(uri)
            self._port = parts.port
        except ValueError:
            raise wrong from None
        self.date = ""
        self._scheme = parts.scheme
        self._host = parts.hostname or ""
        self._prefix = parts.path.rstrip("/")
        self.timeout_s = timeout_s
        self._headers = {"Accept": "application/json"}
        if parts.scheme == "unix" and parts.path:
            self._socket_path = parts.path
            self._prefix = ""
            return
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise wrong
        login = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        self._headers["Authorization"] = f"Basic {login}"

    def as_user(self, user: str, password: str) -> "ApiClient":
        """The same broker, asked by somebody else.

        Raises:
            ApiError: It is asked over the local socket, where nobody logs in.
        """
        if self._scheme == "unix":
            raise ApiError(f"{self.where}: asks for no password; name the HTTP API with --uri", exit_code=EX_USAGE)
        return ApiClient(self.where, user, password, self.timeout_s)

    def get(self, path: str) -> object:
        """What the API answers to a GET, decoded.

        Raises:
            ApiError: No connection, a refusal, or an answer that is not JSON.
        """
        return self.ask("GET", path)

    def ask(self, method: str, path: str, document: object = None, headers: dict[str, str] | None = None) -> object:
        """What the API answers, decoded; None if it says no more than that it is done.

        Args:
            method: Of HTTP.
            path: From ``/api`` on, percent-encoded.
            document: What is sent, to be encoded; octets go as they are.
            headers: Further headers.

        Raises:
            ApiError: No connection, a refusal with its reason in one line, or an answer that is not JSON.
        """
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        status, octets = self._exchange(method, path, None if method == "GET" else body, headers or {})
        if status not in _DONE:
            raise self._refusal(path, status, octets)
        if method != "GET" and not octets:
            return None
        try:
            answer: object = json.loads(octets)
        except ValueError as error:
            raise ApiError(f"{self.where}: {path}: the answer is not JSON") from error
        return answer

    def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises:
            ApiError: No connection, or too much of an answer.
        """
        connection = self._connection()
        try:
            connection.request(method, self._prefix + path, body, self._headers | headers)
            response = connection.getresponse()
            self.date = response.headers.get("Date", "")
            octets = response.read(_LONGEST_ANSWER + 1)
        except TimeoutError as error:
            raise ApiError(f"{self.where}: no answer in {self.timeout_s:g} s", exit_code=EX_TEMPFAIL) from error
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"{self.where}: no answer: {error}") from error
        finally:
            connection.close()
        if len(octets) > _LONGEST_ANSWER:
            raise ApiError(f"{self.where}: {path}: the answer is longer than {_LONGEST_ANSWER} octets")
        return response.status, octets

    def _connection(self) -> http.client.HTTPConnection:
        if self._scheme == "unix":
            return LocalConnection(self._socket_path, self.timeout_s)
        kind = http.client.HTTPSConnection if self._scheme == "https" else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=self.timeout_s)

    def _refusal(self, path: str, status: int, octets: bytes) -> ApiError:
        try:
            document = json.loads(octets)
        except ValueError:
            document = None
        reason = " ".join(str(document.get("reason", "")).split()) if isinstance(document, dict) else ""
        if status == http.client.UNAUTHORIZED and reason in {"", "Not_Authorized"}:
            reason = "login refused"  # else a login that may not do this: 401 in both cases
        text = f"{self.where}: {reason or f'{path} was answered with status {status}'}"
        return ApiError(text, status, of_status(status), document)
