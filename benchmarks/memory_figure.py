"""Draw peak memory and time against rows, from the measurements of `bench_memory.py`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from memory_results import Measured, Results

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, GAP = 900, 400, 44, 24, 40, 112, 76
LINES = (
    ("notebook-lgbm", "lgbm", "notebook", "notebook, LightGBM"),
    ("notebook-xgb", "xgb in core", "notebook", "notebook, XGBoost"),
    ("lgbm", "lgbm", "first", "lab, LightGBM"),
    ("xgb", "xgb in core", "first", "lab, XGBoost in core"),
    ("external", "xgb external", "first", "lab, XGBoost from disk"),
)
STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #444 }
.title { font-weight: 600; fill: #222 }
.grid { stroke: #8886; stroke-width: 1 }
.line { fill: none; stroke-width: 2.5 }
.notebook-lgbm { stroke: #d55e00; stroke-dasharray: 6 4 }
.notebook-xgb { stroke: #b8860b; stroke-dasharray: 2 4 }
.lgbm { stroke: #1a7cc4 }
.xgb { stroke: #009e73 }
.external { stroke: #8a5fbf }
.raw { stroke: #888; stroke-width: 1.5; stroke-dasharray: 1 3 }
@media (prefers-color-scheme: dark) { text { fill: #bbb } .title { fill: #eee } }"""


@dataclass(frozen=True)
class Point:
    """Millions of training rows, and a value's median, lowest and highest."""

    rows: float
    middle: float
    low: float
    high: float


def draw(results: Results) -> str:
    """Return the figure as SVG: peak memory on the left, wall time on the right."""
    setting = results.setting
    millions = setting.rows_per_era / 1e6
    raw = [
        Point(eras * millions, gib, gib, gib)
        for eras in results.sizes()
        for gib in [setting.raw_mb(eras) / 1024]
    ]
    peaks = _panel(results, lambda run: run.peak_mb / 1024) | {"raw": raw}
    minutes = _panel(results, lambda run: run.wall / 60)
    width = (WIDTH - LEFT - RIGHT - GAP) / 2
    parts = [
        *_axes(peaks, LEFT, width, "peak memory of the process, GiB"),
        *_axes(minutes, LEFT + width + GAP, width, "whole train, read to scores, minutes"),
        *_key([(name, label) for name, *_, label in LINES if peaks[name]]),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">\n'
        f"<style>\n{STYLE}\n</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(results: Results, of: Callable[[Measured], float]) -> dict[str, list[Point]]:
    lines: dict[str, list[Point]] = {}
    for name, kind, side, _ in LINES:
        found = [(eras, results.values(eras, kind, side, of)) for eras in results.sizes()]
        lines[name] = [
            Point(
                eras * results.setting.rows_per_era / 1e6,
                statistics.median(values),
                min(values),
                max(values),
            )
            for eras, values in found
            if values
        ]
    return lines


def _axes(lines: dict[str, list[Point]], left: float, width: float, title: str) -> list[str]:
    points = [point for line in lines.values() for point in line]
    top, right = max(point.high for point in points), max(point.rows for point in points)
    step, step_x = _step(top), _step(right)
    top = math.ceil(top / step) * step

    def y_of(value: float) -> float:
        return TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM)

    def x_of(rows: float) -> float:
        return left + rows / right * width

    parts = [f'<text class="title" x="{left:.0f}" y="20">{title}</text>']
    for tick in range(round(top / step) + 1):
        y = y_of(tick * step)
        ends = f'x1="{left:.0f}" x2="{left + width:.0f}" y1="{y:.1f}" y2="{y:.1f}"'
        place = f'x="{left - 6:.0f}" y="{y + 4:.1f}" text-anchor="end"'
        parts += [f'<line class="grid" {ends}/>', f"<text {place}>{tick * step:g}</text>"]
    for tick in range(int(right / step_x + 1e-9) + 1):
        place = f'x="{x_of(tick * step_x):.0f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle"'
        parts.append(f"<text {place}>{tick * step_x:g}</text>")
    place = f'x="{left + width / 2:.0f}" y="{HEIGHT - BOTTOM + 36}" text-anchor="middle"'
    parts.append(f"<text {place}>million training rows</text>")
    for name, line in lines.items():
        path = " ".join(f"{x_of(p.rows):.1f},{y_of(p.middle):.1f}" for p in line)
        parts.append(f'<polyline class="line {name}" points="{path}"/>')
        for p in line:
            x, low, high = x_of(p.rows), y_of(p.low) + 1, y_of(p.high) - 1
            span = f'x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"'
            parts.append(f'<line class="{name}" style="stroke-width:6;stroke-dasharray:0" {span}/>')
    return parts


def _key(names: list[tuple[str, str]]) -> list[str]:
    parts = []
    for i, (name, label) in enumerate([*names, ("raw", "int8 features alone")]):
        x, y = LEFT + (i % 3) * 280, HEIGHT - 44 + (i // 3) * 22
        ends = f'x1="{x}" x2="{x + 30}" y1="{y}" y2="{y}"'
        parts.append(f'<line class="line {name}" {ends}/>')
        parts.append(f'<text x="{x + 38}" y="{y + 4}">{label}</text>')
    return parts


def _step(top: float) -> float:
    """Return the least round step that gives at most six parts."""
    power = 10.0 ** math.floor(math.log10(top / 6))
    return next(power * n for n in (1, 2, 2.5, 5, 10) if top / (power * n) <= 6)
