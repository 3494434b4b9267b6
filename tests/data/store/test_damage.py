"""Every file that the data package keeps, damaged: what is said, and the same rows afterwards."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from data_files import load, numerai_folder, table
from data_stores import assert_same, store_of, stored
from numerai_lab.data.store.checks import touched_chunks
from numerai_lab.errors import DataError
from numerai_lab.models import FitContext, get_model


def flip(path: Path, other: Path, at: float = 0.5) -> None:
    """Change one bit, and set the time of change back."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[min(int(at * len(content)), len(content) - 1)] ^= 4
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def absence(path: Path, other: Path) -> None:
    path.unlink()


def swap(path: Path, other: Path) -> None:
    """Put the file of another store, of other rows, in its place."""
    shutil.copy(other, path)


DAMAGE = (flip, cut, absence, swap)
ONE_FILE = ("0000.i8", "target-0000.npy", "ids.i32", "ids.utf8", "eras.npz")
HOW = {
    "cut": "bytes",
    "absence": "is gone",
    "flip": "is not what was written",
    "swap": "is not what was written",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two sources of one shape and other rows, with their stores; copied before use."""
    folder = tmp_path_factory.mktemp("whole")
    for name, seed in (("data", 0), ("other", 5)):
        # Other eras and ids in files of the same sizes.
        rows = table(seed=seed, n_features=3, first_era=1 + seed)
        ids = rows.index.to_list()
        if seed:
            ids[:2] = [ids[0] + "x", ids[1][:-1]]
        rows.index = rows.index.__class__(ids, name="id")
        source = numerai_folder(folder / name, train=rows)
        os.utime(source / "train.parquet", (1, 1))
        stored(folder / f"{name}-store", dir=source)
    return folder


@pytest.fixture
def stores(whole, tmp_path):
    """(source, its store folder, the other store) of a copy."""
    shutil.copytree(whole / "data-store", tmp_path / "store")
    return whole / "data", tmp_path / "store", store_of(whole / "other-store")


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ONE_FILE)
def test_only_what_is_damaged_is_made_again_and_said(stores, name, damage):
    source, folder, other = stores
    store = store_of(folder)
    before = {path.name: path.read_bytes() for path in store.iterdir()}
    stamps = {path.name: path.stat().st_mtime_ns for path in store.iterdir()}
    damage(store / name, other / name)
    said = []
    assert_same(stored(folder, said, dir=source), load(dir=source))
    told = [line for line in said if "is damaged" in line]
    assert len(told) == 1
    assert HOW[damage.__name__] in told[0]
    for part in (str(store), name, "made again from the source"):
        assert part in told[0]
    after = {path.name: path.read_bytes() for path in store.iterdir()}
    assert after == before
    written = {p.name for p in store.iterdir() if p.stat().st_mtime_ns != stamps[p.name]}
    ids = {"ids.i32", "ids.utf8"}
    assert written - {".lock"} == (ids if name in ids else {name}) | {"manifest.json"}
    said.clear()
    assert_same(stored(folder, said, dir=source), load(dir=source))
    assert not any("damaged" in line for line in said)


@pytest.mark.parametrize("damage", DAMAGE)
def test_without_its_manifest_a_store_is_made_again(stores, damage):
    source, folder, other = stores
    store = store_of(folder)
    damage(store / "manifest.json", other / "manifest.json")
    said = []
    assert_same(stored(folder, said, dir=source), load(dir=source))
    assert any("converting" in line for line in said)
    told = [line for line in said if "is damaged" in line]
    reasons = {flip: "", cut: "cannot be read", swap: "is that of another store"}
    if damage is absence:  # as after a conversion that was killed
        assert told == []
    else:
        assert f"{store} is damaged: manifest.json {reasons[damage]}" in told[0]
        assert "it is made again" in told[0]
    auto = {"store": {"dir": folder}, "dir": source}
    assert_same(load(**auto), load(dir=source))


def test_a_store_that_does_not_know_what_it_has_is_not_used_by_auto(stores):
    source, folder, _ = stores
    stored(folder, dir=source)  # hashes of sources are of this place
    manifest = store_of(folder) / "manifest.json"
    changed = json.loads(manifest.read_text()) | {"n_rows": 59}
    manifest.write_text(json.dumps(changed))
    said = []
    assert_same(load(said, dir=source, store={"dir": folder}), load(dir=source))
    assert any("is damaged: manifest.json is not what was written" in line for line in said)
    assert any("it is not used" in line for line in said)


@pytest.mark.parametrize("damage", [flip, cut, absence])
def test_hashes_of_sources_are_made_again(stores, damage):
    source, folder, _ = stores
    damage(folder / "hashes.json", folder)
    said = []
    assert_same(stored(folder, said, dir=source), load(dir=source))
    assert not any("converting" in line for line in said)
    if damage is not absence:
        assert any("the source files are hashed again" in line for line in said)


def test_hashes_without_a_checksum_are_not_believed(stores):
    source, folder, _ = stores
    path = source / "train.parquet"
    stat = path.stat()
    wrong = {str(path.resolve()): [stat.st_size, stat.st_mtime_ns, "0" * 64]}
    (folder / "hashes.json").write_text(json.dumps(wrong))
    said = []
    assert_same(stored(folder, said, dir=source), load(dir=source))
    assert any("hashes.json has no checksum of its own" in line for line in said)


def test_a_source_changed_in_place_with_its_times_is_another_source(stores, tmp_path):
    _, folder, _ = stores
    rows = table(n_features=3)
    source = numerai_folder(tmp_path / "data", train=rows)
    path = source / "train.parquet"
    sizes = []
    for turn in range(2):
        rows["feature_0"] = np.roll(rows["feature_0"], turn)
        rows.to_parquet(path, compression=None)
        os.utime(path, (1, 1))
        sizes.append(path.stat().st_size)
        assert_same(stored(folder, dir=source), load(dir=source))
    assert sizes[0] == sizes[1]


def test_never_says_so_and_still_checks_what_is_small(stores):
    source, folder, _ = stores
    store = store_of(folder)
    flip(store / "0000.i8", store)
    flip(store / "ids.utf8", store)
    said = []
    never = {"use": "always", "dir": folder, "verify": "never"}
    damaged = load(said, dir=source, store=never)
    assert any("without checksums of its features (data.store.verify: never)" in s for s in said)
    assert any("ids.utf8 is not what was written" in line for line in said)
    expected = load(dir=source)
    assert damaged.frame.ids.to_pylist() == expected.frame.ids.to_pylist()
    features = damaged.frame.features_in_memory()
    assert np.count_nonzero(features != expected.frame.features_in_memory()) == 1
    assert_same(stored(folder, dir=source), expected)


def test_what_is_huge_is_checked_once_and_when_it_is_written_to(stores, monkeypatch):
    source, folder, _ = stores
    monkeypatch.setattr("numerai_lab.data.store.checks.ALWAYS_BYTES", 10)
    said = []
    stored(folder, said, dir=source)
    assert not any("checked before" in line for line in said)
    known = store_of(folder) / "checked.json"
    assert list(json.loads(known.read_text())["files"]) == ["0000.i8"]
    stored(folder, said, dir=source)
    assert "read as it was checked before" in said[-1]
    flip(store_of(folder) / "0000.i8", folder)
    assert_same(stored(folder, said, dir=source), load(dir=source))
    assert any("0000.i8 is not what was written" in line for line in said)
    flip(known, folder)
    assert_same(stored(folder, said, dir=source), load(dir=source))


def test_a_store_is_not_mended_from_a_source_that_has_changed_unseen(stores, monkeypatch):
    source, folder, _ = stores
    stored(folder, dir=source)
    flip(store_of(folder) / "0000.i8", folder)
    monkeypatch.setattr("numerai_lab.data.store.hashes.hash_of", lambda path: "0" * 64)
    with pytest.raises(DataError, match=r"train.parquet: has other bytes than when the store"):
        stored(folder, dir=source)


def test_chunks_that_rows_lie_in():
    random = np.random.default_rng(0)
    for _ in range(50):
        edges = np.sort(random.choice(101, 6, replace=False)).reshape(-1, 2)
        expected = {row // 7 for first, stop in edges for row in range(first, stop)}
        assert touched_chunks(edges, 7, 15) == sorted(expected)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A store with LightGBM's binned rows, and predictions without them."""
    folder = tmp_path_factory.mktemp("kept")
    source = numerai_folder(folder / "data", train=table(n_eras=20, rows=40, n_features=5))
    expected = predictions(load(dir=source).frame)[0]
    few = {"eras": {"to": 10}}
    for choice in ({}, few):
        predictions(stored(folder / "store", dir=source, **choice).frame)
    return source, folder / "store", expected


def predictions(frame):
    """Fit a small ensemble; return its predictions and what was noted."""
    ctx = FitContext(seed=0, target="target", targets=("target",), purge_eras=4, n_threads=1)
    model = get_model("lgbm_ensemble")
    params = {"weights": "equal", "lightgbm": {"num_iterations": 5, "min_data_in_leaf": 5}}
    fitted = model(model.Params.model_validate(params))
    report = fitted.fit(frame, ctx)
    return fitted.predict(frame), " ".join(report.notes)


@pytest.mark.parametrize("name", ["rows", "record"])
@pytest.mark.parametrize("damage", [*DAMAGE, "flips"])
def test_binned_rows_that_are_damaged_are_made_again(kept, tmp_path, name, damage):
    source, original, expected = kept
    shutil.copytree(original, tmp_path / "store")
    derived = store_of(tmp_path / "store") / "derived"
    files = sorted(derived.glob("*.lightgbm"), key=lambda path: path.stat().st_size)
    chosen = [path if name == "rows" else path.with_name(f"{path.name}.json") for path in files]
    content = chosen[1].read_bytes()
    places = np.linspace(0, 0.999, 12) if damage == "flips" else [0.5]
    for place in places:
        if damage in ("flips", flip):
            flip(chosen[1], chosen[0], place)
        else:
            damage(chosen[1], chosen[0])
        frame = stored(tmp_path / "store", dir=source).frame
        found, notes = predictions(frame)
        np.testing.assert_array_equal(found, expected)
        assert f"{files[1]} are damaged" in notes
        assert "made again" in notes
        assert chosen[1].read_bytes() == content
    _, notes = predictions(stored(tmp_path / "store", dir=source).frame)
    assert "damaged" not in notes
