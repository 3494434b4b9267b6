from __future__ import annotations

import json
from dataclasses import replace

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.optimize import nnls
from scipy.stats import norm, rankdata

from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.errors import ModelError, SplitError
from numerai_lab.models import FitContext, check_model, get_model
from numerai_lab.models.combined import WeightFit, blend
from numerai_lab.models.conformance.toy import TARGETS, toy_frame
from numerai_lab.models.trees.lgbm_ensemble.params import PRESETS, by_first_name
from numerai_lab.scoring import corr_per_era
from numerai_lab.seeds import child_seed
from numerai_lab.splits import inner_parts

Ensemble = get_model("lgbm_ensemble")
SMALL = {"preset": "custom", "n_estimators": 10, "lightgbm": {"num_leaves": 6}}
ONE = {**SMALL, "targets": ["target"]}


def context(**changes) -> FitContext:
    defaults = {"seed": 7, "target": "target", "targets": TARGETS, "purge_eras": 2}
    return FitContext(**{**defaults, "n_threads": 1, **changes})


def fitted(frame, params=SMALL, **changes):
    model = Ensemble(Ensemble.Params.model_validate(params))
    return model, model.fit(frame, context(**changes))


def plain(frame, rows, target, params, weights=None, member=(0, 0, 0)):
    """Train one member as a user of LightGBM would: float32 with NaN, its own bins."""
    features = frame.features[rows].astype(np.float32)
    features[frame.features[rows] == MISSING_INT8] = np.nan
    data = lightgbm.Dataset(
        features,
        label=frame.target(target)[rows].copy(),
        weight=None if weights is None else weights[rows],
        params={"verbosity": -1, "feature_pre_filter": False},
    )
    fixed = {
        "objective": "regression",
        "seed": child_seed(7, "lgbm_ensemble", target, *member),
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
        "feature_pre_filter": False,
    }
    return lightgbm.train({**fixed, **params}, data, 10)


def trees(booster) -> str:
    text = booster.model_to_string()
    return text[text.index("Tree=0") : text.index("end of trees")]


LIGHT = {**SMALL, "n_estimators": 4, "era_step": 2, "era_offsets": [1]}


def test_keeps_the_promises_of_a_model():
    check_model(Ensemble, LIGHT)


@pytest.mark.slow  # a cold start of Python
def test_keeps_them_in_a_fresh_process():
    check_model(Ensemble, LIGHT, fresh_process=True)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("constant", [0, 3])
def test_a_member_on_shared_bins_grows_the_trees_of_plain_lightgbm(missing, constant):
    frame = toy_frame(3, missing=missing, constant=constant)
    if missing:  # one feature without a missing value among others with
        frame.features[:, 1] = np.maximum(frame.features[:, 1], 0)
    library = {"num_leaves": 6, "feature_fraction": 0.5, "bagging_fraction": 0.7, "bagging_freq": 1}
    model, report = fitted(frame, {**ONE, "lightgbm": library})
    assert trees(model._boosters[0]) == trees(plain(frame, slice(None), "target", library))
    assert any("3 features are constant" in note for note in report.notes) == (constant == 3)


def test_features_with_uneven_values_grow_the_trees_of_plain_lightgbm():
    rng = np.random.default_rng(0)
    frame = toy_frame(3)
    frame.features[:, 3] = rng.choice([0, 4], frame.n_rows)
    frame.features[:, 4] = rng.choice([1, 2, 100], frame.n_rows)
    frame.features[:, 5] = rng.random(frame.n_rows) < 0.03
    model, _ = fitted(frame, {**ONE, "lightgbm": {"num_leaves": 31}})
    expected = plain(frame, slice(None), "target", {"num_leaves": 31, "min_data_in_bin": 1})
    assert trees(model._boosters[0]) == trees(expected)


def test_features_without_a_zero_grow_the_trees_of_plain_lightgbm():
    frame = toy_frame(3)
    frame.features[:] = np.where(frame.features > 2, 2, 1)
    model, _ = fitted(frame, {**ONE, "lightgbm": {"num_leaves": 6}})
    grown = trees(model._boosters[0])
    assert grown == trees(plain(frame, slice(None), "target", {"num_leaves": 6}))
    assert "split_feature=" in grown


