"""Features with added columns beside them: read as one array would be, and nothing copied."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from numerai_lab.eraframe import EraFrame, StoredFeatures
from numerai_lab.features.joined import JoinedFeatures, joined
from numerai_lab.models import FitContext, get_model


@pytest.fixture(scope="module")
def parts():
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 5, (600, 6)).astype(np.int8)
    return raw, [rng.integers(-1, 14, (600, n)).astype(np.int8) for n in (2, 3)]


@pytest.mark.parametrize("columns", [None, [0, 2, 5, 6, 9], [1], [7]])
def test_rows_are_those_of_one_array(parts, columns):
    raw, added = parts
    chosen = None if columns is None else np.array(columns)
    whole = np.concatenate([raw, *added], axis=1)
    whole = whole if columns is None else whole[:, columns]
    found = JoinedFeatures(raw, added, chosen)
    assert isinstance(found, StoredFeatures)
    assert found.shape == whole.shape
    rows = np.array([5, 3, 3, 599])
    for asked in (slice(None), slice(10, 20), rows, 7, -1):
        assert np.array_equal(found[asked], whole[asked])
    assert np.array_equal(found.between(50, 90)[:], whole[50:90])
    assert np.array_equal(found.take(np.array([1, 4, 9]))[:], whole[[1, 4, 9]])
    assert np.array_equal(found.columns(np.array([0]))[:], whole[:, :1])
    low, high = found.bounds()
    assert low <= whole.min()
    assert high >= whole.max()


def test_identity_differs_with_every_value(parts):
    raw, added = parts
    other = [added[0], added[1].copy()]
    other[1][599, 2] ^= 1
    same = {JoinedFeatures(raw, added).identity, JoinedFeatures(raw.copy(), added).identity}
    assert len(same) == 1
    assert JoinedFeatures(raw, other).identity not in same
    assert JoinedFeatures(raw, added, np.arange(10)).identity not in same


def test_what_is_derived_goes_with_the_rows(parts):
    features = JoinedFeatures(*parts)
    folder = features.between(0, 100).folder
    assert folder == features.folder
    assert folder.is_dir()
    del features
    assert not folder.exists()


def test_small_ones_in_memory_become_one_array(parts):
    assert isinstance(joined(*parts), np.ndarray)


MODELS = {
    "xgb": {"num_boost_round": 3, "max_depth": 3},
    "lgbm_ensemble": {"n_estimators": 3, "preset": "example", "weights": "equal", "era_step": 1},
    "ridge": {},
}


@pytest.mark.parametrize("name", MODELS)
def test_models_learn_the_same_from_joined_rows_as_from_one_array(parts, name):
    raw, added = parts
    target = (raw[:, :1] - raw[:, 1:2] + added[0][:, :1]).astype(np.float32)
    names = tuple(f"f{i}" for i in range(11))
    train = EraFrame(
        features=np.concatenate([raw, *added], axis=1),
        eras=np.arange(1, 13, dtype=np.int32),
        offsets=np.arange(13, dtype=np.int64) * 50,
        ids=pa.array([f"r{i}" for i in range(600)]),
        targets=target,
        feature_names=names,
        target_names=("target",),
    )
    ctx = FitContext(seed=0, target="target", targets=("target",), purge_eras=1, n_threads=1)
    found = []
    for rows in (train, replace(train, features=JoinedFeatures(raw, added))):
        model = get_model(name)(get_model(name).Params.model_validate(MODELS[name]))
        model.fit(rows, ctx)
        found.append(model.predict(train.without_targets()))
    assert np.array_equal(*found)
