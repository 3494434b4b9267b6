"""The same equality on real stocks: ../shared/data/market, every 40th era."""

from pathlib import Path

import numpy as np
import pytest

from data_files import load
from linear_models import centred, fitted, scikit_learn

MARKET = Path(__file__).parents[3] / ".." / "shared" / "data" / "market"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        not (MARKET / "train.parquet").exists(),
        reason="the market data is not there: put it at ../shared/data/market",
    ),
]


def test_ridge_predicts_as_scikit_learn():
    frame = load(dir=MARKET, eras={"step": 40}).frame
    old, new = frame.between(1, 560), frame.between(561, 800)
    model, _ = fitted("ridge", old, {"alpha": 0.1})
    theirs = scikit_learn(old, old.target("target"), 0.1)
    values, _ = centred(new, new.target("target"))
    expected, found = values @ theirs, model.predict(new).astype(np.float64)
    for _, rows in new.iter_eras():
        found[rows] -= found[rows].mean()
    assert np.std(expected) > 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
