"""pretrain.html: what a pretraining has learnt, by class, and its in-context curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numerai_lab.files import write_text
from numerai_lab.report.charts import (
    BASELINE_COLOURS,
    BASELINE_DASHES,
    BENCHMARK_COLOUR,
    MODEL_COLOUR,
    Chart,
    bare_layout,
)
from numerai_lab.report.markup import Html, breakable, code, document, facts, h, table
from numerai_lab.report.plots import NO_SCRIPT, POLICY, asset, figure, scripts

_COLOURS = (MODEL_COLOUR, *BASELINE_COLOURS)
_DASHES = ("solid", *BASELINE_DASHES)

Facts = Mapping[str, Any]


def write_pretraining(told: Facts, path: Path) -> None:
    """Write pretrain.html, about 5 MB with the charts' library.

    Parameters
    ----------
    told : the manifest's facts of a checkpoint.

    Raises
    ------
    MachineError : it cannot be written; an earlier page stays as it was.
    """
    write_text(path, render_pretraining(told))


def render_pretraining(told: Facts) -> Html:
    """Render the whole page of a pretraining."""
    looks = _looks(told)
    drawn = [looks, *(_curve(one, name) for one in told["curves"] for name in _named(told))]
    last = told.get("kept") or told["looks"][-1]
    line = [
        f"{told['architecture']}, {told['parameters']:,} parameters",
        f"{told['tasks']:,} tasks in {told['steps']:,} steps",
        f"{_speed(told)}{told['device']}, {told['precision']}",
        _seen(told),
    ]
    body = (
        h("header", h("h1", breakable(told["title"])), h("ul", *(h("li", x) for x in line))),
        NO_SCRIPT,
        h(
            "main",
            h(
                "section",
                h("h2", "Held-out tasks"),
                h("p", _reading(told)),
                table(
                    "Error on held-out tasks of the net that is kept",
                    ["class", "share", "error"],
                    [
                        [breakable(name), f"{told['classes'][name]:.2f}", f"{error:.3f}"]
                        for name, error in last["classes"].items()
                    ],
                ),
                figure(looks, wide=True),
            ),
            h(
                "section",
                h("h2", "In-context curves"),
                h(
                    "p",
                    "Error against the rows of the context, on tasks that were held out. 0 is the "
                    "function itself, 1 about what the mean reaches. Ridge is told the noise, and "
                    "on linear functions with normal weights nothing is better on average.",
                ),
                h("div", *(figure(chart, wide=False) for chart in drawn[1:]), class_="charts"),
            ),
            h("section", h("h2", "Facts"), facts(_facts(told))),
        ),
        *scripts(drawn),
    )
    title = f"{told['title']}, pretrained on {told['tasks']:,} tasks"
    return document(title, asset("page.css"), POLICY, *body)


def _named(told: Facts) -> list[str]:
    return list(told["classes"])


def _speed(told: Facts) -> str:
    """Say how fast the last process trained; nothing where it had no step left."""
    speed = told["tasks_per_second"]
    return f"{speed:,.0f} tasks a second on " if speed else "trained on "


def _seen(told: Facts) -> str:
    if told["features_to"] is None:
        return "no row of any era was seen"
    return f"rows of eras up to {told['features_to']} were seen"


def _reading(told: Facts) -> str:
    look = told["look"]
    lengths = " and ".join(map(str, look["lengths"]))
    return (
        f"Tasks with {look['n_dims']} dimensions and contexts of {lengths} rows; mean squared "
        "error from the noiseless function, as a multiple of its variance. Ridge that is told the "
        f"noise reaches {look['ridge']:.3f} over all classes."
    )


def _line(
    name: str, x: Sequence[Any], y: Sequence[float], place: int, **more: Any
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(x),
        "y": [float(f"{value:.5g}") for value in y],
        "hovertemplate": "%{y:.3f}",
        "line": {
            "color": _COLOURS[place % len(_COLOURS)],
            "dash": _DASHES[place % len(_DASHES)],
            "width": 2.2,
        },
        **more,
    }


def _alone(x: str, y: str, height: int) -> dict[str, Any]:
    arranged = bare_layout(x, height=height)
    arranged["yaxis"] |= {"title": {"text": y, "standoff": 14}, "rangemode": "tozero"}
    return {**arranged, "meta": "alone", "hovermode": "x unified"}


def _looks(told: Facts) -> Chart:
    n, each = len(told["looks"]), told["tasks"] / told["steps"] / 1000
    after = [look.get("steps", told["steps"] / n * i) for i, look in enumerate(told["looks"], 1)]
    x = [round(each * steps, 1) for steps in after]
    mode = "lines" if n > 1 else "markers"  # one look is a point, which a line does not show
    traces = [
        _line(name, x, [look["classes"][name] for look in told["looks"]], i, mode=mode)
        for i, name in enumerate(told["classes"])
    ]
    first, last = told["looks"][0]["error"], told["looks"][-1]["error"]
    went = "fell" if last < first else "went"
    words = "Error on held-out tasks by class. The mean of the classes " + (
        f"{went} from {first:.3f} to {last:.3f}." if n > 1 else f"is {last:.3f}, at the only look."
    )
    layout = _alone("thousand tasks seen", "error", 380)
    return Chart("looks", "Error by class", words, {"data": traces, "layout": layout}, True)


def _curve(curve: Facts, name: str) -> Chart:
    x, errors = curve["lengths"], curve["errors"]
    traces = []
    for i, (learner, by_class) in enumerate(errors.items()):
        style = {"color": MODEL_COLOUR, "width": 2.5} if i == 0 else {"color": BENCHMARK_COLOUR}
        traces.append(_line(learner, x, by_class[name], i, line=style, mode="lines+markers"))
    layout = _alone("rows of context", "error", 280)
    layout["xaxis"] |= {"type": "log", "tickvals": x, "ticktext": [str(n) for n in x]}
    ends = ", ".join(f"{learner} {by[name][-1]:.3f}" for learner, by in errors.items())
    words = f"{name}, {curve['n_dims']} dimensions. With {x[-1]} rows: {ends}."
    key = f"curve-{name}-{curve['n_dims']}"
    title = f"{name}, {curve['n_dims']} dimensions"
    return Chart(key, title, words, {"data": traces, "layout": layout})


def _facts(told: Facts) -> list[tuple[object, object]]:
    return [
        ("classes", ", ".join(f"{name} {weight:g}" for name, weight in told["classes"].items())),
        ("held-out tasks of each class", told["settings"]["held_out_tasks"]),
        ("noise of held-out tasks", told["curves"][0]["noise"]),
        ("seed", told["settings"]["seed"]),
        ("torch", told["torch"]),
        ("SHA-256", code(told["sha256"])),
    ]
