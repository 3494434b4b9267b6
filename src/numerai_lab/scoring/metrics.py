"""The per-era scores: what each is called, what it says, and which statistics it has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One per-era score.

    Attributes
    ----------
    key : its name in scores.json and scores_per_era.parquet.
    meaning : what it says, in a phrase.
    adds_up : whether it is a gain or loss of its era, so that a sum over eras, its drawdown, the
        share of eras above 0 and mean / std mean something. An exposure is a level: it has a mean
        and a spread, and none of these.
    """

    key: str
    meaning: str
    adds_up: bool = True


METRICS = (
    Metric("corr", "Numerai's correlation with the target"),
    Metric("mmc", "contribution beyond the meta model"),
    Metric("bmc", "contribution beyond the benchmark"),
    Metric("fnc", "corr of the part that no single feature explains"),
    Metric("spearman", "rank correlation with the target"),
    Metric("benchmark_corr", "correlation with the benchmark's predictions", adds_up=False),
    Metric("meta_model_corr", "correlation with the meta model's predictions", adds_up=False),
    Metric("exposure_max", "largest correlation with one feature", adds_up=False),
    Metric("exposure_rms", "root mean square of the correlations with all features", adds_up=False),
    Metric("payout", "share of the stake paid per round, were it staked"),
    Metric("spread", "mean target of the highest fifth of predictions minus that of the lowest"),
    Metric(
        "rank_turnover",
        "1 minus the rank correlation with the era before, stock by stock",
        adds_up=False,
    ),
)
"""Every per-era score, in the order it is shown."""
