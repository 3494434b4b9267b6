"""Line and bar charts over eras: plotly figures as plain dicts, each with its words.

The page's own CSS gives text and grid their colours, so that one figure serves light, dark
and print; the trace colours keep a contrast of at least 3 on both backgrounds and differ for
colour-blind readers (Okabe and Ito's palette), and dashes differ as well.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.report import curves, figures
from numerai_lab.report.curves import Curve
from numerai_lab.report.record import Record
from numerai_lab.report.score_shapes import MODEL

MODEL_COLOUR, LOSS_COLOUR, BENCHMARK_COLOUR = "#1a7cc4", "#d55e00", "#7f8790"
BASELINE_COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#a07d0a", "#8a6fd1")
BASELINE_DASHES = ("dash", "dot", "dashdot", "longdash", "longdashdot")
MOST_DATES = 8
"""Eras of an axis that are named by their dates."""
GRID = "rgba(136,136,136,0.27)"
"""Replaced by the page's CSS; stands where a chart is seen without it."""


@dataclass(frozen=True)
class Chart:
    """One figure of the page.

    Attributes
    ----------
    key : its id in the page.
    title, words : heading, and what the chart shows in a sentence, for every reader.
    figure : plotly's `data` and `layout`.
    wide : takes the whole width of the page, always.
    """

    key: str
    title: str
    words: str
    figure: dict[str, Any]
    wide: bool = False


def line_style(record: Record, name: str) -> dict[str, Any]:
    """Return the line of a prediction; the same in every chart and in the tables' swatches."""
    if name == MODEL:
        return {"color": MODEL_COLOUR, "width": 2.5, "dash": "solid"}
    if name == record.scores.benchmark:
        return {"color": BENCHMARK_COLOUR, "width": 2, "dash": "solid"}
    others = [n for n in record.scores.names() if n not in (MODEL, record.scores.benchmark)]
    place = others.index(name)
    return {
        "color": BASELINE_COLOURS[place % len(BASELINE_COLOURS)],
        "width": 1.8,
        "dash": BASELINE_DASHES[place % len(BASELINE_DASHES)],
    }


def _numbers(values: Any) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def trace(curve: Curve, name: str, **more: Any) -> dict[str, Any]:
    """Return a trace of a value by era; `more` are plotly's own keys."""
    # plotly reads names as markup of its own, so they are escaped here.
    return {
        "type": "scatter",
        "mode": "lines" if len(curve) > 1 else "markers",
        "name": html.escape(name),
        "x": curve.eras.tolist(),
        "y": _numbers(curve.values),
        **more,
    }


