"""The worlds of the synthetic tournament: what moves in each, and what that is good for."""

import hashlib
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from data_files import load
from numerai_lab.config import Bootstrap, Synthetic
from numerai_lab.data.synthetic.market import Market, simulate
from numerai_lab.data.synthetic.worlds import make_world
from numerai_lab.scoring import Paired, corr_per_era, paired

LINKED = ("linked_weak", "linked_strong")
UNMOVED = ("static", "unlinked")
REGIME_WORLDS = (*LINKED, *UNMOVED, "covariate_shift")
N_ERAS, N_ROWS, N_FEATURES = 224, 300, 24
LAST = N_ERAS * 2 // 3
PURGE = 8
SEEDS = (0, 1, 2)


def settings(world: str, seed: int) -> Synthetic:
    size = {"n_eras": N_ERAS, "rows_per_era": N_ROWS, "n_features": N_FEATURES}
    return Synthetic(**size, world=world, seed=seed)


@cache
def market(world: str, seed: int = 0) -> Market:
    return simulate(settings(world, seed))


@cache
def regime(seed: int = 0) -> np.ndarray:
    """The regime of the eras; the same in every world that has one."""
    return make_world(settings("unlinked", seed), N_ERAS).regime


def values(world: str, seed: int = 0) -> np.ndarray:
    return (market(world, seed).bins[:N_ERAS] - 2.0) / np.sqrt(2)


def correlations(rows: np.ndarray) -> np.ndarray:
    """Upper triangles of the eras' feature correlations: [n_eras, n_pairs]."""
    full = np.einsum("erf,erg->efg", rows, rows) / rows.shape[1]
    return full[:, *np.triu_indices(rows.shape[2], 1)]


