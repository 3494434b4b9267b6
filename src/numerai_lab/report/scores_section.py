"""The page's first look: headline cards, the table with intervals, and the comparisons."""

from __future__ import annotations

from collections.abc import Iterable

from numerai_lab.report import curves, figures
from numerai_lab.report.charts import line_style
from numerai_lab.report.figures import ABSENT, interval, number, percent
from numerai_lab.report.markup import Html, h, join, table
from numerai_lab.report.over_time import over_time
from numerai_lab.report.record import Record
from numerai_lab.report.shapes import MODEL, Comparison, Stats
from numerai_lab.scoring import METRICS

VARIANTS = {
    "frozen": "same trees, not adapted",
    "joint": "trained with auxiliary targets, not adapted",
    "shuffled": "control: adapted to other eras",
    "before_neutralization": "before neutralization",
}
"""Further predictions of the run's own model, and what they are."""


def _card(name: object, value: str, *below: object) -> Html:
    lines = (h("span", line) for line in below)
    return h("div", h("dt", name), h("dd", h("strong", value), *lines), class_="card")


def _range(low: float | None, high: float | None) -> str:
    return f"95 % {interval(low, high)}"


def cards(record: Record) -> Html:
    """Build the numbers to look at first, and the difference to each baseline."""
    scores = record.scores
    corr, mmc, bmc = (scores.stats(MODEL, key) for key in ("corr", "mmc", "bmc"))
    hac = f"{number(corr.sharpe_hac, 2)} corrected for overlap"
    shown = [
        _card("corr, mean per era", number(corr.mean), _range(corr.ci_low, corr.ci_high)),
        _card("sharpe", number(corr.sharpe, 2), hac),
    ]

    def part(stats: Stats) -> list[str]:
        some, all_eras = stats.n_eras or 0, corr.n_eras or 0
        return [f"in {some} of {all_eras} eras only"] if some < all_eras else []

    if mmc.mean is not None:
        below = [_range(mmc.ci_low, mmc.ci_high), *part(mmc)]
        shown.append(_card("mmc", number(mmc.mean), *below))
    if bmc.mean is not None:
        name = f"bmc, {scores.benchmark or 'benchmark'}"
        below = [_range(bmc.ci_low, bmc.ci_high), *part(bmc)]
        shown.append(_card(name, number(bmc.mean), *below))
    positive = f"{percent(corr.hit_rate)} of eras positive"
    shown.append(_card("max drawdown", number(corr.max_drawdown, 3), positive))
    own = [c for c in scores.comparisons if c.prediction == MODEL]
    for c in (c for c in own if c.metric == "corr"):
        difference = number(c.mean_difference, signed=True)
        shown.append(_card(f"corr, {c.name}", difference, _range(c.ci_low, c.ci_high), c.way))
    return h("dl", *shown, class_="cards")


def _swatch(record: Record, name: str) -> Html:
    line = line_style(record, name)
    kind = {"solid": "solid", "dot": "dotted"}.get(line["dash"], "dashed")
    style = f"border-top:3px {kind} {line['color']}"
    return h("span", class_="swatch", style=style, aria_hidden="true")


def _role(record: Record, name: str) -> str | None:
    if name == MODEL:
        return None
    if name in VARIANTS:
        return VARIANTS[name]
    return "benchmark" if name == record.scores.benchmark else "baseline"


def _named(record: Record, name: str) -> Html:
    role = _role(record, name)
    label = h("strong", record.label(name)) if role is None else record.label(name)
    parts = [_swatch(record, name), label, h("small", role) if role else ""]
    return h("span", join(parts, " "), class_="named")


def _whiskers(record: Record) -> dict[str, Html]:
    """Draw each interval of mean corr on one common scale that includes zero."""
    stats = {name: record.scores.stats(name) for name in record.scores.names()}
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


def _headline(record: Record) -> Html:
    scores, names = record.scores, record.scores.names()
    whiskers = _whiskers(record)
    contributions = [
        key
        for key in ("mmc", "bmc", "fnc")
        if any(scores.stats(name, key).mean is not None for name in names)
    ]
    head = ["prediction", "corr", "95 % interval", "", "sharpe", "sharpe hac", *contributions]
    head += ["max drawdown", "hit rate", "last 50", "eras"]
    rows = []
    for name in names:
        corr = scores.stats(name)
        rows.append(
            [
                _named(record, name),
                h("strong", number(corr.mean)),
                interval(corr.ci_low, corr.ci_high),
                whiskers.get(name, ""),
                number(corr.sharpe, 2),
                number(corr.sharpe_hac, 2),
                *(number(scores.stats(name, key).mean) for key in contributions),
                number(corr.max_drawdown, 3),
                percent(corr.hit_rate),
                number(corr.last_50),
                figures.count(corr.n_eras),
            ]
        )
    return table(f"Scores on {scores.target}, mean per era", head, rows, class_="headline")


