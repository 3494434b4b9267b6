"""tune.html: what a study found, how, and how much of it is luck; and the same for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numerai_lab.files import write_text
from numerai_lab.report import tuning_words
from numerai_lab.report.charts import Chart
from numerai_lab.report.figures import ABSENT, eras, interval, number, seconds
from numerai_lab.report.markup import Html, breakable, code, document, facts, h, join, table
from numerai_lab.report.messages import banner
from numerai_lab.report.plots import NO_SCRIPT, POLICY, asset, figure, scripts
from numerai_lab.report.terminal import add_row, new_table
from numerai_lab.report.tuning_charts import draw_tuning
from numerai_lab.report.tuning_words import Facts, share, short, space, value
from numerai_lab.report.tuning_words import score as score_of

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST_TRIALS = 20
"""Rows of the table of trials that stand in full; the others are folded."""

FEW = "Too few trials, or too much alike, for importance."


def write_tuning(found: Facts, path: Path) -> None:
    """Write tune.html, about 5 MB with the charts' library.

    Parameters
    ----------
    found : `Result.facts` of `tuning`.

    Raises
    ------
    MachineError : it cannot be written; an earlier page stays as it was.
    """
    write_text(path, render_page(found))


def render_tuning(found: Facts) -> RenderableType:
    """Render what was found for the terminal: values, trials, luck, and the eras afterwards."""
    from rich.console import Group
    from rich.text import Text

    columns = [("parameter", False), ("searched", False), ("default", True), ("tuned", True)]
    rows = new_table([*columns, ("importance", True)], _headline(found))
    for one in found["parameters"]:
        cells = [short(one["name"]), space(one["space"]), value(one["default"]), value(one["best"])]
        add_row(rows, [*cells, share(one["importance"])])
    said = [*tuning_words.luck(found), *tuning_words.after(found)]
    if all(one["importance"] is None for one in found["parameters"]):
        said.insert(0, FEW)
    return Group(rows, Text(""), *(Text(line) for line in said))


def _headline(found: Facts) -> str:
    best = found["best"]
    return (
        f"{found['experiment']}: {score_of(found)} {number(best['score'])} in trial "
        f"{best['number']}; {tuning_words.trials_of(found)}"
    )


def render_page(found: Facts) -> Html:
    """Render the whole page of a study."""
    drawn = draw_tuning(found)
    charts = {chart.key: chart for chart in drawn}
    sections = ("parameters", "luck", "after", "trials", "facts")
    links = (h("a", name.capitalize(), href=f"#{name}") for name in sections)
    title = f"{found['experiment']}, tuned: {score_of(found)} "
    body = (
        _header(found),
        _banner(found),
        h(
            "div",
            _cards(found),
            NO_SCRIPT,
            figure(charts["history"], wide=True),
            class_="overview",
        ),
        h("nav", *links, aria_label="Sections", class_="screen"),
        h(
            "main",
            _parameters(found, drawn),
            _said("Luck", "luck", tuning_words.luck(found)),
            _said("After the study", "after", tuning_words.after(found), charts.get("after")),
            _trials(found),
            _facts(found),
        ),
        *scripts(drawn),
    )
    return document(title + number(found["best"]["score"]), asset("page.css"), POLICY, *body)


def _header(found: Facts) -> Html:
    study = found["eras"]
    line = [
        f"model {found['model']}",
        f"target {found['target']}",
        f"eras {eras(study['first'], study['last'])}, none later",
        tuning_words.trials_of(found),
    ]
    return h(
        "header",
        h("h1", breakable(found["experiment"]), ", tuned"),
        h("p", found["question"], class_="question") if found["question"] else "",
        h("ul", *(h("li", part) for part in line), class_="meta"),
    )


def _banner(found: Facts) -> Html:
    synthetic = found["source"] == "synthetic"
    if not synthetic and not found["notice"]:
        return Html("")
    text = found["notice"] or "These values were found on rows that the lab made itself."
    return banner("Synthetic data" if synthetic else "About the data", text)


def _card(name: str, what: str, *below: str) -> Html:
    lines = (h("span", line) for line in below)
    return h("div", h("dt", name), h("dd", h("strong", what), *lines), class_="card")


def _cards(found: Facts) -> Html:
    best, default, told, after = (found[key] for key in ("best", "default", "luck", "after"))
    score = score_of(found)
    cards = [_card(f"{score}, tuned", number(best["score"]), f"trial {best['number']}")]
    if default is not None:
        gain = number(best["score"] - default["score"], signed=True)
        cards.append(_card(f"{score}, default", number(default["score"]), f"tuned {gain}"))
    if told is not None:
        by_luck = f"{number(told['by_luck'])} expected of luck"
        cards.append(_card("lead over the mean trial", number(told["lead"], signed=True), by_luck))
        if told.get("deflated_sharpe") is not None:
            cards.append(_card("deflated Sharpe", number(told["deflated_sharpe"], 3)))
    if after is not None:
        pair = after["paired"]
        below = [
            f"95 % {interval(pair['ci_low'], pair['ci_high'])}",
            f"eras {eras(after['first_era'], after['last_era'])}, never seen",
        ]
        difference = number(pair["mean_difference"], signed=True)
        cards.append(_card("tuned minus default, later", difference, *below))
    return h("dl", *cards, class_="cards")


def _parameters(found: Facts, drawn: Sequence[Chart]) -> Html:
    rows = [
        [
            breakable(short(one["name"])),
            space(one["space"]),
            value(one["default"]),
            value(one["best"]),
            share(one["importance"]),
        ]
        for one in found["parameters"]
    ]
    head = ["parameter", "searched", "default", "tuned", "importance"]
    shown = [c for c in drawn if c.key == "importance" or c.key.startswith("slice")]
    narrow = [chart for chart in shown if not chart.wide]
    unpaired = narrow[-1] if len(narrow) % 2 == 1 else None
    plots = [figure(chart, chart.wide or chart is unpaired) for chart in shown]
    few = "" if any(c.key == "importance" for c in shown) else f"{FEW} "
    whose = "The model's own space, as the config names none." if found["own_space"] else ""
    return h(
        "section",
        h("h2", "Parameters"),
        table("What was searched and found", head, rows, text_columns=2),
        h("p", few, whose, class_="note") if few or whose else "",
        h("div", *plots, class_="charts"),
        id="parameters",
    )


def _said(title: str, key: str, said: Iterable[str], chart: Chart | None = None) -> Html:
    return h(
        "section",
        h("h2", title),
        *(h("p", sentence) for sentence in said),
        figure(chart, wide=True) if chart else "",
        id=key,
    )


def _trials(found: Facts) -> Html:
    def order(trial: Mapping[str, Any]) -> tuple[bool, float]:
        return trial["score"] is None, -(trial["score"] or 0.0)

    names = [one["name"] for one in found["parameters"]]
    rows = [
        [
            f"trial {trial['number']}" + (", default" if trial["is_default"] else ""),
            trial["state"],
            number(trial["score"]),
            *(value(trial["values"].get(name)) for name in names),
            seconds(trial["seconds"]),
        ]
        for trial in sorted(found["trials"], key=order)
    ]
    head = ["trial", "state", found["score"], *map(short, names), "took"]
    first = table("The best", head, rows[:MOST_TRIALS], text_columns=2)
    others = rows[MOST_TRIALS:]
    folded = Html("")
    if others:
        inner = table("The others", head, others, text_columns=2)
        folded = h("details", h("summary", f"{len(others)} more"), inner)
    reasons = list(dict.fromkeys(t["reason"] for t in found["trials"] if t["state"] == "failed"))
    unscored = sum(1 for trial in found["trials"] if trial["n_unscored"])
    said = [f"Failed: {reason}" for reason in reasons]
    if unscored:
        said.append(f"{unscored} trials have eras with constant predictions, which count as 0.")
    return h(
        "section",
        h("h2", "Trials"),
        first,
        folded,
        join(h("p", sentence, class_="note") for sentence in said),
        id="trials",
    )


def _facts(found: Facts) -> Html:
    sampler, pruner = found["sampler"], found["pruner"]
    folds = "; ".join(
        f"trains on {eras(*fold['train'])}, purge {fold['purge_eras']}, judged on "
        f"{eras(*fold['judged'])}"
        for fold in found["folds"]
    )
    pairs = [
        ("tuned config", code(found["tuned_config"])),
        ("inner folds", folds),
        ("score", score_of(found)),
        ("sampler", ", ".join(f"{k} {v}" if k != "name" else v for k, v in sampler.items())),
        (
            "pruner",
            ABSENT
            if pruner is None
            else ", ".join(f"{k} {v}" if k != "name" else v for k, v in pruner.items()),
        ),
        ("seed", found["seed"]),
        ("time of all trials", seconds(found["seconds"])),
        ("began", found["created_utc"]),
        ("command", code(found["command"] or ABSENT)),
    ]
    return h(
        "section",
        h("h2", "Facts"),
        h("div", facts(pairs[:5]), facts(pairs[5:]), class_="pair"),
        id="facts",
    )
