"""The alarm about leaks on real stocks: silent on honest scores, not on leaks."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from numerai_lab.scoring import corr_per_era, rank_per_era, suspect
from real_data import BENCHMARKS, MARKET, needs_market

TARGETS = [f"target_{name}_{days}" for name in ("ender", "rowan", "alpha") for days in (20, 60)]
TARGETS += ["target_victor_20", "target_victor_60"]  # which no benchmark was trained for
STRENGTHS = (0.03, 0.05, 0.1, 0.3)

pytestmark = needs_market


@pytest.fixture(scope="module")
def market():
    """Eras 0700 to 0800, which the meta model has: targets, references, an honest blend."""
    wanted = [("era", ">=", "0700")]

    def read(name, columns):
        path = MARKET / f"{name}.parquet"
        return pq.read_table(path, columns=["id", *columns], filters=wanted).to_pandas()

    frame = read("validation", ["era", *TARGETS])
    key = "id" if "id" in frame.columns else None
    for name, columns in (
        ("validation_benchmark_models", BENCHMARKS),
        ("meta_model", ["numerai_meta_model"]),
    ):
        other = read(name, columns)
        frame = frame.merge(other, on="id") if key else frame.join(other, how="inner")
    frame = frame.sort_values("era", kind="stable")
    eras, counts = np.unique(frame["era"].astype(int), return_counts=True)
    offsets = np.concatenate([[0], counts.cumsum()])
    honest = {
        name: frame[name].to_numpy(np.float64) for name in [*BENCHMARKS, "numerai_meta_model"]
    }
    honest["blend"] = sum(rank_per_era(values, offsets) for values in honest.values())
    return frame, honest, eras.astype(np.int32), offsets


@pytest.mark.parametrize("target", TARGETS)
def test_honest_predictions_are_not_accused_and_leaks_are(market, target):
    frame, honest, eras, offsets = market
    horizon = int(target[-2:])
    y = frame[target].to_numpy(np.float64)
    truth = rank_per_era(np.where(np.isnan(y), 0.5, y), offsets)
    base = rank_per_era(honest[BENCHMARKS[0]], offsets)
    leaks = {share: (1 - share) * base + share * truth for share in STRENGTHS}
    columns = pd.DataFrame({**honest, **leaks}).to_numpy()
    corr = dict(zip([*honest, *leaks], corr_per_era(columns, y, offsets).T, strict=True))
    known = {name: corr[name] for name in BENCHMARKS}
    found = {name: suspect(scores, eras, horizon, known) for name, scores in corr.items()}
    assert not [name for name in honest if found[name].suspicious], found
    surely = {share for share in STRENGTHS if share >= (0.05 if horizon == 20 else 0.1)}
    assert surely <= {name for name in leaks if found[name].suspicious}, found
