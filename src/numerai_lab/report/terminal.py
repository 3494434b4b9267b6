"""Tables for the terminal: aligned, within 80 columns, plain text where there is no terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numerai_lab.experiment import in_words
from numerai_lab.report import figures
from numerai_lab.report.figures import count, interval, number, percent
from numerai_lab.report.kept_for_test import planned, sentences
from numerai_lab.report.over_time import over_time
from numerai_lab.report.run_shapes import EraWindow, Fold, KeptForTest, Seeds
from numerai_lab.report.score_shapes import MODEL, Block, Comparison, Scores, Stats
from numerai_lab.report.several_seeds import HEAD, seed_rows, seed_sentences

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

WIDTH = 80
MODELS_ABREAST = 3
"""Predictions beside each other; more go into further tables below."""
MOST_IN_FULL = 6
"""Predictions beside the run's own that are told in full; more have a line each."""


def to_text(renderable: RenderableType, width: int = WIDTH) -> str:
    """Return what a renderable looks like as plain text, without colours or trailing blanks."""
    from rich.console import Console

    # A file of its own: with stdout, its encoding would choose the lines that tables are drawn in.
    text = io.StringIO()
    Console(file=text, width=width, color_system=None, legacy_windows=False).print(renderable)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def new_table(columns: Sequence[tuple[str, bool]], title: str | None = None) -> Table:
    """Make an empty table: (name, whether it holds numbers) for each column."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD,
        title=None if title is None else Text(title),
        title_justify="left",
        title_style="bold",
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for name, is_number in columns:
        justify = "right" if is_number else "left"
        table.add_column(Text(name), justify=justify, overflow="fold")  # type: ignore[arg-type]
    return table


def add_row(table: Table, cells: Sequence[str], style: str | None = None) -> None:
    """Add a row; brackets in a cell are no markup."""
    from rich.text import Text

    # Text, not str: rich would read brackets in a name or an interval as markup.
    table.add_row(*(Text(cell) for cell in cells), style=style)


def _score_rows(
    block: Block, names: Sequence[str], contributions: Sequence[str]
) -> list[tuple[str, list[str]]]:
    def of(name: str, metric: str = "corr") -> Stats:
        return block.scores[name].get(metric) or Stats()

    corr = [of(name) for name in names]
    rows = [
        ("corr", [number(s.mean) for s in corr]),
        ("  95 % interval", [interval(s.ci_low, s.ci_high) for s in corr]),
        ("sharpe", [number(s.sharpe, 2) for s in corr]),
        ("sharpe hac", [number(s.sharpe_hac, 2) for s in corr]),
    ]
    for key in contributions:
        stats = [of(name, key) for name in names]
        rows.append((key, [number(s.mean) for s in stats]))
        rows.append(("  95 % interval", [interval(s.ci_low, s.ci_high) for s in stats]))
        if any(0 < (s.n_eras or 0) < (c.n_eras or 0) for s, c in zip(stats, corr, strict=True)):
            spans = [figures.span(s.n_eras, s.first_era, s.last_era) for s in stats]
            rows.append(("  in eras", spans))
    return [
        *rows,
        ("max drawdown", [number(s.max_drawdown, 3) for s in corr]),
        ("hit rate", [percent(s.hit_rate) for s in corr]),
        ("last 50 eras", [number(s.last_50) for s in corr]),
        ("eras", [figures.span(s.n_eras, s.first_era, s.last_era) for s in corr]),
    ]


def _blocks(scores: Scores, experiment: str) -> Iterator[RenderableType]:
    """Build the tables of the main target, the predictions of one table on the same eras."""
    from rich.text import Text

    blocks = scores.blocks(scores.target)
    for block in blocks:
        names = scores.names(block.scores)
        contributions = [
            key
            for key in ("mmc", "bmc", "fnc")
            if any(s.mean is not None for by in block.scores.values() if (s := by.get(key)))
        ]
        own, others = names[:1], names[1:]
        in_lines = others if len(others) > MOST_IN_FULL else []
        others = [] if in_lines else others
        step = MODELS_ABREAST - 1
        for start in range(0, max(len(others), 1), step):
            abreast = own + others[start : start + step]
            if start == 0:
                title = f"target {scores.target}, mean per era"
                title += f", {_on(block)}" if len(blocks) > 1 else ""
                yield Text(title, style="bold")
            heads = [(experiment if name == MODEL else name, True) for name in abreast]
            table = new_table([("", False), *heads])
            for name, cells in _score_rows(block, abreast, contributions):
                add_row(table, [name, *cells], "bold" if name == "corr" else None)
            yield table
            yield Text("")
        if in_lines:
            yield _in_lines(block, in_lines, contributions)
            yield Text("")


def _in_lines(block: Block, names: Sequence[str], contributions: Sequence[str]) -> Table:
    """Build a table with a line for each of many predictions."""
    shown = [key for key in contributions if key != "fnc"]
    columns = [("beside it", False), ("corr", True), ("95 % interval", True), ("sharpe", True)]
    table = new_table([*columns, *((key, True) for key in shown)])
    for column in table.columns[1:]:
        column.no_wrap = True
    for name in names:
        stats = block.scores[name]
        corr = stats.get("corr") or Stats()
        cells = [name, number(corr.mean), interval(corr.ci_low, corr.ci_high)]
        cells.append(number(corr.sharpe, 2))
        add_row(table, [*cells, *(number((stats.get(key) or Stats()).mean) for key in shown)])
    return table


def _on(block: Block) -> str:
    """Say which eras a block is on."""
    if block.eras.n is None:
        return "each on its own eras"
    return f"on the same {figures.in_eras(block.eras.n, block.eras.first, block.eras.last)}"


def _by_target(scores: Scores, experiment: str) -> Table:
    """Build the table of corr on every target: the predictions below it, block by block."""
    columns = [("target", False), ("corr", True), ("95 % interval", True), ("sharpe", True)]
    table = new_table([*columns, ("eras", True)], "corr on every target")
    for column in table.columns[1:]:
        column.no_wrap = True
    for target in scores.scores_by_target:
        add_row(table, [target, "", "", "", ""], "bold")
        for block in scores.blocks(target):
            for name in scores.names(block.scores):
                s = block.scores[name].get("corr") or Stats()
                cells = [f"  {experiment if name == MODEL else name}", number(s.mean)]
                cells += [interval(s.ci_low, s.ci_high), number(s.sharpe, 2)]
                add_row(table, [*cells, figures.span(s.n_eras, s.first_era, s.last_era)])
    return table


def render_scores(scores: Mapping[str, Any], experiment: str = "prediction") -> RenderableType:
    """Render scores.json: one column per prediction, the run's own first, intervals beneath.

    Predictions that stand beside each other are on the same eras; where they were not scored in the
    same ones, there are several tables. Where several targets were scored, a table of corr on each
    follows.

    Parameters
    ----------
    scores : what scores.json holds.
    experiment : what the run's own prediction is called.
    """
    from rich.console import Group
    from rich.text import Text

    shown = Scores.model_validate(dict(scores))
    names = shown.names()
    if not names:
        return Text("no prediction was scored")
    parts = [*_blocks(shown, experiment)]
    if len(shown.scores_by_target) > 1:
        parts += [_by_target(shown, experiment), Text("")]
    unlike = {shown.unlike(target) for target in (shown.target, *shown.scores_by_target)}
    parts += [Text(sentence) for sentence in sorted(filter(None, unlike))]
    if shown.benchmark and any(shown.stats(name, "bmc").mean is not None for name in names):
        parts.append(Text(f"bmc is the contribution beyond the benchmark {shown.benchmark}"))
    parts += [Text(sentence) for sentence in shown.scored_in_part()]
    parts += [Text(said) for said in (shown.trained_on, shown.origin) if said]
    parts += [Text(f"warning: {text}", style="yellow") for text in shown.warnings]
    return Group(*parts)


def render_extra(
    extra: Mapping[str, Mapping[str, Mapping[str, Any]]], experiment: str = "prediction"
) -> RenderableType:
    """Render scores that were asked for with `evaluate --extra`: a table for each target.

    Parameters
    ----------
    extra : target -> prediction -> score -> summary. experiment : as in `render_scores`.
    """
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for target, predictions in extra.items():
        columns = [("score", False), ("mean", True), ("95 % interval", True), ("eras", True)]
        table = new_table(columns, f"scores asked for on {target}, mean per era")
        for name, scores in predictions.items():
            add_row(table, [experiment if name == MODEL else name, "", "", ""], "bold")
            for key, summary in scores.items():
                s = Stats.model_validate(dict(summary))
                cells = [f"  {key}", number(s.mean), interval(s.ci_low, s.ci_high)]
                add_row(table, [*cells, figures.span(s.n_eras, s.first_era, s.last_era)])
        parts += [table, Text("")] if predictions else []
    return Group(*parts)


def _over_time(comparison: Comparison) -> Table:
    from rich.table import Table
    from rich.text import Text

    lines = Table.grid(padding=(0, 2, 0, 0))
    for what, how in over_time(comparison):
        lines.add_row(Text(what), Text("\n".join(how)))
    return lines


def render_comparison(
    comparisons: Sequence[Mapping[str, Any]], *, in_full: bool = False, experiment: str = MODEL
) -> RenderableType:
    """Render paired differences of predictions to baselines, one row each.

    Parameters
    ----------
    comparisons : `comparisons` of scores.json, where each is the run minus a baseline, or rows
        that name a `prediction` of their own, each minus the same baseline.
    in_full : below the table, tell of each how it went over time.
    experiment : what the run's own prediction is called.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    shown = [Comparison.model_validate(dict(item)) for item in comparisons]
    against_one = len({c.baseline for c in shown}) == 1
    own = all(c.prediction == MODEL for c in shown)
    wanted = list(dict.fromkeys(c.metric for c in shown))
    title = f"paired difference of {', '.join(map(in_words, wanted))}"
    if not own and against_one:
        title += f", minus {', '.join(dict.fromkeys(c.baseline for c in shown))}"
    spans = [figures.span(c.n_eras, c.first_era, c.last_era) for c in shown]
    # Told once, as a column of them breaks the names' lines; what has none is "unknown".
    judged = [c for c in shown if c.n_eras] or shown
    same_eras = len({span for c, span in zip(shown, spans, strict=True) if c in judged}) == 1
    if same_eras:
        c = judged[0]
        title += f", over {figures.in_eras(c.n_eras, c.first_era, c.last_era)}"
    many = own and len(shown) > MOST_IN_FULL  # said once, or every name would break its line
    columns = [(f"{experiment} minus" if many else "run", False), ("difference", True)]
    # where eras differ they stand below the interval
    ends = "95 % interval" if same_eras else "95 % interval, eras"
    columns += [(ends, True), ("P(improves)", True)]
    table = new_table([*columns, ("", False)], title)
    for column in table.columns[1:]:
        column.no_wrap = True
    for c, span in zip(shown, spans, strict=True):
        # A run's label is long: its directory goes below its experiment.
        among_runs = against_one and not own
        name = c.prediction.replace("/", "/\n") if among_runs else c.name(experiment)
        name = c.baseline if many else name
        cells = [name, number(c.mean_difference, signed=True)]
        where = interval(c.ci_low, c.ci_high) + ("" if same_eras else f"\n{span}")
        add_row(table, [*cells, where, percent(c.improves), c.way])
    parts: list[RenderableType] = [table]
    if in_full:
        for c in shown:
            name = c.prediction if against_one and not own else c.name(experiment)
            parts += [Text(""), Text(f"{name}: {c.way_in_words}")]
            parts.append(Padding(_over_time(c), (0, 0, 0, 2), expand=False))
    elif any(c.way.endswith("so far") for c in shown):
        parts.append(Text("so far: not in every third of the eras"))
    return Group(*parts)


