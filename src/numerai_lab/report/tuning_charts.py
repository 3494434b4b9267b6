"""Charts of a study: its trials in order, what each parameter does, and the eras after it."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from numerai_lab.report.charts import (
    BASELINE_COLOURS,
    BENCHMARK_COLOUR,
    LOSS_COLOUR,
    MODEL_COLOUR,
    Chart,
    bare_layout,
)
from numerai_lab.report.figures import number
from numerai_lab.report.tuning_words import Facts, aim, short, value
from numerai_lab.report.tuning_words import score as score_of

Trials = Sequence[Mapping[str, Any]]
_MOST_TICKS = 6

_EACH = 12
"""Trials up to which each has a mark on the axis."""


def draw_tuning(facts: Facts) -> list[Chart]:
    """Draw the history first, then the eras after the study, importance, and a slice for each."""
    complete = [trial for trial in facts["trials"] if trial["state"] == "complete"]
    charts = [_history(facts, complete), _after(facts), _importance(facts)]
    charts += [_slice(facts, i, complete) for i in range(len(facts["parameters"]))]
    return [chart for chart in charts if chart is not None]


def _alone(x: str, y: str, **more: Any) -> dict[str, Any]:
    """Return the layout of a chart whose axis no other one has."""
    arranged = bare_layout(x, **more)
    arranged["yaxis"] |= {"title": {"text": y, "standoff": 6}, "zeroline": False}
    return {**arranged, "meta": "alone", "hovermode": "closest"}


def _values(trial: Mapping[str, Any]) -> str:
    # plotly reads what it shows as markup of its own
    return "<br>".join(
        html.escape(f"{short(name)} {value(what)}") for name, what in trial["values"].items()
    )


def _dots(trials: Trials, name: str, x: Sequence[Any], **marker: Any) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": list(x),
        "y": [float(f"{trial['score']:.6g}") for trial in trials],
        "text": [f"trial {trial['number']}<br>{_values(trial)}" for trial in trials],
        "hovertemplate": "%{y:.4f}<br>%{text}<extra></extra>",
        "marker": {"size": 8, "color": MODEL_COLOUR, **marker},
    }


def _level(name: str, height: float, x: Sequence[int], colour: str, dash: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [min(x), max(x)],
        "y": [height, height],
        "hovertemplate": "%{y:.4f}",
        "line": {"color": colour, "dash": dash, "width": 2},
    }


def _history(facts: Facts, complete: Trials) -> Chart:
    numbers = [trial["number"] for trial in facts["trials"]]
    own = [trial["number"] for trial in complete]
    scores = np.array([trial["score"] for trial in complete])
    best = np.maximum.accumulate(scores)
    score, at = score_of(facts), facts["best"]["number"]
    traces = [
        _dots(complete, "trial", own, opacity=0.7),
        {
            "type": "scatter",
            "mode": "lines",
            "name": "best so far",
            "x": own,
            "y": [float(f"{one:.6g}") for one in best],
            "hoverinfo": "skip",
            "line": {"color": MODEL_COLOUR, "width": 2.5, "shape": "hv"},
        },
    ]
    words = f"{score} of each trial. Best {number(facts['best']['score'])} (trial {at})"
    if facts["default"] is not None:
        height = facts["default"]["score"]
        traces.append(_level("not tuned", height, numbers, BENCHMARK_COLOUR, "solid"))
        words += f"; not tuned {number(height)}"
    told = facts["luck"]
    if told is not None and facts["score"] == "mean":
        height = told["mean"] + told["by_luck"]
        traces.append(_level("best of as many equal trials", height, numbers, LOSS_COLOUR, "dash"))
        words += f"; the best of as many equally good trials would show {number(height)} by luck"
    ended = [t["number"] for t in facts["trials"] if t["state"] == "pruned"]
    if ended:
        low = float(min(scores))
        marks = {"symbol": "line-ns-open", "size": 9, "color": BENCHMARK_COLOUR}
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "pruned",
                "x": ended,
                "y": [low] * len(ended),
                "hovertemplate": "trial %{x}, pruned<extra></extra>",
                "marker": marks,
            }
        )
        words += f"; {len(ended)} pruned, without a score, are marked at the bottom"
    arranged = _alone("trial", score, height=380)
    arranged["xaxis"]["tickformat"] = "d"
    if len(numbers) <= _EACH:
        arranged["xaxis"]["dtick"] = 1
    return Chart("history", "Trials", f"{words}.", {"data": traces, "layout": arranged}, True)


def _after(facts: Facts) -> Chart | None:
    told = facts["after"]
    if told is None:
        return None
    traces, ends = [], []
    for name, colour, dash in (
        ("tuned", MODEL_COLOUR, "solid"),
        ("default", BENCHMARK_COLOUR, "dash"),
    ):
        values = np.array([np.nan if one is None else one for one in told[name]], dtype=float)
        known = ~np.isnan(values)
        total = np.cumsum(values[known])
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": np.array(told["eras"])[known].tolist(),
                "y": [float(f"{one:.6g}") for one in total],
                "hovertemplate": "%{y:.3f}",
                "line": {"color": colour, "dash": dash, "width": 2.2},
            }
        )
        ends.append(f"{name} {number(float(total[-1]) if len(total) else None, 2)}")
    what = f"sum of {aim(facts)}"
    words = (
        f"{what.capitalize()} over the eras after those of the study. At the end: "
        f"{', '.join(ends)}."
    )
    arranged = {**_alone("era", what), "hovermode": "x unified"}
    figure = {"data": traces, "layout": arranged}
    return Chart("after", f"Cumulative {aim(facts)} after the study", words, figure, True)


def _importance(facts: Facts) -> Chart | None:
    known = [one for one in facts["parameters"] if one["importance"] is not None]
    if not known:
        return None
    known.sort(key=lambda one: float(one["importance"]))
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [float(f"{one['importance']:.4g}") for one in known],
        "y": [html.escape(short(one["name"])) for one in known],
        "hovertemplate": "%{x:.0%}<extra></extra>",
        "marker": {"color": MODEL_COLOUR},
    }
    top = known[-1]
    words = (
        "How much of the difference between the best tenth of trials and the others each parameter "
        f"makes (PED-ANOVA). Most: {short(top['name'])}."
    )
    arranged = _alone("share", "", legend=False, height=90 + 30 * len(known))
    arranged["xaxis"]["tickformat"] = ".0%"
    figure = {"data": [bars], "layout": arranged}
    return Chart("importance", "Importance of parameters", words, figure, True)


def _slice(facts: Facts, place: int, complete: Trials) -> Chart | None:
    one = facts["parameters"][place]
    name, best = one["name"], facts["best"]
    shown = [trial for trial in complete if name in trial["values"]]
    category = one["space"]["tune"] == "choice"

    def at(trial: Mapping[str, Any]) -> Any:
        found = trial["values"][name]
        return html.escape(value(found)) if category else found

    traces = [
        _dots(shown, "trial", [at(trial) for trial in shown], opacity=0.55),
        _dots([best], "best", [at(best)], size=13, symbol="diamond", color=BASELINE_COLOURS[0]),
    ]
    score = score_of(facts)
    arranged = _alone(html.escape(short(name)), score, legend=False, height=260)
    if category:
        arranged["xaxis"]["type"] = "category"
    elif one["space"].get("log"):
        ticks = _log_ticks([float(trial["values"][name]) for trial in shown])
        arranged["xaxis"] |= {"type": "log", "tickangle": 0, "tickvals": ticks}
        arranged["xaxis"]["ticktext"] = [f"{tick:g}" for tick in ticks]
    words = (
        f"{score} of the trials by {short(name)}; the diamond is the best, {value(one['best'])}."
    )
    figure = {"data": traces, "layout": arranged}
    return Chart(f"slice-{place}", short(name), words, figure)


def _log_ticks(values: Sequence[float]) -> list[float]:
    """Return up to six ticks of 1, 2 and 5 times powers of ten, as a log axis is read."""
    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in powers for step in steps]
        within = [tick for tick in ticks if low / 1.2 <= tick <= high * 1.2]
        if len(within) <= _MOST_TICKS:
            break
    return within if len(within) > 1 else [low, high]
