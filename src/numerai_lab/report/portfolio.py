"""What predictions earned as portfolios: a table, the curve, and the same for the terminal."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numerai_lab.report import figures
from numerai_lab.report.charts import Chart, layout, line_style
from numerai_lab.report.curves import cumulative, per_era
from numerai_lab.report.figures import ABSENT, count, number, percent
from numerai_lab.report.markup import Html, h, table
from numerai_lab.report.plots import figure
from numerai_lab.report.record import Record
from numerai_lab.report.score_shapes import MODEL
from numerai_lab.report.terminal import add_row, new_table

if TYPE_CHECKING:
    from rich.console import RenderableType

Held = Mapping[str, Any]


def how_held(held: Held) -> str:
    """Say in one sentence how the portfolios are held."""
    weeks = -(-held["hold_days"] // 5)
    sleeves = f"{weeks} overlapping weekly sleeves" if weeks > 1 else "one sleeve a week"
    share = held.get("trade_share", 1.0)
    partly = "" if share == 1 else f", traded {100 * share:g} % of the way"
    return (
        f"weights (prediction - mean) / volatility, gross 1 and net 0, entered at the next close, "
        f"held {held['hold_days']} trading days in {sleeves}{partly}; net of "
        f"{held['cost_bp']:g} bp a side of the value traded"
    )


def _interval(found: Any, decimals: int = 2) -> str:
    return ABSENT if found is None else figures.interval(found[0], found[1], decimals)


_HEAD = ("sharpe gross", "95 %", "sharpe net", "95 %", "return net", "drawdown net")


def _cells(one: Mapping[str, Any]) -> list[str]:
    return [
        number(one["sharpe_gross"], 2),
        _interval(one["sharpe_gross_ci"]),
        number(one["sharpe_net"], 2),
        _interval(one["sharpe_net_ci"]),
        percent(one["return_net"], 1),
        percent(one["drawdown_net"], 1),
    ]


def _differences(held: Held, names: Mapping[str, str]) -> list[str]:
    said = []
    for one in held["differences"]:
        parts = []
        for kind in ("gross", "net"):
            found = one[kind]
            if found["difference"] is not None:
                apart = number(found["difference"], 2, signed=True)
                parts.append(f"{apart} {_interval(found['ci'])} {kind}")
        if parts:
            a, b = names.get(one["prediction"], one["prediction"]), one["baseline"]
            weeks = count(one["gross"]["n_weeks"])
            said.append(f"{a} - {b}: yearly Sharpe {', '.join(parts)}, over {weeks} weeks")
    return said


def render_portfolio(held: Held, experiment: str) -> RenderableType:
    """Render portfolios for the terminal. `experiment` is what the run's own is called."""
    from rich.console import Group
    from rich.text import Text

    columns = [("portfolio, yearly", False), ("gross", True), ("95 %", True), ("net", True)]
    columns += [("95 %", True), ("traded", True), ("drawdown", True)]
    rows = new_table(columns)
    for name, one in held["columns"].items():
        cells = [*_cells(one)[:4], f"{one['turnover']:.0f} x", percent(one["drawdown_net"])]
        add_row(rows, [experiment if name == MODEL else name, *cells])
    said = [*_differences(held, {MODEL: experiment}), how_held(held)]
    return Group(Text("Sharpe of portfolios", style="bold"), rows, *(Text(line) for line in said))


def draw_portfolio(record: Record) -> list[Chart]:
    """Draw the summed net returns of each prediction; nothing where none is held."""
    held = record.scores.portfolio
    if held is None:
        return []
    data, ends = [], []
    for name in held["columns"]:
        for kind, width in (("net", 2.2), ("gross", 1.0)):
            curve = cumulative(per_era(record, name, f"portfolio_{kind}"))
            if not len(curve) or (kind == "gross" and name != MODEL):
                continue
            style = {**line_style(record, name), "width": width}
            label = f"{record.label(name)}, {kind}"
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": html.escape(label),
                    "line": style,
                    "x": curve.eras.tolist(),
                    "y": [float(f"{value:.6g}") for value in curve.values],
                }
            )
            ends.append(f"{label} {percent(float(curve.values[-1]))}")
    if not data:
        return []
    shape = layout(record, height=320)
    shape["yaxis"]["tickformat"] = ".0%"
    words = f"Summed weekly returns on the capital, not reinvested: {', '.join(ends)} at the end."
    return [Chart("portfolio", "What portfolios earned", words, {"data": data, "layout": shape})]


def portfolio_section(record: Record, drawn: list[Chart]) -> Html:
    """Build the section; nothing where no portfolio is held."""
    held = record.scores.portfolio
    if held is None:
        return Html("")
    head = ["prediction", *_HEAD, "volatility", "traded a year", "capacity", "weeks"]
    rows = [
        [
            record.label(name),
            *_cells(one),
            percent(one["volatility"], 1),
            f"{one['turnover']:.0f} x capital",
            _money(one["capacity"]),
            count(one["n_weeks"]),
        ]
        for name, one in held["columns"].items()
    ]
    own = held["columns"].get(MODEL, {})
    lost, unopened = own.get("n_lost", 0), own.get("n_unopened", 0)
    notes = [
        f"{how_held(held)[:1].upper()}{how_held(held)[1:]}.",
        "Sharpe is of weekly returns, times sqrt(52), with 95 % block-bootstrap intervals. "
        f"Capacity is the capital at which all but 5 % of the value traded stays within "
        f"{percent(held['participation'])} of a day's volume, the median over weeks.",
        f"{count(lost)} positions had no return at the end of a week, taken as 0." if lost else "",
        f"{count(unopened)} positions were not opened, as their ticker had no return in that week."
        if unopened
        else "",
    ]
    names = {MODEL: record.label(MODEL)}
    return h(
        "section",
        h("h2", "Portfolio"),
        table("Portfolios, a year", head, rows, class_="headline"),
        h("ul", *(h("li", said) for said in _differences(held, names)), class_="comparisons"),
        h("p", " ".join(filter(None, notes)), class_="note"),
        h("div", *(figure(chart, wide=True) for chart in drawn), class_="charts"),
        id="portfolio",
    )


def _money(value: float | None) -> str:
    if value is None:
        return ABSENT
    for size, unit in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f}"
