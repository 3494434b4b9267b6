"""The numbers to look at first: cards of the headline scores and of each difference."""

from __future__ import annotations

from numerai_lab.report import figures
from numerai_lab.report.figures import interval, number, percent
from numerai_lab.report.markup import Html, h
from numerai_lab.report.record import Record
from numerai_lab.report.score_shapes import MODEL, Stats

MOST_DIFFERENCES = 4
"""A model that shows more variants leaves the others to the list below the scores."""


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
    judged = figures.in_eras(corr.n_eras, corr.first_era, corr.last_era)
    shown = [
        _card("corr, mean per era", number(corr.mean), _range(corr.ci_low, corr.ci_high), judged),
        _card("sharpe", number(corr.sharpe, 2), hac),
    ]

    def part(stats: Stats) -> list[str]:
        some, all_eras = stats.n_eras or 0, corr.n_eras or 0
        if some >= all_eras:
            return []
        which = (
            "" if stats.first_era is None else f" ({figures.eras(stats.first_era, stats.last_era)})"
        )
        return [f"in {some} of {all_eras} eras only{which}"]

    if mmc.mean is not None:
        below = [_range(mmc.ci_low, mmc.ci_high), *part(mmc)]
        shown.append(_card("mmc", number(mmc.mean), *below))
    if bmc.mean is not None:
        name = f"bmc, {scores.benchmark or 'benchmark'}"
        below = [_range(bmc.ci_low, bmc.ci_high), *part(bmc)]
        shown.append(_card(name, number(bmc.mean), *below))
    positive = f"{percent(corr.hit_rate)} of eras positive"
    shown.append(_card("max drawdown", number(corr.max_drawdown, 3), positive))
    own = [c for c in scores.comparisons if c.prediction == MODEL and c.metric == "corr"]
    left_out = len(own) - MOST_DIFFERENCES if len(own) > MOST_DIFFERENCES else 0
    for c in own if not left_out else [*own[: MOST_DIFFERENCES - 1], own[-1]]:
        difference = number(c.mean_difference, signed=True)
        below = [_range(c.ci_low, c.ci_high), c.way]
        if c.n_eras != corr.n_eras:
            below.append(f"on the same {figures.in_eras(c.n_eras, c.first_era, c.last_era)}")
        shown.append(_card(f"corr, {c.name}", difference, *below))
    if left_out:
        link = h("a", "listed under Scores", href="#scores")
        shown.append(_card("corr", f"{left_out} more differences", link))
    return h("dl", *shown, class_="cards")
