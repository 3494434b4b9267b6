"""Every table of scores on the page: its rows are over the same eras, or each says its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from numerai_lab.report import curves, figures
from numerai_lab.report.charts import line_style
from numerai_lab.report.curves import Curve
from numerai_lab.report.figures import ABSENT, interval, number, percent
from numerai_lab.report.markup import Html, breakable, h, join, table
from numerai_lab.report.record import Record
from numerai_lab.report.score_shapes import MODEL, Block, Stats
from numerai_lab.report.swatches import swatch
from numerai_lab.scoring import METRICS


def _eras_cell(s: Stats) -> Html:
    """Write how many eras a row is over, and which below it."""
    ends = "" if s.first_era is None else h("small", figures.eras(s.first_era, s.last_era))
    return join([figures.count(s.n_eras), ends], " ")


def _role(record: Record, name: str) -> str | None:
    if name == MODEL:
        return None
    variant = record.scores.variant(name)
    if variant is not None:
        return variant.label
    if name == "before_neutralization":
        return "before neutralization"
    return "benchmark" if name == record.scores.benchmark else "baseline"


def _named(record: Record, name: str) -> Html:
    role = _role(record, name)
    label = breakable(record.label(name))
    label = h("strong", label) if role is None else label
    parts = [swatch(record, name), label, h("small", role) if role else ""]
    return h("span", join(parts, " "), class_="named")


def _whiskers(record: Record, stats: Mapping[str, Stats]) -> dict[str, Html]:
    """Draw each interval of mean corr on one common scale that includes zero."""
    ends = [v for s in stats.values() for v in (s.ci_low, s.ci_high, s.mean) if v is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    if high <= low:
        return {}

    def place(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.2f}%"

    drawn = {}
    for name, s in stats.items():
        colour = f"background:{line_style(record, name)['color']}"
        parts = [h("i", class_="zero", style=f"left:{place(0.0)}")]
        if s.ci_low is not None and s.ci_high is not None:
            width = f"width:{100 * (s.ci_high - s.ci_low) / (high - low):.2f}%"
            parts.append(h("i", class_="range", style=f"left:{place(s.ci_low)};{width};{colour}"))
        if s.mean is not None:
            parts.append(h("i", class_="dot", style=f"left:{place(s.mean)};{colour}"))
        drawn[name] = h("span", h("span", *parts), class_="whisker", aria_hidden="true")
    return drawn


def _on(block: Block, n_blocks: int) -> str:
    """Say which eras the rows of a block are over, as the end of a caption."""
    if block.eras.n is None:
        return "" if n_blocks == 1 else ", each on its own eras"
    eras = figures.in_eras(block.eras.n, block.eras.first, block.eras.last)
    return f", {eras}" if n_blocks == 1 else f", on the same {eras}"


def _headline(record: Record, block: Block, n_blocks: int) -> Html:
    names = record.scores.names(block.scores)
    corrs = {name: block.scores[name].get("corr") or Stats() for name in names}
    whiskers = _whiskers(record, corrs)
    contributions = [
        key
        for key in ("mmc", "bmc", "fnc")
        if any(s.mean is not None for by in block.scores.values() if (s := by.get(key)))
    ]

    def contribution(name: str, key: str) -> Html:
        s = block.scores[name].get(key) or Stats()
        if s.mean is None or s.n_eras == corrs[name].n_eras:
            return join([number(s.mean)])
        n, ends = f"in {figures.count(s.n_eras)} eras", figures.eras(s.first_era, s.last_era)
        return join([number(s.mean), h("small", n), h("small", ends)], " ")

    head = ["run", "corr", "95 % interval", "", "sharpe", "sharpe hac", *contributions]
    head += ["max drawdown", "hit rate", "last 50", "eras"]
    rows = [
        [
            _named(record, name),
            h("strong", number(corr.mean)),
            interval(corr.ci_low, corr.ci_high),
            whiskers.get(name, ""),
            number(corr.sharpe, 2),
            number(corr.sharpe_hac, 2),
            *(contribution(name, key) for key in contributions),
            number(corr.max_drawdown, 3),
            percent(corr.hit_rate),
            number(corr.last_50),
            _eras_cell(corr),
        ]
        for name, corr in corrs.items()
    ]
    title = f"Scores on {record.scores.target}, mean per era{_on(block, n_blocks)}"
    return table(title, head, rows, class_="headline")


def headlines(record: Record) -> Iterable[Html]:
    """Build the tables of the main target: the rows of one table are over the same eras."""
    target = record.scores.target
    blocks = record.scores.blocks(target)
    if len(blocks) > 1:
        words = (
            "Not every prediction was scored in the same eras. Rows of one table are over the same "
            "ones; rows of different tables do not compare."
        )
        yield h("p", words, class_="note")
    for block in blocks:
        yield _headline(record, block, len(blocks))
    unlike = record.scores.unlike(target)
    if unlike:
        yield h("p", unlike, class_="note")


def _summary_head(adds_up: bool = True) -> list[object]:
    gains = ["sharpe", "sharpe hac", "max drawdown", "hit rate"] if adds_up else []
    return ["mean", "95 % interval", "std", *gains, "last 20", "last 50", "last 100", "eras"]


def _summary_row(s: Stats, adds_up: bool = True) -> list[object]:
    """Write a summary under `_summary_head`; a level has no Sharpe, drawdown and hit rate."""
    gains = [number(s.sharpe, 2), number(s.sharpe_hac, 2), number(s.max_drawdown, 3)]
    gains.append(percent(s.hit_rate))
    row: list[object] = [number(s.mean), interval(s.ci_low, s.ci_high), number(s.std)]
    row += [*(gains if adds_up else []), *map(number, (s.last_20, s.last_50, s.last_100))]
    unscored = h("small", f"{figures.count(s.n_nan)} unscored") if s.n_nan else ""
    return [*row, join([_eras_cell(s), unscored], " ")]


def all_metrics(record: Record) -> Iterable[Html]:
    """Build a table of each metric: every summary of every prediction, over all its own eras."""
    scores = record.scores
    for metric in METRICS:
        summaries = {
            name: stats
            for name in scores.names()
            if (stats := scores.stats(name, metric.key)).mean is not None
        }
        if summaries:
            rows = [
                [_named(record, name), *_summary_row(stats, metric.adds_up)]
                for name, stats in summaries.items()
            ]
            title = f"{metric.key}: {metric.meaning}"
            if len({(s.n_eras, s.first_era, s.last_era) for s in summaries.values()}) > 1:
                title += " (each row over all its own eras: see the last column)"
            yield table(title, ["run", *_summary_head(metric.adds_up)], rows)


UNDEFINED = (
    f"{ABSENT}: too few eras for it, or a number that would mean nothing (a Sharpe of scores that "
    "never vary, a hit rate of zeros). Exposures and correlations with the benchmark are levels: "
    "they have no Sharpe, drawdown or hit rate."
)


def other_targets(record: Record) -> Iterable[Html]:
    """Build the tables of corr on each target but the main one, in blocks of the same eras."""
    scores = record.scores
    for target in (name for name in scores.scores_by_target if name != scores.target):
        blocks = scores.blocks(target)
        for block in blocks:
            rows = [
                [_named(record, name), *_summary_row(block.scores[name].get("corr") or Stats())]
                for name in scores.names(block.scores)
            ]
            title = f"corr on {target}{_on(block, len(blocks))}"
            yield table(title, ["run", *_summary_head()], rows)
        unlike = scores.unlike(target)
        if unlike:
            yield h("p", unlike, class_="note")


def by_fold(record: Record) -> Html:
    """Build the table of mean corr in each fold; empty where there is one fold."""
    windows = [(fold.fold, fold.judged.first, fold.judged.last) for fold in record.manifest.folds]
    if len(windows) < 2:
        return Html("")
    names = record.scores.names()
    by_name = {name: curves.per_era(record, name) for name in names}
    own = by_name.get(MODEL, curves.EMPTY)
    rows = []
    for fold, first, last in windows:
        if first is None or last is None:
            continue
        mine = own.between(first, last)
        cells = [_fold_cell(curve.between(first, last), mine) for curve in by_name.values()]
        eras = h("small", figures.eras(first, last) + record.manifest.data.dates(first, last))
        rows.append([join([f"fold {fold}", eras], " "), *cells, figures.count(len(mine))])
    head = ["fold", *map(record.label, names), "eras"]
    return table("Mean corr by fold", head, rows)


def _fold_cell(curve: Curve, own: Curve) -> Html:
    """Write the mean of a fold; where eras of the run are missing, the run's on the same ones."""
    shared = curves.difference(own, curve)
    if len(shared) in (0, len(own)):
        text = number(float(curve.values.mean())) if len(shared) else ABSENT
        return join([text])
    there = np.isin(curve.eras, shared.eras)
    theirs = float(curve.values[there].mean())
    mine = theirs + float(shared.values.mean())
    eras = figures.in_eras(len(shared), int(shared.eras[0]), int(shared.eras[-1]))
    beside = h("small", f"in {eras}"), h("small", f"this run there {number(mine)}")
    return join([number(theirs), *beside], " ")
