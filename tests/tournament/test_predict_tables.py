"""`predict --features` on tables of many files: the same rows give the same predictions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from numerai_lab.experiment import find_final


@pytest.fixture(scope="module")
def rows(final_runs) -> pd.DataFrame:
    run = find_final("tiny", final_runs)
    folder = Path(run.manifest()["data"]["folder"])
    found = pd.read_parquet(folder / "validation.parquet")
    eras = found["era"].unique()[-3:]
    return found[found["era"].isin(eras)].drop(columns="data_type")


@pytest.fixture
def predict(lab, final_runs, tmp_path):
    """Predict a table and return the result, and its predictions by id."""

    def call(features, *arguments):
        out = tmp_path / "out.csv"
        out.unlink(missing_ok=True)
        asked = ("predict", find_final("tiny", final_runs).path, "--features", features)
        result = lab(*asked, "--out", out, "--json", *arguments)
        found = pd.read_csv(out).set_index("id")["prediction"] if out.exists() else None
        return result, found

    return call


def in_parts(folder: Path, rows: pd.DataFrame, *, hive: bool = False) -> Path:
    folder.mkdir()
    for number, (era, part) in enumerate(rows.groupby("era")):
        below = folder / f"era={era}" if hive else folder
        below.mkdir(exist_ok=True)
        part = part.drop(columns="era") if hive else part
        for half in range(2):
            part.iloc[half::2].to_parquet(below / f"part-{number}{half}.parquet")
    (folder / "_SUCCESS").touch()
    (folder / "notes.txt").touch()
    return folder


@pytest.mark.parametrize(
    ("hive", "named"),
    [(False, "{}"), (False, "{}/*.parquet"), (True, "{}"), (True, "{}/era=*/part-*.parquet")],
)
def test_parts_are_predicted_as_one_file_is(predict, rows, tmp_path, hive, named):
    rows.to_parquet(tmp_path / "one.parquet")
    one, wanted = predict(tmp_path / "one.parquet")
    result, found = predict(named.format(in_parts(tmp_path / "parts", rows, hive=hive)))
    assert result.code == 0, result.err
    pd.testing.assert_series_equal(found.sort_index(), wanted.sort_index())
    counts = ("n_rows", "n_eras", "n_in_sample")
    assert [result.json[key] for key in counts] == [one.json[key] for key in counts]
    assert result.json["n_eras"] == 3
    assert ("not 1 other files, such as notes.txt" in result.err) is (named == "{}")


def test_without_out_the_file_is_named_after_the_table(lab, rows, final_runs, tmp_path):
    run = find_final("tiny", final_runs).path
    parts = in_parts(tmp_path / "v5.3", rows)
    for named in (parts, parts / "part-*.parquet"):
        result = lab("predict", run, "--features", named, "--json")
        assert result.json["out"] == str(run / "predictions_v5.3.csv")
    Path(result.json["out"]).unlink()


def test_a_file_that_does_not_fit_the_others_is_named(predict, rows, tmp_path):
    folder = in_parts(tmp_path / "parts", rows)
    part = folder / "part-11.parquet"
    whole = pd.read_parquet(part)

    def refused(changed: pd.DataFrame) -> str:
        changed.to_parquet(part)
        result, found = predict(folder)
        assert (result.code, found) == (2, None)
        return result.err + result.out

    said = refused(whole.drop(columns="feature_0000"))
    assert f"{part}: lacks 1 of the 12 features" in said
    said = refused(whole.drop(columns="era"))
    assert f"{part}: has no column 'era', which the other files of the table have" in said
    again = whole.set_axis([*whole.index[1:], rows.index[0]])
    assert f"1 ids are there more than once, such as '{rows.index[0]}'" in refused(again)
    floats = whole.assign(feature_0000=whole["feature_0000"] * np.float32(1.3))
    assert "the features are not five bins" in refused(floats)


def test_a_folder_without_rows_to_predict_is_refused(predict, final_runs, tmp_path):
    (tmp_path / "empty").mkdir()
    data = Path(find_final("tiny", final_runs).manifest()["data"]["folder"])
    for named, sentence in (
        (tmp_path / "empty", "there is no parquet file in this folder"),
        (tmp_path / "*.parquet", "no file matches"),
        (data, "files are not parts of one table; name one of its files"),
    ):
        result, _ = predict(named)
        assert result.code == 2
        assert sentence in result.err + result.out
