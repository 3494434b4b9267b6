"""monitor.html: how the submitted models are doing; one small file that asks for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from numerai_lab.files import write_text
from numerai_lab.report.figures import ABSENT, interval, number
from numerai_lab.report.markup import Html, document, h, table
from numerai_lab.report.round_charts import STYLE, round_charts
from numerai_lab.report.tournament_tables import ALARMS, server_words

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


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
    title = status["headline"]
    body = (
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
    return document(f"Tournament monitor: {title}", css + STYLE, POLICY, *body)


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
        _standing(slot),
        round_charts(slot),
        _rounds(slot["rounds"]),
    )


def _standing(slot: Mapping[str, Any]) -> Html:
    """Say how live corr stands, unless it is an alarm, which is among the warnings."""
    verdict = slot["verdict"]
    if verdict is None:
        return h("p", slot["unjudged"], class_="note")
    if verdict["standing"] in ALARMS:
        return Html("")
    if verdict["standing"] == "low":
        head = h("strong", "Below validation, not yet proven")
        return h("div", head, h("p", verdict["sentence"]), class_="notes", role="note")
    return h("p", verdict["sentence"], class_="note")


def _cards(slot: Mapping[str, Any]) -> Html:
    verdict = slot["verdict"]
    live = _many(slot["n_resolved"], "resolved round")
    same = verdict is not None and verdict["n_rounds"] == slot["n_resolved"]
    if same:
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
    if verdict is not None and not same:
        range_ = interval(verdict["low"], verdict["high"])
        words = f"{_many(verdict['n_rounds'], 'resolved round')}; {range_} expected"
        shown.insert(1, ("live corr, longer", verdict["mean"], words))
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
