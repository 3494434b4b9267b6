"""Tables for the terminal about the tournament: status of slots, diagnostics of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numerai_lab.report.figures import ABSENT, count, interval, number
from numerai_lab.report.terminal import add_row, new_table

if TYPE_CHECKING:
    from rich.console import RenderableType

ALARMS = ("decayed", "above")
"""Standings of live corr whose sentence is among a slot's warnings."""


def server_words(line: Mapping[str, Any]) -> str:
    """Return what the server made of a round, `selected, late`; a dash where it was not asked."""
    words = [line["server"] or ABSENT, *(["late"] if line["late"] else [])]
    return ", ".join(words)


def render_status(status: Mapping[str, Any]) -> RenderableType:
    """Render what `status` found: one block a slot.

    Parameters
    ----------
    status : `Status.to_json()` of `tournament`.
    """
    from rich.console import Group
    from rich.text import Text

    where = f"{status['server']}{' (a stand-in)' if status['stand_in'] else ''}"
    state = {True: "open", False: "closed", None: "not known"}[status["round_open"]]
    now = f"round {status['round'] or ABSENT}, {state}"
    parts: list[RenderableType] = [Text(f"{status['at']}  {where}  {now}")]
    for slot in status["slots"]:
        other = slot["model"] if slot["model"] != slot["slot"] else ""
        named = slot["slot"] + (f" (model {other})" if other else "")
        how = "submits predictions" if slot["kind"] == "predictions" else "runs at Numerai"
        parts += [Text(""), Text(f"{named}: {how}, {slot['run'] or 'no run'}", style="bold")]
        rounds = new_table([("round", True), ("receipt", False), ("server", False), ("id", False)])
        for line in slot["rounds"]:
            cells = [str(line["round"]), line["receipt"] or ABSENT, server_words(line)]
            add_row(rounds, [*cells, line["submission_id"] or ABSENT])
        parts.append(rounds if slot["rounds"] else Text("no submission yet"))
        parts.append(_scores(slot))
        if slot["verdict"] is None:
            parts.append(Text(slot["unjudged"]))
        elif slot["verdict"]["standing"] not in ALARMS:
            low = slot["verdict"]["standing"] == "low"
            parts.append(Text(slot["verdict"]["sentence"], style="yellow" if low else ""))
        if slot["problem"]:
            parts.append(Text(f"server: {slot['problem']}", style="yellow"))
        parts += [Text(f"warning: {said}", style="yellow") for said in slot["warnings"]]
    if status["elsewhere"]:
        parts += [Text(""), Text(status["elsewhere"])]
    parts += [Text(""), Text(status["headline"], style="bold")]
    return Group(*parts)


def _scores(slot: Mapping[str, Any]) -> RenderableType:
    names = [name for name in ("corr", "mmc", "bmc", "fnc") if name in slot["promised"]]
    names = names or ["corr", "mmc"]
    table = new_table([("mean", False), *((name, True) for name in names)])
    add_row(table, ["validation", *(number(slot["promised"].get(name)) for name in names)])
    add_row(table, ["live", *(number(slot["live"].get(name)) for name in names)])
    verdict = slot["verdict"]
    if verdict is not None:
        if verdict["n_rounds"] != slot["n_resolved"]:
            longer = [number(verdict["mean"]), *("" for _ in names[1:])]
            add_row(table, [f"live, {count(verdict['n_rounds'])} rounds", *longer])
        cells = [interval(verdict["low"], verdict["high"]), *("" for _ in names[1:])]
        add_row(table, [f"expected of {count(verdict['n_eras'])} weeks", *cells])
    return table


def render_diagnostics(found: Mapping[str, Any]) -> RenderableType:
    """Render Numerai's diagnostics beside the run's own scores.

    Parameters
    ----------
    found : `Diagnostics` of `tournament` as plain values.
    """
    from rich.console import Group
    from rich.text import Text

    head, judge = ("stand-in", "the stand-in") if found["stand_in"] else ("Numerai", "Numerai")
    table = new_table([("", False), (head, True), ("run", True)])
    for name, value in found["scores"].items():
        own = found["own_scores"].get(name)
        if value is not None or own is not None:
            add_row(table, [name.replace("_", " "), number(value), number(own)])
    said = [
        f"diagnostics {found['id']}: {found['status'] or ABSENT}, {count(found['n_eras'])} eras"
    ]
    if found["own_eras"] is not None:
        n, first, last = found["own_eras"]
        span = f"{count(n)} era{'s' if n > 1 else ''} ({first}-{last})"
        said.append(f"run: its scores of {span}, out of {count(found['n_judged'])} that it judged")
    if found["message"]:
        said.append(f"{judge} says: {found['message']}")
    if found["trained_on_validation"]:
        said.append(f"{judge} holds the model to have been trained on these eras")
    return Group(table, *(Text(text) for text in said))
