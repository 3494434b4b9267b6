"""Tables and figures of what scripts/in_context.py found: FOLDER/results.json -> Markdown, SVGs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Found = Mapping[str, Any]
"""Learner -> dimensions -> class -> error by length; `outside` beside the dimensions."""

BASELINES = ("ridge", "lasso", "small net", "boosted trees")
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the second class in sums of two."""
TASKS_PER_STEP = 64
COLOURS = ("#1a7cc4", "#d55e00", "#009e73", "#cc79a7", "#a07d0a", "#8a6fd1", "#7f8790", "#333333")
WIDTH, HEIGHT, LEFT, TOP, GAP = 220, 170, 40, 52, 34
STYLE = (
    "<style>text{font:12px system-ui,sans-serif;fill:#555}path{fill:none;stroke-width:2}"
    ".g{stroke:#8885;stroke-width:1}.b{stroke-dasharray:4 3}"
    "@media(prefers-color-scheme:dark){text{fill:#bbb}path[stroke='#333333']{stroke:#ccc}}</style>"
)


@dataclass(frozen=True)
class Panel:
    """One plot: numbers along x (their places are the logarithms if `log`), and lines by name."""

    title: str
    x: Sequence[float]
    lines: Mapping[str, Sequence[float]]
    log: bool = True
    top: float = 1.5


def draw(found: Found, classes: Sequence[str], folder: Path, steps: int) -> None:
    """Write the figures that the results suffice for; `steps` are those of the mixture."""
    for name, panels in {
        **{f"curves_{d}.svg": curves(found, classes, d) for d in (5, 10, 16)},
        "selection.svg": selection(found),
        "outside.svg": outside(found),
        "budget.svg": budget(found, classes, steps),
    }.items():
        if panels:
            (folder / name).write_text(svg(panels), encoding="utf-8")


def curves(found: Found, classes: Sequence[str], n_dims: int) -> list[Panel]:
    """Error against rows of context by class, of each net and baseline."""
    there = {name: of[str(n_dims)] for name, of in found.items() if str(n_dims) in of}
    if not there:
        return []
    lengths = next(iter(there.values()))["lengths"]
    panels = []
    for one in classes:
        named = {"shipped": "shipped", "mixture": "mixture", "single class": f"only_{one}"}
        named |= {name: name for name in ("decoder", "encoder_decoder", *BASELINES)}
        if "mixture" in there:
            del named["shipped"]
        lines = {k: there[v]["errors"][one] for k, v in named.items() if v in there}
        panels.append(Panel(f"{one}, {n_dims} dimensions", lengths, lines))
    return panels


def selection(found: Found) -> list[Panel]:
    """Error on `sparse` and on `trees` of nets that saw either more or less often."""
    names = {f"{s:g} sparse": f"sparse_{s:g}_trees" for s in (0.1, 0.5, 0.9)}
    there = {k: found[v]["5"] for k, v in names.items() if "5" in found.get(v, {})}
    panels = []
    for one in ("sparse", "trees") if there else ():
        lines = {k: of["errors"][one] for k, of in there.items()}
        for name in (f"only_{one}", "ridge", "lasso"):
            if "5" in found.get(name, {}):
                said = "one class" if name.startswith("only") else name
                lines[said] = found[name]["5"]["errors"][one]
        lengths = next(iter(there.values()))["lengths"]
        panels.append(Panel(f"{one}, 5 dimensions", lengths, lines))
    return panels


def outside(found: Found) -> list[Panel]:
    """Error on sums of a sparse function and trees, of nets that saw both, or one."""
    names = ("mixture", "sparse_0.5_trees", "only_sparse", "only_trees")
    there = {name: found[name]["outside"] for name in names if "outside" in found.get(name, {})}
    if not there:
        return []
    keys = [f"sparse {1 - s:g} + trees {s:g}" for s in SHARES]
    lines = {name: [of[key][0] for key in keys] for name, of in there.items()}
    lines["ridge"] = [next(iter(there.values()))[key][1] for key in keys]
    title = "(1 - a) sparse + a trees, 20 rows; along: a"
    return [Panel(title, SHARES, lines, log=False, top=1.0)]


