from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xgboost
from pydantic import ValidationError

from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.errors import ModelError
from numerai_lab.models import FitContext, check_model, get_model
from numerai_lab.models.conformance.toy import toy_frame
from numerai_lab.models.trees.xgb import boosting
from numerai_lab.scoring import corr_per_era
from numerai_lab.seeds import child_seed

XGB = get_model("xgb")
BASE = {"max_depth": 3, "eta": 0.1}


def context(**changes) -> FitContext:
    defaults = {"seed": 7, "target": "target", "targets": ("target",), "purge_eras": 2}
    return FitContext(**{**defaults, "n_threads": 1, **changes})


def fitted(frame, params=BASE, **changes):
    model = XGB(XGB.Params.model_validate(params))
    return model, model.fit(frame, context(**changes))


def plain(frame, params, rounds, **matrix):
    """Train as a user of XGBoost would: float32 with NaN, bins found by the library."""
    features = frame.features.astype(np.float32)
    features[frame.features == MISSING_INT8] = np.nan
    rows = xgboost.QuantileDMatrix(features, frame.target("target"), **matrix)
    seed = child_seed(7, "xgb")
    booster = xgboost.train({**params, "seed": seed, "nthread": 1}, rows, rounds)
    return booster.inplace_predict(features)


EVERYTHING = {
    **{**BASE, "num_boost_round": 8, "subsample": 0.7},
    "era_boosting": {"rounds": 4, "every": 2},
}


def test_keeps_the_promises_of_a_model():
    check_model(XGB, EVERYTHING)


@pytest.mark.slow  # a cold start of Python
def test_keeps_them_in_a_fresh_process():
    check_model(XGB, EVERYTHING, fresh_process=True)


@pytest.mark.parametrize("booster", ["dart", "gblinear"])
def test_other_boosters_predict_and_are_saved(booster, tmp_path):
    frame = toy_frame(0, missing=0.1)
    model, report = fitted(frame, {"booster": booster, "num_boost_round": 5})
    again, _ = fitted(frame, {"booster": booster, "num_boost_round": 5})
    predictions = model.predict(frame)
    model.save(tmp_path)
    assert np.array_equal(XGB.load(tmp_path).predict(frame), predictions)
    assert np.array_equal(again.predict(frame), predictions)
    assert len(np.unique(predictions)) > 5
    assert report.size == 5


@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("constant", [0, 2])
def test_known_bins_give_the_model_of_plain_xgboost(missing, constant):
    frame = toy_frame(3, missing=missing, constant=constant)
    params = {**BASE, "colsample_bytree": 0.5}
    model, _ = fitted(frame, {**params, "num_boost_round": 30})
    assert np.array_equal(model.predict(frame), plain(frame, params, 30))


def test_known_bins_give_the_model_of_plain_xgboost_with_many_uneven_values():
    rng = np.random.default_rng(0)
    frame = toy_frame(3, n_features=3)
    wide = np.column_stack(
        [
            rng.integers(0, 101, frame.n_rows),
            rng.choice([0, 3, 90], frame.n_rows),
            frame.features[:, 0],
        ]
    )
    frame = replace(frame, features=wide.astype(np.int8))
    model, _ = fitted(frame, {**BASE, "max_depth": 6, "num_boost_round": 30})
    assert np.array_equal(model.predict(frame), plain(frame, {**BASE, "max_depth": 6}, 30))


def test_weights_teach():
    frame = toy_frame(3)
    weights = np.linspace(0.1, 2, frame.n_rows).astype(np.float32)
    model, _ = fitted(frame, {**BASE, "num_boost_round": 10}, weights=weights)
    assert np.array_equal(model.predict(frame), plain(frame, BASE, 10, weight=weights))


def test_float_features_take_the_ordinary_bins():
    frame = toy_frame(3, dtype=np.float32, missing=0.1)
    model, _ = fitted(frame, {**BASE, "num_boost_round": 10})
    assert np.array_equal(model.predict(frame), plain(frame, BASE, 10))


def test_early_stopping_keeps_the_trees_of_the_best_corr():
    frame, stop = toy_frame(3), toy_frame(4, first_era=40)
    calls = []
    model, report = fitted(
        frame,
        {"max_depth": 6, "eta": 0.5, "num_boost_round": 200},
        stop=stop,
        stop_patience=5,
        progress=lambda done, total: calls.append((done, total)),
    )
    told = report.details["early_stopping"]
    kept = told["best_round"]
    assert kept < told["rounds_trained"] == kept + 5 == len(calls)
    assert report.size == model._booster.num_boosted_rounds() == kept
    scores = corr_per_era(model.predict(stop), stop.target("target"), stop.offsets)
    assert scores.mean() == pytest.approx(told["best_corr"], abs=1e-12)
    assert told["best_corr"] == max(told["corr_by_round"])
    shorter, _ = fitted(frame, {"max_depth": 6, "eta": 0.5, "num_boost_round": kept})
    assert np.array_equal(shorter.predict(frame), model.predict(frame))


