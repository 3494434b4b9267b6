"""What tasks are drawn from: each class is what it says, seeds decide, weights are checked."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from numerai_lab.errors import ModelError
from numerai_lab.models.nets.in_context.priors import PRIORS, WEIGHTS
from numerai_lab.models.nets.in_context.tasks import Mixture, in_bins


def mixture(classes=WEIGHTS, noise=(0.1, 0.1), **more):
    return Mixture(classes, more.pop("kinds", {}), 8, noise, **more)


def drawn(name, kind=None, n_tasks=40, n_points=100, n_dims=5, seed=3):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n_tasks, n_points, n_dims), dtype=np.float32)
    points, values = PRIORS[name].draw(rng, x, kind or PRIORS[name].kinds[0])
    return x, points, values


def fit_error(x, values):
    """The share of each task's variance that a linear function with intercept leaves."""
    left = []
    for rows, y in zip(x.astype(float), values.astype(float), strict=True):
        design = np.column_stack([rows, np.ones(len(rows))])
        weights, *_ = np.linalg.lstsq(design, y, rcond=None)
        left.append(np.var(y - design @ weights) / max(np.var(y), 1e-12))
    return np.array(left)


@pytest.mark.parametrize("kind", PRIORS["linear"].kinds)
def test_linear_functions_are_linear(kind):
    x, points, values = drawn("linear", kind)
    assert points is x
    assert fit_error(x, values).max() < 1e-6
    assert abs(values.std() - 1) < 0.1


def test_kinds_of_linear_weights_differ_in_their_tails():
    """The share of the largest of 200 weights in their length: normal < elastic net < Laplace."""

    def largest(kind):
        rng = np.random.default_rng(5)
        x = np.eye(200, dtype=np.float32)[None].repeat(200, axis=0)
        _, weights = PRIORS["linear"].draw(rng, x, kind)
        return np.abs(weights).max(axis=1).mean()

    assert largest("ridge") < largest("elastic_net") < largest("lasso")


def test_sparse_functions_read_one_to_three_columns():
    rng = np.random.default_rng(5)
    x = np.eye(6, dtype=np.float32)[None].repeat(200, axis=0)
    _, weights = PRIORS["sparse"].draw(rng, x, "sparse")
    assert set((weights != 0).sum(axis=1)) == {1, 2, 3}
    _, alone = PRIORS["sparse"].draw(rng, x[:, :1, :1], "sparse")
    assert np.abs(alone).min() == pytest.approx(1)


def test_networks_and_trees_are_not_linear():
    for name, kind in (("network", "relu"), ("trees", "tree"), ("trees", "forest")):
        x, _, values = drawn(name, kind)
        assert np.median(fit_error(x, values)) > 0.1, kind
    _, _, values = drawn("trees", "tree")
    assert all(len(np.unique(task)) <= 16 for task in values)  # leaves of depth 4
    _, _, values = drawn("network", "relu")
    half = np.abs(values).mean()
    assert half > 0.5


def test_a_network_without_biases_doubles_with_its_points():
    rng = np.random.default_rng(7)
    x = rng.standard_normal((10, 30, 4), dtype=np.float32)
    both = np.concatenate([x, 2 * x], axis=1)
    _, values = PRIORS["network"].draw(rng, both, "relu")
    assert np.allclose(2 * values[:, :30], values[:, 30:], rtol=1e-4, atol=1e-4)


def test_drifting_weights_stay_within_a_period_and_differ_between_periods():
    x, points, values = drawn("time_series", "drift", n_points=400)
    assert points is x
    within = fit_error(x[:, :50], values[:, :50])
    across = fit_error(x, values)
    assert within.max() < 1e-6
    assert np.median(across) > 0.02


def test_arima_points_are_the_last_values_before_an_expected_one():
    _, points, values = drawn("time_series", "arima", n_points=300, n_dims=6)
    assert np.allclose(points[:, 1:, 1:], points[:, :-1, :-1])  # the same series, a step later
    came = points[:, 1:, 0]  # what came after point t is the newest lag of point t + 1
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(values[:, :-1], came, strict=True)]
    assert np.median(correlations) > 0.3
    assert np.median(fit_error(points, values)) < 0.3  # nearly linear in enough lags


