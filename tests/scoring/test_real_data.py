"""The same equality on real stocks: ../shared/data/market, three eras of validation."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numerai_tools import scoring as official

from numerai_lab.scoring import contribution_per_era, corr_per_era, fnc_per_era
from real_data import BENCHMARKS, MARKET, needs_market

ERAS = ["0720", "0721", "0722"]

pytestmark = needs_market


@pytest.fixture(scope="module")
def market():
    def read(name):
        return pq.read_table(MARKET / name, filters=[("era", "in", ERAS)]).to_pandas()

    frame = read("validation.parquet").dropna(subset=["target"])
    frame = frame.join(read("validation_benchmark_models.parquet")[BENCHMARKS])
    frame = frame.join(read("meta_model.parquet")[["numerai_meta_model"]])
    return frame.sort_values("era", kind="stable").sort_index(level=0, kind="stable")


def test_real_scores_equal_numerai_tools(market):
    frame = market.sort_values("era", kind="stable")
    features = [name for name in frame.columns if name.startswith("feature_")]
    offsets = np.concatenate([[0], frame["era"].value_counts().sort_index().cumsum()])
    target = frame["target"].to_numpy(dtype=np.float64)
    predictions = frame[BENCHMARKS].to_numpy()
    ours = [
        corr_per_era(predictions, target, offsets),
        contribution_per_era(
            predictions, frame["numerai_meta_model"].to_numpy(dtype=np.float64), target, offsets
        ),
        fnc_per_era(predictions, frame[features].to_numpy(dtype=np.int8), target, offsets),
    ]
    for i, (_, era) in enumerate(frame.groupby("era")):
        era = era.sort_index()
        label = era["target"].astype(np.float64)
        theirs = [
            official.numerai_corr(era[BENCHMARKS], label),
            official.correlation_contribution(era[BENCHMARKS], era["numerai_meta_model"], label),
            official.feature_neutral_corr(
                era[BENCHMARKS], pd.DataFrame(era[features].astype(np.float64)), label
            ),
        ]
        for mine, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine[i], expected.to_numpy(), rtol=0, atol=1e-9)
