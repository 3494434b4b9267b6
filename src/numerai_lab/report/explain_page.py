"""explain.html: what the models of a run look at, fold by fold; and the same for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from numerai_lab.experiment import RunDir, read_explanations
from numerai_lab.files import write_text
from numerai_lab.report import explain_words
from numerai_lab.report.explain_drawings import STYLE, bins, strips
from numerai_lab.report.explain_words import Facts, direction, largest
from numerai_lab.report.figures import count, interval, number, percent
from numerai_lab.report.markup import Html, breakable, code, document, h, table
from numerai_lab.report.messages import banner
from numerai_lab.report.plots import asset
from numerai_lab.report.terminal import add_row, new_table

if TYPE_CHECKING:
    from rich.console import RenderableType

TOP = 20
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_explanation_page(run_dir: Path) -> Path:
    """Write `explain.html` into a run, of every fold that was explained; return its path.

    Raises
    ------
    RunError : the run's manifest is damaged.
    MachineError : it cannot be written; an earlier page stays as it was.
    """
    run, damages = RunDir(run_dir), list[str]()
    found = read_explanations(run, damages.append)
    path = run_dir / "explain.html"
    write_text(path, render_page(run.manifest()["experiment"], found, damages))
    return path


def render_explanation(facts: Facts) -> list[RenderableType]:
    """Render an explanation for the terminal."""
    from rich.text import Text

    said = [Text(explain_words.headline(facts))]
    tables: list[RenderableType] = []
    if facts["features"]:
        columns = [("feature", False), ("share", True), ("moves", True), ("earned", True)]
        gain = [("gain", True)] if facts["gains"] else []
        rows = new_table([*columns, ("95 % interval", True), *gain])
        for one in largest(facts, TOP):
            add_row(rows, _feature_cells(facts, one))
        tables.append(rows)
    shuffled = facts["permutation"]["features"]
    if shuffled:
        title = f"corr lost by shuffling, {facts['permutation']['eras']} eras"
        rows = new_table([("feature", False), ("loss", True), ("95 % interval", True)], title)
        for one in shuffled[:TOP]:
            add_row(rows, _loss_cells(one))
        tables.append(rows)
    for title, head, features in _singles(facts):
        rows = new_table([(name, i > 0) for i, name in enumerate(head)])
        for cells in features:
            add_row(rows, cells)
        tables += [Text(f"\n{title}"), rows]
    last = [Text(sentence) for sentence in explain_words.expected_sentences(facts)]
    return [*said, *tables, *last]


def _feature_cells(facts: Facts, one: Facts) -> list[str]:
    return [
        one["feature"],
        percent(one["share"], 1),
        direction(one),
        number(one["earned"], signed=True),
        interval(one.get("earned_low"), one.get("earned_high")),
        *_gain(facts, one),
    ]


def _gain(facts: Facts, one: Facts) -> list[str]:
    """Return the cell of a feature's gain; none where the fit reports of no feature."""
    return [percent(facts["gains"].get(one["feature"]), 1)] if facts["gains"] else []


def _loss_cells(one: Facts) -> list[str]:
    return [
        one["feature"],
        number(one["loss"], signed=True),
        interval(one["loss_low"], one["loss_high"]),
    ]


