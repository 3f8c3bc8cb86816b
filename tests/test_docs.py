"""What the pages in docs/ promise: links that lead somewhere, settings and flags that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from broker.cli import control_command, server_command
from broker.management.api_table import TABLE
from broker.settings.keys import GROUPS as SECTIONS
from broker.settings.keys import SETTINGS
from broker.settings.load import load_settings

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
LINKING = [*PAGES, ROOT / "README.md"]
GROUPS = sorted({key.split(".")[0] for key in SETTINGS if "." in key})
# Lines that show the flags of other programs.
OTHERS = re.compile(r"\b(celery|docker|cp|curl|pip-audit|python -m fuzz)\b")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z_-]*")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchor_of(heading: str) -> str:
    """The anchor that a heading gets on a forge: lower case, spaces to hyphens, marks dropped."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {anchor_of(heading) for heading in re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)}


def links(page: Path) -> Iterator[str]:
    for target in re.findall(r"\[[^\]]+\]\(([^)\s]+)\)", text_of(page)):
        if not target.startswith(("http://", "https://")):
            yield target


def code_lines(page: Path) -> Iterator[str]:
    """What is typed or shown: the lines of fenced blocks, and each code span of the rest."""
    text = text_of(page)
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def commands_of(app: typer.Typer) -> dict[str, TyperCommand]:
    """The commands of a program by name; those of a group under both words."""
    found: dict[str, TyperCommand] = {}
    waiting: list[tuple[str, object]] = [("", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        if isinstance(command, TyperGroup):
            waiting += [(f"{name} {word}".strip(), inner) for word, inner in command.commands.items()]
        else:
            assert isinstance(command, TyperCommand)
            found[name] = command
    return found


def flags_of(commands: dict[str, TyperCommand]) -> set[str]:
    return {flag for command in commands.values() for each in command.params for flag in each.opts} | {"--help", "-h"}


def variables_of(commands: dict[str, TyperCommand]) -> set[str]:
    return {each.envvar for command in commands.values() for each in command.params if isinstance(each.envvar, str)}


SERVER_FLAGS = {flag for each in server_command.parser()._actions for flag in each.option_strings}
CONTROL = commands_of(control_command.app)
BEFORE_THE_WORD = {flag for each in typer.main.get_command(control_command.app).params for flag in each.opts}


@pytest.mark.parametrize("page", LINKING, ids=name_of)
def test_every_relative_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    broken = []
    for target in links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def test_the_index_and_the_readme_link_every_page() -> None:
    others = {page.name for page in PAGES} - {"README.md"}
    assert len(others) > 5
    assert others - set(links(ROOT / "docs" / "README.md")) == set()
    assert {f"docs/{name}" for name in others} - set(links(ROOT / "README.md")) == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_is_short(page: Path) -> None:
    assert len(text_of(page).splitlines()) < 200


@pytest.mark.parametrize("page", LINKING, ids=name_of)
def test_every_file_of_the_repository_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"`((?:config|conformance|tests|benchmarks|broker)/[\w./]+)`", text_of(page)))
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("page", LINKING, ids=name_of)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    dotted = rf"(?<![\w./])(?:{'|'.join(GROUPS)})(?:\.[a-z][a-z0-9_]+)+\b(?!\()"
    named = set()
    for line in code_lines(page):
        # A misspelt one is shown together with what the broker says to it.
        if "log.levle" not in line:
            named |= set(re.findall(dotted, line))
    assert named - set(SETTINGS) - SECTIONS == set()


def test_the_settings_page_lists_true_keys() -> None:
    table = text_of(ROOT / "docs" / "settings.md").partition("## Those that are changed most")[2].partition("\n## ")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    keys = {key for row in rows for key in re.findall(r"`([^`]+)`", row)}
    assert len(keys) > 8
    assert keys - set(SETTINGS) == set()


@pytest.mark.parametrize("page", LINKING, ids=name_of)
def test_every_variable_that_is_named_is_understood(page: Path) -> None:
    known = {setting.environment_name for setting in SETTINGS.values()} | variables_of(CONTROL)
    known |= {"PONYMQ_CONFIG", "PONYMQ_DEFAULT_USER_FILE", "PONYMQ_DEFAULT_PASS_FILE", "PONYMQ_LOAD_DEFINITIONS"}
    named = set(re.findall(r"\bPONYMQ(?:CTL)?_[A-Z_]*[A-Z]\b", text_of(page)))
    assert named - known == set()


def test_variables_of_rabbitmq_that_are_named_are_understood() -> None:
    text = text_of(ROOT / "docs" / "settings.md")
    assert "RABBITMQ_DEFAULT_USER" in text
    assert load_settings(None, {"RABBITMQ_DEFAULT_USER": "ann"}, {}).default_user == "ann"


@pytest.mark.parametrize("page", LINKING, ids=name_of)
def test_every_flag_that_is_named_exists(page: Path) -> None:
    wrong = []
    for line in code_lines(page):
        if OTHERS.search(line):
            continue
        if re.search(r"\bponymqctl\b", line):
            known = flags_of(CONTROL) | BEFORE_THE_WORD
        elif re.search(r"\bponymq\b|^make run", line):
            known = SERVER_FLAGS
        else:
            known = flags_of(CONTROL) | SERVER_FLAGS
        wrong += [flag for flag in FLAG.findall(line) if flag not in known]
    assert wrong == []


@pytest.mark.parametrize("page", LINKING, ids=name_of)
def test_every_command_of_ponymqctl_that_is_named_exists(page: Path) -> None:
    first_words = {name.split()[0] for name in CONTROL}
    first_words |= {word.replace("-", "_") for word in first_words}
    named = set()
    for line in code_lines(page):
        named |= set(re.findall(r"(?:^|\$ )ponymqctl ([a-z][a-z_-]*)", line))
    assert named - first_words == set()


def test_the_page_of_the_http_api_has_every_path_and_method() -> None:
    told = set()
    for row in re.findall(r"^\| (`/.+)$", text_of(ROOT / "docs" / "http-api.md"), re.MULTILINE):
        paths, methods, _ = row.split(" | ", 2)
        told |= {(method, path) for path in re.findall(r"`([^`]+)`", paths) for method in methods.split(", ")}
    assert told == {(route.method, route.path) for route in TABLE.routes}
