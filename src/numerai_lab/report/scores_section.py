"""The section with every table of scores, what they say in sentences, and how to read them."""

from __future__ import annotations

from numerai_lab.report import curves, figures
from numerai_lab.report.figures import interval, number, percent
from numerai_lab.report.markup import Html, h
from numerai_lab.report.over_time import over_time
from numerai_lab.report.record import Record
from numerai_lab.report.score_shapes import MODEL, Comparison
from numerai_lab.report.score_tables import (
    UNDEFINED,
    all_metrics,
    by_fold,
    headlines,
    other_targets,
)


def _reading(record: Record) -> Html:
    scores = record.scores
    sentences = [
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
    known = "rank_turnover" in record.per_era  # which versions before did not score
    if known and not len(curves.per_era(record, MODEL, "rank_turnover")):
        sentences.append(
            "There is no rank turnover: it needs rows that are about the same stock in every era "
            "(data.entity), and Numerai's ids are new each week."
        )
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
    per_era = record.scores.stats(MODEL, "payout")
    known = per_era.first_era is not None and per_era.n_eras == paid.n_rounds
    ends = f" ({figures.eras(per_era.first_era, per_era.last_era)})" if known else ""
    return h(
        "li",
        f"Staked on each of {figures.count(paid.n_rounds)} eras{ends} it would have paid "
        f"{percent(paid.mean, 2)} of the stake a round, {percent(paid.compounded, 1)} compounded; "
        f"{figures.count(paid.n_clipped)} rounds at the limit. Good for comparing models, not a "
        "forecast.",
    )


def _comparison(record: Record, c: Comparison) -> Html:
    improves = "" if c.improves is None else f"probability of improvement {percent(c.improves)}, "
    told = [*over_time(c)]
    ends = figures.eras(c.first_era, c.last_era)
    eras = f"{figures.count(c.n_eras)} paired eras" + ("" if c.first_era is None else f" ({ends})")
    control = ""
    if c.control:
        variant = record.scores.variant(c.prediction)
        reading = "" if variant is None else variant.reading or ""
        # models know of their own prediction by that word; here it has the run's name
        reading = reading.replace("prediction - ", f"{record.label(MODEL)} - ")
        control = ", a control" + (f": {reading}" if reading else "")
    return h(
        "li",
        h("strong", f"{c.name(record.label(MODEL))}: {c.way_in_words}"),
        f", {c.metric} {number(c.mean_difference, signed=True)} per era, "
        f"95 % {interval(c.ci_low, c.ci_high)}, {improves}"
        f"{eras}{control}.",
        h("ul", *(h("li", f"{what}: {', '.join(how)}") for what, how in told)) if told else "",
    )


def scores_section(record: Record) -> Html:
    """Build the section with every table of scores."""
    sentences = [_comparison(record, c) for c in record.scores.comparisons] + [_payout(record)]
    details = [*all_metrics(record)]
    return h(
        "section",
        h("h2", "Scores"),
        *headlines(record),
        h("ul", *sentences, class_="comparisons") if any(sentences) else "",
        _reading(record),
        by_fold(record),
        *other_targets(record),
        h(
            "details",
            h("summary", "Every score, every summary"),
            *details,
            h("p", UNDEFINED, class_="note"),
        )
        if details
        else "",
        id="scores",
    )