def test_lstms_read_lags():
    _, points, values = drawn("time_series", "lstm", n_points=300)
    assert np.allclose(points[:, 1:, 1:], points[:, :-1, :-1])
    assert np.median(fit_error(points, values)) > 0.02
    assert values.std(axis=1).min() > 0


def test_a_seed_gives_the_same_tasks_and_other_seeds_others():
    def draw(seed):
        return mixture(binned=0.3, masked=0.3).draw(np.random.default_rng(seed), 64, 20, 8, 6)

    one, again, other = draw(1), draw(1), draw(2)
    for name in ("x", "y", "truth", "classes"):
        assert np.array_equal(getattr(one, name), getattr(again, name))
    assert not np.array_equal(one.y, other.y)
    assert one.x.shape == (64, 28, 8)
    assert one.x.dtype == one.y.dtype == one.truth.dtype == np.float32
    assert not one.x[:, :, 6:].any()
    assert one.n_context == 20


def test_classes_come_as_often_as_their_weights_say():
    tasks = mixture().draw(np.random.default_rng(0), 4000, 4, 4, 3)
    for name, weight in WEIGHTS.items():
        assert abs((tasks.classes == name).mean() - weight) < 0.03
    only = mixture({"time_series": 1.0}, kinds={"time_series": {"drift": 1.0}})
    tasks = only.draw(np.random.default_rng(0), 10, 200, 8, 3)
    assert fit_error(tasks.x[:, :20, :3], tasks.truth[:, :20]).max() < 1e-6


def test_noise_has_the_variance_that_is_asked_for():
    tasks = mixture({"linear": 1.0}, noise=(0.25, 0.25)).draw(
        np.random.default_rng(0), 200, 90, 10, 4
    )
    noise = tasks.y - tasks.truth
    assert noise.var() / tasks.truth.var() == pytest.approx(0.25, rel=0.05)
    assert tasks.y.var() == pytest.approx(1, rel=0.05)
    none = mixture({"linear": 1.0}, noise=(0.0, 0.0)).draw(np.random.default_rng(0), 5, 9, 3, 4)
    assert np.array_equal(none.y, none.truth)


def test_labels_in_bins_have_their_shares():
    binned = in_bins(np.random.default_rng(0).standard_normal((3, 1000), dtype=np.float32))
    values, counts = np.unique(binned[0], return_counts=True)
    assert counts.tolist() == [50, 200, 500, 200, 50]
    assert abs(binned.mean()) < 1e-6
    assert binned.var() == pytest.approx(1, rel=1e-3)
    assert np.allclose(np.diff(values), values[1] - values[0])
    tasks = mixture(binned=1.0).draw(np.random.default_rng(0), 6, 30, 10, 4)
    assert np.array_equal(tasks.y, tasks.truth)
    assert all(len(np.unique(task)) <= 5 for task in tasks.y)


def test_values_are_masked_in_as_many_tasks_as_asked():
    tasks = mixture(masked=0.5).draw(np.random.default_rng(0), 400, 30, 10, 4)
    hit = (tasks.x[:, :, :4] == 0).any(axis=(1, 2))
    assert abs(hit.mean() - 0.5) < 0.1
    assert (tasks.x[:, :, :4] == 0).mean() < 0.15


@pytest.mark.parametrize(
    ("classes", "kinds", "message"),
    [
        ({"linear": 0.5, "trees": 0.4}, {}, "sum to 1, and they sum to 0.9"),
        ({"linear": 1.5, "trees": -0.5}, {}, "sum to 1, and one is negative"),
        ({"linear": 0.5, "tree": 0.5}, {}, "no class of functions 'tree', did you mean 'trees'"),
        ({"linear": 1.0}, {"linear": {"laso": 1.0}}, "'linear' has no kind 'laso', did you mean"),
        ({"linear": 1.0}, {"linear": {"lasso": 0.0}}, "one of them above 0"),
    ],
)
def test_wrong_weights_are_refused(classes, kinds, message):
    with pytest.raises(ModelError, match=message):
        Mixture(classes, kinds, 8, (0.1, 0.1))
