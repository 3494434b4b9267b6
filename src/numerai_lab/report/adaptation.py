"""Charts of a model that adapts itself to each era: what it read, what that gained and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from numerai_lab.report import curves, figures
from numerai_lab.report.charts import (
    BASELINE_COLOURS,
    LOSS_COLOUR,
    MODEL_COLOUR,
    Chart,
    bare_layout,
    layout,
    trace,
)
from numerai_lab.report.curves import Curve
from numerai_lab.report.record import Record
from numerai_lab.report.score_shapes import MODEL

_RIGHT = {
    "overlaying": "y",
    "side": "right",
    "showgrid": False,
    "zeroline": False,
    "fixedrange": True,
    "tickmode": "auto",
    "automargin": True,
}
"""A second axis of values, for what is not measured in corr."""

Facts = Sequence[Mapping[str, Sequence[float | None]]]


def draw_adaptation(record: Record) -> list[Chart]:
    """Draw gain and code of each era, then strength and seconds, where a model tells them."""
    told = [fit.per_era for _, fit in sorted(record.fits.items()) if "era" in fit.per_era]
    if not told or not len(curves.per_era(record, MODEL)):
        return []
    charts = (_gain(record, told), _by_age(record), _effort(record, told))
    return [chart for chart in charts if chart]


def _gain(record: Record, told: Facts) -> Chart | None:
    # variants are declared with the one that differs most first: the last is the nearest
    near = [
        variant.name for variant in reversed(record.scores.variants or ()) if not variant.control
    ]
    base = next((name for name in near if name in record.scores.names()), None)
    codes = {name: curves.told(told, name) for name in _codes(told)}
    codes = {name: curve for name, curve in codes.items() if len(curve)}
    if base is None or not (codes or len(curves.told(told, "strength"))):
        return None
    own = curves.per_era(record, MODEL)
    gain = curves.difference(own, curves.per_era(record, base))
    colours = [MODEL_COLOUR if value >= 0 else LOSS_COLOUR for value in gain.values]
    bars = trace(gain, f"corr minus {base}", hovertemplate="%{y:+.4f}")
    bars = {**bars, "type": "bar", "marker": {"color": colours, "line": {"width": 0}}}
    del bars["mode"]
    traces, parts = [bars], []
    for place, (name, curve) in enumerate(codes.items()):
        label = name.replace("_", " ")
        style = {"color": BASELINE_COLOURS[1 + place], "width": 1.8, "dash": "solid"}
        more: dict[str, Any] = {"line": style, "marker": {"color": style["color"]}}
        traces.append(trace(curve, f"{label}, right", yaxis="y2", hovertemplate="%{y:.2f}", **more))
        parts.append(f"{label} {figures.number(_correlation(curve, gain), 2, signed=True)}")
    words = (
        f"Bars: corr of the adapted prediction minus that of '{base}', per era; "
        f"{figures.number(float(gain.values.mean()), signed=True)} on average, above 0 in "
        f"{figures.percent(float(np.mean(gain.values > 0)))} of {len(gain)} eras."
    )
    drawn = (
        " Lines: the code read from the era's unlabelled rows, in standard deviations over the "
        f"training eras. Correlation of the code's size with the gain: {', '.join(parts)}."
    )
    arranged = {**layout(record, height=340), "bargap": 0.1}
    if codes:
        words += drawn
        arranged["yaxis2"] = _RIGHT
    figure = {"data": traces, "layout": arranged}
    title = "Gain and code of each era" if codes else "Gain of each era"
    return Chart("adaptation", title, words, figure, wide=True)


def _by_age(record: Record) -> Chart | None:
    """Draw what the last fold's guard knew of the gain at each age, with the strength taken."""
    guards = [fit.details.guard for _, fit in sorted(record.fits.items()) if fit.details.guard]
    spans = (
        [span for span in guards[-1].by_age if span.gain.get("mean") is not None] if guards else []
    )
    if not spans:
        return None
    names = [f"{span.first}-{span.last}" for span in spans]
    means = [float(span.gain["mean"] or 0.0) for span in spans]
    ends = [(span.gain.get("low"), span.gain.get("high")) for span in spans]
    above = [
        0.0 if high is None else high - mean for mean, (_, high) in zip(means, ends, strict=True)
    ]
    below = [0.0 if low is None else mean - low for mean, (low, _) in zip(means, ends, strict=True)]
    colours = [MODEL_COLOUR if (span.strength or 0) > 0 else LOSS_COLOUR for span in spans]
    bars = {
        "type": "bar",
        "name": "gain",
        "x": names,
        "y": means,
        "error_y": {"type": "data", "symmetric": False, "array": above, "arrayminus": below},
        "marker": {"color": colours, "line": {"width": 0}},
        "text": [f"strength {span.strength or 0:g}, {span.n_eras} eras" for span in spans],
        "hovertemplate": "%{y:+.4f}<br>%{text}<extra></extra>",
    }
    told = ", ".join(
        f"{name}: {figures.number(mean, signed=True)} at strength {span.strength or 0:g} "
        f"({span.n_eras} eras)"
        for name, mean, span in zip(names, means, spans, strict=True)
    )
    words = (
        "What the guard of the last fold knew of the gain in corr, by the model's distance from "
        f"its training eras: {told}. Beyond that the strength is 0."
    )
    figure = {"data": [bars], "layout": bare_layout("age of the model, in eras", legend=False)}
    return Chart("adaptation-age", "Strength and gain by age", words, figure)


