"""What must hold for any predictions: invariances, bounds, constants, too few rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from numerai_lab.errors import DataError
from numerai_lab.scoring import (
    contribution_per_era,
    corr_per_era,
    exposure_per_era,
    fnc_per_era,
    gaussian_rank_per_era,
    neutralize_per_era,
    pearson_per_era,
    rank_per_era,
    spearman_per_era,
)

OFFSETS = np.array([0, 5, 17, 40])
N = 40
# A coarse grid makes ties likely; transforms of it stay exact.
values = hnp.arrays(np.float64, N, elements=st.integers(-8, 8).map(float))
labels = hnp.arrays(np.float64, N, elements=st.sampled_from([0, 0.25, 0.5, 0.75, 1.0]))
REFERENCE = np.random.default_rng(0).normal(size=N)
FEATURES = np.random.default_rng(1).integers(0, 5, (N, 3)).astype(np.int8)


def all_scores(predictions, target):
    return {
        "corr": corr_per_era(predictions, target, OFFSETS),
        "contribution": contribution_per_era(predictions, REFERENCE, target, OFFSETS),
        "spearman": spearman_per_era(predictions, target, OFFSETS),
        "pearson": pearson_per_era(predictions, target, OFFSETS),
    }


def assert_same(ours, theirs):
    for name, scores in ours.items():
        np.testing.assert_allclose(scores, theirs[name], rtol=0, atol=1e-9, err_msg=name)


@settings(deadline=None)
@given(values, labels)
def test_a_monotone_transform_changes_nothing(predictions, target):
    assert_same(
        all_scores(predictions**3 + 2 * predictions, target), all_scores(predictions, target)
    )


@settings(deadline=None)
@given(values, labels)
def test_the_negative_prediction_gets_the_negative_score(predictions, target):
    negative = {name: -scores for name, scores in all_scores(predictions, target).items()}
    assert_same(all_scores(-predictions, target), negative)


@settings(deadline=None)
@given(values, labels, st.randoms(use_true_random=False))
def test_row_order_within_an_era_changes_nothing(predictions, target, random):
    order = np.concatenate(
        [random.sample(range(a, b), b - a) for a, b in ((0, 5), (5, 17), (17, 40))]
    )
    x, y = predictions, target
    moved = {
        "corr": corr_per_era(x[order], y[order], OFFSETS),
        "contribution": contribution_per_era(x[order], REFERENCE[order], y[order], OFFSETS),
    }
    assert_same(moved, all_scores(x, y))
    np.testing.assert_array_equal(rank_per_era(x[order], OFFSETS), rank_per_era(x, OFFSETS)[order])


@settings(deadline=None)
@given(values, labels)
def test_correlations_lie_within_one_and_constants_are_nan(predictions, target):
    scores = all_scores(predictions, target)
    for name in ("corr", "spearman", "pearson"):
        known = scores[name][~np.isnan(scores[name])]
        assert np.all(np.abs(known) <= 1)
    for i, era in enumerate((slice(0, 5), slice(5, 17), slice(17, 40))):
        constant = np.ptp(predictions[era]) == 0 or np.ptp(target[era]) == 0
        for name in scores:
            assert np.isnan(scores[name][i, 0]) == constant, name


@settings(deadline=None)
@given(values, labels)
def test_columns_do_not_influence_each_other(predictions, target):
    gaps = predictions.copy()
    gaps[[6, 20]] = np.nan
    both = np.column_stack([predictions, gaps, target])
    together = all_scores(both, target)
    for j in range(3):
        alone = all_scores(both[:, j], target)
        assert_same({k: v[:, j : j + 1] for k, v in together.items()}, alone)


@settings(deadline=None, max_examples=50)
@given(values)
def test_what_is_left_after_neutralizing_is_not_correlated_with_the_features(predictions):
    left = neutralize_per_era(predictions, FEATURES, OFFSETS)
    for era in (slice(5, 17), slice(17, 40)):
        if np.ptp(predictions[era]) > 0:
            x = FEATURES[era] - FEATURES[era].mean(axis=0)
            np.testing.assert_allclose(x.T @ left[era], 0, atol=1e-9)


def test_a_score_needs_predictions_on_four_fifths_of_the_rows():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=20), rng.normal(size=20)
    offsets = np.array([0, 10, 20])
    x[:2], x[10:13] = np.nan, np.nan
    for scores in (
        corr_per_era(x, y, offsets),
        contribution_per_era(x, y**2, y, offsets),
        contribution_per_era(y**2, x, y, offsets),
        spearman_per_era(x, y, offsets),
    ):
        assert np.isfinite(scores[0, 0])
        assert np.isnan(scores[1, 0])


def test_eras_without_any_value_or_with_one_row_are_nan():
    offsets = np.array([0, 1, 4, 6])
    x = np.array([1.0, np.nan, np.nan, np.nan, 1.0, 2.0])
    y = np.array([1.0, 0.0, 0.5, 1.0, np.nan, np.nan])
    for scores in (corr_per_era(x, y, offsets), contribution_per_era(x, x, y, offsets)):
        assert np.isnan(scores).all()
    largest, rms, feature, _ = exposure_per_era(x, np.ones((6, 2), dtype=np.int8), offsets)
    assert np.isnan(largest).all()
    assert np.isnan(rms).all()
    assert (feature == -1).all()
    assert np.isnan(gaussian_rank_per_era(x, offsets)[1:4]).all()
    assert np.isnan(neutralize_per_era(x, y, offsets)[1:4]).all()


def test_exposure_names_the_feature_that_is_the_prediction():
    rng = np.random.default_rng(3)
    x = rng.integers(0, 5, (N, 600)).astype(np.int8)  # more than one block of features
    x[:, 7] = 3
    predictions = np.column_stack([x[:, 590], -1.0 * x[:, 5]]).astype(np.float64)
    largest, rms, feature, _ = exposure_per_era(predictions, x, OFFSETS)
    np.testing.assert_allclose(largest[1:], 1)
    assert feature[2].tolist() == [590, 5]
    assert np.all((rms > 0) & (rms < 1))


def test_fnc_is_nan_where_the_features_explain_everything():
    rng = np.random.default_rng(4)
    y = rng.normal(size=N)
    scores = fnc_per_era(FEATURES[:, :1].astype(np.float64), FEATURES * 1.0, y, OFFSETS)
    assert scores.shape == (3, 1)
    few = fnc_per_era(y, rng.normal(size=(N, 12)), y, OFFSETS)
    assert np.isnan(few[:2]).all()
    assert np.isfinite(few[2]).all()


@pytest.mark.parametrize("offsets", [[0, 10, 39], [1, 40], [0, 30, 20, 40], []])
def test_offsets_that_do_not_fit_are_refused(offsets):
    with pytest.raises(DataError, match="offsets"):
        corr_per_era(REFERENCE, REFERENCE, np.array(offsets, dtype=np.int64))


def test_integer_predictions_are_refused():
    with pytest.raises(DataError, match="must be floats"):
        corr_per_era(np.arange(N), REFERENCE, OFFSETS)
