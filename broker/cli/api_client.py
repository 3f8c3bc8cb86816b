"""The little of an HTTP client that the control command needs."""

import base64
import http.client
import json
from typing import Final
from urllib.parse import urlsplit

_TIMEOUT_S: Final = 10.0
_LONGEST_ANSWER: Final = 64 * 1024 * 1024


class ApiError(Exception):
    """The broker could not be asked, or refused. Its text is one line."""


class ApiClient:
    """Asks one broker's HTTP API as one user."""

    def __init__(self, uri: str, user: str, password: str) -> None:
        """Take the address apart; nothing is opened yet.

        Raises:
            ApiError: The address is not one of HTTP.
        """
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError as error:
            raise ApiError(f"{uri}: is not an address: {error}") from error
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ApiError(f"{uri}: is not an address; expected one such as http://127.0.0.1:15672")
        self._uri = uri
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = port
        self._prefix = parts.path.rstrip("/")
        login = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        self._headers = {"Authorization": f"Basic {login}", "Accept": "application/json"}

    def get(self, path: str) -> object:
        """What the API answers to a GET, decoded.

        Raises:
            ApiError: No connection, another status than 200, or an answer that is not JSON.
        """
        kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", self._prefix + path, headers=self._headers)
            response = connection.getresponse()
            body = response.read(_LONGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"{self._uri}: no answer: {error}") from error
        finally:
            connection.close()
        if response.status == http.client.UNAUTHORIZED:
            raise ApiError(f"{self._uri}: login refused")
        if response.status != http.client.OK:
            raise ApiError(f"{self._uri}: {path} was answered with status {response.status}")
        if len(body) > _LONGEST_ANSWER:
            raise ApiError(f"{self._uri}: {path}: the answer is longer than {_LONGEST_ANSWER} octets")
        try:
            answer: object = json.loads(body)
        except ValueError as error:
            raise ApiError(f"{self._uri}: {path}: the answer is not JSON") from error
        return answer
