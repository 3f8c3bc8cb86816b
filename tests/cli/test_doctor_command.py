"""``ponymqctl doctor``: each check on what is well and on what is not."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from typer.testing import CliRunner

from broker.cli import broker_checks, machine_checks
from broker.cli.api_client import ApiClient, ApiError
from broker.cli.control_command import app
from broker.cli.finding import Finding, Verdict
from broker.settings.amqp import AmqpSettings
from broker.settings.limits import LimitSettings
from broker.settings.model import Settings
from tests.crash.daemon import Daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    running = Daemon(tmp_path_factory.mktemp("doctor"))
    running.start()
    try:
        yield running
    finally:
        running.kill()


def verdicts(daemon: Daemon, *words: str, **environment: str) -> tuple[int, dict[str, str]]:
    env = {"PONYMQ_DATA_DIR": str(daemon.data_dir), "PONYMQ_LIMITS_DISK_FREE_LIMIT_BYTES": "1", **environment}
    result = CliRunner().invoke(app, ["doctor", "--format", "json", *words], env=env)
    return result.exit_code, {each["subject"]: each["verdict"] for each in json.loads(result.stdout)}


def test_a_running_broker_is_well(daemon: Daemon) -> None:
    code, found = verdicts(daemon)
    assert code == 0, found
    assert "problem" not in found.values()
    assert (found["broker"], found["alarms"], found["clock"], found["last stop"]) == ("ok", "ok", "ok", "ok")
    assert found["guest"] == "note"


def test_a_wrong_setting_is_a_problem_and_the_rest_is_looked_at(daemon: Daemon) -> None:
    code, found = verdicts(daemon, PONYMQ_PORTT="1")
    assert (code, found["settings"]) == (1, "problem")
    assert "somaxconn" in found


def test_an_alarm_is_a_problem_with_advice(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, "limits.memory_high_watermark=0")
    daemon.start()
    try:
        env = {"PONYMQ_DATA_DIR": str(daemon.data_dir), "PONYMQ_LIMITS_DISK_FREE_LIMIT_BYTES": "1"}
        result = CliRunner().invoke(app, ["doctor", "-q"], env=env)
    finally:
        daemon.kill()
    assert result.exit_code == 1
    assert "problem alarms: memory: publishers are refused" in result.stdout
    assert "→ let consumers work" in result.stdout
    stopped = machine_checks.last_stop(daemon.data_dir, "")
    assert (stopped.verdict, "not in good order" in stopped.text) == (Verdict.NOTE, True)


def test_a_stop_in_good_order_is_recognised(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    daemon.start()
    assert daemon.stop() == 0
    assert machine_checks.last_stop(daemon.data_dir, "").verdict is Verdict.OK


def test_nobody_at_home_is_a_note() -> None:
    client = ApiClient("http://127.0.0.1:1", "guest", "guest")
    assert [each.verdict for each in broker_checks.broker_findings(client)] == [Verdict.NOTE]


class Told(ApiClient):
    """Answers with what a test says."""

    def __init__(self, answers: dict[str, object]) -> None:
        super().__init__("http://127.0.0.1:1", "", "")
        self._answers = answers

    def get(self, path: str) -> object:
        if path not in self._answers:
            raise ApiError("Not Found", 404)
        return self._answers[path]


GUEST_HASH = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"  # of another password


def guest_finding(row: object, address: str) -> Finding:
    overview: dict[str, object] = {"listeners": [{"ip_address": address, "port": 5672}]}
    answers = {} if row is None else {"/api/users/guest": row}
    (finding,) = broker_checks.guest(Told(answers), overview)
    return finding


def test_the_password_that_everybody_knows_is_a_problem_once_others_can_reach_the_broker() -> None:
    row = {"password_hash": hash_of("guest"), "hashing_algorithm": "rabbit_password_hashing_sha256"}
    assert guest_finding(row, "0.0.0.0").verdict is Verdict.PROBLEM  # noqa: S104 - as bound
    assert guest_finding(row, "127.0.0.1").verdict is Verdict.NOTE
    assert guest_finding(row | {"password_hash": GUEST_HASH}, "0.0.0.0").verdict is Verdict.OK  # noqa: S104 - as bound
    assert guest_finding(None, "0.0.0.0").verdict is Verdict.OK  # noqa: S104 - as bound


def hash_of(password: str) -> str:
    return CliRunner().invoke(app, ["hash-password", password]).stdout.strip()


def test_clocks_apart_are_a_problem_and_a_clock_that_is_set_a_note() -> None:
    date = "Fri, 20 Nov 2026 12:00:00 GMT"
    at_s = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
    assert broker_checks.clock(date, at_s + 1).verdict is Verdict.OK
    behind = broker_checks.clock(date, at_s + 60)
    assert (behind.verdict, "60 s behind" in behind.text) == (Verdict.PROBLEM, True)
    assert broker_checks.clock("", at_s).verdict is Verdict.NOTE
    assert broker_checks.steadiness(0.01).verdict is Verdict.OK
    assert broker_checks.steadiness(-3.0).verdict is Verdict.NOTE


def test_a_directory_is_judged_by_its_owner_and_its_rights(tmp_path: Path) -> None:
    assert machine_checks.data_directory(tmp_path / "absent").verdict is Verdict.NOTE
    (tmp_path / "file").touch()
    assert machine_checks.data_directory(tmp_path / "file").verdict is Verdict.PROBLEM
    (tmp_path / "data").mkdir(mode=0o700)
    assert machine_checks.data_directory(tmp_path / "data").verdict is Verdict.OK
    (tmp_path / "data").chmod(0o750)
    assert machine_checks.data_directory(tmp_path / "data").verdict is Verdict.NOTE


def test_a_disk_is_judged_by_its_room_and_its_speed(tmp_path: Path) -> None:
    full = Settings(limits=LimitSettings(disk_free_limit_bytes=1 << 60))
    assert machine_checks.free_space(tmp_path, full).verdict is Verdict.PROBLEM
    roomy = Settings(limits=LimitSettings(disk_free_limit_bytes=1))
    assert machine_checks.free_space(tmp_path / "not" / "there", roomy).verdict is Verdict.OK
    assert machine_checks.sync_latency(tmp_path).subject == "sync"
    assert list(tmp_path.iterdir()) == []
    judged = [machine_checks.sync_verdict(median, median).verdict for median in (1.0, 50.0, 500.0)]
    assert judged == [Verdict.OK, Verdict.NOTE, Verdict.PROBLEM]


def test_connections_that_there_are_no_files_for_are_a_problem() -> None:
    many = Settings(amqp=AmqpSettings(max_connections=10_000_000))
    assert machine_checks.open_files(many, "").verdict is Verdict.PROBLEM


def test_a_watermark_beyond_the_memory_is_a_problem() -> None:
    verdict = [
        machine_checks.memory(Settings(limits=LimitSettings(memory_high_watermark=share))).verdict
        for share in (0.6, 0.95, 1e13)
    ]
    assert verdict == [Verdict.OK, Verdict.NOTE, Verdict.PROBLEM]


@pytest.mark.parametrize(
    ("days", "verdict"), [(-1, Verdict.PROBLEM), (3, Verdict.PROBLEM), (20, Verdict.NOTE), (300, Verdict.OK)]
)
def test_a_certificate_is_judged_by_its_end(tmp_path: Path, days: int, verdict: Verdict) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    issued = trustme.CA().issue_cert("mq.example.org", not_after=now + timedelta(days=days, hours=1))
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "mq.pem")
    assert machine_checks.certificate("certificate", str(tmp_path / "mq.pem"), now).verdict is verdict


def test_a_certificate_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "odd.pem").write_text("nothing")
    for name in ("odd.pem", "absent.pem"):
        assert machine_checks.certificate("c", str(tmp_path / name), datetime.now(UTC)).verdict is Verdict.PROBLEM


def test_a_short_queue_of_the_kernel_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "somaxconn").write_text("128\n")
    short = machine_checks.accept_queue(tmp_path / "somaxconn")
    assert (short.verdict, "sysctl" in short.advice) == (Verdict.NOTE, True)
    (tmp_path / "somaxconn").write_text("65535\n")
    assert machine_checks.accept_queue(tmp_path / "somaxconn").verdict is Verdict.OK
