"""Tables of many files: folders, globs, hive folders, `~`; all of them give the same rows."""

import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_files import load, numerai_folder, table
from numerai_lab.config import Data
from numerai_lab.errors import DataError

ROWS = table(n_eras=6, rows=8)


def hive(folder: Path, frame=ROWS, key="era", parts=2, write=lambda era: era) -> Path:
    """Write a folder for each era, `parts` files in it, without the column itself."""
    for era, rows in frame.groupby("era"):
        below = folder / f"{key}={write(era)}"
        below.mkdir(parents=True)
        for number, part in enumerate(np.array_split(np.arange(len(rows)), parts)):
            rows.iloc[part].drop(columns="era").to_parquet(below / f"part-{number}.parquet")
    (folder / "_SUCCESS").touch()
    return folder


def parts(folder: Path, frame=ROWS) -> Path:
    folder.mkdir()
    for number, part in enumerate(np.array_split(np.arange(len(frame)), 3)):
        frame.iloc[part].to_parquet(folder / f"part-{number}.parquet")
    (folder / "_metadata").write_bytes(b"left out")
    (folder / ".part-9.parquet.crc").write_bytes(b"left out")
    (folder / "_temporary").mkdir()
    ROWS.head(3).to_parquet(folder / "_temporary" / "part-0.parquet")
    return folder


def same_rows(data, frame=ROWS):
    assert data.frame.row_eras.tolist() == frame["era"].astype(int).tolist()
    assert data.frame.ids.to_pylist() == frame.index.tolist()
    names = list(data.frame.feature_names)
    np.testing.assert_array_equal(data.frame.features[:], frame[names])


@pytest.mark.parametrize("use", ["never", "always"])
@pytest.mark.parametrize("named", ["{}", "{}/*.parquet", "{}/part-?.parquet", "{}/../p*"])
def test_a_folder_of_part_files(tmp_path, named, use):
    files = [named.format(parts(tmp_path / "parts"))]
    said = []
    data = load(said, source="parquet", files=files, store={"use": use, "dir": tmp_path / "store"})
    same_rows(data)
    assert [file.path.name for file in data.files] == [f"part-{i}.parquet" for i in range(3)]
    assert not [line for line in said if "part" in line and "converting" not in line]


@pytest.mark.parametrize("use", ["never", "always"])
@pytest.mark.parametrize("named", ["{}", "{}/era=*", "{}/**/*.parquet", "{}/era=*/*.parquet"])
def test_hive_folders_are_a_column(tmp_path, named, use):
    files = [named.format(hive(tmp_path / "rows"))]
    data = load(source="parquet", files=files, store={"use": use, "dir": tmp_path / "store"})
    same_rows(data)
    assert len(data.files) == 12
    # Read again as a run names them: each by itself.
    same_rows(load(source="parquet", files=[file.kept_path for file in data.files]))


def test_hive_folders_of_dates_and_of_data_types(tmp_path):
    frame = ROWS.assign(era=[f"2013-01-{4 + 7 * (i // 16):02d}" for i in range(len(ROWS))])
    folder = hive(tmp_path / "a" / "data_type=train", frame, key="friday%20date")
    hive(tmp_path / "a" / "data_type=live", table(n_eras=1, seed=1).assign(era="X"), "friday date")
    data = load(
        source="parquet",
        files=[folder.parent],
        columns={"era": "friday date", "data_type": "data_type", "keep_data_types": ["train"]},
    )
    assert data.frame.eras.tolist() == [5896, 5897, 5898]
    assert str(data.era_dates[5897]) == "2013-01-11"


def test_rows_are_other_rows_where_folders_are_called_otherwise(tmp_path):
    """Same bytes, other eras: another store, another identity."""
    store = {"use": "always", "dir": tmp_path / "store"}
    first = load(source="parquet", files=[hive(tmp_path / "a")], store=store)
    moved = hive(tmp_path / "b", write=lambda era: int(era) + 100)
    second = load(source="parquet", files=[moved], store=store)
    assert {file.sha256 for file in first.files} == {file.sha256 for file in second.files}
    assert {f.identity for f in first.files}.isdisjoint(f.identity for f in second.files)
    assert second.frame.eras.tolist() == [101, 102, 103, 104, 105, 106]


