"""xgb_ttt in a run: variants, comparisons, report; and labels only when they are known."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from numerai_lab.errors import ModelError
from numerai_lab.experiment.predicting import predict_eras, resolved_before_each
from numerai_lab.models import Detailed, check_model, get_model
from ttt_world import context, has_row, regime_frame

XGBTTT = get_model("xgb_ttt")
PURGE = 3
ADAPTER = {"num_boost_round": 10, "bags": 2}
ON = {"strength": 0.5}

TTT = """\
extends: tiny.yaml
name: ttt
model:
  type: xgb_ttt
  params:
    num_boost_round: 8
    max_depth: 2
    eta: 0.1
    auxiliary: {auxiliary}
    adapt: {adapt}
"""


def written(adapt, auxiliary=None):
    parts = {
        "{adapt}": {"trees": ADAPTER, **adapt},
        "{auxiliary}": {"noise_ratio": 0, **(auxiliary or {})},
    }
    text = TTT
    for name, part in parts.items():
        text = text.replace(name, json.dumps(part))
    return text


def run_ttt(lab, tiny_config, tmp_path, adapt, *more):
    config = tmp_path / "ttt.yaml"
    config.write_text(written(adapt))
    result = lab("train", config, "--runs-dir", tmp_path / "runs", "--json", *more)
    assert result.code == 0, result.err
    return result


def predictions_of(result):
    return pd.read_parquet(Path(result.json["run_dir"]) / "predictions.parquet")


OWN = ("prediction", "frozen")


def test_a_run_shows_the_frozen_trees_and_the_control(lab, tiny_config, tmp_path):
    result = run_ttt(lab, tiny_config, tmp_path, ON)
    table = predictions_of(result)
    assert list(table.columns) == ["id", "era", "fold", "prediction", "frozen", "shuffled"]
    xgb = predictions_of(lab("train", tiny_config, "--runs-dir", tmp_path / "runs", "--json"))
    assert np.array_equal(table["frozen"], xgb["prediction"])
    assert not np.array_equal(table["frozen"], table["prediction"])
    assert not np.array_equal(table["shuffled"], table["prediction"])
    pairs = {(c["prediction"], c["baseline"]): c for c in result.json["comparisons"]}
    benchmark = result.json["benchmark"]
    against = {("prediction", name) for name in ("frozen", "shuffled", benchmark)}
    assert set(pairs) == {*against, ("shuffled", "frozen")}
    scores = result.json["scores"]
    for (name, other), comparison in pairs.items():
        difference = scores[name]["corr"]["mean"] - scores[other]["corr"]["mean"]
        assert comparison["mean_difference"] == pytest.approx(difference, abs=1e-12)


def test_the_summary_and_the_report_show_the_comparisons_and_the_guard(lab, tiny_config, tmp_path):
    config = tmp_path / "ttt.yaml"
    config.write_text(written(ON))
    result = lab("train", config, "--runs-dir", tmp_path / "runs")
    assert has_row(result.out, "ttt - frozen")
    assert "strength 0.5 as written" in result.err
    (run,) = (tmp_path / "runs" / "ttt").iterdir()
    report = (run / "report.html").read_text()
    assert "strength 0.5 as written" in report
    assert "Gain and code of each era" in report
    assert "Strength and time of each era" in report
    assert re.search(r"took: median \d+\.\d ms an era, at most \d+\.\d ms", report)
    assert "control: adapted to other eras" in report
    comparisons = json.loads((run / "scores.json").read_text())["comparisons"]
    (gain,) = [c for c in comparisons if (c["prediction"], c["baseline"]) == OWN]
    assert f"{gain['mean_difference']:+.4f} on average, above 0 in" in report
    fit = json.loads((run / "folds" / "01" / "fit.json").read_text())
    assert set(fit["per_era"]) == {"era", "seconds", "strength", "code_1", "support"}
    seconds = fit["per_era"]["seconds"]
    assert len(fit["per_era"]["era"]) == len(fit["per_era"]["code_1"]) == len(seconds)
    assert all(0 < taken < 10 for taken in seconds)


def test_its_own_frozen_trees_are_not_trained_a_second_time(lab, tiny_config, tmp_path):
    config = tmp_path / "ttt.yaml"
    config.write_text(written(ON) + "compare_to: [tiny]\n")
    result = lab("train", config, "--runs-dir", tmp_path / "runs")
    assert result.code == 0, result.err
    assert "tiny predicts what this run predicts on the way" in result.err
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["ttt"]


def test_another_baseline_is_trained_and_told_apart(lab, tiny_config, tmp_path):
    (tmp_path / "deeper.yaml").write_text(
        "extends: tiny.yaml\nname: deeper\nmodel: {params: {max_depth: 3}}\n"
    )
    config = tmp_path / "ttt.yaml"
    config.write_text(written(ON) + "compare_to: [deeper]\n")
    result = lab("train", config, "--runs-dir", tmp_path / "runs")
    assert result.code == 0, result.err
    for row in ("ttt - frozen", "shuffled - frozen", "ttt - deeper"):
        assert has_row(result.out, row)


def test_variants_are_neutralised_like_the_prediction(lab, tiny_config, tmp_path):
    how = ("--set", "neutralize={against: features, proportion: 1.0}")
    scores = run_ttt(lab, tiny_config, tmp_path, ON, *how).json["scores"]
    before = scores["before_neutralization"]["exposure_max"]["mean"]
    for name in ("prediction", "frozen", "shuffled"):
        assert scores[name]["exposure_max"]["mean"] < 0.5 * before


@pytest.mark.parametrize(
    "adapt",
    [
        {"method": "nearest_eras", "strength": 0.5, "refit_eras": 1},
        {"refit_eras": 5},
    ],
)
def test_online_runs(lab, tiny_config, tmp_path, adapt):
    result = run_ttt(lab, tiny_config, tmp_path, adapt)
    table = predictions_of(result)
    assert np.isfinite(table["prediction"]).all()


def online_model(train, **adapt):
    params = {"num_boost_round": 20, "max_depth": 3, "eta": 0.1}
    params["adapt"] = {"trees": ADAPTER, **adapt}
    model = XGBTTT(XGBTTT.Params.model_validate(params))
    model.fit(train, context(purge_eras=PURGE))
    return model


def with_other_labels(frame, first, last):
    """Negate the labels of eras first..last."""
    targets = frame.targets.copy()
    rows = np.isin(frame.row_eras, np.arange(first, last + 1))
    targets[rows] = 1 - targets[rows]
    return replace(frame, targets=targets)


@pytest.fixture(scope="module")
def world():
    return regime_frame(2, n_eras=140, n_rows=80)


@pytest.mark.parametrize(
    "adapt",
    [
        {"method": "nearest_eras", "strength": 0.5, "refit_eras": 1},
        {"method": "nearest_eras", "refit_eras": 4},
    ],
    ids=["every era", "every fourth, strength auto"],
)
def test_labels_inside_the_purge_window_cannot_change_a_prediction(world, adapt, tmp_path):
    trained_to, first, last = 110, 114, 140
    model = online_model(world.between(1, trained_to), **adapt)
    model.save(tmp_path)

    def predict(frame):
        fresh = XGBTTT.load(tmp_path)
        judged = frame.between(first, last)
        detail = predict_eras(fresh, judged, frame, trained_to, PURGE)
        return detail.predictions[-80:], detail.predictions[:-80]

    expected, _ = predict(world)
    # era 140 is predicted with labels up to 140 - 3 - 1 = 136, those before 137
    hidden, _ = predict(with_other_labels(world, last - PURGE, last))
    assert np.array_equal(hidden, expected)
    known, _ = predict(with_other_labels(world, trained_to + 1, last - PURGE - 1))
    assert not np.array_equal(known, expected)
    # led through the eras before without predicting them, it has learnt the same
    led = predict_eras(
        XGBTTT.load(tmp_path), world.between(last, last), world, trained_to, PURGE, since=first
    )
    assert np.array_equal(led.predictions, expected)


def test_the_last_known_era_counts(world, tmp_path):
    model = online_model(world.between(1, 110), method="nearest_eras", strength=0.5, refit_eras=1)
    model.save(tmp_path)
    judged = world.between(138, 140)
    changed = with_other_labels(world, 136, 136)
    first, second = (
        predict_eras(XGBTTT.load(tmp_path), judged, frame, 110, PURGE).predictions
        for frame in (world, changed)
    )
    assert np.array_equal(first[:-80], second[:-80])
    assert not np.array_equal(first[-80:], second[-80:])


def test_each_era_is_handed_over_once_and_only_when_it_is_known(world):
    handed = [
        (known.eras.tolist(), era.eras.tolist())
        for known, era in resolved_before_each(world.between(114, 117), world, 108, PURGE)
    ]
    assert handed == [([109, 110], [114]), ([111], [115]), ([112], [116]), ([113], [117])]


def test_training_labels_are_never_handed_over_again(world):
    handed = [
        era
        for known, _ in resolved_before_each(world.between(60, 80), world, 100, PURGE)
        for era in known.eras.tolist()
    ]
    assert handed == []


def test_the_check_finds_wrong_details():
    class Lying(XGBTTT):
        def predict_in_detail(self, frame):
            detail = super().predict_in_detail(frame)
            wrong = np.full(frame.n_rows, np.nan, dtype=np.float32)
            return Detailed(detail.predictions, {"frozen": wrong})

    with pytest.raises(ModelError, match="variant 'frozen' is not finite"):
        check_model(Lying, {"num_boost_round": 5})


def test_the_check_finds_a_control_that_cannot_be_shared_out():
    class Narrow(XGBTTT):
        def predict_control(self, frame, apart, others, history=None):
            return super().predict_control(frame, apart, others[::-1], history)

    adapt = {"strength": 0.5, "trees": {"num_boost_round": 4, "bags": 2}}
    kept = {"num_boost_round": 5, "auxiliary": {"noise_ratio": 0}, "adapt": adapt}
    # as it is, the model keeps this promise: test_xgb_ttt.py
    with pytest.raises(ModelError, match="'shuffled' of eras in two parts differs"):
        check_model(Narrow, kept)
