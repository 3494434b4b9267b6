"""Trees taken out of the libraries predict what the libraries predict."""

import lightgbm
import numpy as np
import pytest
import xgboost

from numerai_lab.errors import ModelError
from numerai_lab.models.trees import runtime
from numerai_lab.models.trees.arrays import lightgbm_trees, xgboost_trees

RNG = np.random.default_rng(0)
BINS = RNG.integers(-1, 5, (600, 12)).astype(np.int8)
FLOATS = RNG.normal(size=(600, 12)).astype(np.float32)
FLOATS[RNG.random(FLOATS.shape) < 0.1] = np.nan
LABELS = np.clip(BINS[:, 0] / 8 + RNG.normal(0.3, 0.2, 600), 0.01, 0.99)


def as_float(bins):
    return np.where(bins == -1, np.nan, bins).astype(np.float32)


def predicted(trees, link, features):
    total = runtime.tree_sums(features, trees.arrays("t"), "t")[:, 0]
    return runtime.link(total, link)


@pytest.mark.parametrize(
    "params",
    [
        {"max_depth": 5},
        {"objective": "reg:logistic"},
        {"objective": "binary:logistic"},
        {"objective": "count:poisson"},
        {"objective": "reg:absoluteerror"},
        {"objective": "reg:quantileerror", "quantile_alpha": 0.3},
        {"num_parallel_tree": 3, "subsample": 0.5},
        {"max_leaves": 9, "grow_policy": "lossguide"},
        {"min_child_weight": 1e6},
    ],
)
def test_xgboost_to_the_last_bit_of_the_sum(params):
    labels = (LABELS > 0.4) * 1.0 if params.get("objective") == "binary:logistic" else LABELS
    rows = xgboost.QuantileDMatrix(BINS, label=labels, missing=-1)
    booster = xgboost.train(params, rows, 15)
    trees, link = xgboost_trees(booster)
    ours = predicted(trees, link, BINS)
    theirs = booster.inplace_predict(BINS, missing=-1)
    if link == "identity":
        np.testing.assert_array_equal(ours, theirs)
    else:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=3e-7)


def test_dart_with_dropped_trees():
    rows = xgboost.DMatrix(BINS, label=LABELS, missing=-1)
    booster = xgboost.train({"booster": "dart", "rate_drop": 0.5}, rows, 20)
    theirs = booster.inplace_predict(BINS, missing=-1)
    np.testing.assert_allclose(predicted(*xgboost_trees(booster), BINS), theirs, atol=1e-6)


def test_float_features_with_missing_values():
    booster = xgboost.train({}, xgboost.DMatrix(FLOATS, label=LABELS), 15)
    ours = predicted(*xgboost_trees(booster), FLOATS)
    np.testing.assert_array_equal(ours, booster.inplace_predict(FLOATS))
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(FLOATS, label=LABELS), 15)
    ours = predicted(lightgbm_trees(booster), "identity", FLOATS)
    np.testing.assert_array_equal(ours, booster.predict(FLOATS))


def test_vector_leaves():
    labels = np.column_stack([LABELS, 1 - LABELS**2])
    params = {"multi_strategy": "multi_output_tree", "base_score": 0.0, "max_depth": 3}
    booster = xgboost.train(params, xgboost.QuantileDMatrix(BINS, label=labels, missing=-1), 5)
    trees, _ = xgboost_trees(booster)
    ours = runtime.tree_sums(BINS, trees.arrays("t"), "t")
    np.testing.assert_array_equal(ours, booster.inplace_predict(BINS, missing=-1))


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"num_leaves": 7, "max_depth": 3},
        {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1},
        {"boosting": "dart"},
        {"objective": "poisson"},
        {"objective": "quantile"},
        {"min_data_in_leaf": 10_000},
    ],
)
def test_lightgbm_raw_sums(params):
    data = lightgbm.Dataset(as_float(BINS), label=LABELS)
    booster = lightgbm.train({"verbose": -1, **params}, data, 15)
    ours = predicted(lightgbm_trees(booster), "identity", BINS)
    np.testing.assert_array_equal(ours, booster.predict(as_float(BINS), raw_score=True))


def test_lightgbm_that_saw_nothing_missing_takes_it_for_zero():
    data = lightgbm.Dataset(np.nan_to_num(as_float(BINS), nan=3.0), label=LABELS)
    booster = lightgbm.train({"verbose": -1}, data, 15)
    ours = predicted(lightgbm_trees(booster), "identity", BINS)
    np.testing.assert_array_equal(ours, booster.predict(as_float(BINS)))


def test_what_has_no_such_form_is_refused():
    rows = xgboost.DMatrix(BINS, label=LABELS, missing=-1)
    linear = xgboost.train({"booster": "gblinear"}, rows, 2)
    with pytest.raises(ModelError, match="gblinear cannot be bundled"):
        xgboost_trees(linear)
    hinge = xgboost.train(
        {"objective": "binary:hinge"}, xgboost.DMatrix(BINS, label=LABELS > 0.4, missing=-1), 2
    )
    with pytest.raises(ModelError, match="objective 'binary:hinge' cannot be bundled"):
        xgboost_trees(hinge)
    kinds = xgboost.DMatrix(
        BINS + 1, label=LABELS, feature_types=["c"] * 12, enable_categorical=True
    )
    with pytest.raises(ModelError, match="a tree with categories cannot be bundled"):
        xgboost_trees(xgboost.train({"tree_method": "hist"}, kinds, 2))
    data = lightgbm.Dataset(np.nan_to_num(as_float(BINS)), label=LABELS)
    zero = lightgbm.train({"verbose": -1, "zero_as_missing": True}, data, 2)
    with pytest.raises(ModelError, match="zero_as_missing cannot be bundled"):
        lightgbm_trees(zero)


def test_several_outputs_to_the_last_bit_of_each_sum():
    classes = np.searchsorted([0.1, 0.3, 0.6, 0.8], LABELS)
    both = np.column_stack([LABELS, 1 - LABELS**2])
    for label, params in (
        (both, {}),
        (both, {"multi_strategy": "multi_output_tree"}),
        (classes, {"objective": "multi:softprob", "num_class": 5}),
    ):
        booster = xgboost.train(params, xgboost.DMatrix(BINS, label=label, missing=-1), 6)
        sums = runtime.tree_sums(BINS, xgboost_trees(booster)[0].arrays("t"), "t")
        theirs = booster.inplace_predict(BINS, missing=-1, predict_type="margin")
        np.testing.assert_array_equal(sums, theirs)
    params = {"objective": "multiclass", "num_class": 5, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(params, lightgbm.Dataset(as_float(BINS), label=classes), 6)
    sums = runtime.tree_sums(BINS, lightgbm_trees(booster).arrays("t"), "t")
    np.testing.assert_array_equal(sums, booster.predict(as_float(BINS), raw_score=True))