def test_members_on_subsets_of_rows_grow_the_trees_of_plain_lightgbm():
    """Eras of one offset, another target with missing labels, and weights: the right rows."""
    frame = toy_frame(3)
    weights = np.linspace(0.5, 2, frame.n_rows).astype(np.float32)
    params = {**SMALL, "era_step": 3, "seeds": 2, "weights": "equal"}
    model, report = fitted(frame, params, weights=weights)
    members = [(t, o, s) for t in TARGETS for o in range(3) for s in range(2)]
    assert [told["member"] for told in report.details["members"]] == [
        f"{target}/offset {offset}/set 0/seed {seed}" for target, offset, seed in members
    ]
    for booster, (target, offset, seed) in zip(model._boosters, members, strict=True):
        rows = ((frame.row_eras - 1) % 3 == offset) & ~np.isnan(frame.target(target))
        expected = plain(frame, rows, target, {"num_leaves": 6}, weights, (offset, 0, seed))
        assert trees(booster) == trees(expected)


def test_a_member_after_one_on_fewer_rows_has_all_its_rows_back():
    frame = toy_frame(3)
    params = {**SMALL, "targets": ["target_other", "target"], "weights": "equal"}
    model, _ = fitted(frame, params)
    expected = plain(frame, slice(None), "target", {"num_leaves": 6})
    assert trees(model._boosters[1]) == trees(expected)


def test_parameter_sets_differ_in_what_they_write():
    frame = toy_frame(3)
    sets = [{"num_leaves": 3}, {"colsample_bytree": 0.3, "min_data_in_leaf": 60}]
    model, _ = fitted(frame, {**ONE, "parameter_sets": sets, "weights": "equal"})
    first = plain(frame, slice(None), "target", sets[0])
    second = plain(frame, slice(None), "target", {**SMALL["lightgbm"], **sets[1]}, member=(0, 1, 0))
    assert trees(model._boosters[0]) == trees(first)
    assert trees(model._boosters[1]) == trees(second)


def test_written_binning_parameters_take_lightgbms_own_bins():
    frame = toy_frame(3)
    library = {"num_leaves": 6, "max_bin": 3}
    model, _ = fitted(frame, {**ONE, "lightgbm": library})
    features = frame.features.astype(np.float32)
    data = lightgbm.Dataset(features, params={"max_bin": 3, "verbosity": -1}).construct()
    assert data.feature_num_bin(0) == 3
    thresholds = model._boosters[0].trees_to_dataframe().query("split_feature == 'Column_0'")
    assert thresholds.threshold.nunique() <= 2


def test_float_features_take_the_ordinary_path():
    frame = toy_frame(3, dtype=np.float32, missing=0.1)
    model, _ = fitted(frame, ONE)
    expected = plain(frame, slice(None), "target", {"num_leaves": 6})
    assert trees(model._boosters[0]) == trees(expected)


def test_predictions_are_the_rank_of_weighted_gaussian_ranks():
    frame, judged = toy_frame(3), toy_frame(4)
    model, _ = fitted(frame, {**SMALL, "weights": [1, 3]})
    predictions = model.predict(judged)
    for _, rows in judged.iter_eras():
        x, n = judged.features[rows].astype(np.float32), rows.stop - rows.start
        total = sum(
            weight * norm.ppf((rankdata(booster.predict(x)) - 0.5) / n)
            for weight, booster in zip([0.25, 0.75], model._boosters, strict=True)
        )
        expected = (rankdata(np.round(total, 12)) - 0.5) / n
        assert np.allclose(predictions[rows], expected, atol=1e-6)
    assert predictions.min() > 0
    assert predictions.max() < 1


