"""Binned rows written to LightGBM's own file: the bytes LightGBM would write, or none of ours."""

from pathlib import Path

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_files import load, numerai_folder, table
from numerai_lab.models import FitContext, get_model
from numerai_lab.models.conformance.toy import toy_frame
from numerai_lab.models.trees.lightgbm_rows import binned
from numerai_lab.models.trees.lightgbm_rows.binned import as_float
from numerai_lab.models.trees.lightgbm_rows.packed import MOST_VALUES, learn_layout
from numerai_lab.models.trees.values import distinct_values, reference_rows

PARAMS = {"feature_pre_filter": False, "verbosity": -1, "min_data_in_bin": 1, "num_threads": 1}


def binner(features):
    """Return what bins rows as LightGBM does, with the bins of these features."""
    values, present = distinct_values(features)
    params = {**PARAMS, "max_bin": max(2, len({0, *values.tolist()}))}
    known = as_float(reference_rows(values, present))

    def bin_rows(rows):
        labels = [np.zeros(len(part), np.float32) for part in (known, rows)]
        reference = lightgbm.Dataset(known, label=labels[0], params=params)
        return lightgbm.Dataset(
            as_float(rows), label=labels[1], reference=reference, params=params
        ).construct()

    return values, present, bin_rows


@st.composite
def features(draw):
    """Features of different kinds: all values, some of them, missing ones, rare ones, constant."""
    n_rows = draw(st.integers(1, 700))
    random = np.random.default_rng(draw(st.integers(0, 999)))
    columns = []
    for _ in range(draw(st.integers(1, 12))):
        lowest = draw(st.integers(-1, 4))
        column = random.integers(lowest, draw(st.integers(lowest, 13)) + 1, n_rows)
        if draw(st.booleans()):
            column[random.random(n_rows) < draw(st.sampled_from([0.02, 0.5, 0.98]))] = 4
        columns.append(column)
    return np.column_stack(columns).astype(np.int8)


@settings(max_examples=60, deadline=None)
@given(rows=features(), n_threads=st.integers(0, 3))
def test_the_file_is_byte_for_byte_what_lightgbm_writes(rows, n_threads, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    values, present, bin_rows = binner(rows)
    layout = learn_layout(values, present, bin_rows, folder)
    assert layout is not None
    layout.write(folder / "ours", rows, n_threads)
    bin_rows(rows).save_binary(folder / "theirs")
    assert (folder / "ours").read_bytes() == (folder / "theirs").read_bytes()


def test_more_columns_and_rows_than_are_packed_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("numerai_lab.models.trees.lightgbm_rows.packed.PIECE_BYTES", 1000)
    rows = np.random.default_rng(0).integers(-1, 5, (1001, 150)).astype(np.int8)
    rows[:, 40:44] = 2
    values, present, bin_rows = binner(rows)
    layout = learn_layout(values, present, bin_rows, tmp_path)
    assert layout is not None
    layout.write(tmp_path / "ours", np.asfortranarray(rows), 2)
    bin_rows(rows).save_binary(tmp_path / "theirs")
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_rows_and_columns_of_a_store(tmp_path):
    """Runs of rows, and features of two blocks in another order."""
    frame = load(
        dir=numerai_folder(tmp_path / "data", train=table(n_eras=30, rows=41, n_features=90)),
        store={"use": "always", "dir": tmp_path / "store"},
    ).frame
    chosen = np.random.default_rng(0).permutation(90)[:77]
    rows = np.flatnonzero(np.arange(frame.n_rows) % 7 < 5)
    features = frame.features.columns(chosen).take(rows)
    values, present, bin_rows = binner(features)
    layout = learn_layout(values, present, bin_rows, tmp_path)
    assert layout is not None
    layout.write(tmp_path / "ours", features, 2)
    bin_rows(features[:]).save_binary(tmp_path / "theirs")
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_more_values_than_fit_four_bits_have_no_layout(tmp_path):
    rows = np.arange(100).reshape(50, 2).astype(np.int8) % (MOST_VALUES + 1)
    assert learn_layout(*binner(rows), tmp_path) is None


class Saved:
    """A LightGBM Dataset that saves itself in another way than the version known here."""

    def __init__(self, dataset, change):
        self._dataset, self._change = dataset, change

    def save_binary(self, path):
        self._dataset.save_binary(path)
        Path(path).write_bytes(self._change(Path(path).read_bytes()))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda saved: saved[:-1], id="cut short"),
        pytest.param(lambda saved: saved + b"more", id="longer"),
        pytest.param(lambda saved: saved[:32] + saved[40:], id="shorter token"),
        pytest.param(lambda saved: saved[:-1] + bytes([saved[-1] ^ 1]), id="a bit at the end"),
        pytest.param(
            lambda saved: saved[:-9] + bytes([len(saved) % 251]) + saved[-8:], id="a checksum"
        ),
        pytest.param(lambda saved: b"", id="empty"),
    ],
)
def test_another_form_of_the_file_has_no_layout(change, tmp_path):
    rows = np.random.default_rng(0).integers(0, 5, (300, 4)).astype(np.int8)
    values, present, bin_rows = binner(rows)
    other = lambda rows: Saved(bin_rows(rows), change)  # noqa: E731
    assert learn_layout(values, present, other, tmp_path) is None


CTX = FitContext(seed=0, target="target", targets=("target",), purge_eras=2)
Ensemble = get_model("lgbm_ensemble")


def fit(frame):
    params = {"weights": "equal", "era_step": 2, "lightgbm": {"num_iterations": 5}}
    model = Ensemble(Ensemble.Params.model_validate(params))
    report = model.fit(frame, CTX)
    return model.predict(frame), list(report.notes)


