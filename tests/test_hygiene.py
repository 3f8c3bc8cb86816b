"""``make hygiene``: what falls back to generic code is found, and what only a failing message meets is not."""

from pathlib import Path

import pytest

from benchmarks.message_path import MESSAGE_PATH, Accepted

hygiene = pytest.importorskip("benchmarks.hygiene", reason="mypyc is not installed")

SOURCE = """
from collections.abc import Callable, Iterable
from typing import Any, Final

from mypy_extensions import i64


class Native:
    def __init__(self) -> None:
        self.total: i64 = 0

    def add(self, number: i64) -> None:
        self.total += i64(number)

    def ask(self, other: Any) -> None:
        other.answer()

    def call(self, back: Callable[[], None]) -> None:
        back()

    def keep(self, names: dict[int, str], number: i64) -> None:
        known = number
        names[known] = ""

    def refuse(self, number: i64) -> None:
        if number < 0:
            text = f"{number}"
            raise ValueError(text)
        self.add(number)

    def survive(self, other: Any) -> None:
        try:
            self.add(1)
        except ValueError as error:
            other.failed(error)

    @property
    def loud(self) -> int:
        return max((lambda: 1)(), 2)


def go_through(numbers: Iterable[int]) -> None:
    for number in numbers:
        print(number)


class Pair:
    def __init__(self, first: object, second: list[str]) -> None:
        self.first: Final = first
        self.second: Final = second


def narrowed(name: str) -> Pair:
    found = Pair(object(), [name])
    return Pair(found.first, [each for each in found.second if each != name])


def narrowed_in_two(name: str) -> Pair:
    found = Pair(object(), [name])
    first = found.first
    second = [each for each in found.second if each != name]
    return Pair(first, second)
"""
WANTED = {
    "fake": ("go_through",),
    "fake.Native": ("__init__", "add", "ask", "call", "keep", "refuse", "survive", "loud"),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hygiene") / "fake.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def found(source: Path) -> dict[str, list[tuple[str, str]]]:
    """The source line and the words of every finding, by function."""
    lines = SOURCE.splitlines()
    by_function: dict[str, list[tuple[str, str]]] = {}
    for finding in hygiene.fallbacks([source], WANTED):
        assert finding.path == str(source)
        by_function.setdefault(finding.function, []).append((lines[finding.line - 1].strip(), finding.what))
    return by_function


@pytest.mark.parametrize(
    ("function", "line", "words"),
    [
        ("fake.Native.ask", "other.answer()", 'Call non-native method "answer"'),
        ("fake.Native.call", "back()", "Call of a Python callable"),
        ("fake.Native.keep", 'names[known] = ""', "Native i64 becomes an object for CPyDict_SetItem"),
        ("fake.Native.loud", "return max((lambda: 1)(), 2)", "A new object is allocated for lambda"),
        ("fake.go_through", "for number in numbers:", 'iterable has the abstract type "typing.Iterable"'),
        ("fake.go_through", "for number in numbers:", "Iteration by the iterator protocol"),
    ],
)
def test_generic_code_is_found_where_it_stands(
    found: dict[str, list[tuple[str, str]]], function: str, line: str, words: str
) -> None:
    assert [where for where, what in found[function] if words in what] == [line]


def test_what_is_used_after_its_owner_may_be_gone_is_found_in_any_function(
    found: dict[str, list[tuple[str, str]]],
) -> None:
    (late,) = found["fake.narrowed"]
    assert late[0].startswith("return Pair(found.first")
    assert "MEMORY" in late[1]
    assert "fake.narrowed_in_two" not in found


@pytest.mark.parametrize("name", ["__init__", "add", "refuse", "survive"])
def test_native_code_and_what_only_a_failure_meets_are_not_found(
    found: dict[str, list[tuple[str, str]]], name: str
) -> None:
    assert f"fake.Native.{name}" not in found


def test_a_name_that_does_not_exist_is_an_error(source: Path) -> None:
    with pytest.raises(LookupError, match=r"fake\.Native\.divide, fake\.Other\.add$"):
        hygiene.fallbacks([source], {"fake.Native": ("add", "divide"), "fake.Other": ("add",)})


def test_what_is_accepted_is_taken_out_and_what_is_accepted_in_vain_is_named() -> None:
    kept = hygiene.Finding("a.py", 1, "a.f", "Generic call.")
    findings = [kept, hygiene.Finding("a.py", 2, "a.f", "Generic sum."), hygiene.Finding("a.py", 3, "a.g", "A box.")]
    accepted = [Accepted("a.f", ("sum",), ""), Accepted("a.g", ("box", "sum"), "")]
    assert hygiene.unaccepted(findings, accepted) == ([kept], ["a.g: sum"])


def test_the_message_path_lies_in_the_files_that_are_compiled() -> None:
    files = {str(path.relative_to(hygiene.CHECKOUT)) for path in hygiene.compiled_files(hygiene.CHECKOUT)}
    assert "broker/net/amqp_socket.py" in files
    assert "broker/core/__init__.py" not in files
    for owner in MESSAGE_PATH:
        module = ".".join(part for part in owner.split(".") if not part.lstrip("_")[:1].isupper())
        assert f"{module.replace('.', '/')}.py" in files
