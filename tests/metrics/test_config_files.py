"""The dashboard and the alert rules in ``config/``, against what a broker really tells; and promtool's opinion."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from broker.metrics.scrape import Filter, Scraper
from broker.queues.window import MemoryWindow
from broker.store.files import Files
from broker.store.spool import Spool
from tests.metrics.reading import Reading
from tests.metrics.scene import Broker, Client

ROOT = Path(__file__).resolve().parent.parent.parent
DASHBOARD = ROOT / "config" / "grafana-dashboard.json"
ALERTS = ROOT / "config" / "alerts.yml"
PROMTOOL = shutil.which("promtool")
FAMILIES = frozenset({"queue_coarse_metrics", "queue_consumer_count", "node_coarse_metrics", "exchange_bindings"})

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: Debian's package prometheus")


def promtool(*arguments: str, text: bytes = b"") -> str:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], input=text, capture_output=True, check=False, cwd=ROOT)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


@pytest.fixture
def told(broker: Broker, scraper: Scraper, tmp_path: Path) -> set[str]:
    """Every name that one of the three endpoints of a broker with all its parts has."""
    broker.turn.agenda.window = MemoryWindow()
    broker.turn.agenda.spool = Spool(str(tmp_path / "spool"), Files())
    Client(broker).declare("q")
    scrapes = (scraper.aggregated(), scraper.per_object(), scraper.detailed(Filter(FAMILIES)))
    return {name for pieces in scrapes for name in Reading(pieces).names}


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\b(?:rabbitmq|ponymq|process)_[a-z0-9_]+", text))


def test_every_name_on_the_dashboard_is_told(told: set[str]) -> None:
    assert len(expressions()) > 50
    assert names_in(" ".join(expressions())) - told == set()


def test_every_name_in_the_alert_rules_is_told(told: set[str]) -> None:
    rules = " ".join(line for line in ALERTS.read_text().splitlines() if "summary:" not in line)
    assert names_in(rules) - told == set()


def test_no_two_panels_of_the_dashboard_overlap_or_share_a_number() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells


@needs_promtool
@pytest.mark.parametrize("endpoint", ["aggregated", "per-object", "detailed"])
def test_promtool_finds_nothing_wrong_with_the_metrics(broker: Broker, scraper: Scraper, endpoint: str) -> None:
    broker.turn.vhosts["/"].declare_queue(b'odd "name"\\', False, False, False, {}, 0)
    Client(broker)
    pieces = {
        "aggregated": scraper.aggregated(),
        "per-object": scraper.per_object(),
        "detailed": scraper.detailed(Filter(FAMILIES)),
    }[endpoint]
    assert promtool("check", "metrics", text=b"".join(pieces)) == ""


@needs_promtool
def test_promtool_passes_the_unit_tests_of_the_alert_rules() -> None:
    promtool("check", "rules", str(ALERTS))
    promtool("test", "rules", str(ROOT / "tests" / "metrics" / "alert_rules_test.yml"))


@needs_promtool
def test_promtool_understands_every_expression_on_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{at}", "expr": each.replace("$__rate_interval", "5m").replace("$instance", ".*")}
        for at, each in enumerate(expressions())
    ]
    path = tmp_path / "panels.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(path))
