"""Small files of made-up daily prices, whole or with something wrong in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from numerai_lab.config import Data, MadeUpPrices
from numerai_lab.data import PriceFolder, made_up_prices, price_folder

SMALL = MadeUpPrices(n_tickers=24, n_days=560, momentum=5.0, network=5.0, seed=3)
MIN_HISTORY_DAYS = 320


def price_table(made_up: MadeUpPrices = SMALL) -> pd.DataFrame:
    """Return rows of date, ticker, open, high, low, close, volume, by date."""
    raw, _, _ = made_up_prices(made_up)
    return pd.DataFrame(
        {
            "date": raw.days.astype("datetime64[D]"),
            "ticker": np.array(raw.tickers)[raw.codes],
            **raw.values,
        }
    )


@dataclass(frozen=True)
class Made:
    """Weekly rows made of a file, what was said on the way, and the section that asked."""

    folder: PriceFolder
    said: list[str]
    section: Data

    @property
    def counts(self) -> dict[str, int]:
        return self.folder.facts["counts"]

    def rows(self) -> pd.DataFrame:
        """All rows, the live ones too, by id."""
        files = [self.folder.path / name for name in ("rows.parquet", "live.parquet")]
        parts = [pq.read_table(file).to_pandas() for file in files]
        return pd.concat(parts).set_index("id").sort_index()


def section_of(place: Path, file: Path, **settings: object) -> Data:
    """Return a data section on a file of prices, kept below `place`."""
    written = {"source": "prices", "dir": str(place), "files": [str(file)], "prices": settings}
    return Data.model_validate(written)


def make(place: Path, table: pd.DataFrame, name: str = "prices", **settings: object) -> Made:
    """Write a table and make weekly rows of it."""
    file = place / f"{name}.parquet"
    table.to_parquet(file, index=False)
    return make_of(place, file, **settings)


def make_of(place: Path, file: Path, **settings: object) -> Made:
    """Make weekly rows of a file or folder."""
    said: list[str] = []
    section = section_of(place / "cache", file, **settings)
    return Made(price_folder(section, said.append), said, section)
