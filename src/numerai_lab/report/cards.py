"""The numbers to look at next: Sharpe, contributions, the deepest fall."""

from __future__ import annotations

from numerai_lab.report import figures
from numerai_lab.report.figures import interval, number, percent
from numerai_lab.report.markup import Html, h
from numerai_lab.report.record import Record
from numerai_lab.report.score_shapes import MODEL, Block, Stats


def _card(name: object, value: str, *below: object) -> Html:
    lines = (h("span", line) for line in below)
    return h("div", h("dt", name), h("dd", h("strong", value), *lines), class_="card")


def _range(low: float | None, high: float | None) -> str:
    return f"95 % {interval(low, high)}"


def cards(record: Record) -> Html:
    """Build the numbers of the run alone; corr is one where it stands beside fewer eras only."""
    scores = record.scores
    corr, mmc, bmc = (scores.stats(MODEL, key) for key in ("corr", "mmc", "bmc"))
    hac = f"{number(corr.sharpe_hac, 2)} corrected for overlap"
    shown = []
    block = next(iter(scores.blocks(scores.target)), Block())
    if block.eras.n is not None and block.eras.n != corr.n_eras:
        judged = figures.in_eras(corr.n_eras, corr.first_era, corr.last_era)
        ends = _range(corr.ci_low, corr.ci_high)
        shown.append(_card("corr, over all its eras", number(corr.mean), ends, judged))
    shown.append(_card("sharpe", number(corr.sharpe, 2), hac))

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
    return h("dl", *shown, class_="cards")