def _correlation(code: Curve, gain: Curve) -> float | None:
    """Correlate |code| with the gain: an era that is not unusual has little to gain."""
    _, mine, theirs = np.intersect1d(code.eras, gain.eras, return_indices=True)
    size, gained = np.abs(code.values[mine]), gain.values[theirs]
    if len(size) < 3 or np.ptp(size) == 0 or np.ptp(gained) == 0:
        return None
    return float(np.corrcoef(size, gained)[0, 1])


def _effort(record: Record, told: Facts) -> Chart | None:
    strength, seconds = curves.told(told, "strength"), curves.told(told, "seconds")
    if not len(strength) or not len(seconds):
        return None
    milliseconds = Curve(seconds.eras, 1000 * seconds.values)
    traces = []
    for curve, name, colour, form in (
        (strength, "strength", MODEL_COLOUR, "%{y:.2f}"),
        (milliseconds, "time in ms, right", BASELINE_COLOURS[0], "%{y:.1f} ms"),
    ):
        dash = "solid" if name == "strength" else "dot"
        style = {"color": colour, "width": 1.8, "dash": dash}
        more: dict[str, Any] = {"line": style, "marker": {"color": colour}}
        if name != "strength":
            more["yaxis"] = "y2"
        traces.append(trace(curve, name, hovertemplate=form, **more))
    lowest, highest = float(strength.values.min()), float(strength.values.max())
    chosen = f"{lowest:g}" if lowest == highest else f"{lowest:g} to {highest:g}"
    words = (
        f"The strength of the adaptation, {chosen}; and the time it took: median "
        f"{figures.number(float(np.median(milliseconds.values)), 1)} ms an era, at most "
        f"{figures.number(float(milliseconds.values.max()), 1)} ms, "
        f"{figures.seconds(float(seconds.values.sum()))} in all."
    )
    arranged = layout(record)
    arranged["yaxis"]["rangemode"] = "tozero"
    arranged["yaxis2"] = {**_RIGHT, "rangemode": "tozero"}
    figure = {"data": traces, "layout": arranged}
    return Chart("adaptation-effort", "Strength and time of each era", words, figure, wide=True)


def _codes(told: Facts) -> list[str]:
    names = dict.fromkeys(name for facts in told for name in facts)
    return [name for name in names if name.startswith("code_")]