def test_rows_in_memory_grow_the_same_trees_either_way(monkeypatch, tmp_path):
    """Few rows are binned by LightGBM, many by file; where that cannot be, it is said."""
    frame = toy_frame(3, missing=0.1, constant=2)

    def unwanted(*_):
        raise AssertionError("not by file")

    with monkeypatch.context() as patch:
        patch.setattr(binned, "learn_layout", unwanted)
        few, notes = fit(frame)
    monkeypatch.setattr(binned, "SMALL", 0)
    with monkeypatch.context() as patch:
        patch.setattr(binned.lightgbm.Dataset, "save_binary", counted := Counted())
        many, same_notes = fit(frame)
    assert counted.calls == 2  # the two small Datasets: all rows went by file
    np.testing.assert_array_equal(many, few)
    assert same_notes == notes
    with monkeypatch.context() as patch:
        patch.setattr(binned, "learn_layout", lambda *_: None)
        other, more_notes = fit(frame)
    np.testing.assert_array_equal(other, few)
    assert [note for note in more_notes if note not in notes] == [
        f"LightGBM {lightgbm.__version__} keeps binned rows in a form that is not known here: "
        "it bins them itself, which takes longer"
    ]
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not there"))
    other, more_notes = fit(frame)
    np.testing.assert_array_equal(other, few)
    assert [note for note in more_notes if note not in notes] == [
        "the temporary folder takes no binned rows (No such file or directory): LightGBM bins "
        "them itself, which takes longer"
    ]


class Counted:
    """Counts calls of a method, and passes them on."""

    def __init__(self):
        self.calls, self._method = 0, lightgbm.Dataset.save_binary

    def __get__(self, dataset, _):
        def call(path):
            self.calls += 1
            return self._method(dataset, path)

        return call


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda saved: saved[:-500], id="cut"),
        pytest.param(lambda saved: saved[:100], id="only a header"),
        pytest.param(lambda saved: b"", id="empty"),
        pytest.param(lambda saved: saved + b"more", id="longer"),
        pytest.param(lambda saved: saved[:5000] + bytes([7]) * 2000 + saved[7000:], id="garbage"),
    ],
)
def test_damaged_binned_rows_are_made_again_and_said(tmp_path, damage):
    source = numerai_folder(tmp_path / "data", train=table(n_eras=30, rows=40, n_features=9))
    frame = load(dir=source, store={"use": "always", "dir": tmp_path / "store"}).frame
    expected, notes = fit(frame)
    (kept,) = (tmp_path / "store").glob("*/derived/*.lightgbm")
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    again, more_notes = fit(frame)
    np.testing.assert_array_equal(again, expected)
    assert f"the binned rows {kept} are damaged" in more_notes[0]
    assert "made again" in more_notes[0]
    assert more_notes[1:] == notes
    assert kept.read_bytes() == whole


def test_a_file_of_lightgbms_own_that_found_no_room_at_the_end_is_not_kept(tmp_path, monkeypatch):
    """LightGBM says nothing of the last bytes; with 16 values or more it writes the file itself."""
    rows = table(n_eras=30, rows=40, n_features=9)
    rows["feature_1"] = np.arange(len(rows)) % 17
    source = numerai_folder(tmp_path / "data", train=rows)
    frame = load(dir=source, store={"use": "always", "dir": tmp_path / "store"}).frame
    save = lightgbm.Dataset.save_binary

    def cut(dataset, path):
        save(dataset, path)
        Path(path).write_bytes(Path(path).read_bytes()[:-500])

    with monkeypatch.context() as patch:
        patch.setattr(lightgbm.Dataset, "save_binary", cut)
        expected, (note, *_) = fit(frame)
    assert "binned rows cannot be kept" in note
    assert not list((tmp_path / "store").glob("*/derived/*"))
    for _ in range(2):
        again, notes = fit(frame)
        np.testing.assert_array_equal(again, expected)
        assert not any("binned rows" in note for note in notes)
    assert len(list((tmp_path / "store").glob("*/derived/*.lightgbm"))) == 1


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from data_files import load
from numerai_lab.models import FitContext, get_model

frame = load(dir=Path(sys.argv[1]), store={"use": "always", "dir": sys.argv[2]}).frame
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
Ensemble = get_model("lgbm_ensemble")
model = Ensemble(Ensemble.Params(weights="equal", n_estimators=3))
report = model.fit(
    frame, FitContext(seed=0, target="target", targets=("target",), purge_eras=4, n_threads=1)
)
print(model.predict(frame).sum(dtype=np.float64), *report.notes, sep="|")
"""


@pytest.mark.parametrize("limit", [1 << 10, 150 << 10], ids=["trial", "rows"])
def test_a_full_disk_costs_time_not_the_run(tmp_path, forks, limit):
    source = numerai_folder(tmp_path / "data", train=table(n_eras=40, rows=200, n_features=50))

    def fit(*arguments):
        code, out, err = forks.run(source, tmp_path / "store", *arguments, code=FULL)
        assert code == 0, err
        return out.strip().split("|")

    total, note = fit(limit)
    assert "binned rows cannot be kept" in note
    assert ("size limit is reached" if limit > 2000 else "cannot be written") in note
    (store,) = (path for path in (tmp_path / "store").iterdir() if path.is_dir())
    assert list((store / "derived").iterdir()) == []
    assert fit() == [total]
    (kept,) = (store / "derived").glob("*.lightgbm")
    assert kept.stat().st_size > limit
    assert fit() == [total]
