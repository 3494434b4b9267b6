"""The era store against reading into memory: same rows, less work, and what goes wrong with it."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_files import files_and_choice, load, numerai_folder, table
from data_stores import OPEN, assert_same, store_of, stored
from numerai_lab.data.store.features import Block, BlockFeatures
from numerai_lab.data.store.manifest import store_name
from numerai_lab.errors import DataError
from numerai_lab.models import FitContext, get_model


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=files_and_choice())
def test_equals_reading_into_memory(case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    paths = []
    for number, frame in enumerate(case["frames"]):
        paths.append(folder / f"{number}.parquet")
        frame.to_parquet(paths[-1], row_group_size=case["group"], index=False)
    data = {
        "source": "parquet",
        "files": paths,
        "features": case["features"],
        "eras": {"step": case["step"], "from": case["first"]},
    }
    arguments = {"require_label": case["require_label"]}
    try:
        expected = load(arguments=arguments, **data)
    except DataError:
        with pytest.raises(DataError):
            stored(folder / "store", arguments=arguments, **data)
        return
    # The first features alone make the first block, the others a second one.
    some = {**data, "features": case["features"][:1]}
    stored(folder / "store", arguments=arguments, **some)
    assert_same(stored(folder / "store", arguments=arguments, **data), expected)


@pytest.fixture
def block_features(tmp_path):
    """Random features over two blocks, with the array they stand for."""
    random = np.random.default_rng(0)
    values = random.integers(-1, 5, (500, 9)).astype(np.int8)
    blocks = []
    for number, part in enumerate((values[:, :4], values[:, 4:])):
        path = tmp_path / f"{number}.i8"
        path.write_bytes(np.ascontiguousarray(part).tobytes())
        blocks.append(Block(path, part.shape, (-1, 4)))
    columns = [(1, 2), (0, 0), (0, 1), (0, 2), (1, 4), (0, 3)]
    order = [6, 0, 1, 2, 8, 3]
    runs = np.array([[3, 40], [41, 42], [100, 480]])
    kept = np.concatenate([np.arange(a, b) for a, b in runs])
    return BlockFeatures(blocks, columns, runs, tmp_path), values[kept][:, order]


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_and_features_are_those_of_the_array(block_features, data):
    features, array = block_features
    n = len(array)
    for _ in range(data.draw(st.integers(0, 3))):
        kind = data.draw(st.sampled_from(["between", "take", "columns"]))
        if kind == "between":
            first = data.draw(st.integers(0, len(array)))
            stop = data.draw(st.integers(first, len(array)))
            features, array = features.between(first, stop), array[first:stop]
        elif kind == "take":
            rows = np.array(sorted(data.draw(st.sets(st.integers(0, max(0, len(array) - 1))))))
            rows = rows[rows < len(array)].astype(np.int64)
            features, array = features.take(rows), array[rows]
        else:
            chosen = data.draw(st.permutations(range(array.shape[1])))
            chosen = np.array(chosen[: data.draw(st.integers(1, len(chosen)))])
            features, array = features.columns(chosen), array[:, chosen]
    assert features.shape == array.shape
    np.testing.assert_array_equal(features[:], array)
    np.testing.assert_array_equal(np.asarray(features), array)
    some = slice(data.draw(st.integers(0, n)), data.draw(st.integers(0, n)))
    np.testing.assert_array_equal(features[some], array[some])
    if len(array):
        numbers = np.array(data.draw(st.lists(st.integers(0, len(array) - 1), max_size=200)))
        numbers = numbers.astype(np.int64)
        np.testing.assert_array_equal(features[numbers], array[numbers])
        mask = np.zeros(len(array), dtype=bool)
        mask[numbers] = True
        np.testing.assert_array_equal(features[mask], array[mask])
        np.testing.assert_array_equal(features[-1], array[-1])
    assert features[:0].shape == (0, array.shape[1])


def test_identity_follows_rows_and_features(block_features):
    features, _ = block_features
    same = features.between(0, len(features))
    others = [
        features.between(0, 10),
        features.between(1, 11),
        features.columns(np.array([1, 0])),
        features.columns(np.array([0, 1])),
    ]
    assert same.identity == features.identity
    assert len({f.identity for f in [features, *others]}) == 5


def test_a_second_opening_writes_nothing_and_more_features_add_a_block(tmp_path):
    source = numerai_folder(tmp_path / "data")
    said = []
    stored(tmp_path / "store", said, dir=source, feature_set="small")
    assert any("converting 2 features x 60 rows" in line for line in said)
    before = {p: p.stat().st_mtime_ns for p in store_of(tmp_path / "store").iterdir()}
    said.clear()
    stored(tmp_path / "store", said, dir=source, feature_set="small")
    assert not any("converting" in line for line in said)
    assert {p: p.stat().st_mtime_ns for p in store_of(tmp_path / "store").iterdir()} == before
    whole = stored(tmp_path / "store", said, dir=source, feature_set="all")
    assert any("converting 2 features" in line for line in said)
    assert before.keys() < set(store_of(tmp_path / "store").iterdir())
    assert_same(whole, load(dir=source, feature_set="all"))


def test_changed_sources_make_another_store(tmp_path):
    source = numerai_folder(tmp_path / "data")
    stored(tmp_path / "store", dir=source)
    changed = table(seed=5)
    numerai_folder(source, train=changed)
    said = []
    assert_same(stored(tmp_path / "store", said, dir=source), load(dir=source))
    assert any("converting" in line for line in said)


def test_a_store_of_an_older_format_is_made_again_and_said(tmp_path):
    source = numerai_folder(tmp_path / "data")
    data = stored(tmp_path / "store", dir=source)
    new = store_of(tmp_path / "store")
    older = tmp_path / "store" / store_name(data.files, ["era", "id", "data_type", None], 1)
    new.rename(older)
    said = []
    assert_same(stored(tmp_path / "store", said, dir=source), load(dir=source))
    assert any(f"{older} has the format of an older version: made again" in line for line in said)
    assert new.is_dir()


def test_plan_reads_no_feature(lab, tiny_config, tmp_path):
    store = ["--set", f"data.store={{use: always, dir: {tmp_path / 'store'}}}"]
    runs = ["--runs-dir", tmp_path / "runs", "--json", "--quiet"]
    plan = lab("train", tiny_config, *runs, *store, "--plan").json
    assert not (tmp_path / "store").exists()
    trained = lab("train", tiny_config, *runs, *store).json
    manifest = json.loads((Path(trained["run_dir"]) / "manifest.json").read_text())
    assert plan["folds"] == manifest["folds"]
    wrong = lab("train", tiny_config, *runs, "--plan", "--set", "data.features=[feature_x]")
    assert wrong.code == 2
    assert "feature_x" in wrong.err


def test_floats_and_missing_policies_stay_in_memory(tmp_path):
    rows = table()
    rows["feature_1"] = rows["feature_1"] / 4
    source = numerai_folder(tmp_path / "data", train=rows)
    with pytest.raises(DataError, match=r"data.store.use.*feature_1.*double"):
        stored(tmp_path / "store", dir=source)
    numerai_folder(source)
    with pytest.raises(DataError, match=r"data\.missing"):
        stored(tmp_path / "store", dir=source, missing={"all_twos_is_missing": True})
    assert not (tmp_path / "store").exists()


def test_auto_takes_a_store_that_is_there(tmp_path):
    source = numerai_folder(tmp_path / "data")
    os.utime(source / "train.parquet", (1, 1))
    auto = {"dir": source, "store": {"dir": tmp_path / "store"}}
    assert isinstance(load(**auto).frame.features, np.ndarray)
    stored(tmp_path / "store", dir=source)
    assert isinstance(load(**auto).frame.features, BlockFeatures)
    assert isinstance(load(dir=source, store={"use": "never"}).frame.features, np.ndarray)


def test_two_processes_at_once_make_one_store(tmp_path, forks):
    source = numerai_folder(tmp_path / "data", train=table(n_eras=40, rows=50, n_features=200))
    processes = [forks.start(source, tmp_path / "store", code=OPEN) for _ in range(2)]
    results = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert len({out.split()[0] for out, _ in results}) == 1
    assert sum("converting" in err for _, err in results) == 1


def test_what_a_killed_process_left_behind_goes(tmp_path):
    source = numerai_folder(tmp_path / "data")
    stored(tmp_path / "store", dir=source, feature_set="small")
    left = store_of(tmp_path / "store") / ".0001.i8.abc.part"
    left.write_bytes(bytes(100))
    stored(tmp_path / "store", dir=source, feature_set="all")
    assert not left.exists()


def test_full_disk_leaves_nothing_half_written(tmp_path, forks):
    source = numerai_folder(tmp_path / "data", train=table(n_eras=40, rows=100, n_features=200))
    code, _, err = forks.run(source, tmp_path / "store", code=OPEN, file_bytes=200 * 1024)
    assert code != 0
    assert "the disk is full or a size limit is reached" in err.splitlines()[-1]
    assert not list(store_of(tmp_path / "store").glob("*.i8"))
    assert_same(stored(tmp_path / "store", dir=source), load(dir=source))


def test_models_are_the_same_from_disk_and_from_memory(tmp_path):
    """The same trees in memory, from the store, from XGBoost's pages and from kept bins."""
    source = numerai_folder(tmp_path / "data", train=table(n_eras=30, rows=60, n_features=9))
    in_memory = load(dir=source).frame
    on_disk = stored(tmp_path / "store", dir=source).frame
    ctx = FitContext(seed=0, target="target", targets=("target",), purge_eras=4, n_threads=1)
    said: list[str] = []
    trees = {"num_boost_round": 5, "max_depth": 3, "subsample": 0.7}
    ensemble = {"weights": "equal", "seeds": 2, "lightgbm": {"num_iterations": 5}}

    def predictions(name, params, frame):
        model = get_model(name)(get_model(name).Params.model_validate(params))
        model.fit(frame, ctx)
        return model.predict(frame)

    expected = predictions("xgb", trees, in_memory)
    for params in (trees, {**trees, "memory": "external"}):
        np.testing.assert_array_equal(predictions("xgb", params, on_disk), expected)
    ctx = replace(ctx, sparing=True, say=said.append)
    assert not said
    np.testing.assert_array_equal(predictions("xgb", trees, on_disk), expected)
    assert [line.split(":")[0] for line in said] == ["XGBoost trains from disk"]
    predictions("xgb", trees, in_memory)
    predictions("xgb", {**trees, "memory": "in_core"}, on_disk)
    assert len(said) == 1
    ranked = {**trees, "objective": "rank:pairwise"}
    np.testing.assert_array_equal(
        predictions("xgb", ranked, on_disk), predictions("xgb", ranked, in_memory)
    )
    expected = predictions("lgbm_ensemble", ensemble, in_memory)
    derived = store_of(tmp_path / "store") / "derived"
    for _ in range(2):  # binned, then loaded
        np.testing.assert_array_equal(predictions("lgbm_ensemble", ensemble, on_disk), expected)
        (kept,) = derived.glob("*.lightgbm")
    assert kept.stat().st_size > 0
    assert not list(derived.glob("xgboost-*"))