def test_nnls_weights_come_from_purged_out_of_fold_predictions():
    """The same weights, found with LightGBM and scipy alone."""
    frame = toy_frame(3)
    _, report = fitted(frame, SMALL)
    design, aim, scores = [], [], []
    for first, last in ((11, 20), (21, 30)):
        oof = []
        judged = frame.between(first, last)
        for target in TARGETS:
            rows = (frame.row_eras <= first - 3) & ~np.isnan(frame.target(target))
            booster = plain(frame, rows, target, {"num_leaves": 6})
            oof.append(booster.predict(judged.features.astype(np.float32)))
        y = judged.target("target").astype(np.float64)
        scores.append(corr_per_era(np.column_stack(oof), judged.target("target"), judged.offsets))
        for _, rows in judged.iter_eras():
            n = rows.stop - rows.start
            x = np.column_stack([norm.ppf((rankdata(p[rows]) - 0.5) / n) for p in oof])
            design.append((x - x.mean(axis=0)) / np.sqrt(n))
            aim.append((y[rows] - y[rows].mean()) / y[rows].std() / np.sqrt(n))
    expected, _ = nnls(np.vstack(design), np.concatenate(aim))
    told = report.details["members"]
    assert [m["weight"] for m in told] == pytest.approx(expected / expected.sum(), abs=2e-6)
    assert [m["oof_corr"] for m in told] == pytest.approx(np.vstack(scores).mean(axis=0))
    assert report.details["oof_parts"] == [
        {"first": 11, "last": 20, "last_train_era": 8},
        {"first": 21, "last": 30, "last_train_era": 18},
    ]


@pytest.mark.parametrize("purge", [0, 2])
def test_purged_eras_teach_no_out_of_fold_member(purge):
    """Eras 14 and 15 end the first of two parts: their labels matter only without a purge."""
    frame = toy_frame(3)
    targets = frame.targets.copy()
    purged = np.flatnonzero((frame.row_eras == 14) | (frame.row_eras == 15))
    targets[purged, 0] = targets[purged[::-1], 0]
    params = {**ONE, "seeds": 2, "oof_folds": 1, "lightgbm": {"bagging_fraction": 0.5}}
    told = []
    for train in (frame, replace(frame, targets=targets)):
        model, report = fitted(train, params, purge_eras=purge)
        told.append((report.details, trees(model._boosters[0])))
    assert told[0][1] != told[1][1]
    assert (told[0][0]["members"] == told[1][0]["members"]) == (purge == 2)


@given(
    st.lists(st.integers(1, 60), min_size=3, max_size=40, unique=True),
    st.integers(1, 5),
    st.integers(0, 12),
)
def test_inner_parts_keep_the_purge_in_era_numbers(eras, folds, purge):
    frame = toy_frame(0, rows_per_era=np.ones(len(eras), np.int64))
    frame = replace(frame, eras=np.sort(eras).astype(np.int32))
    cut = np.array_split(frame.eras, folds + 1)
    if len(eras) <= folds or cut[0][0] + purge >= cut[1][0]:
        with pytest.raises(SplitError, match="nothing of the first to train on"):
            inner_parts(frame.eras, folds, purge)
        return
    parts = inner_parts(frame.eras, folds, purge)
    judged = [e for part in parts for e in frame.eras if part.first <= e <= part.last]
    assert len(parts) == folds
    assert judged == frame.eras[len(frame.eras) - len(judged) :].tolist()
    for part in parts:
        taught = frame.eras[frame.eras <= part.last_train_era]
        assert len(taught) > 0
        assert all(part.first - era > purge for era in taught)
        # No era that could have taught is left out.
        assert all(
            part.first - e <= purge for e in frame.eras if part.last_train_era < e < part.first
        )


