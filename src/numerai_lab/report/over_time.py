"""How a difference went over time, in lines that terminal and page share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from numerai_lab.report.figures import count, eras, interval, number, percent
from numerai_lab.report.score_shapes import Comparison, LevelTest, PeriodMean, SeedBound

_LEVEL = 0.05


def over_time(comparison: Comparison) -> Iterator[tuple[str, list[str]]]:
    """Yield (what, how it went) for each thing known; nothing for a run made before that.

    How is one sentence part, or one for each period.
    """
    c = comparison
    if c.thirds:
        yield "by third", _periods(c.thirds)
    if c.years:
        yield "by year", _periods(c.years)
    if c.rolling is not None:
        r = c.rolling
        yield (
            f"runs of {r.window_eras} eras",
            [
                f"above 0 in {percent(r.share_above)} of {count(r.n_windows)}, the worst "
                f"{number(r.worst, signed=True)} (eras {eras(r.worst_first, r.worst_last)})"
            ],
        )
    if c.level_change is not None:
        yield "change of level", [_level(c.level_change)]
    if c.smallest_detectable is not None:
        yield (
            "detectable",
            [
                f"{number(c.smallest_detectable)} and more, with {count(c.n_eras)} eras "
                "(80 % power, 5 % level)"
            ],
        )
    if c.seed_noise is not None:
        yield "seed noise", [_seeds(c.seed_noise)]
    if c.p_among is not None:
        yield (
            f"among {c.n_compared} compared",
            [f"p {number(c.p_among, 3)} (the largest of all, in the same bootstrap draws)"],
        )


def _periods(periods: Sequence[PeriodMean]) -> list[str]:
    width = max(len(period.label) for period in periods)
    return [
        f"{period.label:<{width}}  {number(period.mean, signed=True):>7} "
        f"{interval(period.ci_low, period.ci_high)}"
        for period in periods
    ]


def _seeds(noise: SeedBound) -> str:
    measured = " and ".join(
        f"{label} ({n} seeds)" for label, n in zip(noise.of, noise.n_seeds, strict=False)
    )
    where = "within" if noise.within else "more than"
    return (
        f"{where} what another seed of {measured} changes: up to {number(noise.bound)} in 95 % of "
        "pairs of runs"
    )


def _level(test: LevelTest) -> str:
    p = f"CUSUM test, p {number(test.p_value, 3)}"
    if test.p_value is None or test.p_value > _LEVEL:
        return f"no sign of one ({p})"
    return (
        f"after era {test.last_era_before} ({p}): {number(test.mean_before, signed=True)} before, "
        f"{number(test.mean_after, signed=True)} since"
    )
