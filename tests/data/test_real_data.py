"""The same on real files, where they are: ../shared/data beside the repository."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_files import load
from numerai_lab.data import load_references

REAL = Path(__file__).parents[2] / ".." / "shared" / "data"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data is not there"),
]


def test_market_equals_pandas():
    data = load(dir=REAL / "market", feature_set="small", eras={"step": 25})
    read = pd.concat(
        [pd.read_parquet(REAL / "market" / f"{name}.parquet") for name in ("train", "validation")]
    )
    eras = read["era"].astype(int)
    read = read[((eras - 1) % 25 == 0) & read["target"].notna()]
    np.testing.assert_array_equal(data.frame.features, read[list(data.feature_sets["small"])])
    np.testing.assert_array_equal(data.frame.target("target"), read["target"])
    assert data.frame.ids.to_pylist() == read.index.tolist()
    bench = pd.read_parquet(REAL / "market" / "validation_benchmark_models.parquet")
    aligned = load_references(data, print).align(data.frame.ids)
    expected = bench["v53_lgbm_ender20"].reindex(read.index)
    np.testing.assert_array_equal(aligned["v53_lgbm_ender20"], expected)


def test_legacy_2018_with_a_few_lines():
    data = load(
        source="parquet",
        files=[REAL / "numerai" / "numerai_2018_eras1-132_bernie.parquet"],
        columns={
            "data_type": "data_type",
            "keep_data_types": ["train", "validation"],
            "targets": {"target": "bernie"},
        },
    )
    assert data.frame.features.dtype == np.float32
    assert data.frame.features.shape == (12_096, 50)
    assert (data.frame.eras[0], data.frame.eras[-1], data.frame.n_eras) == (1, 132, 132)
    assert set(np.unique(data.frame.target("target"))) == {0.0, 1.0}