def _date_ticks(record: Record, eras: npt.NDArray[Any]) -> dict[str, Any]:
    """Return axis keys that name some eras by their dates, where eras are dates."""
    dates = record.manifest.data.era_dates
    named = [era for era in eras.tolist() if era in dates]
    if not named:
        return {}
    chosen = named[:: -(-len(named) // MOST_DATES)]
    return {
        "title": {"text": "date of the era", "standoff": 6},
        "tickmode": "array",
        "tickvals": chosen,
        "ticktext": [dates[era] for era in chosen],
    }


def bare_layout(x: str, *, height: int = 300, legend: bool = True) -> dict[str, Any]:
    """Return the layout that all charts share.

    Parameters
    ----------
    x : what the horizontal axis counts.
    """
    axis: dict[str, Any] = {"gridcolor": GRID, "zeroline": False, "automargin": True}
    return {
        "height": height,
        "margin": {"l": 52, "r": 10, "t": 30 if legend else 12, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12},
        "showlegend": legend,
        "legend": {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom"},
        "xaxis": {**axis, "title": {"text": x, "standoff": 6}},
        "yaxis": {**axis, "fixedrange": True},
    }


def layout(record: Record, *, height: int = 300, legend: bool = True) -> dict[str, Any]:
    """Return the layout that all charts over eras share."""
    starts, own = curves.fold_starts(record), curves.per_era(record, MODEL).eras
    shared = bare_layout("era", height=height, legend=legend)
    return {
        **shared,
        "hovermode": "x unified",
        "xaxis": {
            **shared["xaxis"],
            "tickformat": "d",
            **_date_ticks(record, own),
            "spikecolor": GRID,
            "spikethickness": 1,
            "spikedash": "solid",
            "range": [int(own.min()) - 0.5, int(own.max()) + 0.5],
        },
        # A drag chooses eras only, the same ones in every chart.
        "yaxis": {**shared["yaxis"], "zeroline": True, "zerolinecolor": GRID},
        "shapes": [
            {
                "type": "line",
                "x0": era - 0.5,
                "x1": era - 0.5,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": {"color": GRID, "width": 1, "dash": "dot"},
            }
            for _, era in starts[1:]
        ],
    }


def compared(
    record: Record,
    shape: Callable[[Curve], Curve],
    hover: str = "%{y:.4f}",
    metric: str = "corr",
) -> list[dict[str, Any]]:
    """Return the lines of all predictions that have a metric, on eras the run has it in."""
    traces, own = [], curves.per_era(record, MODEL, metric)
    # The run's own line is drawn last, above the others, and named first.
    for rank, name in reversed(list(enumerate(record.scores.names()))):
        common = curves.common(own, curves.per_era(record, name, metric))
        if not len(common):
            continue
        curve = shape(common)
        if len(curve):
            style = line_style(record, name)
            more = {"line": style, "marker": {"color": style["color"]}, "legendrank": rank + 1}
            traces.append(trace(curve, record.label(name), hovertemplate=hover, **more))
    return traces


def _cumulative(record: Record, own: Curve) -> Chart:
    traces = compared(record, lambda curve: curves.alongside(own, curve), "%{y:.3f}")
    total = figures.number(float(own.values.sum()), 2)
    words = [f"Sum of corr over the judged eras. At the end: {record.label(MODEL)} {total}"]
    parts = []
    for name in (name for name in record.scores.names() if name != MODEL):
        theirs = curves.common(own, curves.per_era(record, name))
        sums = figures.number(float(theirs.values.sum()), 2)
        if len(theirs) == len(own):
            words.append(f"{name} {sums}")
        elif len(theirs):
            eras = figures.in_eras(len(theirs), int(theirs.eras[0]), int(theirs.eras[-1]))
            mine = figures.number(float(curves.common(theirs, own).values.sum()), 2)
            parts.append(
                f" {name} was scored in {eras} of these only: its line begins at the height "
                f"of {record.label(MODEL)}; over the eras of both {name} {sums}, "
                f"{record.label(MODEL)} {mine}."
            )
    said = f"{'; '.join(words)}.{''.join(parts)}"
    figure = {"data": traces, "layout": layout(record, height=380)}
    return Chart("cumulative", "Cumulative corr", said, figure, True)


def _lead(record: Record, own: Curve) -> Chart | None:
    traces, parts = [], []
    others = [name for name in record.scores.names() if name != MODEL]
    for rank, name in reversed(list(enumerate(others))):
        lead = curves.cumulative(curves.difference(own, curves.per_era(record, name)))
        if len(lead):
            line = line_style(record, name)
            more = {"line": line, "marker": {"color": line["color"]}, "legendrank": rank + 1}
            against = f"against {name}"
            traces.append(trace(lead, against, hovertemplate="%{y:+.3f}", **more))
            parts.append(f"{against} {figures.number(lead.values[-1], 2, signed=True)}")
    if not traces:
        return None
    words = (
        "Sum of the per-era difference in corr; where a line rises, "
        f"{record.label(MODEL)} wins. At the end: {'; '.join(reversed(parts))}."
    )
    title = f"Lead of {record.label(MODEL)}"
    return Chart("lead", title, words, {"data": traces, "layout": layout(record)})


def _per_era(record: Record, own: Curve) -> Chart:
    best, worst = int(np.argmax(own.values)), int(np.argmin(own.values))
    words = (
        f"corr of each era. Positive in {figures.percent(float(np.mean(own.values > 0)))} of "
        f"{figures.count(len(own))} eras; best {figures.number(own.values[best])} in era "
        f"{own.eras[best]}, worst {figures.number(own.values[worst])} in era {own.eras[worst]}."
    )
    colours = [MODEL_COLOUR if value >= 0 else LOSS_COLOUR for value in own.values]
    bars = trace(own, "corr", hovertemplate="%{y:.4f}")
    bars = {**bars, "type": "bar", "marker": {"color": colours, "line": {"width": 0}}}
    del bars["mode"]
    arranged = {**layout(record, legend=False, height=260), "bargap": 0.1}
    return Chart("per-era", "corr per era", words, {"data": [bars], "layout": arranged}, True)


def _drawdown(record: Record, own: Curve) -> Chart:
    depth = curves.drawdown(own)
    low = int(np.argmin(depth.values))
    if depth.values[low] < 0:
        top = int(np.flatnonzero(depth.values[:low] == 0)[-1])
        after = np.flatnonzero(depth.values[low:] == 0)
        back = f"made good by era {own.eras[low + after[0]]}" if len(after) else "not made good yet"
        words = (
            f"How far cumulative corr lies below its highest point so far. Deepest: "
            f"{figures.number(-depth.values[low], 3)} from era {own.eras[top]} to era "
            f"{own.eras[low]}, {back}."
        )
    else:
        words = "Cumulative corr never fell below an earlier point."
    traces = compared(record, curves.drawdown, "%{y:.3f}")
    if traces:
        traces[-1] |= {"fill": "tozeroy", "fillcolor": "rgba(26,124,196,0.19)"}
    return Chart("drawdown", "Drawdown", words, {"data": traces, "layout": layout(record)})


def _rolling(record: Record, own: Curve, window: int) -> Chart:
    mean = curves.rolling(own, window)
    title = f"Rolling mean of corr, {window} eras"
    low, high = int(np.argmin(mean.values)), int(np.argmax(mean.values))
    words = (
        f"Mean of the last {window} scored eras: lowest {figures.number(mean.values[low])} at era "
        f"{mean.eras[low]}, highest {figures.number(mean.values[high])} at era {mean.eras[high]}, "
        f"last {figures.number(mean.values[-1])}."
    )
    traces = compared(record, lambda curve: curves.rolling(curve, window))
    return Chart(f"rolling-{window}", title, words, {"data": traces, "layout": layout(record)})


def _exposure(record: Record) -> Chart | None:
    largest = curves.per_era(record, MODEL, "exposure_max")
    spread = curves.per_era(record, MODEL, "exposure_rms")
    if not len(largest) and not len(spread):
        return None
    traces, parts = [], []
    for curve, name, colour, dash in (
        (largest, "largest", MODEL_COLOUR, "solid"),
        (spread, "root mean square", BASELINE_COLOURS[1], "dash"),
    ):
        if len(curve):
            line = {"color": colour, "width": 1.6, "dash": dash}
            more = {"line": line, "marker": {"color": colour}, "hovertemplate": "%{y:.3f}"}
            traces.append(trace(curve, name, **more))
            parts.append(f"{name} {figures.number(float(curve.values.mean()), 3)}")
    words = (
        f"Correlation of what {record.label(MODEL)} predicts with single features, per era. "
        f"On average: {', '.join(parts)}."
    )
    arranged = layout(record)
    arranged["yaxis"]["rangemode"] = "tozero"
    figure = {"data": traces, "layout": arranged}
    return Chart("exposure", "Feature exposure", words, figure)


def draw(record: Record) -> Sequence[Chart]:
    """Draw every chart that the run has scores for, in the order of the page."""
    own = curves.per_era(record, MODEL)
    if not len(own):
        return ()
    charts = [
        _cumulative(record, own),
        _per_era(record, own),
        _lead(record, own),
        _drawdown(record, own),
        *(_rolling(record, own, window) for window in (20, 50) if len(own) >= window),
        _exposure(record),
    ]
    return [chart for chart in charts if chart]