def test_too_few_training_eras_for_nnls_is_an_error_with_the_way_out():
    frame = toy_frame(3).between(1, 9)
    with pytest.raises(ModelError, match=r"9 training eras into 3 parts.*write weights: equal"):
        fitted(frame, SMALL, purge_eras=8)
    fitted(frame, {**SMALL, "weights": "equal"}, purge_eras=8)
    fitted(frame, ONE, purge_eras=8)  # a single member needs no weights


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_non_negative_fit_equals_scipy_on_all_rows(seed, members):
    rng = np.random.default_rng(seed)
    offsets = np.array([0, 30, 70, 100])
    y = rng.normal(size=100).astype(np.float32)
    x = rng.normal(size=(100, members)) + rng.normal(size=members) * y[:, None]
    fit = WeightFit(members)
    fit.add(x[:30], y[:30], offsets[:2])
    fit.add(x[30:], y[30:], offsets[1:] - 30)
    design, aim = [], []
    for a, b in ((0, 30), (30, 70), (70, 100)):
        g = np.column_stack([norm.ppf((rankdata(c) - 0.5) / (b - a)) for c in x[a:b].T])
        design.append((g - g.mean(axis=0)) / np.sqrt(b - a))
        z = y[a:b].astype(np.float64)
        aim.append((z - z.mean()) / z.std() / np.sqrt(b - a))
    expected, _ = nnls(np.vstack(design), np.concatenate(aim))
    weights = fit.solve()
    if expected.sum() < 1e-9:
        assert weights is None
    else:
        assert weights == pytest.approx(expected / expected.sum(), abs=1e-5)


def test_non_negative_fit_takes_equal_columns_and_constant_eras():
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.normal(size=40), np.ones(10)]).astype(np.float32)
    column = y + rng.normal(size=50)
    fit = WeightFit(3)
    fit.add(np.column_stack([column, column, -column]), y, np.array([0, 40, 50]))
    weights = fit.solve()
    assert weights.sum() == pytest.approx(1)
    assert weights[2] == 0


def test_nnls_without_any_use_says_that_weights_are_equal():
    frame = toy_frame(3)
    said = []
    params = {**SMALL, "lightgbm": {"min_data_in_leaf": 5000}}
    model, report = fitted(frame, params, say=said.append)
    assert any("equal weights are taken" in sentence for sentence in said)
    assert sum("not a single split" in sentence for sentence in said) == 2
    assert report.notes == tuple(said)
    assert model._weights.tolist() == [0.5, 0.5]
    assert np.all(model.predict(frame) == 0.5)


def test_weights_by_target_are_shared_by_its_members():
    weights = {"target": 3, "target_other": 1}
    _, report = fitted(toy_frame(3), {**SMALL, "seeds": 2, "weights": weights})
    assert [m["weight"] for m in report.details["members"]] == [0.375, 0.375, 0.125, 0.125]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"weights": [1, 1, 1]}, "3 weights are given for 2 members: target/offset 0"),
        ({"weights": {"target": 1, "other": 1}}, r"mend 'other'"),
        ({"targets": ["target_othr"]}, "did you mean 'target_other'.*add it to data.targets"),
        ({"era_step": 50, "era_offsets": [40]}, "no training rows; .*a smaller era_step"),
        ({"lightgbm": {"objective": "regresion"}}, "LightGBM refuses: .*regresion"),
    ],
)
def test_what_does_not_fit_the_data_is_an_error_with_the_way_out(params, message):
    with pytest.raises(ModelError, match=message):
        fitted(toy_frame(3), {**SMALL, **params})


def test_unlabelled_rows_of_another_target_are_counted():
    said = []
    frame = toy_frame(3)
    fitted(frame, {**SMALL, "weights": "equal"}, say=said.append)
    n = int(np.isnan(frame.targets[:, 1]).sum())
    assert said == [f"target_other: {n} of {frame.n_rows} training rows have no label"]


def test_cuda_is_declined_aloud():
    said = []
    fitted(toy_frame(3), ONE, device="cuda", say=said.append)
    assert "trains on the CPU" in said[0]