def test_a_column_in_the_file_is_read_rather_than_its_folders_name(tmp_path):
    folder = tmp_path / "era=7"
    folder.mkdir()
    ROWS.to_parquet(folder / "a.parquet")
    same_rows(load(source="parquet", files=[folder]))


@pytest.mark.parametrize("use", ["never", "always"])
def test_more_files_than_a_process_may_open(tmp_path, use):
    frame = table(n_eras=150, rows=2)
    folder = hive(tmp_path / "rows", frame, parts=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 40, hard)
    )
    try:
        data = load(source="parquet", files=[folder], store={"use": use, "dir": tmp_path / "store"})
        same_rows(data, frame)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_links_are_followed_and_a_circle_ends(tmp_path):
    real = parts(tmp_path / "real")
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "linked").symlink_to(real)
    (real / "back").symlink_to(tmp_path / "rows")
    same_rows(load(source="parquet", files=[tmp_path / "rows"]))


def test_names_with_brackets_are_files(tmp_path):
    ROWS.to_parquet(tmp_path / "a[1].parquet")
    same_rows(load(source="parquet", files=[tmp_path / "a[1].parquet"]))


def test_other_files_of_a_folder_are_said(tmp_path):
    folder = parts(tmp_path / "parts")
    (folder / "README.md").touch()
    said = []
    load(said, source="parquet", files=[folder])
    assert f"{folder}: 3 parquet files are read, not 1 other files, such as README.md" in said


@pytest.mark.parametrize(
    ("make", "named", "says"),
    [
        (lambda _: None, "", r"no parquet file in this folder \(no other file\)"),
        (lambda f: (f / "a.csv").touch(), "", "no parquet file .*1 other files, such as a.csv"),
        (lambda _: None, "*.parquet", "no file matches"),
        (lambda f: ROWS.to_parquet(f / "_a.parquet"), "*.parquet", "no file matches"),
        (lambda _: None, "gone.parquet", "there is no such file"),
    ],
)
def test_nothing_to_read_is_one_sentence(tmp_path, make, named, says):
    folder = tmp_path / "rows"
    folder.mkdir()
    make(folder)
    with pytest.raises(DataError, match=says) as caught:
        load(source="parquet", files=[folder / named])
    assert caught.value.fix
    assert "\n" not in str(caught.value)


def test_globs_of_urls_and_numerais_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"a URL cannot have a \* in it"):
        load(source="parquet", files=["s3://bucket/*.parquet"])
    folder = numerai_folder(tmp_path / "v5.3")
    ROWS.to_parquet(folder / "live.parquet")
    with pytest.raises(DataError, match=r"Numerai's layout.*source: numerai"):
        load(source="parquet", files=[folder])


def test_home_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    parts(tmp_path / "parts")
    numerai_folder(tmp_path / "v5.3")
    same_rows(load(source="parquet", files=["~/parts/*.parquet"]))
    assert load(dir="~/v5.3").folder == tmp_path / "v5.3"
    assert Data.model_validate({"store": {"dir": "~/s"}}).store.dir == tmp_path / "s"


def test_a_run_on_hive_folders_is_trained_resumed_and_judged_again(
    lab, tiny_config, tournament, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    names = ("train", "validation")
    rows = pd.concat([pd.read_parquet(tournament / f"{name}.parquet") for name in names])
    hive(tmp_path / "rows", rows.drop(columns="data_type"), parts=1)
    (tmp_path / "hive.yaml").write_text("source: parquet\nfiles: [~/rows]\n")
    asked = ("train", tiny_config, "--data=~/hive.yaml", "--run-dir", "~/run")
    result = lab(*asked, "--json")
    assert result.code == 0, result.err
    assert lab(*asked, "--resume").code == 0
    again = lab("evaluate", "~/run", "--json")
    assert again.code == 0, again.err
    assert again.json["scores"] == result.json["scores"]
    judged = lab("evaluate", "~/run/predictions.parquet", "--data=~/hive.yaml", "--json")
    assert judged.code == 0, judged.err
    assert Path(result.json["run_dir"]) == tmp_path / "run"
