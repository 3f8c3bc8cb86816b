"""What the README, the Makefile and config/ promise each other."""

import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from broker.settings.keys import SETTINGS
from broker.settings.load import load_settings
from broker.settings.model import Settings
from broker.settings.sample import sample_toml

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIG = ROOT / "config" / "ponymq.toml"


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_every_make_command_of_the_readme_is_a_target() -> None:
    named = set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", README, re.MULTILINE))
    words = {word for pair in named for word in pair if word}
    assert {"run", "test", "help"} <= words
    assert words - targets() == set()


def test_every_phony_target_exists() -> None:
    [line] = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(line.split()) - targets() == {"FORCE"}


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_make_help_lists_every_explained_target() -> None:
    words = [shutil.which("make") or "make", "-f", str(ROOT / "Makefile"), "help"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    result = subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, text=True, check=True, timeout=30)
    explained = re.findall(r"^([a-z-]+):.*  ## (.+)$", MAKEFILE, re.MULTILINE)
    assert len(explained) > 5
    for target, meaning in explained:
        assert re.search(rf"make {target} +{re.escape(meaning)}$", result.stdout, re.MULTILINE)


def test_every_path_that_the_readme_names_is_there() -> None:
    paths = re.findall(r"`((?:config|broker)/[\w./]+|Dockerfile|\.ci/run)`", README)
    assert {"config/ponymq.toml", "config/ponymq.service", "Dockerfile", ".ci/run"} <= set(paths)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_room_has_a_line_in_the_readmes_map() -> None:
    rooms = {path.parent.name for path in (ROOT / "broker").glob("*/__init__.py")}
    assert {room for room in rooms if f"`broker/{room}`" not in README} == set()


def test_the_settings_file_is_the_one_that_the_model_writes() -> None:
    # To write it anew: python -m broker.settings.sample > config/ponymq.toml
    assert CONFIG.read_text(encoding="utf-8") == sample_toml()


def test_the_settings_file_has_every_setting_with_its_true_default() -> None:
    table = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    for setting in SETTINGS.values():
        if setting.items:
            assert f"# [[{setting.key}]]" in CONFIG.read_text(encoding="utf-8")
            continue
        found: object = table
        for part in setting.key.split("."):
            assert isinstance(found, dict)
            found = found[part]
        assert (tuple(found) if isinstance(found, list) else found) == setting.default
    assert load_settings(str(CONFIG), {}, {}) == Settings()


def test_the_commands_of_the_package_are_where_pyproject_says() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert set(scripts) == {"ponymq", "ponymqctl"}
    for place in scripts.values():
        module, function = place.split(":")
        source = ROOT / (module.replace(".", "/") + ".py")
        assert f"def {function}(" in source.read_text(encoding="utf-8")


def test_every_installed_library_is_at_least_as_new_as_the_package_asks_for() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    for line in wanted:
        requirement = Requirement(line)
        assert ">=" in line, f"{line}: a security fix has a version, and so must have what we ask for"
        assert requirement.specifier.contains(version(requirement.name)), line


def test_the_ci_command_can_be_run_and_ends_with_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").rstrip().endswith("exec make test")


def test_no_extension_module_lies_among_the_sources() -> None:
    assert list((ROOT / "broker").rglob("*.so")) == []
