"""The synthetic tournament: layout, determinism, structure, cache, full disk."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data_files import load, without_mark
from numerai_lab.config import Synthetic
from numerai_lab.data import generate_tournament
from numerai_lab.data.reading.files import SYNTHETIC_MARK
from numerai_lab.data.synthetic.market import simulate
from numerai_lab.data.synthetic.reference_models import walk_forward_ridge
from numerai_lab.errors import MachineError

BINS_OF_50 = [3, 10, 24, 10, 3]
SMALL = Synthetic(n_eras=60, rows_per_era=50, n_features=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tournament") / "synthetic"
    generate_tournament(path, SMALL)
    return path


def test_layout(folder):
    train = pd.read_parquet(folder / "train.parquet")
    validation = pd.read_parquet(folder / "validation.parquet")
    live = pd.read_parquet(folder / "live.parquet")
    assert train.index.name == "id"
    assert train["era"].unique().tolist() == [f"{era:04d}" for era in range(1, 41)]
    assert validation["era"].unique().tolist() == [f"{era:04d}" for era in range(41, 61)]
    assert set(live["era"]) == {"X"}
    assert "target" not in live
    features = [name for name in train if name.startswith("feature")]
    assert (train[features].dtypes == np.int8).all()
    counts = train.groupby("era")[features].agg(lambda c: c.value_counts().tolist() == [10] * 5)
    assert counts.to_numpy().all()
    for name in ("target", "target_rowan_60"):
        by_era = train.groupby("era")[name]
        assert by_era.agg(lambda c: np.bincount((c * 4).astype(int)).tolist() == BINS_OF_50).all()
    ids = pd.concat([train, validation, live]).index
    assert ids.is_unique
    assert ids.str.fullmatch("n[0-9a-f]{16}").all()


def test_open_labels(folder):
    validation = pd.read_parquet(folder / "validation.parquet")
    by_era = validation.set_index("era", append=True).groupby("era")
    assert (
        validation.groupby("era")["data_type"].first().tolist()
        == ["validation"] * 16 + ["test"] * 4
    )
    open_20 = by_era["target"].apply(lambda c: c.isna().all())
    open_60 = by_era["target_ender_60"].apply(lambda c: c.isna().all())
    assert open_20.tolist() == [False] * 16 + [True] * 4
    assert open_60.tolist() == [False] * 10 + [True] * 10


def test_feature_sets_and_references(folder):
    sets = json.loads((folder / "features.json").read_text())["feature_sets"]
    assert len(sets["small"]) < len(sets["medium"]) < len(sets["all"]) == 12
    live = pd.read_parquet(folder / "live.parquet")
    example = pd.read_parquet(folder / "live_example_preds.parquet")
    assert example.index.equals(live.index)
    assert example["prediction"].between(0, 1, inclusive="neither").all()
    meta = pd.read_parquet(folder / "meta_model.parquet")
    assert meta["era"].min() == "0051"
    assert meta["numerai_meta_model"].notna().all()


def test_same_settings_same_arrays(folder, tmp_path):
    generate_tournament(tmp_path / "again", SMALL)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    other = simulate(SMALL.model_copy(update={"seed": 1}))
    assert not np.array_equal(simulate(SMALL).bins, other.bins)


@pytest.mark.parametrize("size", [{"n_eras": 8, "rows_per_era": 20, "n_features": 8}])
def test_smallest(tmp_path, size):
    data = load(source="synthetic", dir=tmp_path, synthetic={**size, "n_regimes": 1})
    assert data.frame.eras.tolist() == [1, 2, 3, 4, 5, 6, 7]


def label_overlap(target, lag):
    """Mean correlation of labels of the same stock `lag` eras apart."""
    pairs = zip(target[:-lag], target[lag:], strict=True)
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs])


def test_labels_overlap_and_features_persist():
    market = simulate(Synthetic(n_eras=60, rows_per_era=200, n_features=10, signal=0.0))
    target = market.targets["target"]
    assert label_overlap(target, 1) > 0.5
    assert label_overlap(target, 3) > 0.1
    assert abs(label_overlap(target, 4)) < 0.05
    assert label_overlap(market.targets["target_ender_60"], 8) > 0.15
    bins = market.bins.astype(float)
    assert label_overlap(bins[:, :, 0], 1) > 0.7


def test_signal_is_there_and_zero_means_zero():
    size = {"n_eras": 150, "rows_per_era": 300, "n_features": 16}

    def skill(signal):
        market = simulate(Synthetic(**size, signal=signal))
        pairs = zip(market.planted, market.targets["target"], strict=True)
        return np.mean([np.corrcoef(p, t)[0, 1] for p, t in pairs])

    assert skill(1.0) > 0.03
    assert abs(skill(0.0)) < 0.02


def test_only_the_payout_target_is_neutral_to_factors():
    market = simulate(Synthetic(n_eras=40, rows_per_era=300, n_features=12))

    def explained(name):
        """Mean share of a label's variance that one feature explains in one era."""
        pairs = zip(market.bins, market.targets[name], strict=True)
        return np.mean([np.corrcoef(bins.T, target)[-1, :-1] ** 2 for bins, target in pairs])

    assert explained("target_rowan_20") > 1.5 * explained("target")


