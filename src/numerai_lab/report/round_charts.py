"""Two drawings of live corr for monitor.html: each round, and the sum of the rounds.

Plain SVG that is stretched to the width there is, with its labels beside it as text, so that they
are as large on a phone as on a screen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from numerai_lab.report.figures import number
from numerai_lab.report.markup import Html, h

STYLE = """
.rounds { margin: 1rem 0; }
.rounds .plot { display: grid; grid-template-columns: auto 1fr; gap: 0 .5rem; margin: .3rem 0; }
.rounds .values { position: relative; min-width: 3.4rem; height: 200px; }
.rounds .values span { position: absolute; right: 0; transform: translateY(-50%); }
.rounds .values span, .rounds .ends { color: var(--quiet); font-size: .8rem; line-height: 1; }
.rounds .values span, .rounds .ends { font-variant-numeric: tabular-nums; }
.rounds .ends { grid-column: 2; display: flex; justify-content: space-between; margin-top: .35rem; }
.rounds svg { display: block; width: 100%; height: 200px; overflow: visible; }
.rounds line, .rounds polyline { vector-effect: non-scaling-stroke; fill: none; }
.rounds .grid { stroke: var(--grid); }
.rounds .zero { stroke: var(--ink); stroke-width: 1.5; }
.rounds .mean { stroke: var(--ink); stroke-width: 2; stroke-dasharray: 2 3; }
.rounds .expected { fill: var(--accent); opacity: .16; }
.rounds .hoped { stroke: var(--accent); stroke-width: 1.5; stroke-dasharray: 7 4; }
.rounds .sum { stroke: var(--ink); stroke-width: 2.2; }
.rounds .gain { fill: var(--accent); }
.rounds .loss { fill: var(--loss); }
"""

_WIDTH, _HEIGHT = 1000.0, 100.0
"""Of the drawing in its own units; the page stretches both."""


class _Scale:
    """Turns rounds and values into places, and knows which values to name."""

    def __init__(self, first: int, last: int, values: Sequence[float]) -> None:
        low, high = min(0.0, *values), max(0.0, *values)
        room = 0.04 * (high - low) or 0.01
        self.low, self.high = low - room, high + room
        self.first, self.step = first, _WIDTH / (last - first + 1)

    def x(self, round_: float) -> float:
        return round((round_ - self.first) * self.step, 2)

    def middle(self, round_: int) -> float:
        return self.x(round_ + 0.5)

    def y(self, value: float) -> float:
        return round(_HEIGHT * (self.high - value) / (self.high - self.low), 2)

    def ticks(self) -> list[float]:
        """Round values, zero among them, three to six of them."""
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
        return [
            step * k for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        ]


def round_charts(slot: Mapping[str, Any]) -> Html:
    """Draw a slot's resolved rounds; nothing where there are none.

    Parameters
    ----------
    slot : as in `Status.to_json()`: `corr` and `bands`.
    """
    scores = [(int(n), float(value)) for n, value in slot["corr"]]
    if not scores:
        return Html("")
    bands = slot["bands"] or {"round": None, "cumulative": []}
    drawn = [_each_round(scores, bands["round"])]
    if len(scores) > 1:
        drawn.append(_sum_of_rounds(scores, bands["cumulative"]))
    return Html("".join(drawn))


def _each_round(scores: list[tuple[int, float]], band: Sequence[float] | None) -> Html:
    first, last = scores[0][0], scores[-1][0]
    values = [value for _, value in scores]
    scale = _Scale(first, last, [*values, *(band or ())])
    mean = sum(values) / len(values)
    parts: list[object] = []
    words = f"corr of each of {_many(len(scores), 'resolved round')}; dotted: mean {number(mean)}"
    absent = last - first + 1 - len(scores)
    if absent:
        words += f"; no score for {_many(absent, 'round')} between"
    if band is not None:
        low, high = band
        height = round(scale.y(low) - scale.y(high), 2)
        parts.append(
            h("rect", x=0, y=scale.y(high), width=_WIDTH, height=height, class_="expected")
        )
        words += (
            f"; shaded: where 95 of 100 rounds lie if live is as validation, {number(low, 3)} to "
            f"{number(high, 3)}"
        )
    parts += [
        h(
            "rect",
            h("title", f"round {n}: {number(value)}"),
            x=scale.x(n + 0.1),
            y=min(scale.y(value), scale.y(0)),
            width=round(scale.step * 0.8, 2),
            height=round(abs(scale.y(value) - scale.y(0)), 2),
            class_="gain" if value >= 0 else "loss",
        )
        for n, value in scores
    ]
    parts.append(_across(scale, mean, "mean"))
    return _figure("Each round", parts, scale, (first, last), words)


def _sum_of_rounds(scores: list[tuple[int, float]], band: Sequence[Sequence[float]]) -> Html:
    first, last = scores[0][0], scores[-1][0]
    sums, total = [(first - 1, 0.0)], 0.0
    for n, value in scores:
        total += value
        sums.append((n, total))
    edges = [value for _, low, _, high in band for value in (low, high)]
    scale = _Scale(first - 1, last, [*(value for _, value in sums), *edges])

    def points(line: Sequence[tuple[int, float]]) -> str:
        return " ".join(f"{scale.middle(n)},{scale.y(value)}" for n, value in line)

    words = f"sum of corr over the rounds, {number(total)} by now"
    parts: list[object] = []
    if band:
        start = (first - 1, 0.0)
        lower = [start, *((int(n), low) for n, low, _, _ in band)]
        upper = [start, *((int(n), high) for n, _, _, high in band)]
        hoped = [start, *((int(n), mean) for n, _, mean, _ in band)]
        parts.append(h("polygon", points=points([*lower, *reversed(upper)]), class_="expected"))
        parts.append(h("polyline", points=points(hoped), class_="hoped"))
        words += (
            f"; dashed: {number(hoped[-1][1])} is what validation leads one to expect of "
            f"round {hoped[-1][0]}; shaded: where the sum lies in 95 of 100 cases if live is as "
            "validation"
        )
        if hoped[-1][0] < last:
            words += f" (after round {hoped[-1][0]} too few eras were judged to say)"
    parts.append(h("polyline", points=points(sums), class_="sum"))
    return _figure("Sum of the rounds", parts, scale, (first, last), words)


def _across(scale: _Scale, value: float, class_: str) -> Html:
    return h("line", x1=0, x2=_WIDTH, y1=scale.y(value), y2=scale.y(value), class_=class_)


def _figure(
    title: str, parts: Sequence[object], scale: _Scale, ends: tuple[int, int], words: str
) -> Html:
    ticks = scale.ticks()
    decimals = max(2, max((-math.floor(math.log10(abs(t))) for t in ticks if t), default=2))
    lines = [_across(scale, value, "grid") for value in ticks if value]
    drawing = h(
        "svg",
        *lines,
        *parts,
        _across(scale, 0, "zero"),
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{title}: {words}",
    )
    names = (
        h("span", number(value, decimals) if value else "0", style=f"top:{scale.y(value)}%")
        for value in ticks
    )
    plot = h(
        "div",
        h("div", *names, class_="values", aria_hidden="true"),
        drawing,
        h("div", *(h("span", f"round {end}") for end in ends), class_="ends"),
        class_="plot",
    )
    return h("figure", h("h3", title), plot, h("figcaption", f"{words}."), class_="rounds")


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