def _reading(record: Record) -> Html:
    scores = record.scores
    sentences = [
        f"In differences, prediction is that of this run, {record.manifest.experiment}."
        if scores.comparisons
        else "",
        "Intervals are 95 % block-bootstrap intervals of the mean over eras.",
        "sharpe is mean / std; labels of neighbouring eras overlap, which flatters it, "
        "and sharpe hac (Newey-West) takes that out.",
    ]
    if scores.benchmark:
        sentences.append(f"bmc is the contribution beyond the benchmark {scores.benchmark}.")
    else:
        sentences.append("No benchmark was scored, so there is no bmc.")
    if not scores.meta_model:
        sentences.append("No meta model was scored, so there is no mmc.")
    sentences += [f"{sentence}." for sentence in scores.scored_in_part()]
    unscored = [
        f"{record.label(name)} has {stats.n_nan}"
        for name in scores.names()
        if (stats := scores.stats(name)).n_nan
    ]
    if unscored:
        sentences.append(f"Eras without a corr, left out of every mean: {', '.join(unscored)}.")
    return h("p", " ".join(filter(None, sentences)), class_="note")


def _payout(record: Record) -> Html:
    paid = record.scores.payout.simulation
    if paid.mean is None:
        return Html("")
    return h(
        "li",
        f"Staked on each of {figures.count(paid.n_rounds)} eras it would have paid "
        f"{percent(paid.mean, 2)} of the stake a round, {percent(paid.compounded, 1)} compounded; "
        f"{figures.count(paid.n_clipped)} rounds at the limit. Good for comparing models, not a "
        "forecast.",
    )


def _comparison(c: Comparison) -> Html:
    improves = "" if c.improves is None else f"probability of improvement {percent(c.improves)}, "
    told = [*over_time(c)]
    control = ", a control: what the era's own state gains is prediction - shuffled"
    return h(
        "li",
        h("strong", f"{c.name}: {c.way_in_words}"),
        f", {c.metric} {number(c.mean_difference, signed=True)} per era, "
        f"95 % {interval(c.ci_low, c.ci_high)}, {improves}"
        f"{figures.count(c.n_eras)} paired eras{control if c.control else ''}.",
        h("ul", *(h("li", f"{what}: {', '.join(how)}") for what, how in told)) if told else "",
    )


def _summary_head(adds_up: bool = True) -> list[object]:
    gains = ["sharpe", "sharpe hac", "max drawdown", "hit rate"] if adds_up else []
    head = ["mean", "95 % interval", "std", *gains, "last 20", "last 50", "last 100"]
    return [*head, "eras", "unscored"]


def _summary_row(s: Stats, adds_up: bool = True) -> list[object]:
    """Write a summary under `_summary_head`; a level has no Sharpe, drawdown and hit rate."""
    gains = [number(s.sharpe, 2), number(s.sharpe_hac, 2), number(s.max_drawdown, 3)]
    gains.append(percent(s.hit_rate))
    row: list[object] = [number(s.mean), interval(s.ci_low, s.ci_high), number(s.std)]
    row += [*(gains if adds_up else []), *map(number, (s.last_20, s.last_50, s.last_100))]
    return [*row, figures.count(s.n_eras), figures.count(s.n_nan)]


def _all_metrics(record: Record) -> Iterable[Html]:
    scores = record.scores
    for metric in METRICS:
        summaries = [
            (name, stats)
            for name in scores.names()
            if (stats := scores.stats(name, metric.key)).mean is not None
        ]
        if summaries:
            rows = [
                [_named(record, name), *_summary_row(stats, metric.adds_up)]
                for name, stats in summaries
            ]
            title = f"{metric.key}: {metric.meaning}"
            yield table(title, ["prediction", *_summary_head(metric.adds_up)], rows)


def _other_targets(record: Record) -> Html:
    scores = record.scores
    rows = []
    for target, by_name in scores.scores_by_target.items():
        if target == scores.target:
            continue
        for name in (name for name in scores.names() if name in by_name):
            stats = by_name[name].get("corr") or Stats()
            rows.append([target, _named(record, name), *_summary_row(stats)])
    if not rows:
        return Html("")
    head = ["target", "prediction", *_summary_head()]
    return table("corr on the other targets", head, rows, text_columns=2)


def _by_fold(record: Record) -> Html:
    windows = [(fold.fold, fold.judged.first, fold.judged.last) for fold in record.manifest.folds]
    if len(windows) < 2:
        return Html("")
    names = record.scores.names()
    by_name = {name: curves.per_era(record, name) for name in names}
    rows = []
    for fold, first, last in windows:
        if first is None or last is None:
            continue
        dates = record.manifest.data.dates(first, last)
        row: list[object] = [f"fold {fold} ({figures.eras(first, last)}){dates}"]
        for curve in by_name.values():
            inside = (curve.eras >= first) & (curve.eras <= last)
            row.append(number(float(curve.values[inside].mean())) if inside.any() else ABSENT)
        rows.append(row)
    return table("Mean corr by fold", ["fold", *map(record.label, names)], rows)


def scores_section(record: Record) -> Html:
    """Build the section with every table of scores."""
    sentences = [_comparison(c) for c in record.scores.comparisons] + [_payout(record)]
    details = [*_all_metrics(record)]
    return h(
        "section",
        h("h2", "Scores"),
        _headline(record),
        h("ul", *sentences, class_="comparisons") if any(sentences) else "",
        _reading(record),
        _by_fold(record),
        _other_targets(record),
        h("details", h("summary", "Every score, every summary"), *details) if details else "",
        id="scores",
    )