def test_train_from_the_store_gives_the_same_scores(lab, tiny_config, tmp_path):
    with_store = ["--set", f"data.store={{use: always, dir: {tmp_path / 'store'}}}"]
    plain = lab("train", tiny_config, "--runs-dir", tmp_path / "a", "--json", "--quiet").json
    other = lab(
        "train", tiny_config, "--runs-dir", tmp_path / "b", "--json", "--quiet", *with_store
    )
    assert other.code == 0, other.err
    assert other.json["scores"] == plain["scores"]
    assert (
        Path(other.json["run_dir"]).name.split("-")[1] == Path(plain["run_dir"]).name.split("-")[1]
    )


def test_an_experiment_that_cannot_fit_says_so_before_it_begins(
    lab, tiny_config, tmp_path, monkeypatch
):
    monkeypatch.setattr("numerai_lab.experiment.executor.available_bytes", lambda: 100 << 20)
    extra = ["--set", "model.params.memory=in_core"]
    result = lab("train", tiny_config, "--runs-dir", tmp_path / "runs", *extra)
    assert result.code == 2
    sentence = result.err.splitlines()[-1]
    for part in (" MiB at least", "100 MiB are available", "train_step", "memory: external"):
        assert part in sentence
    assert not (tmp_path / "runs").exists()
