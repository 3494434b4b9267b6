"""The section `data.prices`: how daily prices become weekly rows (source: prices)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from numerai_lab.config.schema.base import LocalPath, NonNegative, Positive, Section

ENTITY = "ticker"
SIGNALS = (
    *(f"return_{days}" for days in (1, 21, 63, 126, 252)),
    *(f"macd_{fast}_{slow}" for fast, slow in ((8, 24), (16, 48), (32, 96))),
)
"""Momentum signals, as real numbers, of which a network of momentum is made."""
SIDE = ("date", "sector", "volatility", "dollar_volume", *SIGNALS)


class PriceTargets(Section):
    """What is predicted: returns that begin two trading days after the era's date."""

    horizons_days: Annotated[list[Positive], Field(min_length=1)] = Field(
        default_factory=lambda: [5, 20, 60],
        description="h gives target_h, the return from day 2 to day h + 2 ahead in five bins an "
        "era, and scaled_h, the return from day 1 to h + 1 over volatility, a real number",
    )
    neutral_to: list[str] = Field(
        default_factory=lambda: ["beta", "size", "volatility"],
        description="what is taken out of a return within its era before it is binned: features "
        "without their prefix (beta), volatility, sector",
    )

    @field_validator("horizons_days", "neutral_to")
    @classmethod
    def _once(cls, listed: list[Any]) -> list[Any]:
        twice = [one for one in listed if listed.count(one) > 1]
        if twice:
            raise ValueError(f"{twice[0]} is there twice")
        return listed


class MadeUpPrices(Section):
    """A panel of prices made from a seed, for source: prices without files."""

    n_tickers: Annotated[int, Field(ge=20)] = 60
    n_days: Annotated[int, Field(ge=400)] = 2000
    momentum: Annotated[float, Field(ge=0)] = Field(
        1.0, description="strength of the planted momentum: what rose goes on rising; 0: none"
    )
    network: Annotated[float, Field(ge=0)] = Field(
        1.0, description="strength of the planted network: what neighbours did is done next; 0"
    )
    seed: int = 0


class PriceColumns(Section):
    """Names of the columns in files of prices; capital letters do not matter."""

    date: str = "date"
    ticker: str = Field("ticker", description="a file without it is of the ticker it is called by")
    open: str = "open"
    high: str = "high"
    low: str = "low"
    close: str = "close"
    volume: str = "volume"


class Prices(Section):
    """How daily prices become weekly rows."""

    columns: PriceColumns = Field(default_factory=PriceColumns)
    targets: PriceTargets = Field(default_factory=PriceTargets)
    universe: LocalPath | None = Field(
        None,
        description="CSV or parquet with ticker, from, to: who could be bought when; without it "
        "all tickers can, and a list of today's companies flatters every score",
    )
    sectors: LocalPath | None = Field(
        None, description="CSV or parquet with ticker, sector and, if it changes, from"
    )
    min_history_days: Annotated[int, Field(ge=30)] = Field(
        320,
        description="trading days of prices that a ticker needs before its first row; all "
        "features are there after 315",
    )
    min_dollar_volume: Annotated[float, Field(ge=0)] = Field(
        0.0, description="median value traded a day over 63 days that a row needs"
    )
    max_gap_days: NonNegative = Field(
        5,
        description="trading days without a row over which the last close is carried on; after a "
        "longer gap a ticker's history begins anew",
    )
    max_log_return: Annotated[float, Field(gt=0)] = Field(
        0.7,
        description="a larger daily log return, up or down, is taken for a split or a currency "
        "that was not adjusted: the return is missing",
    )
    made_up: MadeUpPrices = Field(default_factory=MadeUpPrices)


Source = Literal["auto", "numerai", "parquet", "prices", "synthetic"]


def with_price_defaults(written: Any) -> Any:
    """Fill in what source: prices says by itself: entity, side columns, columns of its files."""
    if not isinstance(written, Mapping) or written.get("source") != "prices":
        return written
    filled = dict(written)
    if filled.get("prices") is None:
        filled["prices"] = {}
    if filled.get("entity") is None:
        filled["entity"] = ENTITY
    if not filled.get("side"):
        filled["side"] = list(SIDE)
    if filled.get("columns") in (None, {}):
        filled["columns"] = {"era": {"column": "era", "format": "date"}}
    return filled
