"""Drawings of an explanation: bars by bin, and strips of eras. Plain SVG, labels beside as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numerai_lab.report.figures import eras as era_span
from numerai_lab.report.figures import number
from numerai_lab.report.markup import Html, breakable, code, h

STYLE = """
.bins { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); }
.bins { gap: 1rem 1.5rem; margin: 0 0 1rem; }
.bins svg { display: block; width: 100%; height: 90px; overflow: visible; }
.bins h3 { font-weight: 500; font-size: .87rem; overflow-wrap: anywhere; }
.bins .names { display: flex; color: var(--quiet); font-size: .78rem; }
.bins .names span { flex: 1; text-align: center; overflow-wrap: anywhere; }
.bins line, .strips line { vector-effect: non-scaling-stroke; }
.bins .zero { stroke: var(--quiet); }
.bins .range { stroke: var(--ink); stroke-width: 1.5; }
.gain { fill: var(--accent); }
.loss { fill: var(--loss); }
.strips { display: grid; grid-template-columns: minmax(0, 16rem) minmax(0, 1fr); }
.strips { gap: .25rem .75rem; align-items: center; margin: 0 0 1rem; }
.strips svg { display: block; width: 100%; height: 16px; background: var(--page); }
.strips .ends { grid-column: 2; display: flex; justify-content: space-between; }
.strips .ends { color: var(--quiet); font-size: .8rem; }
.strips code { font-size: .8rem; }
@media screen and (max-width: 640px) {
  .strips { grid-template-columns: minmax(0, 1fr); gap: .1rem; }
  .strips .ends { grid-column: 1; }
  .strips svg { margin-bottom: .4rem; }
}
"""


def bins(dependence: Sequence[Mapping[str, Any]]) -> Html:
    """Draw for each feature the mean contribution of each of its bins, all on one scale."""
    ends = [
        value
        for one in dependence
        for bin_ in one["bins"]
        for value in (bin_["mean"], bin_["mean_low"], bin_["mean_high"])
        if value is not None
    ]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    if high <= low:
        return h("p", "No feature moves the prediction.", class_="note")
    return h("div", *(_bins_of(one, low, high) for one in dependence), class_="bins")


def _bins_of(one: Mapping[str, Any], low: float, high: float) -> Html:
    def y(value: float) -> float:
        return round(100 * (high - value) / (high - low), 2)

    width = 100 / len(one["bins"])
    parts, said = [], []
    for i, bin_ in enumerate(one["bins"]):
        mean, middle = bin_["mean"], round((i + 0.5) * width, 2)
        said.append(f"{bin_['bin']}: {number(mean, signed=True)}")
        words = f"{said[-1]}, {bin_['rows']} rows"
        parts.append(
            h(
                "rect",
                h("title", words),
                x=round((i + 0.15) * width, 2),
                width=round(0.7 * width, 2),
                y=min(y(mean), y(0)),
                height=round(abs(y(mean) - y(0)), 2),
                class_="gain" if mean >= 0 else "loss",
            )
        )
        if bin_["mean_low"] is not None:
            ends = {"y1": y(bin_["mean_low"]), "y2": y(bin_["mean_high"])}
            parts.append(h("line", x1=middle, x2=middle, class_="range", **ends))
    parts.append(h("line", x1=0, x2=100, y1=y(0), y2=y(0), class_="zero"))
    drawing = h(
        "svg",
        *parts,
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{one['feature']}: {'; '.join(said)}",
    )
    names = (h("span", bin_["bin"]) for bin_ in one["bins"])
    title = h("h3", breakable(one["feature"]))
    return h("figure", title, drawing, h("div", *names, class_="names", aria_hidden="true"))


def strips(eras: Sequence[int], series: Mapping[str, Sequence[float | None]], label: str) -> Html:
    """Draw a number of each feature in each era: the sign by colour, the size by strength.

    Parameters
    ----------
    series : feature -> its numbers, None where there is none. label : what they are.
    """
    largest = max(
        (abs(value) for row in series.values() for value in row if value is not None), default=0.0
    )
    if not largest:
        return h("p", "Nothing but 0 in any era.", class_="note")
    rows = []
    for name, row in series.items():
        cells = [
            h(
                "rect",
                h("title", f"era {era}: {number(value, signed=True)}"),
                x=i,
                y=0,
                width=1,
                height=1,
                class_="gain" if value >= 0 else "loss",
                opacity=f"{max(0.08, (abs(value) / largest) ** 0.5):.2f}",
            )
            for i, (era, value) in enumerate(zip(eras, row, strict=True))
            if value is not None
        ]
        up = sum(1 for value in row if value is not None and value > 0)
        known = sum(1 for value in row if value is not None)
        drawing = h(
            "svg",
            *cells,
            viewBox=f"0 0 {len(eras)} 1",
            preserveAspectRatio="none",
            role="img",
            aria_label=f"{name}: above 0 in {up} of {known} eras",
        )
        rows += [code(name), drawing]
    ends = h("div", h("span", f"era {eras[0]}"), h("span", f"era {eras[-1]}"), class_="ends")
    said = f"{label}, eras {era_span(eras[0], eras[-1])}"
    return h("div", *rows, ends, class_="strips", role="group", aria_label=said)
