"""Where rows fall in XGBoost's trees, and sums over leaves: checked against XGBoost and loops."""

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.models.trees import runtime
from numerai_lab.models.trees.xgb_ttt.booster_json import main_output, merged
from numerai_lab.models.trees.xgb_ttt.leaf_locator import LeafLocator
from numerai_lab.models.trees.xgb_ttt.leaf_moves import SHRINKAGE, Leaves, on_exact_grid

N_ROWS = 700


def made_up_rows(dtype):
    rng = np.random.default_rng(5)
    features = rng.integers(-1, 5, size=(N_ROWS, 8)).astype(dtype)
    if dtype is np.float32:
        features += rng.normal(size=features.shape).astype(np.float32)
        features[rng.random(features.shape) < 0.1] = np.nan
        features[0, 0], features[1, 1] = 1e38, -1e38
    return features, rng.normal(size=(N_ROWS, 3)).astype(np.float32)


BOOSTERS = {
    "trees": {"max_depth": 5},
    "stumps": {"max_depth": 1},
    "lossguide": {"max_depth": 0, "max_leaves": 40, "grow_policy": "lossguide"},
    "more than 256 leaves": {"max_depth": 12, "min_child_weight": 0, "lambda": 0, "eta": 0.9},
    "pruned": {"max_depth": 4, "gamma": 5},
    "without a split": {"gamma": 1e9},
    "forest": {"num_parallel_tree": 3, "subsample": 0.5},
    "dart": {"booster": "dart", "rate_drop": 0.5},
    "logistic": {"objective": "reg:logistic"},
    "vector leaves": {"multi_strategy": "multi_output_tree", "base_score": 0},
    "vector leaves with a start": {"multi_strategy": "multi_output_tree", "max_depth": 4},
}


@pytest.mark.parametrize("rounds", [1, 11])
@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_leaves_are_those_of_xgboost(dtype, name, rounds):
    features, labels = made_up_rows(dtype)
    missing = MISSING_INT8 if dtype is np.int8 else np.nan
    if name == "logistic":
        labels = (labels > 0.5).astype(np.float32)
    rows = xgboost.DMatrix(
        features, label=labels if "vector" in name else labels[:, 0], missing=missing
    )
    params = {"tree_method": "hist", "nthread": 1, "seed": 1, **BOOSTERS[name]}
    booster = xgboost.train(params, rows, rounds)

    locator, trees = LeafLocator.of(booster)
    nodes = booster.predict(rows, pred_leaf=True).reshape(N_ROWS, -1).astype(int) + trees.roots
    walked = [*runtime.tree_leaves(features, trees.arrays("t"), "t")]
    assert np.array_equal(np.column_stack(walked), nodes)
    located = locator.locate(features)
    leaves = located.local.T + trees.first_leaf[:-1]
    assert np.array_equal(np.flatnonzero(trees.is_leaf)[leaves], nodes)

    margins = booster.predict(rows, output_margin=True).reshape(N_ROWS, -1)
    for output, values in enumerate(trees.value[trees.is_leaf].T):
        ours = located.sum_over_trees(values) + trees.base[output]
        assert np.allclose(ours, margins[:, output], rtol=0, atol=1e-5)
    counts = np.bincount(leaves.ravel(), minlength=trees.first_leaf[-1])
    assert np.array_equal(located.rows, counts)
    if name in ("trees", "stumps", "lossguide"):
        # the hessian of a squared error is 1
        assert np.array_equal(trees.mass[trees.is_leaf], counts)
    if name == "more than 256 leaves":
        assert located.local.dtype == np.uint16


def test_boosters_written_again_predict_the_same():
    features, labels = made_up_rows(np.int8)
    rows = xgboost.DMatrix(features, label=labels, missing=MISSING_INT8)
    params = {"multi_strategy": "multi_output_tree", "base_score": 0, "max_depth": 4}
    one, two = (xgboost.train({**params, "eta": eta}, rows, 7) for eta in (0.1, 0.5))
    expected = [b.inplace_predict(features, missing=MISSING_INT8) for b in (one, two)]
    main = main_output(one).inplace_predict(features, missing=MISSING_INT8)
    assert main.tobytes() == np.ascontiguousarray(expected[0][:, 0]).tobytes()
    both = merged([one, two]).inplace_predict(features, missing=MISSING_INT8)
    assert np.allclose(both, expected[0] + expected[1], atol=1e-6)


# --- sums over rows and trees

FEW_LEAVES = Leaves(
    np.random.default_rng(2).integers(0, 3, size=(7, 50)).astype(np.uint8),
    np.arange(8, dtype=np.int64) * 3,
)


def test_means_and_sums_against_loops():
    values = np.random.default_rng(3).normal(size=50)
    means = FEW_LEAVES.means(values)
    total = np.zeros(50)
    for tree in range(7):
        for leaf in range(3):
            inside = FEW_LEAVES.local[tree] == leaf
            mean = values[inside].sum() / (inside.sum() + SHRINKAGE)
            assert means[3 * tree + leaf] == pytest.approx(mean, abs=1e-14)
            total[inside] += mean
    assert np.allclose(FEW_LEAVES.sum_over_trees(means), total, atol=1e-14)
    assert np.allclose(FEW_LEAVES.mean_over_trees(means), total / 7, atol=1e-14)


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False), st.floats(-300, 300))
def test_the_order_of_rows_does_not_change_a_bit(random, exponent):
    rng = np.random.default_rng(random.randrange(2**31))
    values = rng.normal(size=50) * 10.0**exponent
    values[::5] *= 1e-6
    order = rng.permutation(50)
    shuffled = Leaves(FEW_LEAVES.local[:, order], FEW_LEAVES.first_leaf)
    assert np.array_equal(FEW_LEAVES.means(values), shuffled.means(values[order]))
    means = FEW_LEAVES.means(values)
    assert np.array_equal(FEW_LEAVES.sum_over_trees(means)[order], shuffled.sum_over_trees(means))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=200))
def test_the_grid_is_fine_and_its_sums_are_exact(values):
    values = np.array(values)
    rounded = on_exact_grid(values)
    largest = np.abs(values).max()
    # below the smallest normal number nothing has twelve digits
    assert np.abs(rounded - values).max() <= max(1e-12 * largest, np.finfo(np.float64).tiny)
    assert rounded.sum() == rounded[::-1].sum() == np.sort(rounded).sum()
