"""Ids are text in every reader, whatever they look like."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_files import load, parquet, table
from numerai_lab.errors import DataError
from numerai_lab.experiment import find_final
from numerai_lab.experiment.records.predictions import read_predictions
from numerai_lab.tournament.submitting.checks import StaleLive, check_new

ODD = [
    "0001",
    "1",
    "01",
    "1e5",
    "100000",
    "12345678901234567890",
    "12345678901234567891",
    "NA",
    "nan",
    "null",
    "None",
    "#N/A",
    "true",
    "TRUE",
    "1.0",
    "-1",
    "0x1F",
    "2013-01-04",
    "a b",
    " a",
    "a ",
    "a,b",
    'a"b',
    "a;b",
    "a\nb",
    "'a'",
    "é",
    "id",
]
"""Ids that a reader which guesses takes for something else, or for one another."""


@pytest.fixture(scope="module")
def odd_run(tournament, tmp_path_factory) -> tuple[Path, Path]:
    """A tournament with odd ids, and a run on it with a final model."""
    from submit_lab import train_final

    parent = tmp_path_factory.mktemp("odd")
    folder = Path(shutil.copytree(tournament, parent / "data" / "v5.3"))
    for name in ("validation", "live"):
        for path in folder.glob(f"{name}*.parquet"):
            rows = pd.read_parquet(path)
            ids = rows.index.to_numpy().copy()
            ids[: len(ODD)] = ODD
            rows.set_index(pd.Index(ids, name="id")).to_parquet(path)
    runs = train_final(parent, tournament)
    return folder, find_final("tiny", runs).path


def test_predictions_of_odd_ids_come_back_from_csv(lab, odd_run, tmp_path):
    folder, run = odd_run
    predicted = {}
    for suffix in ("csv", "parquet"):
        out = tmp_path / f"out.{suffix}"
        made = lab("predict", run, "--features", folder / "validation.parquet", "--out", out)
        assert made.code == 0, made.err
        predicted[suffix] = read_predictions(out)
    assert set(ODD) <= set(predicted["csv"].ids.to_pylist())
    assert predicted["csv"].ids.equals(predicted["parquet"].ids)
    a, b = (
        lab("evaluate", tmp_path / f"out.{suffix}", "--data", folder, "--json")
        for suffix in ("csv", "parquet")
    )
    assert a.code == 0, a.err
    unlabelled = pd.read_parquet(folder / "validation.parquet")["target"].isna()
    told = f"{unlabelled.sum()} of {len(unlabelled)} predictions have no labelled row"
    assert not unlabelled[ODD].any()
    assert told in a.err
    assert told in b.err
    assert a.json["scores"] == b.json["scores"]


def test_live_ids_are_those_of_the_submission(lab, odd_run, tmp_path):
    folder, run = odd_run
    out = tmp_path / "live.csv"
    assert lab("predict", run, "--features", folder / "live.parquet", "--out", out).code == 0
    ids = pd.read_parquet(folder / "live.parquet").index
    assert set(ODD) <= set(ids)
    assert set(read_predictions(out).ids.to_pylist()) == set(ids)
    again = pd.DataFrame({"id": ids, "prediction": 0.5})
    with pytest.raises(StaleLive):  # the ids of the CSV that was submitted a round before
        check_new(again, out, 1)


IDS = ["0001", "0002", "1e5", "NA"]
ROWS = "id,prediction\n0001,.1\n0002,.2\n1e5,.3\nNA,.4\n"


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (ROWS, IDS),
        ("﻿" + ROWS, IDS),
        (ROWS.replace("\n", "\r\n"), IDS),
        ("﻿" + ROWS.replace("\n", "\r\n"), IDS),
        ("\n" + ROWS + "\n", IDS),
        (ROWS.replace("id,prediction", '"id","prediction"').replace("0001", '"0001"'), IDS),
        (ROWS.replace("id,", " id, "), IDS),
        (ROWS.replace(",.", ", ."), IDS),
        ("".join(f",{line}\n" for line in ROWS.splitlines()), IDS),
        ("prediction,id\n.1,true\n.2,null\n", ["true", "null"]),
        ('id,prediction\n"a,b",.1\n"a ""b""",.2\n', ["a,b", 'a "b"']),
        (ROWS.strip(), IDS),
    ],
    ids=range(12),
)
def test_forms_of_csv(tmp_path, content, ids):
    path = tmp_path / "mine.csv"
    path.write_bytes(content.encode())
    read = read_predictions(path)
    assert read.ids.to_pylist() == ids
    assert set(read.columns) == {"prediction"}
    np.testing.assert_allclose(read.columns["prediction"], np.arange(1, len(ids) + 1) / 10)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"id,prediction\n", "holds no predictions"),
        (b"id;prediction\n0001;0,5\n", "separated by semicolons, not by commas"),
        (b"id\tprediction\n0001\t.5\n", "separated by tabs, not by commas"),
        (b",prediction\n0001,.5\n", "has no column 'id' (columns: , prediction)"),
        (b'"id,prediction\na,.5\n', "has no column 'id' (columns: id,prediction a,.5)"),
        (b"id,prediction\n,.5\na,.5\n", "1 rows have no id"),
        (b'id,prediction\n"",.5\na,.5\n', "1 rows have no id"),
        (b"id,prediction\na,b,.5\n", "cannot be read as CSV (CSV parse error: Expected 2 columns"),
        (b'id,prediction\na,"0,5"\n', "column 'prediction' is string, not numbers"),
        (b"id,prediction\na,.5\nb,none\n", "column 'prediction' is string, not numbers"),
        (b"id,prediction\nm\xfcller,.5\n", "UTF"),
        ("id,prediction\n0001,.5\n".encode("utf-16"), "is not CSV in UTF-8"),
        (b"id,prediction\n\x00\x01", "cannot be read as CSV"),
    ],
)
def test_csv_that_is_refused(lab, tournament, tmp_path, content, says):
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    result = lab("evaluate", path, "--data", tournament)
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith(f"error: {path}: ")
    assert says in result.err


