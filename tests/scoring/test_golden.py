"""Every per-era score equals numerai_tools, era by era and column by column."""

import itertools

import numpy as np
import pandas as pd
import pytest
from numerai_tools import scoring as official

from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.scoring import (
    contribution_per_era,
    corr_per_era,
    exposure_per_era,
    fnc_per_era,
    gaussian_rank_per_era,
    neutralize_per_era,
    rank_per_era,
    spearman_per_era,
)

SIZES = (300, 7, 41, 3, 120)
OFFSETS = np.concatenate([[0], np.cumsum(SIZES)]).astype(np.int64)
N = int(OFFSETS[-1])
BINS, SHARES = [0, 0.25, 0.5, 0.75, 1], [0.05, 0.2, 0.5, 0.2, 0.05]


@pytest.fixture(scope="module")
def target():
    return np.random.default_rng(1).choice(BINS, N, p=SHARES)


@pytest.fixture(scope="module")
def predictions(target):
    rng = np.random.default_rng(2)
    signal = target + rng.normal(size=N)
    tied = np.round(signal)
    with_gaps = signal.copy()
    # Fewer than a fifth of every era of at least seven rows.
    for start, size in zip(OFFSETS, SIZES, strict=False):
        with_gaps[start + rng.choice(size, size // 7, replace=False)] = np.nan
    return np.column_stack([signal, tied, with_gaps, rng.normal(size=N)])


@pytest.fixture(scope="module")
def reference(target):
    return np.round(target + np.random.default_rng(3).normal(size=N), 1)


def by_era(score, n_columns):
    """Call score(slice, column) for each era and column, as a groupby would."""
    return np.array(
        [[score(slice(a, b), j) for j in range(n_columns)] for a, b in itertools.pairwise(OFFSETS)]
    )


def series(values, name="x"):
    return pd.Series(np.asarray(values, dtype=np.float64), name=name)


def assert_equal(ours, theirs):
    assert np.isfinite(theirs).sum() > theirs.size / 2
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_corr(predictions, target):
    def score(era, j):
        return official.numerai_corr(series(predictions[era, j]).to_frame(), series(target[era]))[
            "x"
        ]

    assert_equal(corr_per_era(predictions, target, OFFSETS), by_era(score, 4))


def test_corr_with_missing_targets(predictions, target):
    target = target.copy()
    target[np.random.default_rng(4).choice(300, 30, replace=False)] = np.nan
    complete = predictions[:300, [0, 1, 3]]
    theirs = official.numerai_corr(pd.DataFrame(complete), series(target[:300]))
    ours = corr_per_era(complete, target[:300], np.array([0, 300]))
    assert_equal(ours[0], theirs.to_numpy())


def test_float32_predictions_give_the_same_ranks(predictions, target):
    narrow = predictions.astype(np.float32)
    np.testing.assert_array_equal(
        corr_per_era(narrow, target, OFFSETS),
        corr_per_era(narrow.astype(np.float64), target, OFFSETS),
    )


def test_contribution(predictions, reference, target):
    def score(era, j):
        frame = series(predictions[era, j]).to_frame()
        return official.correlation_contribution(
            frame, series(reference[era]), series(target[era])
        )["x"]

    ours = contribution_per_era(predictions, reference, target, OFFSETS)
    assert_equal(ours, by_era(score, 4))


def test_contribution_with_gaps_in_the_reference_and_a_target_not_in_0_to_1(predictions, target):
    rng = np.random.default_rng(5)
    reference, returns = rng.normal(size=300), rng.normal(size=300)
    reference[:10] = np.nan
    ours = contribution_per_era(predictions[:300, 2], reference, returns, np.array([0, 300]))
    theirs = official.correlation_contribution(
        series(predictions[:300, 2]).to_frame(), series(reference), series(returns)
    )
    assert_equal(ours[0], theirs.to_numpy())


def test_spearman(predictions, target):
    def score(era, j):
        kept = ~np.isnan(predictions[era, j])
        return official.spearman_correlation(
            series(target[era][kept]), series(predictions[era, j][kept])
        )

    assert_equal(spearman_per_era(predictions, target, OFFSETS), by_era(score, 4))


def features(n_features, seed=6):
    """Five-valued features with a common factor, one of them constant and two collinear."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(N, 1))
    values = np.clip(np.round(2 + factor + rng.normal(size=(N, n_features))), 0, 4)
    values[:, 1] = 2
    values[:, 3] = 4 - values[:, 2]
    return values.astype(np.int8)


@pytest.mark.parametrize("kind", [np.int8, np.float32])
def test_fnc(predictions, target, kind):
    x = features(12)

    def score(era, j):
        if era.stop - era.start < 20:
            return np.nan  # fewer rows than features: numerai_tools ranks rounding noise
        kept = ~np.isnan(predictions[era, j])
        # Its fnc cannot take NaN, and corr then centres the target over all rows.
        left = official.tie_kept_rank__gaussianize__neutralize__variance_normalize(
            series(predictions[era, j][kept]).to_frame(),
            pd.DataFrame(x[era][kept].astype(np.float64)),
        )["x"]
        full = np.full(era.stop - era.start, np.nan)
        full[kept] = left
        return official.numerai_corr(series(full).to_frame(), series(target[era]))["x"]

    ours = fnc_per_era(predictions, x.astype(kind), target, OFFSETS)
    theirs = by_era(score, 4)
    assert np.isnan(ours[[1, 3]]).all()
    assert_equal(ours, theirs)


def test_fnc_in_one_call(predictions, target):
    x = features(12)[:300]
    theirs = official.feature_neutral_corr(
        pd.DataFrame(predictions[:300, [0, 3]]), pd.DataFrame(x.astype(float)), series(target[:300])
    )
    ours = fnc_per_era(predictions[:300, [0, 3]], x, target[:300], np.array([0, 300]))
    assert_equal(ours[0], theirs.to_numpy())


@pytest.mark.parametrize("proportion", [0.5, 1.0])
@pytest.mark.parametrize(
    "against",
    [
        pytest.param(lambda rng: rng.normal(size=(300, 5)), id="well conditioned"),
        pytest.param(lambda rng: rng.normal(size=(300, 1)) @ np.ones((1, 3)), id="collinear"),
        pytest.param(lambda rng: np.ones((300, 2)), id="constant"),
        pytest.param(lambda rng: rng.normal(size=(300, 320)), id="more columns than rows"),
        pytest.param(
            lambda rng: (
                np.repeat(rng.normal(size=(300, 1)), 2, axis=1)
                + np.outer(rng.normal(size=300), [0, 1e-5])
            ),
            id="nearly collinear, kept",
        ),
        pytest.param(
            lambda rng: (
                np.repeat(rng.normal(size=(300, 1)), 2, axis=1)
                + np.outer(rng.normal(size=300), [0, 1e-8])
            ),
            id="nearly collinear, dropped",
        ),
        pytest.param(
            lambda rng: rng.normal(size=(300, 2)) * [1, 1e4] + [0, 1e7], id="badly scaled"
        ),
    ],
)
def test_neutralize(predictions, against, proportion):
    y, x = predictions[:300, [0, 1, 3]], against(np.random.default_rng(7))
    ours = neutralize_per_era(y, x, np.array([0, 300]), proportion)
    theirs = official.neutralize(pd.DataFrame(y), pd.DataFrame(x), proportion)
    np.testing.assert_allclose(ours, theirs.to_numpy(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("n_features", [12, 60, 310])
def test_neutralize_to_bins_that_are_collinear(predictions, n_features):
    """Mirrored, repeated, rare and constant columns of bins, up to more columns than rows."""
    x = np.random.default_rng(11).integers(0, 5, (300, n_features)).astype(np.int8)
    x[:, 1], x[:, 2], x[:, 3] = 4 - x[:, 0], x[:, 0], 2
    x[:, 4] = 0
    x[17, 4] = 4
    x[:, 5] = (x[:, 6] > 1) + (x[:, 7] > 1)
    x[:, 8], x[:, 9] = x[:, 6] > 1, x[:, 7] > 1
    y = predictions[:300, [0, 1, 3]]
    ours = neutralize_per_era(y, x, np.array([0, 300]))
    theirs = official.neutralize(pd.DataFrame(y), pd.DataFrame(x.astype(float)))
    np.testing.assert_allclose(ours, theirs.to_numpy(), rtol=0, atol=1e-9)


def test_neutralize_fills_missing_values_with_the_mean_of_the_era(predictions):
    x = features(6)[:300]
    x[:40, 0], x[:, 4] = MISSING_INT8, MISSING_INT8
    filled = x.astype(np.float64)
    filled[:40, 0] = filled[40:, 0].mean()
    y = predictions[:300, 0]
    theirs = official.neutralize(series(y).to_frame(), pd.DataFrame(filled))["x"].to_numpy()
    as_float = np.where(x == MISSING_INT8, np.nan, x).astype(np.float32)
    for given in (x, as_float):
        ours = neutralize_per_era(y, given, np.array([0, 300]))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_neutralize_makes_constant_columns_nan(predictions):
    y = np.column_stack([np.full(300, 0.5), predictions[:300, 0]])
    x = np.random.default_rng(8).normal(size=300)
    ours = neutralize_per_era(y, x, np.array([0, 300]))
    theirs = official.neutralize(pd.DataFrame(y), series(x).to_frame()).to_numpy()
    assert np.isnan(ours[:, 0]).all()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_ranks(predictions):
    ours, gaussian = rank_per_era(predictions, OFFSETS), gaussian_rank_per_era(predictions, OFFSETS)
    for a, b in itertools.pairwise(OFFSETS):
        theirs = official.tie_kept_rank(pd.DataFrame(predictions[a:b]))
        np.testing.assert_allclose(ours[a:b], theirs, rtol=0, atol=1e-12)
        np.testing.assert_allclose(gaussian[a:b], official.gaussian(theirs), rtol=0, atol=1e-9)


def test_exposure(predictions):
    x = features(8)
    largest, rms, feature, _ = exposure_per_era(predictions[:, [0, 3]], x, OFFSETS)
    for i in (0, 2, 4):
        era = slice(OFFSETS[i], OFFSETS[i + 1])
        varying = [j for j in range(8) if j != 1]  # a constant feature has no correlation
        frame = pd.DataFrame(x[era][:, varying].astype(float), columns=varying)
        for column, j in enumerate([0, 3]):
            y = series(predictions[era, j])
            name, value = official.max_feature_correlation(y, frame)
            assert largest[i, column] == pytest.approx(value, abs=1e-9)
            # Features 2 and 3 mirror each other: either may be called the largest.
            assert {int(name)} & ({2, 3} if feature[i, column] in (2, 3) else {feature[i, column]})
            each = frame.apply(lambda f, y=y: official.pearson_correlation(f, y))
            assert rms[i, column] == pytest.approx(np.sqrt((each**2).mean()), abs=1e-9)
