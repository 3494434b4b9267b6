"""`compare --html`: several runs on one page, all of them on the eras that all have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.experiment import SideBySide
from numerai_lab.files import write_text
from numerai_lab.report import charts, figures, matrix
from numerai_lab.report.charts import Chart
from numerai_lab.report.curves import Curve, cumulative, difference, drawdown
from numerai_lab.report.figures import ABSENT, interval, number, percent
from numerai_lab.report.markup import Html, breakable, code, document, h, table
from numerai_lab.report.messages import banner
from numerai_lab.report.over_time import over_time
from numerai_lab.report.plots import NO_SCRIPT, POLICY, asset, figure, scripts
from numerai_lab.report.score_shapes import Comparison

COLOURS = (charts.MODEL_COLOUR, *charts.BASELINE_COLOURS, charts.BENCHMARK_COLOUR)


def write_comparison(
    held: SideBySide,
    rows: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    what: str,
    synthetic: bool,
) -> None:
    """Write the page, about 5 MB with the charts' library.

    Parameters
    ----------
    held : the runs beside each other, with correlations of what they predict.
    rows : what `compare_series` returns: each later run minus the first.
    what : what is compared, in words. synthetic : whether a run is on made-up data.

    Raises
    ------
    MachineError : it cannot be written; an earlier page stays as it was.
    """
    write_text(path, render_page(held, rows, what, synthetic=synthetic))


def render_page(
    held: SideBySide, rows: Sequence[Mapping[str, Any]], what: str, *, synthetic: bool
) -> Html:
    """Render the page."""
    shown = [Comparison.model_validate(dict(row)) for row in rows]
    drawn = _draw(held)
    words = "Some of these runs are on made-up rows: their scores say nothing about the tournament."
    line = (what, f"{matrix.common_eras(held)} that all runs have")
    body = (
        h(
            "header",
            h("h1", f"{len(held.labels)} runs beside each other"),
            h("ul", *(h("li", part) for part in line), class_="meta"),
        ),
        banner("Synthetic data", words) if synthetic else "",
        h(
            "main",
            h("section", h("h2", "Scores"), _values(held), id="scores"),
            h(
                "section",
                h("h2", "Curves"),
                NO_SCRIPT,
                h("div", *(figure(chart, chart.wide) for chart in drawn), class_="charts"),
                id="eras",
            ),
            _differences(shown),
            _pairs(held),
            _settings(held),
            _correlations(held),
        ),
        *scripts(drawn),
    )
    return document(f"{len(held.labels)} runs: {what}", asset("page.css"), POLICY, *body)


def _line(i: int) -> dict[str, Any]:
    dashes = ("solid", *charts.BASELINE_DASHES)
    return {"color": COLOURS[i % len(COLOURS)], "width": 2, "dash": dashes[i % len(dashes)]}


def _numbered(i: int, label: str) -> Html:
    line = _line(i)
    kind = {"solid": "solid", "dot": "dotted"}.get(line["dash"], "dashed")
    swatch = h(
        "span", class_="swatch", style=f"border-top:3px {kind} {line['color']}", aria_hidden="true"
    )
    name, _, folder = label.partition("/")
    return h("span", swatch, f" {i + 1} ", breakable(name), h("small", folder), class_="named")


def _curves(held: SideBySide) -> list[Curve]:
    eras = held.scores.index.to_numpy(dtype=np.int64)
    return [Curve(eras, held.scores[i].to_numpy(dtype=np.float64)) for i in held.scores.columns]


def _draw(held: SideBySide) -> list[Chart]:
    own = _curves(held)
    eras = own[0].eras
    names = [f"{i + 1} {label.partition('/')[0]}" for i, label in enumerate(held.labels)]
    column = held.metric.partition(".")[0]
    column = "corr" if column in ("sharpe", "sharpe_hac", "drawdown", "max_drawdown") else column

    def chart(key: str, title: str, words: str, lines: Sequence[tuple[int, Curve]]) -> Chart:
        shared = charts.bare_layout("era", height=380 if key == "cumulative" else 300)
        axis = {**shared["xaxis"], "tickformat": "d"}
        axis["range"] = [int(eras[0]) - 0.5, int(eras[-1]) + 0.5]
        yaxis = {**shared["yaxis"], "zeroline": True, "zerolinecolor": charts.GRID}
        layout = {**shared, "hovermode": "x unified", "xaxis": axis, "yaxis": yaxis}
        traces = [
            charts.trace(curve, names[i], line=_line(i), hovertemplate="%{y:.3f}")
            for i, curve in lines
        ]
        return Chart(key, title, words, {"data": traces, "layout": layout}, key == "cumulative")

    def ends(lines: Sequence[tuple[int, Curve]]) -> str:
        return "; ".join(f"{names[i]} {number(curve.values[-1], 2)}" for i, curve in lines)

    sums = [(i, cumulative(curve)) for i, curve in enumerate(own)]
    lead = [(i, cumulative(difference(curve, own[0]))) for i, curve in enumerate(own) if i]
    falls = [(i, drawdown(curve)) for i, curve in enumerate(own)]
    deepest = "; ".join(f"{names[i]} {number(curve.values.min(), 2)}" for i, curve in falls)
    return [
        chart("cumulative", f"Cumulative {column}", f"At the end: {ends(sums)}.", sums),
        chart(
            "lead",
            f"Lead over {names[0]}",
            f"Sum of the difference in {column}; where a line rises, it gains. At the end: "
            f"{ends(lead)}.",
            lead,
        ),
        chart("drawdown", "Drawdown", f"Deepest: {deepest}.", falls),
    ]


def _values(held: SideBySide) -> Html:
    rows = []
    curves = _curves(held)
    # of corr the value is the mean, of sharpe_hac it is not
    means = [float(curve.values.mean()) for curve in curves]
    values = np.array(held.values, dtype=np.float64)  # None, an unknown one, is NaN
    other = not np.allclose(means, values, equal_nan=True)
    for i, (label, value, curve) in enumerate(zip(held.labels, held.values, curves, strict=True)):
        total = np.cumsum(curve.values)
        fall = float(np.max(np.maximum.accumulate(total) - total))
        hit = float(np.mean(curve.values > 0))
        cells = [*([number(means[i])] if other else []), number(fall, 3), percent(hit)]
        rows.append([_numbered(i, label), h("strong", number(value)), *cells])
    head = ["run", held.metric, *(["mean"] if other else []), "max drawdown", "hit rate"]
    return table(f"Each run over the same {matrix.common_eras(held)}", head, rows)


def _differences(shown: Sequence[Comparison]) -> Html:
    rows = [
        [
            breakable(c.prediction),
            number(c.mean_difference, signed=True),
            interval(c.ci_low, c.ci_high),
            percent(c.improves),
            figures.span(c.n_eras, c.first_era, c.last_era),
            c.way_in_words,
        ]
        for c in shown
    ]
    head = ["run", "difference", "95 % interval", "probability of improvement", "eras", "verdict"]
    told = [
        h(
            "details",
            h("summary", c.prediction, " over time"),
            h("ul", *(h("li", f"{what}: {', '.join(how)}") for what, how in over_time(c))),
        )
        for c in shown
    ]
    return h(
        "section",
        h("h2", "Differences"),
        table(f"Minus {shown[0].baseline}, each pair on all its own eras", head, rows),
        *told,
        id="differences",
    )


def _pairs(held: SideBySide) -> Html:
    written = matrix.cells(held)
    head = ["row minus column", *(str(i + 1) for i in range(len(held.labels)))]
    rows = [[_numbered(i, label), *written[i]] for i, label in enumerate(held.labels)]
    pairs = [
        [
            f"{pair.first + 1} - {pair.second + 1}",
            number(pair.difference, signed=True),
            interval(pair.ci_low, pair.ci_high),
            number(pair.p_among, 3),
            pair.verdict.replace("_", " "),
        ]
        for pair in held.pairs
    ]
    columns = ["pair", "difference", "95 % interval", "p among all", "verdict"]
    return h(
        "section",
        h("h2", "Every pair"),
        table("Every pair on the eras that all have", head, rows),
        h("p", matrix.SURE, class_="note"),
        h("details", h("summary", "With intervals"), table("Pairs", columns, pairs)),
        id="pairs",
    )


def _settings(held: SideBySide) -> Html:
    known = [one for one in held.settings if one is not None]
    keys = list(dict.fromkeys(key for one in known for key in one))
    if not keys:
        return h("section", h("h2", "Settings"), h("p", "They differ in no setting."))
    rows = [
        [
            code(key),
            *(
                ABSENT if one is None or key not in one else breakable(_value(one[key]))
                for one in held.settings
            ),
        ]
        for key in keys
    ]
    head = ["setting", *(f"{i + 1}" for i in range(len(held.labels)))]
    caption = "Settings that are not the same in all; a parameter left out has its default"
    return h(
        "section",
        h("h2", "Settings"),
        table(caption, head, rows, text_columns=len(head)),
        id="settings",
    )


def _value(value: Any) -> str:
    return "default" if value is None else str(value)


def _correlations(held: SideBySide) -> Html:
    if held.correlations is None or held.n_correlated == 0:
        return Html("")
    rows = [
        [
            _numbered(i, label),
            *(number(float(value), 3) for value in held.correlations[i]),
        ]
        for i, label in enumerate(held.labels)
    ]
    caption = f"Rank correlation of predictions within an era, mean of {held.n_correlated} eras"
    head = ["run", *(str(i + 1) for i in range(len(held.labels)))]
    return h("section", h("h2", "How alike"), table(caption, head, rows), id="alike")
