"""Weekly rows of real daily prices, where they are: ../shared/data beside the repository."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from numerai_lab.data import load_data
from price_files import make_of

REAL = Path(__file__).parents[3] / ".." / "shared" / "data" / "prices"
FILE = REAL / "us_large_ohlcv_2000_2016.parquet"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.skipif(not FILE.exists(), reason="../shared/data/prices is not there"),
]


def test_real_prices_become_weekly_rows(tmp_path):
    made = make_of(tmp_path, FILE)
    facts = made.folder.facts
    assert facts["n_tickers"] == 478
    assert facts["counts"]["rows"] == facts["counts"]["rows_in_files"] == 1_785_917
    assert not facts["point_in_time"]
    dataset = load_data(made.section, say=lambda _: None)
    assert dataset.notice.startswith("SURVIVORSHIP")
    frame = dataset.frame
    assert (np.asarray(frame.features) < 0).mean() < 1e-3
    prices = pd.read_parquet(FILE, columns=["date", "ticker", "close"])
    close = prices.pivot(index="date", columns="ticker", values="close").astype(np.float64)
    # one stock in one week, by hand
    rows = made.rows()
    era = sorted(rows["era"].unique())[400]
    at = close.index.get_loc(era)
    mine = rows[(rows["era"] == era) & (rows["ticker"] == "MSFT")].iloc[0]
    earned = close["MSFT"].iloc[at + 6] / close["MSFT"].iloc[at + 1] - 1
    assert mine["scaled_5"] == pytest.approx(earned / (mine["volatility"] * 5**0.5), rel=1e-3)
