"""score_predictions: the table, and every sentence the user must see."""

import numpy as np
import pytest

from numerai_lab.config import Payout
from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.errors import DataError
from numerai_lab.scoring import (
    contribution_per_era,
    corr_per_era,
    exposure_per_era,
    fnc_per_era,
    payout_per_era,
    payout_rule,
    pearson_per_era,
    score_predictions,
    spearman_per_era,
)

ERAS = np.array([601, 602, 605], dtype=np.int32)
OFFSETS = np.array([0, 50, 90, 150])
CORRELATIONS = ("benchmark_corr", "meta_model_corr")


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    y = rng.choice([0, 0.25, 0.5, 0.75, 1], 150, p=[0.05, 0.2, 0.5, 0.2, 0.05])
    other = y.copy()
    other[3] = np.nan
    return {
        "predictions": {"a": rng.normal(size=150), "b": rng.normal(size=150).astype(np.float32)},
        "targets": {"target": y.astype(np.float32), "target_x_60": other.astype(np.float32)},
        "features": rng.integers(0, 5, (150, 6)).astype(np.int8),
        "benchmark": ("v53_lgbm_ender20", rng.normal(size=150)),
        "meta_model": rng.normal(size=150),
    }


def score(rows, **changes):
    said = []
    given = {
        "horizons": {"target": 20, "target_x_60": 60},
        "fnc_features": np.array([0, 2, 5]),
        **rows,
        **changes,
    }
    predictions, targets = given.pop("predictions"), given.pop("targets")
    table, _ = score_predictions(
        predictions, targets, ERAS, OFFSETS, payout=Payout(), say=said.append, **given
    )
    return table, said


def test_every_column_is_the_per_era_score_of_that_name(rows):
    table, said = score(rows)
    assert said == []
    assert len(table) == 2 * 2 * 3
    assert table["era"].tolist() == ERAS.tolist() * 4
    assert table["prediction"].tolist() == ["a"] * 6 + ["b"] * 6
    for name, p in rows["predictions"].items():
        for target, y in rows["targets"].items():
            part = table[(table["prediction"] == name) & (table["target"] == target)]
            mmc = contribution_per_era(p, rows["meta_model"], y, OFFSETS)
            corr = corr_per_era(p, y, OFFSETS)
            rule = payout_rule(Payout(), 60 if target.endswith("60") else 20)
            largest, rms, *_ = exposure_per_era(p, rows["features"], OFFSETS)
            expected = {
                "corr": corr,
                "spearman": spearman_per_era(p, y, OFFSETS),
                "bmc": contribution_per_era(p, rows["benchmark"][1], y, OFFSETS),
                "mmc": mmc,
                "fnc": fnc_per_era(p, rows["features"][:, [0, 2, 5]], y, OFFSETS),
                "benchmark_corr": pearson_per_era(p, rows["benchmark"][1], OFFSETS),
                "meta_model_corr": pearson_per_era(p, rows["meta_model"], OFFSETS),
                "exposure_max": largest,
                "exposure_rms": rms,
                "payout": payout_per_era(corr, mmc, rule),
            }
            for column, values in expected.items():
                np.testing.assert_allclose(
                    part[column], values[:, 0], rtol=0, atol=1e-12, err_msg=column
                )
            n_first = 49 if target == "target_x_60" else 50
            assert part["n_rows"].tolist() == [n_first, 40, 60]


def test_what_is_not_given_is_nan(rows):
    table, said = score(
        rows, features=None, benchmark=None, meta_model=None, horizons=None, fnc_features=None
    )
    assert said == []
    for column in ("bmc", "mmc", "fnc", *CORRELATIONS, "exposure_max", "payout"):
        assert table[column].isna().all(), column
    assert table[["corr", "spearman"]].notna().all().all()
    without = score(rows, exposure=False)[0]
    assert without["exposure_rms"].isna().all()
    assert without["fnc"].notna().all()


def test_constant_predictions_are_nan_and_said_once(rows):
    rows["predictions"]["a"][50:90] = 0.5
    table, said = score(rows)
    assert said == ["prediction 'a' is constant in 1 of 3 eras (first: 0602): no score there"]
    bad = (table["prediction"] == "a") & (table["era"] == 602)
    scores = ["corr", "spearman", "bmc", "mmc", "fnc", *CORRELATIONS, "exposure_max", "payout"]
    assert table.loc[bad, scores].isna().all().all()
    assert table.loc[~bad, scores].notna().all().all()


def test_missing_predictions_are_counted(rows):
    rows["predictions"]["a"][[1, 60]] = np.nan
    table, said = score(rows)
    assert len(said) == 1
    assert "'a' is missing in 2 of 150 rows" in said[0]
    assert table["n_rows"].iloc[:3].tolist() == [49, 39, 60]
    assert table["corr"].notna().all()


def test_a_meta_model_that_starts_late_is_said(rows):
    rows["meta_model"][:85] = np.nan
    table, said = score(rows)
    assert len(said) == 2  # once for each target
    assert "meta model covers less than 80 %" in said[0]
    assert "in 2 of 3 eras (first: 0601): no mmc there" in said[0]
    covered = table["era"] == 605
    for column in ("mmc", "payout"):
        assert table.loc[covered, column].notna().all()
        assert table.loc[~covered, column].isna().all()


def test_missing_features_are_counted(rows):
    rows["features"][:4, 0] = MISSING_INT8
    table, said = score(rows)
    assert len(said) == 1
    assert said[0].startswith("4 of 900 feature values are missing")
    assert table["fnc"].notna().all()


def test_input_that_does_not_fit_is_refused(rows):
    with pytest.raises(DataError, match="'a'"):
        score(rows, predictions={"a": np.zeros(149)})
    with pytest.raises(DataError, match="at least one"):
        score(rows, targets={})
    with pytest.raises(DataError, match="reference"):
        score(rows, meta_model=np.zeros(149))
    with pytest.raises(DataError, match="features"):
        score(rows, features=np.zeros((149, 6), dtype=np.int8))


def test_mean_exposure_is_the_mean_of_the_correlations_over_eras():
    draw = np.random.default_rng(5)
    features = draw.integers(0, 5, (90, 4)).astype(np.int8)
    features[:, 3] = 2
    offsets = np.array([0, 40, 90])
    prediction = features[:, 0] + draw.normal(size=90)
    wanted = [
        np.mean(
            [np.corrcoef(prediction[a:b], features[a:b, j])[0, 1] for a, b in ((0, 40), (40, 90))]
        )
        for j in range(3)
    ]
    found = exposure_per_era(prediction, features, offsets).mean[:, 0]
    np.testing.assert_allclose(found[:3], wanted, atol=1e-12)
    assert np.isnan(found[3])
