"""How predictions are changed and judged: the sections `neutralize` and `scoring`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from numerai_lab.config.schema.base import Auto, Fraction, Positive, Section


class Neutralize(Section):
    """Post-processing: take features or a benchmark out of the predictions, era by era."""

    against: Literal["features", "benchmark"] = "features"
    feature_set: str | None = Field(None, description="against features; all loaded if left out")
    benchmark: str | None = Field(None, description="benchmark column; the first if left out")
    proportion: Fraction = 0.5


class Payout(Section):
    """clip(factor * (corr * corr_multiplier + mmc * mmc_multiplier), -limit, limit) per era.

    auto takes Numerai's rule for the horizon of the target scored: `scoring.payout_rule`.
    """

    factor: Auto | Annotated[float, Field(gt=0)] = Field("auto", description="payout factor")
    corr_multiplier: Auto | float = "auto"
    mmc_multiplier: Auto | float = "auto"
    limit: Auto | Annotated[float, Field(gt=0)] = Field(
        "auto", description="largest payout or burn, as a share of the stake"
    )


class Bootstrap(Section):
    """Block bootstrap of the mean over eras."""

    samples: Annotated[int, Field(ge=100)] = 2000
    block_eras: Auto | Positive = Field("auto", description="auto: four times the label overlap")


class Portfolio(Section):
    """What predictions earn, for data with prices: weekly sleeves of weights x / volatility."""

    hold_days: Auto | Positive = Field(
        "auto", description="trading days, in whole weeks; auto: the horizon of the main target"
    )
    cost_bp: Annotated[float, Field(ge=0)] = Field(
        10.0, description="cost of each side, in hundredths of a percent of the value traded"
    )
    participation: Annotated[float, Field(gt=0, le=1)] = Field(
        0.01, description="share of a day's value traded that trades may take, for the capacity"
    )
    trade_share: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="how much of the way to the wanted weights is traded; below 1 counts the cost: "
        "old positions are held on to, and less is traded",
    )


class Scoring(Section):
    """How predictions are judged."""

    targets: list[str] = Field(
        default_factory=list, description="more targets to score against, besides the main one"
    )
    benchmark: str = Field("auto", description="benchmark column for bmc; auto: the first; none")
    fnc_feature_set: str = Field("auto", description="auto: fncv3_features if there, else loaded")
    exposure: bool = True
    bootstrap: Bootstrap = Field(default_factory=Bootstrap)
    payout: Payout = Field(default_factory=Payout)
    portfolio: Portfolio | None = Field(
        None, description="how portfolios are held (source: prices); the defaults if left out"
    )
