"""Charts of what eras brought: how corr is spread, sums of mmc and bmc, a stake over time."""

from __future__ import annotations

import numpy as np

from numerai_lab.report import charts, curves, figures
from numerai_lab.report.charts import Chart
from numerai_lab.report.curves import Curve
from numerai_lab.report.figures import number, percent
from numerai_lab.report.record import Record
from numerai_lab.report.score_shapes import MODEL

FEWEST = 10
"""Eras that a distribution is drawn of; of fewer every one can be seen in the bars by era."""
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def draw_outcomes(record: Record) -> list[Chart]:
    """Draw what there are scores for; nothing where no era has a corr."""
    if not len(curves.per_era(record, MODEL)):
        return []
    benchmark = record.scores.benchmark
    found = (
        _distribution(record),
        _contribution(record, "mmc", "the meta model"),
        _contribution(record, "bmc", f"the benchmark {benchmark}" if benchmark else "a benchmark"),
        _spread(record),
        _stake(record),
        _turnover(record),
    )
    return [chart for chart in found if chart]


def _distribution(record: Record) -> Chart | None:
    own = curves.per_era(record, MODEL)
    if len(own) < FEWEST or own.values.min() == own.values.max():
        return None
    counts, edges = np.histogram(own.values, bins=min(40, max(8, len(own) // 6)))
    middles = (edges[:-1] + edges[1:]) / 2
    colours = [charts.MODEL_COLOUR if m >= 0 else charts.LOSS_COLOUR for m in middles]
    layout = charts.bare_layout("corr of an era", legend=False)
    layout["xaxis"] |= {"range": [float(edges[0]), float(edges[-1])], "fixedrange": True}
    layout["yaxis"] |= {"title": {"text": "eras", "standoff": 6}, "rangemode": "tozero"}
    layout |= {"bargap": 0.05, "meta": "alone"}
    bars = {
        "type": "bar",
        "name": "eras",
        "x": [float(f"{m:.6g}") for m in middles],
        "y": counts.tolist(),
        "hovertemplate": "%{x:.3f}: %{y} eras<extra></extra>",
        "marker": {"color": colours, "line": {"width": 0}},
    }
    at = ", ".join(
        f"{percent(q)} {number(float(np.quantile(own.values, q)), 3)}" for q in _QUANTILES
    )
    centred = own.values - own.values.mean()
    skew = float((centred**3).mean() / own.values.std() ** 3)
    words = f"How corr is spread over {figures.count(len(own))} eras. Quantiles: {at}."
    words += f" Skew {number(skew, 2, signed=True)}."
    return Chart("distribution", "Distribution of corr", words, {"data": [bars], "layout": layout})


def _contribution(record: Record, metric: str, beyond: str) -> Chart | None:
    own = curves.per_era(record, MODEL, metric)
    if not len(own):
        return None
    traces = charts.compared(record, curves.cumulative, "%{y:.3f}", metric)
    total = number(float(own.values.sum()), 2)
    eras = figures.in_eras(len(own), int(own.eras[0]), int(own.eras[-1]))
    words = (
        f"Sum of {metric}, the contribution beyond {beyond}, over {eras}. At the end: "
        f"{record.label(MODEL)} {total}."
    )
    figure = {"data": traces, "layout": charts.layout(record)}
    return Chart(f"cumulative-{metric}", f"Cumulative {metric}", words, figure)


def _spread(record: Record) -> Chart | None:
    own = curves.per_era(record, MODEL, "spread")
    if not len(own):
        return None
    traces = charts.compared(record, curves.cumulative, "%{y:.3f}", "spread")
    words = (
        "Sum over eras of the mean target of the fifth of rows predicted highest, minus that of "
        f"the fifth predicted lowest: {number(float(own.values.mean()))} per era, above 0 in "
        f"{percent(float(np.mean(own.values > 0)))} of eras."
    )
    figure = {"data": traces, "layout": charts.layout(record)}
    return Chart("spread", "Cumulative quantile spread", words, figure)


def _stake(record: Record) -> Chart | None:
    own = curves.per_era(record, MODEL, "payout")
    if not len(own):
        return None
    share = record.scores.payout.rule.stake_share
    share = 1.0 if share is None else share

    def carried(curve: Curve) -> Curve:
        grown = np.cumprod(1 + share * curve.values)
        return Curve(curve.eras, (100 * (grown - 1)).astype(np.float64))

    stake = carried(own)
    traces = charts.compared(record, carried, "%{y:.1f} %", "payout")
    arranged = charts.layout(record)
    arranged["yaxis"] |= {"ticksuffix": " %"}
    low = int(np.argmin(stake.values))
    words = (
        f"One stake with every payout added to it, {percent(share)} of it at stake a round: "
        f"{percent(stake.values[-1] / 100, 1)} at the end, lowest "
        f"{percent(stake.values[low] / 100, 1)} at era {stake.eras[low]}. Good for comparing "
        "models, not a forecast."
    )
    return Chart("stake", "A stake over time", words, {"data": traces, "layout": arranged})


def _turnover(record: Record) -> Chart | None:
    own = curves.per_era(record, MODEL, "rank_turnover")
    if not len(own):
        return None
    # not beside each other: one line an era of several models would hide them all
    colour = charts.MODEL_COLOUR
    more = {"line": {"color": colour, "width": 1.6}, "marker": {"color": colour}}
    line = charts.trace(own, record.label(MODEL), **more, hovertemplate="%{y:.3f}")
    arranged = charts.layout(record)
    arranged["yaxis"]["rangemode"] = "tozero"
    words = (
        "1 minus the rank correlation of predictions with those of the era before, stock by stock: "
        f"{number(float(own.values.mean()), 3)} on average over {figures.count(len(own))} eras. 0 "
        "would be the same ranks each era, 1 ranks drawn anew."
    )
    return Chart("turnover", "Rank turnover", words, {"data": [line], "layout": arranged})