def test_ridge_never_sees_what_it_predicts():
    market = simulate(SMALL)
    target = market.targets["target"]
    before = walk_forward_ridge(market.bins, target, purge_eras=8, first_era=20)
    changed = target.copy()
    changed[30 - 8 :] = 1 - changed[30 - 8 :]
    after = walk_forward_ridge(market.bins, changed, purge_eras=8, first_era=20)
    np.testing.assert_array_equal(before[:31], after[:31])
    assert not np.array_equal(before[36:], after[36:])
    assert np.isnan(before[:20]).all()


def test_auto_chooses_synthetic_loudly_and_keeps_it(tmp_path):
    said = []
    section = {"dir": tmp_path / "data", "synthetic": SMALL}
    data = load(said, **section)
    assert data.source == "synthetic"
    assert data.notice in said
    assert "SYNTHETIC DATA" in data.notice
    path = data.folder / "train.parquet"
    made = path.stat().st_mtime_ns
    again = load(**section)
    assert path.stat().st_mtime_ns == made
    np.testing.assert_array_equal(data.frame.features, again.frame.features)
    assert load(**section, source="synthetic").notice is None
    path.unlink()
    (data.folder / "mine.txt").write_text("kept")
    repaired = load(**section)
    np.testing.assert_array_equal(data.frame.features, repaired.frame.features)
    assert (data.folder / "mine.txt").read_text() == "kept"
    assert [p.name for p in data.folder.parent.iterdir()] == [data.folder.name]


def test_every_file_bears_the_mark(folder):
    marks = {p.name: pq.read_schema(p).metadata[SYNTHETIC_MARK] for p in folder.glob("*.parquet")}
    assert {"train.parquet", "live.parquet", "meta_model.parquet"} <= set(marks)
    assert {json.loads(mark)["n_eras"] for mark in marks.values()} == {SMALL.n_eras}


@pytest.mark.parametrize("store", ["never", "always"])
def test_a_copy_is_synthetic_wherever_it_lies(folder, tmp_path, store):
    copy = tmp_path / "v5.3"
    shutil.copytree(folder, copy)
    rows = {"store": {"use": store, "dir": tmp_path / "store"}}
    said = []
    data = load(said, source="numerai", dir=copy, **rows)
    assert data.source == "synthetic"
    assert data.notice in said
    assert f"SYNTHETIC DATA: {copy / 'train.parquet'} was made by the synth" in data.notice
    assert load(source="parquet", files=[copy / "validation.parquet"], **rows).source == "synthetic"
    assert load(source="numerai", dir=without_mark(copy), **rows).source == "numerai"


def test_files_of_before_the_mark_are_known_by_their_folder(folder, tmp_path):
    old = tmp_path / "synthetic" / "0123456789ab"
    shutil.copytree(folder, old)
    data = load(source="numerai", dir=without_mark(old))
    assert data.source == "synthetic"
    assert "made by the synthetic tournament" in data.notice


def test_two_at_once(tmp_path):
    def make(_):
        return load(source="synthetic", dir=tmp_path, synthetic=SMALL).frame.features.sum()

    with ThreadPoolExecutor(3) as pool:
        sums = list(pool.map(make, range(3)))
    assert len(set(sums)) == 1
    assert len(list((tmp_path / "synthetic").iterdir())) == 1


FULL_DISK = """
import sys
from pathlib import Path
from numerai_lab.config import Synthetic
from numerai_lab.data import generate_tournament
from numerai_lab.errors import MachineError
try:
    generate_tournament(Path(sys.argv[1]), Synthetic(n_eras=60, rows_per_era=50, n_features=12))
except MachineError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def test_full_disk_leaves_nothing_behind(tmp_path, forks):
    """A limit on file size fails the write as a full disk does, in a real write."""
    code, out, err = forks.run(tmp_path / "made", code=FULL_DISK, file_bytes=20_000)
    assert code == 1, err
    assert "the disk is full or a size limit is reached" in out
    assert "free some space" in out
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MachineError, match="cannot be written"):
        load(dir=tmp_path / "file", synthetic=SMALL)
    assert (tmp_path / "file").read_text() == "in the way"
