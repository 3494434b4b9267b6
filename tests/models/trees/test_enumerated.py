"""Shapley values of trees by enumeration: those of XGBoost where it has them, and of adapters."""

from __future__ import annotations

import itertools
from math import factorial

import numpy as np
import pytest
import xgboost

from numerai_lab.errors import ModelError
from numerai_lab.models import get_model
from numerai_lab.models.trees.arrays import xgboost_trees
from numerai_lab.models.trees.enumerated import tree_contributions
from ttt_world import context, regime_frame

RNG = np.random.default_rng(0)
BINS = RNG.integers(-1, 5, (600, 12)).astype(np.int8)
FLOATS = np.where(BINS == -1, np.nan, BINS + RNG.random(BINS.shape)).astype(np.float32)
LABELS = BINS[:, 0] * (BINS[:, 1] > 2) + BINS[:, 2] + RNG.normal(size=600)


@pytest.mark.parametrize(("features", "missing"), [(BINS, -1), (FLOATS, np.nan)])
def test_they_are_xgboost_s_own(features, missing):
    rows = xgboost.DMatrix(features, label=LABELS, missing=missing)
    booster = xgboost.train({"max_depth": 5, "base_score": 0.0}, rows, 12)
    theirs = booster.predict(rows, pred_contribs=True)
    trees, _ = xgboost_trees(booster)
    ours, base = tree_contributions(trees, trees.value[:, 0].astype(np.float64), features)
    np.testing.assert_allclose(ours, theirs[:, :-1], atol=2e-5)
    assert base == pytest.approx(theirs[0, -1], abs=1e-5)
    assert np.abs(ours).max() > 0.1


def test_they_are_the_definition():
    """Every order of three features, with a row sent both ways where a feature is not known."""
    rows = xgboost.DMatrix(BINS[:, :3], label=LABELS, missing=-1)
    booster = xgboost.train({"max_depth": 3, "base_score": 0.0, "eta": 1.0}, rows, 1)
    trees, _ = xgboost_trees(booster)
    values = trees.value[:, 0].astype(np.float64)

    def mean(row, known, node=0):
        left, right, column = trees.left[node], trees.right[node], trees.feature[node]
        if left == node:
            return values[node]
        if column in known:
            low = (
                trees.missing_left[node] if row[column] < 0 else row[column] < trees.threshold[node]
            )
            return mean(row, known, left if low else right)
        share = trees.mass[left] / (trees.mass[left] + trees.mass[right])
        return share * mean(row, known, left) + (1 - share) * mean(row, known, right)

    found, base = tree_contributions(trees, values, BINS[:20, :3])
    assert base == pytest.approx(mean(None, set()))
    for row, own in zip(BINS[:20, :3], found, strict=True):
        expected = np.zeros(3)
        for order in itertools.permutations(range(3)):
            for place, feature in enumerate(order):
                before = set(order[:place])
                expected[feature] += mean(row, before | {feature}) - mean(row, before)
        np.testing.assert_allclose(own, expected / factorial(3), atol=1e-12)


def test_paths_of_too_many_features_are_refused():
    features = np.eye(12, dtype=np.int8)  # each row apart asks for one more feature
    rows = xgboost.DMatrix(features, label=2.0 ** np.arange(12))
    how = {"max_depth": 12, "min_child_weight": 0, "lambda": 0, "base_score": 0.0}
    trees, _ = xgboost_trees(xgboost.train(how, rows, 1))
    assert trees.depths[0] > 10
    with pytest.raises(ModelError, match=r"asks for 1\d features .* at most 10.*smaller max_depth"):
        tree_contributions(trees, trees.value[:, 0].astype(np.float64), features)


ADAPTERS = {
    "code_leaves": ({"codes": 2}, {"trees": {"num_boost_round": 8, "max_depth": 2, "bags": 2}}),
    "leaf_refresh": ({"task": "autoencoder", "bottleneck": 3, "weight": 0.5}, {"steps": 2}),
    "nearest_eras": ({"codes": 2}, {}),
}


@pytest.mark.parametrize("method", ADAPTERS)
def test_what_adapting_adds_is_shared_out_among_features(method):
    auxiliary, adapt = ADAPTERS[method]
    params = {
        **{"num_boost_round": 6, "max_depth": 3, "auxiliary": {"noise_ratio": 0, **auxiliary}},
        "adapt": {"method": method, "strength": 0.7, **adapt},
    }
    kind = get_model("xgb_ttt")
    model = kind(kind.Params.model_validate(params))
    model.fit(regime_frame(1, n_eras=40, n_rows=60), context())
    judged = regime_frame(2, n_eras=3, n_rows=90).without_targets()
    some = np.array([3, 80, 120, 200, 269])
    (own,) = model.contributions(judged, some)
    detail = model.predict_in_detail(judged)
    assert own.gap() < 1e-6
    np.testing.assert_allclose(own.raw, detail.predictions[some], atol=1e-6)
    unadapted = detail.variants["joint" if method == "leaf_refresh" else "frozen"][some]
    added = detail.predictions[some] - unadapted
    alike = own.beside["adaptation"]
    assert np.abs(added - alike).max() > 1e-4  # features have the rest
    assert (alike[0], alike[3]) == (alike[1], alike[4])  # rows of one era
    (whole,) = model.contributions(judged)
    np.testing.assert_allclose(whole.values[some], own.values, atol=1e-12)
