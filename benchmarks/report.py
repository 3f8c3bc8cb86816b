"""The table: one row per figure, the median of the rounds, its spread, and what the brokers are to each other."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.broker_process import BROKERS, COMPILED, INTERPRETED, LAVINMQ, RABBITMQ, RELAY
from benchmarks.figures import FIGURES
from benchmarks.runner import Cell, Results

COLUMNS: Final = (*BROKERS, RELAY)
TITLES: Final = {
    COMPILED: "compiled",
    INTERPRETED: "interpreted",
    RABBITMQ: "RabbitMQ",
    LAVINMQ: "LavinMQ",
    RELAY: "relay",
}
RATIOS: Final = ((COMPILED, RABBITMQ), (INTERPRETED, RABBITMQ), (COMPILED, LAVINMQ), (COMPILED, RELAY))
BEGIN: Final = "<!-- The table between these two lines is written by make bench. -->"
END: Final = "<!-- End of the table. -->"
LONGEST_FAILURE: Final = 60


def median(cell: Cell, figure: str) -> float | None:
    """The middle value of a figure over the rounds; None if there is none."""
    values = [outcome.figures[figure] for outcome in cell.rounds if figure in outcome.figures]
    return statistics.median(values) if values and not cell.failure else None


def spread(cell: Cell, figure: str) -> float:
    """The distance of the furthest round from the median, as a share of the median."""
    values = [outcome.figures[figure] for outcome in cell.rounds if figure in outcome.figures]
    middle = statistics.median(values)
    return max(abs(value - middle) for value in values) / middle if middle else 0.0


def number(value: float) -> str:
    """A value with about three digits that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def value_text(cell: Cell | None, figure: str) -> str:
    """One cell of the table: the median, its spread if there are rounds to compare, or why there is none."""
    if cell is None:
        return ""
    if cell.failure:
        return f"failed: {cell.failure[:LONGEST_FAILURE]}".replace("|", "/").replace("\n", " ")
    middle = median(cell, figure)
    if middle is None:
        return ""
    return f"{number(middle)} ±{spread(cell, figure):.0%}" if len(cell.rounds) > 1 else number(middle)


def ratio_text(cells: Mapping[str, Cell], figure: str, ours: str, theirs: str) -> str:
    """How many times better ours is; less than 1 is worse. Empty if one has no value or is zero."""
    if ours not in cells or theirs not in cells:
        return ""
    mine, other = median(cells[ours], figure), median(cells[theirs], figure)
    if not mine or not other:
        return ""
    return f"{number(mine / other if FIGURES[figure].higher_is_better else other / mine)}x"


def figures_of(cells: Mapping[str, Cell]) -> list[str]:
    """The figures that any broker reported, in the order of reporting."""
    found: dict[str, None] = {}
    for cell in cells.values():
        for outcome in cell.rounds:
            found |= dict.fromkeys(outcome.figures)
    return list(found)


def table(results: Results) -> str:
    """All results as a Markdown table."""
    heads = ["scenario", "figure", *(TITLES[name] for name in COLUMNS)]
    heads += [f"{TITLES[ours]} : {TITLES[theirs]}" for ours, theirs in RATIOS]
    lines = [row(heads), row(["---"] * 2 + ["---:"] * (len(heads) - 2))]
    for scenario, cells in results.items():
        # A scenario that failed everywhere still has its line.
        for place, figure in enumerate(figures_of(cells) or [""]):
            values = [value_text(cells.get(name), figure) for name in COLUMNS]
            ratios = [ratio_text(cells, figure, ours, theirs) for ours, theirs in RATIOS]
            unit = FIGURES[figure].unit if figure else ""
            lines.append(row([scenario if place == 0 else "", unit, *values, *ratios]))
    return "\n".join(lines)


def row(cells: Sequence[str]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def document(results: Results, facts: Sequence[str]) -> str:
    """The facts as a list, then the table."""
    return "\n".join([*(f"- {fact}" for fact in facts), "", table(results)])


def rewrite(readme: Path, text: str) -> None:
    """Put the text between the two marks of a file, in place of what was there."""
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, f"{readme} has no mark for the table"
    assert end, f"{readme} has no mark for the table's end"
    readme.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
