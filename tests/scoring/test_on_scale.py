"""R2, RMSE and MAE: equal to scikit-learn's, era by era; ranks are told from values."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from numerai_lab.experiment import find_run
from numerai_lab.scoring import is_ranks, on_scale_per_era, rank_per_era

OFFSETS = np.array([0, 50, 90, 150, 151])
THEIRS = {"r2": r2_score, "rmse": root_mean_squared_error, "mae": mean_absolute_error}


@pytest.fixture
def draw():
    rng = np.random.default_rng(0)
    target = rng.choice([0, 0.25, 0.5, 0.75, 1], 151, p=[0.05, 0.2, 0.5, 0.2, 0.05])
    return target, 0.5 + 0.1 * (target[:, None] - 0.5) + rng.normal(0, 0.02, (151, 3))


def test_scores_are_those_of_scikit_learn(draw):
    target, predictions = draw
    target[[3, 60]] = np.nan
    predictions[[5, 100], 1] = np.nan
    found = on_scale_per_era(predictions, target, OFFSETS)
    assert list(found) == list(THEIRS)
    for key, theirs in THEIRS.items():
        assert found[key].shape == (4, 3)
        for era in range(3):
            rows = slice(OFFSETS[era], OFFSETS[era + 1])
            for column in range(3):
                y, p = target[rows], predictions[rows, column]
                both = ~np.isnan(y) & ~np.isnan(p)
                wanted = theirs(y[both], p[both])
                assert found[key][era, column] == pytest.approx(wanted, rel=1e-12), (key, era)


def test_what_is_not_defined_is_nan(draw):
    target, predictions = draw
    target[:50] = 0.1
    predictions[50:65] = np.nan  # 15 of 40 rows
    found = on_scale_per_era(predictions, target, OFFSETS)
    assert np.isnan(found["r2"][0]).all()
    assert np.allclose(found["mae"][0], np.abs(predictions[:50] - 0.1).mean(axis=0))
    for scores in found.values():
        assert np.isnan(scores[[1, 3]]).all(), "too few predictions; a single row"
        assert np.isfinite(scores[2]).all()


def test_ranks_are_told_from_values(draw):
    target, predictions = draw
    ranks = rank_per_era(predictions, OFFSETS)[:, 0]
    assert is_ranks(ranks, OFFSETS)
    assert is_ranks(ranks.astype(np.float32), OFFSETS)
    assert is_ranks(rank_per_era(np.round(predictions[:, 0], 2), OFFSETS), OFFSETS), "ties"
    fewer = np.where(np.arange(len(ranks)) % 20 == 7, np.nan, ranks)
    assert is_ranks(fewer, OFFSETS), "rows without a label are left out after ranking"
    assert not is_ranks(predictions[:, 0], OFFSETS)
    assert not is_ranks(target, OFFSETS)
    one_era = np.where(np.arange(len(ranks)) < 50, predictions[:, 0], ranks)
    assert not is_ranks(one_era, OFFSETS)
    assert not is_ranks(ranks[:5], np.array([0, 5])), "five rows tell nothing"


def test_evaluate_shows_them_on_demand_beside_corr(lab, final_runs):
    run = find_run("tiny", final_runs).path
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    asked = ("evaluate", run, "--extra", "r2", "--extra", "mae")
    result = lab(*asked, "--json")
    assert result.code == 0, result.err
    scores = result.json["extra"]["target"]["prediction"]
    assert list(scores) == ["r2", "mae"]
    assert set(result.json["scores"]["prediction"]).isdisjoint(scores)

    made = pd.read_parquet(run / "predictions.parquet").set_index("id").astype(float)
    folder = find_run("tiny", final_runs).manifest()["data"]["folder"]
    files = [pd.read_parquet(f"{folder}/{name}.parquet") for name in ("train", "validation")]
    made["target"] = pd.concat(files)["target"].reindex(made.index)
    for key in scores:
        by_era = [THEIRS[key](era["target"], era["prediction"]) for _, era in made.groupby("era")]
        assert scores[key]["mean"] == pytest.approx(np.mean(by_era), abs=1e-9)
        assert scores[key]["n_eras"] == len(by_era)
        assert scores[key]["sharpe"] is None

    shown = lab(*asked).out
    assert "scores asked for on target, mean per era" in shown
    assert "  mae " in shown
    assert "rmse" not in shown
    assert "  r2 " not in shown[: shown.index("scores asked for")]
    assert {path: path.read_bytes() for path in before} == before


def test_predictions_that_are_ranks_have_no_such_scores(lab, final_runs, tmp_path):
    run = find_run("tiny", final_runs)
    rows = pd.read_parquet(run.path / "predictions.parquet")[["id", "era", "prediction"]]
    rows["ranked"] = rows.groupby("era")["prediction"].rank(pct=True)
    rows.to_parquet(tmp_path / "mine.parquet")
    asked = ("evaluate", tmp_path / "mine.parquet", "--data", run.manifest()["data"]["folder"])
    result = lab(*asked, "--extra", "rmse", "--benchmark", "none", "--json")
    assert result.code == 0, result.err
    sentence = (
        "no rmse on target for 'ranked': ranks from 0 to 1 within each era, which are not on the "
        "target's scale"
    )
    assert sentence in result.err
    assert list(result.json["extra"]["target"]) == ["prediction"]
    assert sentence in result.json["warnings"]


def test_a_score_that_is_not_there_is_refused_before_data_is_read(lab, tmp_path):
    result = lab("evaluate", "--runs-dir", tmp_path, "--extra", "rmsle")
    assert result.code == 2
    assert "--extra: there is no score 'rmsle'" in result.err
    assert "choose among r2, rmse, mae, log_loss, accuracy, macro_f1" in result.err
