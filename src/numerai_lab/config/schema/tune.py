"""How `numerai-lab tune` judges trials, and what it found: the sections `tune` and `tuned`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from numerai_lab.config.schema.base import EraRange, Positive, Section

Aim = Literal["corr", "mmc", "bmc", "payout"]
"""What predictions are made for: the target, or what they add to the meta model or benchmark."""


class Tune(Section):
    """How `numerai-lab tune` judges trials. What it searches stands where the values stood."""

    eras: EraRange = Field(
        default_factory=EraRange,
        description="eras that trials learn from and are judged on; to: the first half if left out",
    )
    folds: Positive = Field(
        2,
        description="inner folds: these eras are cut into one more part, each judged by a model "
        "of all before it, purged",
    )
    aim: Aim = Field(
        "corr",
        description="what each judged era is scored by: corr; mmc or bmc, what is added to the "
        "meta model or the benchmark; payout: corr and mmc with the multipliers of scoring.payout",
    )
    score: Literal["mean", "sharpe_hac", "ci_low"] = Field(
        "mean",
        description="of the aim over the judged eras: its mean, its Sharpe corrected for "
        "overlapping labels, or the lower end of the mean's 95 % interval",
    )
    prune: bool = Field(True, description="end trials that are surely worse after an early fold")


class Tuned(Section):
    """Where the values of a config were found; `numerai-lab tune` writes it."""

    first_era: int = Field(description="first era of the study")
    last_era: int = Field(description="last era whose labels chose the values")
    trials: Positive = Field(description="trials that they are the best of")
    study: str = Field(description="folder of the study")
