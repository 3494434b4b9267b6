"""monitor.html: how the submitted models are doing; one small file that asks for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from numerai_lab.files import write_text
from numerai_lab.report.figures import ABSENT, interval, number
from numerai_lab.report.markup import Html, h, table
from numerai_lab.report.tournament_tables import server_words

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _FOOT = 960, 208, 72, 8, 24
_STYLE = """
.rounds { display: block; width: 100%; height: auto; margin: .5rem 0; }
.rounds + figcaption { margin: 0 0 1rem; }
.rounds text { fill: var(--quiet); font-size: 12px; }
@media (max-width: 700px) { .rounds text { font-size: 20px; } }
.rounds .zero { stroke: var(--quiet); }
.rounds .mean { stroke: var(--ink); stroke-width: 2; }
.rounds .expected { fill: var(--accent); opacity: .2; }
.rounds .gain { fill: var(--accent); }
.rounds .loss { fill: var(--loss); }
"""


def write_monitor(status: Mapping[str, Any], path: Path) -> None:
    """Write monitor.html.

    Parameters
    ----------
    status : `Status.to_json()` of `tournament`.

    Raises
    ------
    MachineError : it cannot be written; an earlier page stays as it was.
    """
    write_text(path, render_monitor(status))


def render_monitor(status: Mapping[str, Any]) -> Html:
    """Render the page."""
    css = resources.files("numerai_lab.report").joinpath("page.css").read_text(encoding="utf-8")
    state = {True: "open", False: "closed", None: "not known"}[status["round_open"]]
    line = [
        f"round {status['round'] or ABSENT}, {state}",
        f"as of {status['at']}",
        status["server"],
    ]
    banner: object = ""
    if status["stand_in"]:
        words = h("p", "The server is a stand-in on this machine; nothing here is Numerai's.")
        banner = h("div", h("strong", "Stand-in"), words, class_="banner", role="note")
    warned = sum(bool(slot["warnings"] or slot["problem"]) for slot in status["slots"])
    n = len(status["slots"])
    slots = _many(n, "slot")
    looks = f"{'needs' if warned == 1 else 'need'} a look"
    title = f"{warned} of {slots} {looks}" if warned else f"{slots}, nothing to warn of"
    body = h(
        "body",
        h(
            "header",
            h("h1", "Tournament monitor"),
            h("p", title, class_="question"),
            h("ul", *(h("li", part) for part in line), class_="meta"),
        ),
        banner,
        h(
            "main",
            *(_slot(slot) for slot in status["slots"]),
            h("p", status["elsewhere"], class_="note") if status["elsewhere"] else "",
        ),
    )
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("meta", http_equiv="Content-Security-Policy", content=POLICY),
        h("title", f"Tournament monitor: {title}"),
        h("style", Html(css + _STYLE)),
    )
    return Html("<!doctype html>\n" + h("html", head, body, lang="en"))


def _slot(slot: Mapping[str, Any]) -> Html:
    warnings = [*slot["warnings"], *([f"server: {slot['problem']}"] if slot["problem"] else [])]
    said: object = ""
    if warnings:
        items = h("ul", *(h("li", text) for text in warnings))
        said = h("div", h("strong", "Warnings"), items, class_="warnings", role="note")
    unreal: object = ""
    if slot["synthetic"]:
        words = h("p", "The run was made on synthetic data: its scores say nothing about Numerai.")
        unreal = h("div", h("strong", "Synthetic data"), words, class_="banner", role="note")
    how = "submits predictions" if slot["kind"] == "predictions" else "runs at Numerai"
    line = [how, f"model {slot['model']}", f"account {slot['account']}", slot["run"] or "no run"]
    return h(
        "section",
        h("h2", slot["slot"]),
        h("ul", *(h("li", part) for part in line), class_="meta"),
        unreal,
        said,
        _cards(slot),
        h("p", slot["unjudged"], class_="note") if slot["unjudged"] else "",
        _chart(slot),
        _rounds(slot["rounds"]),
    )


def _cards(slot: Mapping[str, Any]) -> Html:
    verdict = slot["verdict"]
    live = _many(slot["n_resolved"], "resolved round")
    if verdict is not None:
        range_ = interval(verdict["low"], verdict["high"])
        weeks = _many(verdict["n_eras"], "week")
        live += f"; {range_} expected of {weeks}"
    shown = [
        ("live corr", slot["live"].get("corr"), live),
        (
            "validation corr",
            slot["promised"].get("corr"),
            f"mean of {_many(slot['n_judged'], 'judged era')}",
        ),
        ("live mmc", slot["live"].get("mmc"), _many(slot["n_resolved_mmc"], "resolved round")),
        ("validation mmc", slot["promised"].get("mmc"), "where the meta model is known"),
    ]
    cards = (
        h("div", h("dt", name), h("dd", h("strong", number(value)), h("span", word)), class_="card")
        for name, value, word in shown
    )
    return h("dl", *cards, class_="cards")


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _rounds(lines: Sequence[Mapping[str, Any]]) -> Html:
    if not lines:
        return h("p", "No submission yet.", class_="note")
    rows = [
        (
            line["round"],
            line["receipt"] or ABSENT,
            server_words(line),
            line["submission_id"] or ABSENT,
        )
        for line in lines
    ]
    return table("Last rounds", ("round", "receipt", "server", "submission"), rows, text_columns=4)


def _chart(slot: Mapping[str, Any]) -> Html:
    """Draw corr of each resolved round, their mean, and where validation puts that mean."""
    scores, verdict = slot["corr"], slot["verdict"]
    if not scores:
        return Html("")
    values = [value for _, value in scores]
    bounds = [0.0, *values, *([verdict["low"], verdict["high"]] if verdict else [])]
    low, high = min(bounds), max(bounds)
    span = (high - low) or 1.0
    first, last = scores[0][0], scores[-1][0]
    step = (_WIDTH - _LEFT - _RIGHT) / (last - first + 1)
    floor = _HEIGHT - _FOOT

    def y(value: float) -> float:
        return float(round(8 + (floor - 8) * (high - value) / span, 2))

    bars = [
        h(
            "rect",
            h("title", f"round {number_}: {number(value)}"),
            x=round(_LEFT + (number_ - first) * step, 2),
            y=min(y(value), y(0)),
            width=round(max(1.0, step * 0.8), 2),
            height=round(abs(y(value) - y(0)), 2),
            class_="gain" if value >= 0 else "loss",
        )
        for number_, value in scores
    ]
    mean = sum(values) / len(values)
    parts: list[object] = []
    words = (
        f"corr of {_many(len(scores), 'resolved round')}, and a line at their mean {number(mean)}"
    )
    if verdict is not None:
        low_y, high_y = y(verdict["low"]), y(verdict["high"])
        band = {"x": _LEFT, "width": _WIDTH - _LEFT - _RIGHT, "y": high_y}
        parts.append(h("rect", **band, height=round(low_y - high_y, 2), class_="expected"))
        words += (
            f"; the band is where validation puts the mean of {_many(verdict['n_eras'], 'week')}"
        )
    across = {"x1": _LEFT, "x2": _WIDTH - _RIGHT}
    parts += [*bars, h("line", **across, y1=y(0), y2=y(0), class_="zero")]
    parts.append(h("line", **across, y1=y(mean), y2=y(mean), class_="mean"))
    for value in (low, high):
        parts.append(h("text", number(value, 3), x=_LEFT - 6, y=y(value) + 4, text_anchor="end"))
    parts.append(h("text", first, x=_LEFT, y=_HEIGHT - 4))
    parts.append(h("text", last, x=_WIDTH - _RIGHT, y=_HEIGHT - 4, text_anchor="end"))
    drawing = h(
        "svg",
        *parts,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        class_="rounds",
        role="img",
        aria_label=words,
    )
    return h("figure", drawing, h("figcaption", f"{words}."))