def numbered(tmp_path, n_digits: int) -> Path:
    """A data folder whose ids are the numbers from 1 on, with zeros before them."""
    rows = table(n_eras=45)
    rows.index = pd.Index([f"{i + 1:0{n_digits}d}" for i in range(len(rows))], name="id")
    folder = tmp_path / "numbered"
    folder.mkdir()
    rows.to_parquet(folder / "train.parquet")
    return folder


def test_whole_numbers_are_ids_by_their_digits(lab, tmp_path):
    folder = numbered(tmp_path, 1)
    rows = pd.read_parquet(folder / "train.parquet")
    mine = pd.DataFrame({"id": rows.index.astype(np.int64), "prediction": rows["target"]})
    mine.to_parquet(tmp_path / "mine.parquet", index=False)
    result = lab("evaluate", tmp_path / "mine.parquet", "--data", folder, "--json")
    assert result.code == 0, result.err
    assert result.json["scores"]["prediction"]["corr"]["mean"] > 0.98  # ties of the target


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_ids_that_lost_their_zeros_are_told(lab, tmp_path, suffix):
    """Those from 100 on meet their rows all the same: it would look as if all were well."""
    folder = numbered(tmp_path, 3)
    rows = pd.read_parquet(folder / "train.parquet")
    mine = pd.DataFrame({"id": rows.index.astype(np.int64), "prediction": rows["target"]})
    path = tmp_path / f"mine{suffix}"
    mine.to_parquet(path, index=False) if suffix == ".parquet" else mine.to_csv(path, index=False)
    result = lab("evaluate", path, "--data", folder)
    assert result.code == 2
    assert f"{path}: id '1' here and '001' in the data are the same number" in result.err
    assert "with their leading zeros" in result.err


def test_the_same_for_benchmarks(lab, tiny_config, tmp_path):
    folder = numbered(tmp_path, 3)
    rows = pd.read_parquet(folder / "train.parquet")
    values = np.random.default_rng(0).random(len(rows))
    benchmark = pd.DataFrame({"id": rows.index.astype(np.int64), "bench": values})
    path = folder / "train_benchmark_models.parquet"
    for first, code in ((101, 0), (1, 2)):
        (folder / "train.parquet").unlink()
        rows[first - 1 :].to_parquet(folder / "train.parquet")
        benchmark.to_parquet(path, index=False)
        split = "split={type: holdout, train: {to: 20}, validate: {from: 25}, purge_eras: 4}"
        if first == 1:
            split = "split={type: blocked, n_blocks: 2, purge_eras: 4, embargo_eras: 4}"
        runs = tmp_path / str(first)
        more = ["--set", f"data.dir={json.dumps(str(folder))}", "--set", split, "--runs-dir", runs]
        result = lab("train", tiny_config, *more, "-q")
        assert result.code == code, result.err
    assert f"{path}: id '1' here and '001' in the data are the same number" in result.err


@pytest.mark.parametrize("values", [[1.0, 2.0], [True, False], pd.to_datetime(["2020", "2021"])])
def test_what_is_no_id(tmp_path, values):
    path = tmp_path / "mine.parquet"
    pd.DataFrame({"id": values, "prediction": [0.1, 0.2]}).to_parquet(path, index=False)
    with pytest.raises(DataError, match=r"mine\.parquet column 'id': ids are .*, they must be t"):
        read_predictions(path)
    rows = table(n_eras=1, rows=2).assign(id=values)
    with pytest.raises(DataError, match="they must be text or whole numbers"):
        load(**parquet(tmp_path / "rows.parquet", rows, index=False))


@pytest.mark.parametrize("kind", [pa.binary(), pa.string()], ids=str)
def test_bytes_that_are_no_text(tmp_path, kind):
    raw = pa.array([b"m\xfcller", b"b"], pa.binary())
    ids = raw if kind == pa.binary() else raw.view(pa.string())
    path = tmp_path / "mine.parquet"
    pq.write_table(pa.table({"id": ids, "prediction": [0.1, 0.2]}), path)
    with pytest.raises(DataError, match=r"their bytes are no text \(UTF-8\)"):
        read_predictions(path)


def test_in_a_folder_named_like_a_partition(tmp_path):
    """Arrow's own reader would make a column of the folder's name."""
    path = tmp_path / "era=590" / "mine.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"id": ["a"], "era": ["0589"], "prediction": [0.1]}), path)
    assert read_predictions(path).eras.tolist() == [589]
