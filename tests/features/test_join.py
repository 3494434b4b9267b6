"""`join`: columns of a file of one's own, and nothing before it is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from numerai_lab.config import load_experiment
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError, LabError, ModelError
from numerai_lab.features import StepContext, check_transform, get_transform


def frame(n_eras=12, rows=20):
    rng = np.random.default_rng(3)
    n = n_eras * rows
    return EraFrame(
        features=rng.integers(0, 5, (n, 3)).astype(np.int8),
        eras=np.arange(1, n_eras + 1, dtype=np.int32),
        offsets=np.arange(n_eras + 1, dtype=np.int64) * rows,
        ids=pa.array([f"r{i}" for i in range(n)]),
        targets=rng.normal(size=(n, 1)).astype(np.float32),
        feature_names=("a", "b", "c"),
        target_names=("target",),
        entity=pa.array([f"s{i % rows}" for i in range(n)]),
    )


def fitted(path, by, rows=None, said=None, **more):
    kind = get_transform("join")
    written = {"type": "join", "file": str(path), "by": by, "available_from": "known", **more}
    if by == "era":
        written.setdefault("features", ["a", "b"])
    step = kind(kind.Params.model_validate({"columns": ["x"], **written}))
    rows = frame() if rows is None else rows
    say = (lambda _: None) if said is None else said.append
    step.fit(rows.between(1, 8), StepContext(0, "target", 1, raw_names=("a", "b", "c"), say=say))
    return step


def eras_file(path, **changes):
    eras = np.arange(1, 13)
    table = pd.DataFrame({"era": eras, "known": eras, "x": np.sin(eras), **changes})
    table.to_parquet(path)
    return path


def test_an_eras_value_becomes_gates(tmp_path):
    step = fitted(eras_file(tmp_path / "m.parquet"), "era")
    assert step.names == ("join.x.a", "join.x.b")
    rows = frame().between(10, 10)
    found = step.apply(rows, None)
    z = (np.sin(10) - np.sin(np.arange(1, 9)).mean()) / np.sin(np.arange(1, 9)).std()
    order = np.argsort(rows.features[:, 0] * np.sign(z))
    assert (np.diff(found[order, 0].astype(int)) >= 0).all()


def test_a_rows_value_is_ranked_and_gaps_are_counted(tmp_path):
    rows = frame()
    values = np.arange(rows.n_rows) % 7
    table = pd.DataFrame({"id": rows.ids.to_pylist(), "known": 1, "x": values}).iloc[5:]
    path = tmp_path / "own.csv"
    table.to_csv(path, index=False)
    said = []
    step = fitted(path, "id", said=said)
    assert said == [
        "'join': 5 of 160 training rows have nothing in own.csv that is known at their "
        "era: missing there"
    ]
    own = step.apply(rows.between(1, 1), None)[:, 0]
    assert own[:5].tolist() == [-1] * 5
    order = np.argsort(values[5:20], kind="stable")
    assert (np.diff(own[5:][order].astype(int)) >= 0).all()


def test_an_entity_has_the_latest_value_that_is_known(tmp_path):
    path = tmp_path / "sizes.csv"
    told = {"entity": ["s0", "s0", "s1"], "known": [1, 9, 1], "x": [1.0, 100.0, 50.0]}
    pd.DataFrame(told).to_csv(path, index=False)
    step = fitted(path, "entity")
    before, after = (step.apply(frame().between(e, e), None)[:, 0] for e in (8, 9))
    assert before[0] < before[1]
    assert after[0] > after[1]
    assert (before[2:] == -1).all()


def test_dates_stand_for_weeks(tmp_path):
    path = tmp_path / "macro.csv"
    days = pd.date_range("2013-01-04", periods=12, freq="7D").strftime("%Y-%m-%d")
    pd.DataFrame({"date": days, "known": days, "x": np.sin(np.arange(12))}).to_csv(
        path, index=False
    )
    rows = frame()
    rows = replace(rows, eras=rows.eras + np.int32(5895))
    kind = get_transform("join")
    written = {"type": "join", "file": str(path), "by": "date", "columns": ["x"], "top": 2}
    step = kind(kind.Params.model_validate({**written, "available_from": "known"}))
    step.fit(rows, StepContext(0, "target", 1, raw_names=("a", "b", "c"), n_threads=1))
    assert (step.apply(rows.between(5900, 5900), None) >= 0).all()


@pytest.mark.parametrize(
    ("changes", "more", "said"),
    [
        ({"known": np.arange(1, 13) + 1}, {}, "12 rows are of an era before they are known, first"),
        ({"era": 3, "known": 1}, {}, "has two rows of 3"),
        ({"x": "high"}, {}, "column 'x' has 12 values that are no numbers"),
        ({"known": "soon"}, {}, "column 'known' has 'soon', neither an era nor a date"),
        ({}, {"columns": ["y"]}, "has no column 'y'"),
        (
            {"era": np.arange(100, 112), "known": 1},
            {},
            "none of the 160 training rows has a row in",
        ),
        ({"x": 1.0}, {}, "'x' is the same in all training eras"),
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path, changes, more, said):
    with pytest.raises((DataError, ModelError), match=said):
        fitted(eras_file(tmp_path / "m.parquet", **changes), "era", **more)


def test_what_a_row_cannot_know_yet_is_refused(tmp_path):
    path = tmp_path / "own.csv"
    rows = frame()
    pd.DataFrame({"id": rows.ids.to_pylist(), "known": 5, "x": 1.0}).to_csv(path, index=False)
    with pytest.raises(DataError, match="20 rows of era 1 are joined to what is known only later"):
        fitted(path, "id")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv: there is no such file"):
        fitted(tmp_path / "gone.csv", "era")


def test_rows_that_nobody_names_cannot_be_joined_by_entity(tmp_path):
    path = tmp_path / "sizes.csv"
    pd.DataFrame({"entity": ["s0"], "known": [1], "x": [1.0]}).to_csv(path, index=False)
    with pytest.raises(LabError, match="nothing says what a row is about"):
        fitted(path, "entity", replace(frame(), entity=None))


def test_keeps_its_promises(tmp_path):
    path = tmp_path / "macro.csv"
    eras = np.arange(1, 61)
    pd.DataFrame({"era": eras, "known": eras, "x": np.sin(eras)}).to_csv(path, index=False)
    params = {"file": str(path), "by": "era", "columns": ["x"], "available_from": "known"}
    check_transform(get_transform("join"), {**params, "features": ["feature_0", "feature_1"]})


def test_data_join_is_a_step_before_the_others(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("""
data: {join: [{file: macro.csv, by: era, columns: [x], available_from: era}]}
split: {type: holdout, validate: {from: 30}}
transforms: [{type: noise}]
model: {type: ridge}
""")
    model = load_experiment(path).experiment.model
    assert [step["type"] for step in model.params["transforms"]] == ["join", "noise"]
    assert model.params["model"] == {"type": "ridge"}
