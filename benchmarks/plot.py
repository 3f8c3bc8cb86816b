"""Bar charts as SVG, written by hand: a few kinds of bars on a logarithmic scale need no library."""

import math
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Final

from benchmarks.broker_process import BROKERS
from benchmarks.figures import FIGURES
from benchmarks.report import TITLES, figures_of, median, number
from benchmarks.runner import Results

WIDTH: Final = 860
LEFT: Final = 190
RIGHT: Final = 90
TOP: Final = 70
BAR: Final = 11
GAP: Final = 10
COLOURS: Final = {"compiled": "#1f6feb", "interpreted": "#8ec5ff", "rabbitmq": "#ff6600", "lavinmq": "#1a884f"}

Bars = dict[str, dict[str, float]]  # scenario, then broker


def collect(results: Results, wanted: Callable[[str], bool]) -> Bars:
    """The first figure of each scenario that is wanted, where it has one, as medians above zero."""
    bars: Bars = {}
    for scenario, cells in results.items():
        figure = next((one for one in figures_of(cells) if wanted(one)), None)
        if figure is None:
            continue
        medians = {name: median(cells[name], figure) for name in BROKERS if name in cells}
        values = {name: value for name, value in medians.items() if value}
        if values:
            bars[scenario] = values
    return bars


def chart(title: str, bars: Bars) -> str:
    """One chart, a group of bars per scenario, as the text of an SVG file."""
    values = [value for group in bars.values() for value in group.values()]
    low = 10 ** math.floor(math.log10(min(values)))
    high = 10 ** math.ceil(math.log10(max(values) * 1.001))
    group_height = BAR * len(BROKERS) + GAP
    height = TOP + group_height * len(bars) + 20

    def across(value: float) -> float:
        share = math.log10(value / low) / math.log10(high / low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        text(LEFT, 22, title, size=15),
    ]
    for place, name in enumerate(BROKERS):
        x = LEFT + 130 * place
        parts += [
            f'<rect x="{x}" y="32" width="11" height="11" fill="{COLOURS[name]}"/>',
            text(x + 16, 42, TITLES[name]),
        ]
    tick = low
    while tick <= high * 1.001:
        x_tick = across(tick)
        parts.append(f'<path d="M{x_tick:.1f} {TOP - 4}V{height - 14}" stroke="#ddd"/>')
        parts.append(text(x_tick, TOP - 8, f"{tick:,g}", anchor="middle"))
        tick *= 10
    for line, (scenario, group) in enumerate(bars.items()):
        y = TOP + line * group_height
        parts.append(text(LEFT - 8, y + group_height / 2, scenario, anchor="end"))
        for place, name in enumerate(BROKERS):
            if name in group:
                end, bar_y = across(group[name]), y + place * BAR
                length = max(end - LEFT, 1)
                parts.append(
                    f'<rect x="{LEFT}" y="{bar_y}" width="{length:.1f}" height="{BAR - 1}" fill="{COLOURS[name]}"/>'
                )
                parts.append(text(end + 4, bar_y + 9, number(group[name]), size=9))
    return "\n".join([*parts, "</svg>", ""])


def text(x: float, y: float, words: str, size: int = 11, anchor: str = "start") -> str:
    """One text element."""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(words)}</text>'


def write_plots(results: Results, directory: Path) -> list[Path]:
    """Write throughput, CPU and latency; a chart without a value is left out. Returns the files."""
    directory.mkdir(parents=True, exist_ok=True)
    charts = {
        "throughput": ("Per second (more is better, logarithmic)", lambda one: FIGURES[one].higher_is_better),
        "cpu": ("Microseconds of the broker's CPU each (less is better, logarithmic)", lambda one: one == "cpu_us"),
        "latency": ("Microseconds, 99 of 100 are faster (less is better, logarithmic)", lambda one: one == "p99_us"),
    }
    written = []
    for name, (title, wanted) in charts.items():
        bars = collect(results, wanted)
        if bars:
            file = directory / f"{name}.svg"
            file.write_text(chart(title, bars), encoding="utf-8")
            written.append(file)
    return written