@pytest.mark.parametrize(("rounds", "every"), [(1, 10), (7, 3), (12, 4)])
def test_era_boosting_adds_exactly_its_trees_and_learns_the_worst_eras(rounds, every):
    frame = toy_frame(3)
    params = {**BASE, "num_boost_round": 9}
    calls = []
    before, _ = fitted(frame, params)
    boosting = {"rounds": rounds, "every": every, "proportion": 0.3}
    after, report = fitted(
        frame, {**params, "era_boosting": boosting}, progress=lambda *call: calls.append(call)
    )
    assert report.size == after._booster.num_boosted_rounds() == 9 + rounds
    assert calls == [(i + 1, 9 + rounds) for i in range(9 + rounds)]
    steps = report.details["era_boosting"]["worst_eras"]
    assert [len(eras) for eras in steps] == [9] * -(-rounds // every)
    scores = corr_per_era(before.predict(frame), frame.target("target"), frame.offsets)[:, 0]
    assert sorted(frame.eras[np.argsort(scores)[:9]]) == steps[0]


def test_era_boosting_trains_on_nothing_but_the_worst_eras():
    frame = toy_frame(3)
    first, _ = fitted(frame, {**BASE, "num_boost_round": 9})
    both, report = fitted(
        frame, {**BASE, "num_boost_round": 9, "era_boosting": {"rounds": 4, "every": 4}}
    )
    worst = frame.select_eras(report.details["era_boosting"]["worst_eras"][0])
    rows = xgboost.DMatrix(worst.features, worst.target("target"))
    params = {**BASE, "nthread": 1, "seed": 0}
    expected = xgboost.train(params, rows, 4, xgb_model=first._booster)
    assert np.array_equal(both.predict(frame), expected.inplace_predict(frame.features))


def test_era_boosting_with_sample_weights_keeps_them():
    frame = toy_frame(3)
    weights = np.linspace(0.1, 2, frame.n_rows).astype(np.float32)
    params = {**BASE, "num_boost_round": 5, "era_boosting": {"rounds": 5}}
    weighted, _ = fitted(frame, params, weights=weights)
    ones, _ = fitted(frame, params, weights=np.ones_like(weights))
    none, _ = fitted(frame, params)
    assert np.array_equal(ones.predict(frame), none.predict(frame))
    assert not np.array_equal(weighted.predict(frame), none.predict(frame))


def test_ranking_takes_eras_as_queries():
    frame = toy_frame(3)
    ranked = replace(frame, targets=np.round(frame.targets * 4))
    weights = np.repeat(np.linspace(0.5, 2, frame.n_eras), np.diff(frame.offsets))
    params = {**BASE, "objective": "rank:ndcg", "num_boost_round": 20}
    model, _ = fitted(ranked, params, weights=weights.astype(np.float32))
    corr = corr_per_era(model.predict(ranked), frame.target("target"), frame.offsets)
    assert corr.mean() > 0.3


def test_constraints_go_by_feature_name():
    frame = toy_frame(3)
    params = {**BASE, "num_boost_round": 10, "monotone_constraints": {"feature_1": 1}}
    _, report = fitted(frame, params)
    # The target falls with feature_1, so a model that may only rise with it cannot use it.
    assert "feature_1" not in report.importance
    assert {"feature_0", "feature_2"} <= set(report.importance)
    with pytest.raises(ModelError, match=r"'featur_1' is not a feature.*mean 'feature_1'"):
        fitted(frame, {**BASE, "monotone_constraints": {"featur_1": 1}})


def test_features_of_different_groups_never_meet_in_a_tree():
    groups = [["feature_0", "feature_3"], ["feature_1", "feature_2"]]
    params = {**BASE, "num_boost_round": 10, "interaction_constraints": groups}
    model, _ = fitted(toy_frame(3), params)
    trees = model._booster.trees_to_dataframe()
    for _, tree in trees[trees.Feature != "Leaf"].groupby("Tree"):
        assert set(tree.Feature) <= {"f0", "f3"} or set(tree.Feature) <= {"f1", "f2"}


def test_importance_is_total_gain_by_name():
    _, report = fitted(toy_frame(3), {**BASE, "num_boost_round": 10})
    assert max(report.importance, key=report.importance.get) in ("feature_0", "feature_1")
    assert report.library_seconds > 0


def test_cuda_without_a_gpu_falls_back_and_says_so(monkeypatch):
    monkeypatch.setattr(boosting.xgboost, "build_info", lambda: {"USE_CUDA": False})
    said = []
    _, report = fitted(toy_frame(0), {"num_boost_round": 2}, device="cuda", say=said.append)
    (sentence,) = said
    assert "cuda was asked for but this build of XGBoost has no CUDA" in sentence
    assert report.notes == (sentence,)
    assert report.details["device"] == "cpu"


def test_cuda_trains_on_the_gpu_or_says_that_it_does_not():
    said = []
    model, report = fitted(toy_frame(0), {"num_boost_round": 2}, device="cuda", say=said.append)
    assert bool(said) == (report.details["device"] == "cpu")
    assert np.isfinite(model.predict(toy_frame(0))).all()


def test_what_xgboost_warns_about_is_said_once():
    said = []
    fitted(toy_frame(0), {"num_boost_round": 3, "rate_drop": 0.1}, say=said.append)
    (sentence,) = said
    assert sentence == 'XGBoost: Parameters: { "rate_drop" } are not used.'


def test_what_xgboost_refuses_is_one_sentence():
    with pytest.raises(ModelError, match="no objective 'reg:squarederor', did you mean") as caught:
        fitted(toy_frame(0), {"objective": "reg:squarederor"})
    assert "\n" not in str(caught.value)
    assert "Stack trace" not in str(caught.value)


def test_an_objective_with_several_values_a_row_is_refused():
    frame = toy_frame(0)
    classes = replace(frame, targets=np.round(frame.targets * 4))
    with pytest.raises(ModelError, match="gives 5 values a row"):
        fitted(classes, {"objective": "multi:softprob", "num_class": 5, "num_boost_round": 1})


def test_early_stopping_of_a_linear_booster_is_refused():
    with pytest.raises(ModelError, match="leave early_stopping out"):
        fitted(toy_frame(0), {"booster": "gblinear"}, stop=toy_frame(1), stop_patience=3)


def problems(params) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        XGB.Params.model_validate(params)
    return {str(error["loc"][0]): error["msg"] for error in caught.value.errors()}


def test_all_mistakes_in_params_are_found_at_once():
    found = problems(
        {"eat": 0.1, "seed": 3, "eta": 0.1, "learning_rate": 0.1, "max_depth": 2.5, "lambda": -1}
    )
    assert set(found) == {"eat", "seed", "learning_rate", "max_depth", "lambda"}
    assert "write `seed` at the top of the experiment" in found["seed"]
    assert "the same parameter as eta" in found["learning_rate"]


def test_params_reach_xgboost_by_their_own_names():
    params = XGB.Params.model_validate({"lambda": 2.0, "alpha": 1, "max_depth": 3})
    assert params.library_params() == {
        "objective": "reg:squarederror",
        "lambda": 2.0,
        "alpha": 1.0,
        "max_depth": 3,
    }


def test_every_parameter_of_the_trained_trees_is_known():
    """XGBoost's own record of its parameters has nothing that cannot be written."""
    frame = toy_frame(0)
    known = {field.alias or name for name, field in XGB.Params.model_fields.items()}
    for booster in ("gbtree", "gblinear", "dart"):
        model, _ = fitted(frame, {"booster": booster, "num_boost_round": 1})
        config = json.loads(model._booster.save_config())["learner"]
        names = set(_train_params(config))
        assert names - known <= {
            "debug_synchronize",
            "disable_default_eval_metric",
            "fail_on_invalid_gpu_id",
            "max_row_perbatch",
            "updater_seq",
        }


def _train_params(config):
    for key, value in config.items():
        if isinstance(value, list):
            value = {str(i): item for i, item in enumerate(value)}
        if isinstance(value, dict):
            if key.endswith(("_train_param", "generic_param")):
                yield from value
            else:
                yield from _train_params(value)


def test_a_saved_model_keeps_its_params(tmp_path):
    params = {**BASE, "num_boost_round": 3, "lambda": 3.0, "era_boosting": {"rounds": 2}}
    model, _ = fitted(toy_frame(0), params)
    model.save(tmp_path)
    assert XGB.load(tmp_path).params == model.params
    assert {p.name for p in tmp_path.iterdir()} == {"booster.ubj", "meta.json"}