def _eras(window: EraWindow) -> str:
    """Write a run of eras, its dates in two lines below it."""
    dates = figures.dates(window.first_date, window.last_date).strip(" ()").replace(" to ", "\nto ")
    return figures.eras(window.first, window.last) + (f"\n{dates}" if dates else "")


def render_plan(folds: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Render the folds (`folds` of manifest.json) before they are trained, one row each."""
    from rich.console import Group
    from rich.text import Text

    columns = [("fold", True), ("train eras", True), ("rows", True), ("purge", True)]
    shown = [Fold.model_validate(dict(fold)) for fold in folds]
    embargo = any(fold.embargo_eras for fold in shown)
    columns += [("embargo", True)] if embargo else []
    table = new_table([*columns, ("judged eras", True), ("eras", True), ("rows", True)])
    for fold in shown:
        train, judged = fold.train, fold.judged
        cells = [str(fold.fold), _eras(train), count(train.n_rows)]
        cells += [str(fold.purge_eras)] + ([str(fold.embargo_eras)] if embargo else [])
        cells += [_eras(judged), count(judged.n_eras)]
        add_row(table, [*cells, count(judged.n_rows)])
    said = [f"fold {fold.fold} was {fold.seen}" for fold in shown if fold.seen]
    said += [line for fold in shown if fold.test is not None for line in planned(fold)]
    return Group(table, *(Text(line) for line in said)) if said else table


def render_test(test: Mapping[str, Any]) -> RenderableType:
    """Render what stands beside the scores of test eras: which they are, and looks at them.

    Parameters
    ----------
    test : `test` of the scores of `evaluate_test`, or what `told_of_test` returns.
    """
    from rich.text import Text

    return Text("\n".join(sentences(KeptForTest.model_validate(dict(test)))))


def render_seeds(seeds: Mapping[str, Any]) -> RenderableType:
    """Render what other seeds of the same experiment scored; `seeds` is of `told_of_seeds`."""
    from rich.console import Group
    from rich.text import Text

    shown = Seeds.model_validate(dict(seeds))
    parts: list[RenderableType] = [Text("\n".join(seed_sentences(shown)))]
    if shown.runs:
        title = f"mean {shown.metric} by seed"
        table = new_table([(name, True) for name in HEAD], title)
        for row in seed_rows(shown):
            add_row(table, row)
        parts.append(table)
    return Group(*parts)