def largest_direction(triangles: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the largest eigenvalue and its direction, of the training eras."""
    centred = triangles[:LAST] - triangles[:LAST].mean(axis=0)
    eigenvalues, vectors = np.linalg.eigh(centred @ centred.T)
    return eigenvalues[-1], centred.T @ vectors[:, -1]


@cache
def era_code(world: str, seed: int = 0) -> np.ndarray:
    """The eras' place on the direction in which feature correlations vary most, clipped."""
    triangles = correlations(values(world, seed))
    _, direction = largest_direction(triangles)
    code = (triangles - triangles[:LAST].mean(axis=0)) @ direction
    return np.clip(code / code[:LAST].std(), -2, 2)


def noise_ratio(world: str) -> float:
    """Largest eigenvalue over the one with rows shuffled across eras."""
    rows = values(world)[:LAST]
    shuffled = np.random.default_rng(0).permutation(rows.reshape(-1, N_FEATURES))
    noise, _ = largest_direction(correlations(shuffled.reshape(rows.shape)))
    return largest_direction(correlations(rows))[0] / noise


def share_of_signal_that_moves(world: str) -> float:
    """How much of the eras' regressions of the signal on the bins goes with the regime."""
    fits = [
        np.linalg.lstsq(rows, signal, rcond=None)[0]
        for rows, signal in zip(values(world), market(world).planted, strict=False)
    ]
    centred = regime() - regime().mean()
    slopes = centred @ np.array(fits) / (centred @ centred)
    mean = np.mean(fits, axis=0)
    return centred.var() * slopes @ slopes / (centred.var() * slopes @ slopes + mean @ mean)


def gain_from_code(world: str, code_of: Callable[[str, int], np.ndarray]) -> Paired:
    """Judge a ridge on [features, code x features] against one on features, purged, pooled."""
    scores = []
    for seed in SEEDS:
        plain = values(world, seed)
        adapted = np.concatenate([plain, code_of(world, seed)[:, None, None] * plain], axis=2)
        target = market(world, seed).targets["target"][:N_ERAS].astype(np.float64)
        scores.append([ridge_scores(inputs, target) for inputs in (adapted, plain)])
    adapted_scores, plain_scores = np.concatenate(scores, axis=1)
    eras = np.arange(len(plain_scores))
    return paired(adapted_scores, plain_scores, eras, 20, Bootstrap(), 0)


def ridge_scores(inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Corr per judged era of a ridge fitted on the training eras."""
    rows = inputs[:LAST].reshape(-1, inputs.shape[2])
    gram = rows.T @ rows + 0.1 * len(rows) * np.eye(rows.shape[1])
    weights = np.linalg.solve(gram, rows.T @ (target[:LAST].reshape(-1) - 0.5))
    prediction = (inputs[LAST + PURGE :] @ weights).reshape(-1)
    judged = target[LAST + PURGE :]
    offsets = np.arange(len(judged) + 1) * N_ROWS
    return corr_per_era(prediction, judged.reshape(-1), offsets)[:, 0]


def shuffled_code(world: str, seed: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(era_code(world, seed))


@pytest.mark.parametrize(
    ("config", "digest"),
    [
        (
            {"n_eras": 40, "rows_per_era": 60, "n_features": 12, "n_regimes": 2, "seed": 7},
            "9a2cb3055319c60125522ee15aeab1abd31c3bff32cf054941cc5fd301a9c3c1",
        ),
        (
            {"n_eras": 24, "rows_per_era": 50, "n_features": 10, "signal": 0.0, "seed": 3},
            "074f50d938fba0ba97e2552ed755112a633f322586dd872eda203797c851775e",
        ),
    ],
)
def test_the_default_world_stays_as_it_is(config, digest):
    """The same settings give the same rows in every version, or GENERATOR_VERSION is raised."""
    made = simulate(Synthetic(**config))
    content = hashlib.sha256(made.bins.tobytes())
    for name, target in made.targets.items():
        content.update(name.encode() + target.tobytes())
    assert content.hexdigest() == digest


@pytest.mark.parametrize("world", REGIME_WORLDS)
def test_same_seed_same_world(world):
    small = {"world": world, "n_eras": 20, "rows_per_era": 40, "n_features": 9}
    first, again = simulate(Synthetic(**small)), simulate(Synthetic(**small))
    assert first.bins.tobytes() == again.bins.tobytes()
    assert first.targets["target"].tobytes() == again.targets["target"].tobytes()
    other = simulate(Synthetic(**small, seed=1))
    assert not np.array_equal(first.bins, other.bins)


@pytest.mark.parametrize("world", REGIME_WORLDS)
def test_the_layout_is_that_of_the_default_world(world, tmp_path):
    size = {"world": world, "n_eras": 8, "rows_per_era": 20, "n_features": 8}
    data = load(source="synthetic", dir=tmp_path, synthetic=size)
    assert data.frame.eras.tolist() == [1, 2, 3, 4, 5, 6, 7]
    for era in market(world).bins[::40]:
        assert all((np.bincount(column, minlength=5) == N_ROWS // 5).all() for column in era.T)
    for target in market(world).targets.values():
        counts = {tuple(np.bincount((era * 4).astype(int))) for era in target}
        assert counts == {(15, 60, 150, 60, 15)}


def test_every_world_has_a_cache_of_its_own(tmp_path):
    size = {"n_eras": 8, "rows_per_era": 20, "n_features": 8}
    folders = {
        load(source="synthetic", dir=tmp_path, synthetic={**size, "world": world}).folder
        for world in ("drift", *REGIME_WORLDS)
    }
    assert len(folders) == 6


@pytest.mark.parametrize("world", ["static", "linked_strong"])
def test_labels_overlap_as_in_the_default_world(world):
    def overlap(lag: int) -> float:
        target = market(world).targets["target"]
        pairs = zip(target[:-lag], target[lag:], strict=True)
        return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))

    assert overlap(1) > 0.5
    assert overlap(3) > 0.1
    assert abs(overlap(4)) < 0.05


def test_the_regime_is_slow_and_shows_both_sides_within_a_year():
    assert np.corrcoef(regime()[:-1], regime()[1:])[0, 1] > 0.9
    years = [regime()[start : start + 52] for start in range(N_ERAS - 52)]
    assert all(year.min() < -0.3 and year.max() > 0.3 for year in years)


@pytest.mark.parametrize("world", [*LINKED, "covariate_shift"])
def test_features_reveal_the_regime(world):
    assert abs(np.corrcoef(era_code(world), regime())[0, 1]) > 0.95
    assert noise_ratio(world) > 5


@pytest.mark.parametrize("world", UNMOVED)
def test_features_reveal_nothing(world):
    """What varies most in the features' correlations is sampling noise, unlike in `drift`."""
    assert abs(np.corrcoef(era_code(world), regime())[0, 1]) < 0.3
    assert noise_ratio(world) < 1.4


def test_the_signal_moves_where_it_should():
    moving = {world: share_of_signal_that_moves(world) for world in REGIME_WORLDS}
    assert moving["static"] < 0.01
    assert moving["covariate_shift"] < 0.01
    assert 0.15 < moving["linked_weak"] < 0.45
    assert moving["linked_strong"] > 0.5
    assert moving["unlinked"] > 0.5


@pytest.mark.parametrize(
    "world", [pytest.param("linked_weak", marks=pytest.mark.slow), "linked_strong"]
)
def test_adapting_to_the_features_wins_where_they_are_linked(world):
    gain = gain_from_code(world, era_code)
    assert gain.ci_low > 0.002
    assert gain_from_code(world, shuffled_code).mean_difference < 0


@pytest.mark.parametrize(
    "world",
    [
        pytest.param("covariate_shift", marks=pytest.mark.slow),
        pytest.param("static", marks=pytest.mark.slow),
        "unlinked",
    ],
)
def test_there_is_nothing_to_win_elsewhere(world):
    gain = gain_from_code(world, era_code)
    assert gain.ci_low < 0
    assert gain.mean_difference < 0.0005


def test_unlinked_would_be_won_by_knowing_the_regime():
    """What the features hide is worth as much there as in the linked worlds."""
    assert gain_from_code("unlinked", lambda _, seed: regime(seed)).ci_low > 0.01
