"""Where rows fall in XGBoost's trees, and sums over leaves: checked against XGBoost and loops."""

import ast
from pathlib import Path

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

import numerai_lab
from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.errors import ModelError
from numerai_lab.models.xgb_ttt.booster_json import main_output, merged, read_leaves
from numerai_lab.models.xgb_ttt.leaf_locator import LeafLocator
from numerai_lab.models.xgb_ttt.leaf_moves import SHRINKAGE, Leaves, on_exact_grid

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

    locator, arrays = LeafLocator.of(booster)
    leaves = arrays.leaf_index(features, missing)
    expected = booster.predict(rows, pred_leaf=True).reshape(N_ROWS, -1).astype(int)
    nodes_of_leaves = np.flatnonzero(arrays.leaf_of_node >= 0)
    assert np.array_equal(nodes_of_leaves[leaves] - arrays.first_node[:-1], expected)
    located = locator.locate(features)
    assert np.array_equal(located.local.T + arrays.first_leaf[:-1], leaves)

    margins = booster.predict(rows, output_margin=True).reshape(N_ROWS, -1)
    assert np.abs(arrays.margins(leaves) - margins).max() < 1e-5
    assert np.allclose(
        located.sum_over_trees(arrays.values[:, 0]) + arrays.intercept[0], margins[:, 0], atol=1e-5
    )
    counts = np.bincount(leaves.ravel(), minlength=len(arrays.values))
    assert np.array_equal(located.rows, counts)
    if name in ("trees", "stumps", "lossguide"):
        assert np.array_equal(arrays.mass, counts)  # the hessian of a squared error is 1
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


def test_leaves_of_a_model_that_has_none_are_refused():
    features, labels = made_up_rows(np.int8)
    rows = xgboost.DMatrix(features, label=labels[:, 0])
    linear = xgboost.train({"booster": "gblinear", "updater": "coord_descent"}, rows, 2)
    with pytest.raises(ModelError, match="without trees"):
        read_leaves(linear)
    apart = xgboost.train({"tree_method": "hist"}, xgboost.DMatrix(features, label=labels), 2)
    with pytest.raises(ModelError, match="multi_output_tree"):
        read_leaves(apart)


@pytest.mark.parametrize("name", ["leaf_arrays", "leaf_moves"])
def test_what_is_carried_to_other_places_needs_numpy_only(name):
    path = Path(numerai_lab.__file__).parent / f"models/xgb_ttt/{name}.py"
    tree = ast.parse(path.read_text())
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    imported |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    roots = {module.split(".")[0] for module in imported}
    assert roots <= {"__future__", "collections", "dataclasses", "functools", "typing", "numpy"}


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
    assert np.abs(rounded - values).max() <= 1e-12 * largest
    assert rounded.sum() == rounded[::-1].sum() == np.sort(rounded).sum()