def _singles(facts: Facts) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yield single rows and eras: a sentence, heads, and the cells of their features."""
    for one in facts.get("rows", ()):
        told = one["lime"]["features"] if one["lime"] else ()
        lime = {f["feature"]: f["weight"] for f in told}
        cells = [
            [
                f["feature"],
                number(f["value"], 2),
                number(f["contribution"], signed=True),
                *([number(lime.get(f["feature"]), signed=True)] if lime else []),
            ]
            for f in one["features"][:TOP]
        ]
        head = ["feature", "value", "adds", *(["LIME"] if lime else [])]
        yield explain_words.row_sentence(one), head, cells
    for one in facts.get("single_eras", ()):
        cells = [
            [f["feature"], number(f["size"]), number(f["earned"], signed=True)]
            for f in one["features"][:TOP]
        ]
        yield explain_words.era_sentence(one), ["feature", "size", "earned"], cells


def render_page(experiment: str, found: Mapping[int, Facts], damages: Sequence[str] = ()) -> Html:
    """Render the whole page of a run: a section for each fold that was explained."""
    synthetic = any(facts["source"] == "synthetic" for facts in found.values())
    words = "What a model finds in rows that the lab made itself says nothing about Numerai."
    body = (
        h(
            "header",
            h("h1", breakable(experiment), ", explained"),
            h("p", "What the model of each fold does with its features.", class_="question"),
        ),
        banner("Synthetic data", words) if synthetic else "",
        _warnings(damages),
        h("main", *(_fold(facts) for facts in found.values())),
    )
    title = f"{experiment}, explained"
    return document(title, asset("page.css") + STYLE, POLICY, *body)


def _warnings(sentences: Sequence[str]) -> Html:
    if not sentences:
        return Html("")
    items = h("ul", *(h("li", text) for text in sentences))
    return h("div", h("strong", "Warnings"), items, class_="warnings", role="note")


def _fold(facts: Facts) -> Html:
    line = [
        f"model {facts['model']}",
        f"target {facts['target']}",
        explain_words.rows_of(facts),
        explain_words.HOW[facts["how"]],
    ]
    return h(
        "section",
        h("h2", explain_words.model_of(facts["fold"])),
        h("ul", *(h("li", part) for part in line), class_="meta"),
        _cards(facts),
        h("div", h("ul", *(h("li", note) for note in facts["notes"])), class_="notes", role="note")
        if facts["notes"]
        else "",
        *_features(facts),
        *_permutation(facts),
        *_interactions(facts),
        *_groups(facts),
        *_members(facts),
        *_expected(facts),
        *_single_parts(facts),
        id=f"fold-{facts['fold'] or 'final'}",
    )


def _card(name: str, what: str, below: str) -> Html:
    return h("div", h("dt", name), h("dd", h("strong", what), h("span", below)), class_="card")


def _cards(facts: Facts) -> Html:
    if not facts["features"]:
        return Html("")
    told, features = facts["explained"], facts["features"]
    top = largest(facts, TOP)
    ten = round(sum(one["share"] for one in features[:10]), 9)
    stable = sum(1 for one in top if one.get("stable"))
    rows = f"of {count(told['of'])}, in {count(told['eras'])} eras"
    range_ = f"95 % {interval(facts['corr_low'], facts['corr_high'])}"
    cards = [
        _card("rows explained", count(told["rows"]), rows),
        _card("raw output with target", number(facts["corr"]), range_),
        _card(
            "ten largest features",
            percent(ten),
            "of all",
        ),
        _card("steady direction", f"{stable} of {len(top)}", "of the largest features"),
    ]
    return h("dl", *cards, class_="cards")


def _features(facts: Facts) -> Iterator[Html]:
    top = largest(facts, TOP)
    if not top:
        return
    rows = [
        [
            code(one["feature"]),
            h(
                "span",
                h("i", style=f"width:{100 * one['share'] / top[0]['share']:.1f}%"),
                class_="bar",
                aria_hidden="true",
            ),
            percent(one["share"], 1),
            number(one["size"]),
            direction(one),
            percent(one["same_sign"]),
            number(one["earned"], signed=True),
            interval(one.get("earned_low"), one.get("earned_high")),
            *_gain(facts, one),
        ]
        for one in top
    ]
    head = ["feature", "", "share", "size", "moves", "same way", "earned", "95 % interval"]
    head += ["gain"] if facts["gains"] else []
    caption = f"Top {len(top)} of {count(facts['features_in_all'])} features by what they add"
    yield table(caption, head, rows)
    yield h(
        "p",
        "Share: of the mean size of all contributions. Moves: the direction of the prediction when "
        "the feature rises, where its interval excludes 0 and nine of ten eras agree. Earned: the "
        "feature's part of the correlation of the raw output with the target; of many features, "
        "one in twenty lies off 0 by chance."
        + (" Gain: its share of what the fit reports, on training eras." if facts["gains"] else ""),
        class_="note",
    )
    if facts["beside"]:
        extra = [
            [one["name"], number(one["size"]), number(one["earned"], signed=True)]
            for one in facts["beside"]
        ]
        yield table("What is added beside the features", ["what", "size", "earned"], extra)
    by_era = facts["by_era"]
    if facts["fold"]:  # rows of the final model have no labels
        yield h("h3", "Earned by era")
        yield strips(by_era["eras"], by_era["earned"], "What each feature earned")
    yield h("h3", "Contribution by value")
    yield bins(facts["dependence"])
    yield h(
        "p",
        "Mean contribution of the rows with each value, with its 95 % interval over eras; all "
        "drawings have one scale.",
        class_="note",
    )


def _permutation(facts: Facts) -> Iterator[Html]:
    told = facts["permutation"]
    if told["features"]:
        rows = [[code(one["feature"]), *_loss_cells(one)[1:]] for one in told["features"]]
        caption = f"corr lost when a feature is shuffled within eras, {told['eras']} eras"
        yield table(caption, ["feature", "loss", "95 % interval"], rows)


def _interactions(facts: Facts) -> Iterator[Html]:
    told = facts.get("interactions")
    if told and told["pairs"]:
        rows = [
            [code(" x ".join(pair["features"])), number(pair["size"])]
            for pair in told["pairs"][:TOP]
        ]
        caption = f"Interactions: what a pair adds together, {told['rows']} rows"
        yield table(caption, ["pair", "size"], rows)


def _groups(facts: Facts) -> Iterator[Html]:
    if facts.get("groups"):
        rows = [
            [
                breakable(one["group"]),
                count(one["n_features"]),
                number(one["size"]),
                number(one["earned"], signed=True),
                interval(one["earned_low"], one["earned_high"]),
            ]
            for one in facts["groups"]
        ]
        head = ["set", "features", "size", "earned", "95 % interval"]
        yield table("Sets of features; they overlap, so they do not sum", head, rows)


def _members(facts: Facts) -> Iterator[Html]:
    members = facts.get("members", ())
    if len(members) > 1:
        rows = [
            [
                breakable(one["name"]),
                breakable(
                    ", ".join(f"{f['feature']} {percent(f['share'])}" for f in one["largest"])
                ),
                number(one["weight"], 3),
            ]
            for one in members
        ]
        head = ["member", "largest features", "weight"]
        yield table("Members that count", head, rows, text_columns=2)


def _expected(facts: Facts) -> Iterator[Html]:
    said = explain_words.expected_sentences(facts)
    if said:
        yield h("h3", "Expectations")
        yield h("ul", *(h("li", breakable(sentence)) for sentence in said))
        told = [one for one in facts["expected"] if one.get("along")]  # older ones have none
        along = {one["feature"]: one["along"] for one in told}
        if along:
            words = "How far each feature goes the way expected"
            yield strips(facts["by_era"]["eras"], along, words)


def _single_parts(facts: Facts) -> Iterator[Html]:
    for title, head, features in _singles(facts):
        cells = [[code(name), *numbers] for name, *numbers in features]
        yield table(f"{title}.", head, cells)