def test_early_stopping_keeps_the_trees_of_the_best_corr():
    frame, stop = toy_frame(3), toy_frame(4, first_era=40)
    params = {**ONE, "n_estimators": 200, "learning_rate": 0.5}
    model, report = fitted(frame, params, stop=stop, stop_patience=5)
    kept = report.size
    assert 0 < kept < 195
    (booster,) = model._boosters
    x = stop.features.astype(np.float32)
    curve = [
        corr_per_era(booster.predict(x, num_iteration=k), stop.target("target"), stop.offsets)
        for k in range(1, kept + 1)
    ]
    assert np.argmax([c.mean() for c in curve]) == kept - 1
    shorter, _ = fitted(frame, {**params, "n_estimators": kept})
    assert trees(shorter._boosters[0]) == trees(booster)


def test_progress_counts_all_trees_of_all_members():
    calls = []
    params = {**SMALL, "parameter_sets": [{}, {"num_iterations": 5}]}
    fitted(toy_frame(3), params, progress=lambda *call: calls.append(call))
    assert {total for _, total in calls} == {(10 + 5) * 2 * 3}
    done = [d for d, _ in calls]
    assert done == sorted(done)
    assert done[-1] == 90


def test_importance_is_weighted_total_gain_by_name():
    model, report = fitted(toy_frame(3), {**SMALL, "weights": [1, 0]})
    gain = model._boosters[0].feature_importance("gain")
    assert report.importance == {f"feature_{i}": g for i, g in enumerate(gain) if g > 0}


def test_saved_files_are_lightgbms_own(tmp_path):
    model, _ = fitted(toy_frame(3), {**SMALL, "weights": [1, 3]})
    model.save(tmp_path)
    assert json.loads((tmp_path / "meta.json").read_text())["weights"] == [0.25, 0.75]
    names = sorted(path.name for path in (tmp_path / "members").iterdir())
    assert names == ["00.txt", "01.txt"]
    assert Ensemble.load(tmp_path).params == model.params


def test_presets_are_numerais():
    standard = Ensemble.Params.model_validate({}).library_params(0)
    assert standard == {
        "num_iterations": 20_000,
        "learning_rate": 0.001,
        "max_depth": 6,
        "num_leaves": 64,
        "feature_fraction": 0.1,
        "objective": "regression",
    }
    assert PRESETS["deep"]["min_data_in_leaf"] == 10_000


def test_later_parameters_overrule_earlier_ones_under_any_name():
    params = Ensemble.Params.model_validate(
        {
            "preset": "deep",
            "n_estimators": 50,
            "lightgbm": {"colsample_bytree": 0.2, "shrinkage_rate": 0.3},
            "parameter_sets": [{}, {"n_iter": 7, "sub_feature": 0.4}],
        }
    )
    assert params.library_params(0)["num_iterations"] == 50
    assert params.library_params(0)["feature_fraction"] == 0.2
    assert params.library_params(0)["learning_rate"] == 0.3
    assert params.library_params(1)["num_iterations"] == 7
    assert params.library_params(1)["feature_fraction"] == 0.4
    assert by_first_name({"min_child_samples": 3}) == {"min_data_in_leaf": 3}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"lightgbm": {"num_leafs": 3, "lamda_l1": 1}},
            "'num_leafs', did you mean.*; .*'lamda_l1', did you mean",
        ),
        ({"lightgbm": {"random_state": 3}}, "write `seed` at the top"),
        ({"lightgbm": {"num_machines": 3}}, "command line or clusters"),
        ({"lightgbm": {"eta": 0.1, "learning_rate": 0.1}}, "the same parameter"),
        ({"parameter_sets": [{"max_bin": 3}]}, "'max_bin' cannot differ between members"),
        ({"parameter_sets": []}, "at least 1 item"),
        ({"era_step": 4, "era_offsets": [4]}, "offset 4 must be below era_step 4"),
        ({"era_offsets": []}, "at least one offset"),
        ({"weights": [0, 0]}, "at least one above 0"),
        ({"weights": {"target": -1}}, "greater than or equal to 0"),
        ({"presett": "deep"}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_params_are_refused(params, message):
    with pytest.raises(ValidationError, match=message):
        Ensemble.Params.model_validate(params)


def test_blend_of_one_row_is_the_middle():
    assert blend(np.array([[3.0, 1.0]]), np.array([0.5, 0.5])).tolist() == [0.5]
