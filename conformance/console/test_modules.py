"""Modules of the console by themselves, in the browser that runs them."""

from typing import Any

import pytest


def run(visitor: Any, module: str, body: str) -> Any:
    """What ``body``, a function of the module, returns."""
    return visitor.page.evaluate(
        f"import(new URL('{module}', document.baseURI).href).then((module) => ({body})(module))"
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("rate(0)", "0/s"),
        ("rate(0.254)", "0.25/s"),
        ("rate(1234.5)", "1,235/s"),
        ("rate(undefined)", "\N{EN DASH}"),
        ("short(9999)", "9,999"),
        ("short(1234567)", "1.23M"),
        ("bytes(1023)", "1,023 B"),
        ("bytes(1536)", "1.5 KiB"),
        ("duration(93784)", "1 d 2 h"),
        ("duration(0)", "0 s"),
        ("ago(1000, 61000)", "1 min ago"),
        ("ago('never')", "\N{EN DASH}"),
        ("count(1, 'queue')", "1 queue"),
        ("count(1200, 'queue')", "1,200 queues"),
    ],
)
def test_numbers_are_written_for_people(visitor: Any, call: str, text: str) -> None:
    assert run(visitor, "format.js", f"(format) => format.{call}") == text


def test_a_rate_of_samples_has_a_gap_where_the_counter_began_anew(visitor: Any) -> None:
    samples = "[[4, 30], [3, 10], [2, 200], [1, 100]].map(([s, sample]) => ({ timestamp: s * 1000, sample }))"
    points = run(
        visitor, "history.js", f"({{ rates }}) => rates('x', {{ n: 30, n_details: {{ samples: {samples} }} }}, 'n')"
    )
    assert points == [[2000, 100], [3000, None], [4000, 20]]


def test_what_the_broker_keeps_no_samples_of_is_collected_here(visitor: Any) -> None:
    points = run(visitor, "history.js", "({ levels }) => [levels('y', { n: 1 }, 'n'), levels('z', { n: 5 }, 'n')]")
    assert [[value for _, value in each] for each in points] == [[1], [5]]


def test_a_picture_puts_nothing_on_top_of_another_and_a_circle_ends(visitor: Any) -> None:
    picture = run(
        visitor,
        "graph_layout.js",
        """({ layOut }) => layOut(
            [..."abcqr"].map((id) => ({ id, kind: id < "q" ? "exchange" : "queue" })),
            ["ab", "bc", "ca", "cc", "bq", "cr", "a?"].map(([from, to]) => ({ from, to })),
        )""",
    )
    places = [(node["x"], node["y"]) for node in picture["nodes"]]
    assert len(set(places)) == len(places) == 5
    assert len(picture["edges"]) == 6
    at = {node["id"]: node["x"] for node in picture["nodes"]}
    assert at["q"] == at["r"] == max(at.values())
    assert all("NaN" not in edge["path"] for edge in picture["edges"])


def test_drawing_again_keeps_what_is_the_same_and_moves_what_has_a_key(visitor: Any) -> None:
    seen = run(
        visitor,
        "view.js",
        """({ h, render }) => {
            const box = document.createElement("div");
            const rows = (...keys) => render(box, h("input", {}), keys.map((key) => h("p", { key }, key)));
            rows("a", "b", "c");
            const [input, a, b] = box.children;
            rows("c", "a", "d");
            const isSame = box.children[0] === input && box.children[2] === a && !b.isConnected;
            render(box, h("b", {}, "<i>text</i>"));
            return [isSame, box.innerHTML];
        }""",
    )
    assert seen == [True, "<b>&lt;i&gt;text&lt;/i&gt;</b>"]
