"""The control command against an HTTP server of one test."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner

from broker import __version__
from broker.cli.control_command import app
from broker.cli.exit_codes import EX_NOPERM, EX_UNAVAILABLE

OVERVIEW = {
    "cluster_name": "stable",
    "rabbitmq_version": "4.1.0",
    "object_totals": {"queues": 2, "connections": 1},
    "queue_totals": {"messages": 12},
    "listeners": [{"protocol": "amqp", "ip_address": "127.0.0.1", "port": 5672, "tls": False}],
}
QUEUES = [
    {"vhost": "/", "name": "celery", "messages_ready": 12, "messages_unacknowledged": 3, "consumers": 1},
    {"vhost": "/", "name": "tab\there \x1b[31m", "messages_ready": 0},
]


class Api(BaseHTTPRequestHandler):
    """Answers two paths to guest, and a page that is no JSON."""

    def do_GET(self) -> None:
        answers = {
            "/api/overview": json.dumps(OVERVIEW),
            "/api/queues/%2F": json.dumps(QUEUES),
            "/odd/api/queues/%2F": "<html>",
            "/api/health/checks/alarms": "{}",
        }
        login = base64.b64encode(b"guest:guest").decode()
        path = self.path.partition("?")[0]
        status = 200 if path in answers else 404
        if self.headers["Authorization"] != f"Basic {login}":
            status = 401
        body = answers.get(path, "{}").encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def uri() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def ask(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.stdout, result.stderr


def test_status_says_the_name_and_the_totals(uri: str) -> None:
    lines = "cluster_name\tstable\nrabbitmq_version\t4.1.0\nqueues\t2\nconnections\t1\nmessages\t12\nalarms\tnone\n"
    assert ask("status", "--uri", uri) == (0, f"{lines}listeners\tamqp 127.0.0.1:5672\n", "")


def test_status_as_json_is_the_answer_itself(uri: str) -> None:
    code, out, _ = ask("status", "--uri", uri, "--format", "json")
    assert (code, json.loads(out)) == (0, OVERVIEW)


def test_list_queues_gives_one_line_per_queue_whatever_its_name(uri: str) -> None:
    code, out, _ = ask("list-queues", "--uri", uri, "name", "messages_ready", "consumers")
    head, celery, odd = out.splitlines()
    assert code == 0
    assert head == "name\tmessages_ready\tconsumers"
    assert celery == "celery\t12\t1"
    assert odd == "tab\\there \\x1b[31m\t0\t"


def test_a_wrong_password_is_told_and_not_shown(uri: str) -> None:
    code, out, err = ask("status", "--uri", uri, "--password", "s3cret")
    assert (code, out, err) == (EX_NOPERM, "", f"ponymqctl: {uri}: login refused\n")


def test_another_status_and_an_answer_that_is_no_json_are_told(uri: str) -> None:
    assert ask("status", "--uri", f"{uri}/elsewhere")[2].endswith("was answered with status 404\n")
    assert ask("list-queues", "--uri", f"{uri}/odd")[2].endswith("the answer is not JSON\n")


def test_nobody_at_the_address_is_told_in_one_line(uri: str) -> None:
    code, out, err = ask("status", "--uri", "http://127.0.0.1:1")
    assert (code, out) == (EX_UNAVAILABLE, "")
    assert err.startswith("ponymqctl: http://127.0.0.1:1: no answer: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("address", ["ftp://127.0.0.1", "127.0.0.1:15672", "http://", "http://x:y"])
def test_what_is_no_address_is_told(address: str) -> None:
    code, _, err = ask("status", "--uri", address)
    assert code == EX_UNAVAILABLE
    assert err.startswith(f"ponymqctl: {address}: is not an address")


@pytest.mark.parametrize("address", ["http://a:s3cret@127.0.0.1:1", "ftp://a:s3cret@x", "http://a:s3cret@x:y/@"])
def test_an_address_with_a_password_in_it_is_shown_without(address: str) -> None:
    code, out, err = ask("status", "--uri", address)
    assert (code, out) == (EX_UNAVAILABLE, "")
    assert err.count("\n") == 1
    assert "s3cret" not in err


def test_version_is_the_packages() -> None:
    assert ask("version") == (0, f"ponymqctl {__version__}\n", "")