def budget(found: Found, classes: Sequence[str], mixture_steps: int) -> list[Panel]:
    """Error, as a multiple of ridge's, against the tasks that a mixture was trained on."""
    named = {int(n[6:]): n for n in found if n.startswith("steps_") and "5" in found[n]}
    if "5" in found.get("mixture", {}):
        named[mixture_steps] = "mixture"
    if len(named) < 2:
        return []
    steps = sorted(named)
    x = [n * TASKS_PER_STEP / 1000 for n in steps]
    lines = {}
    for one in classes:
        ridge = np.mean(found["ridge"]["5"]["errors"][one])
        own = [np.mean(found[named[n]]["5"]["errors"][one]) for n in steps]
        lines[one] = [float(error / ridge) for error in own]
    return [Panel("error / ridge's, all lengths; along: thousand tasks", x, lines, top=2.0)]


def svg(panels: Sequence[Panel]) -> str:
    """Draw panels beside each other under one legend; lines of baselines are dashed."""
    width = LEFT + (WIDTH + GAP) * max(len(panels), 3)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {TOP + HEIGHT + 36}">']
    parts.append(STYLE)
    x = LEFT
    for i, name in enumerate(panels[0].lines):
        parts.append(f'<path {_stroke(i, name)} d="M{x} 12h18"/>')
        parts.append(f'<text x="{x + 22}" y="16">{name}</text>')
        x += 42 + 7 * len(name)
    for place, panel in enumerate(panels):
        left = LEFT + place * (WIDTH + GAP)
        parts.append(f'<text x="{left}" y="{TOP - 12}">{panel.title}</text>')
        for level in np.arange(0, panel.top + 0.01, panel.top / 3):
            y = TOP + HEIGHT * (1 - level / panel.top)
            parts.append(f'<path class="g" d="M{left} {y:.0f}h{WIDTH}"/>')
            parts.append(f'<text x="{left - 26}" y="{y + 4:.0f}">{level:.2g}</text>')
        at = np.log(panel.x) if panel.log else np.asarray(panel.x, dtype=float)
        across = left + WIDTH * (at - at[0]) / (at[-1] - at[0])
        for x, n in zip(across, panel.x, strict=True):
            parts.append(f'<text x="{x - 6:.0f}" y="{TOP + HEIGHT + 18}">{n:g}</text>')
        for i, (name, errors) in enumerate(panel.lines.items()):
            heights = TOP + HEIGHT * (1 - np.minimum(errors, panel.top) / panel.top)
            line = "L".join(f"{x:.0f} {y:.1f}" for x, y in zip(across, heights, strict=True))
            parts.append(f'<path {_stroke(i, name)} d="M{line}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _stroke(i: int, name: str) -> str:
    dashed = ' class="b"' if name in BASELINES else ""
    return f'stroke="{COLOURS[i % len(COLOURS)]}"{dashed}'


def tables(found: Found, classes: Sequence[str]) -> str:
    """Return what was found as tables in Markdown."""
    parts = [at_twice(found, classes, d) for d in (5, 10, 16)]
    return "\n".join([*parts, own_class(found, classes), sums(found)])


def at_twice(found: Found, classes: Sequence[str], n_dims: int) -> str:
    """Errors of all learners at twice the dimensions in rows."""
    there = {name: of[str(n_dims)] for name, of in found.items() if str(n_dims) in of}
    rows = []
    for name, own in there.items():
        at = list(own["lengths"]).index(2 * n_dims)
        rows.append([name, *(f"{own['errors'][c][at]:.3f}" for c in classes)])
    return _table(f"{n_dims} dimensions, {2 * n_dims} rows", ["", *classes], rows)


def own_class(found: Found, classes: Sequence[str]) -> str:
    """The mixture's error as a multiple of that of the net of one class, by rows of context."""
    rows = []
    for one in classes:
        if "5" in found.get(f"only_{one}", {}) and "5" in found.get("mixture", {}):
            own, of = (found[n]["5"]["errors"][one] for n in (f"only_{one}", "mixture"))
            ratios = [b / a for a, b in zip(own, of, strict=True)]
            rows.append([one, *(f"{r:.2f}" for r in ratios), f"{np.mean(of) / np.mean(own):.2f}"])
    lengths = found["ridge"]["5"]["lengths"] if "ridge" in found else []
    return _table("mixture / net of that class alone", ["", *map(str, lengths), "mean"], rows)


def sums(found: Found) -> str:
    """Errors outside of what was learnt: net, and ridge on the same tasks."""
    there = {name: of["outside"] for name, of in found.items() if "outside" in of}
    if not there:
        return ""
    keys = list(next(iter(there.values())))
    rows = [[name, *(f"{of[key][0]:.3f}" for key in keys)] for name, of in there.items()]
    rows.append(["ridge", *(f"{next(iter(there.values()))[key][1]:.3f}" for key in keys)])
    return _table("outside, 20 rows", ["", *keys], rows)


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [f"\n{title}\n", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"
