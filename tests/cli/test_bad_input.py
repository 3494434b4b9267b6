"""Every mistake gives one clear sentence with the place and the way out, and damages nothing."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def folder(tournament, tmp_path) -> Path:
    """A tournament of one's own, to break."""
    copy = tmp_path / "broken"
    shutil.copytree(tournament, copy)
    return copy


def change_train(folder: Path, change) -> None:
    table = pd.read_parquet(folder / "train.parquet")
    change(table).to_parquet(folder / "train.parquet")


def first_feature(table: pd.DataFrame) -> str:
    return next(name for name in table.columns if name.startswith("feature"))


def missing_file(folder):
    (folder / "train.parquet").unlink()
    (folder / "validation.parquet").unlink()


def missing_column(folder):
    change_train(folder, lambda d: d.drop(columns="era"))


def missing_target(folder):
    change_train(folder, lambda d: d.drop(columns="target"))
    table = pd.read_parquet(folder / "validation.parquet")
    table.drop(columns="target").to_parquet(folder / "validation.parquet")


def duplicate_ids(folder):
    change_train(folder, lambda d: pd.concat([d, d.tail(1)]))


def era_not_a_number(folder):
    change_train(folder, lambda d: d.assign(era=d["era"].where(d["era"] != "0007", "seven")))


def all_nan_target(folder):
    for name in ("train", "validation"):
        table = pd.read_parquet(folder / f"{name}.parquet")
        table["target"] = np.float32("nan")
        table.to_parquet(folder / f"{name}.parquet")


def outside_int8(folder):
    def change(d):
        values = d[first_feature(d)].astype("int16")
        values.iloc[3] = 300
        return d.assign(**{first_feature(d): values})

    change_train(folder, change)


def negative_feature(folder):
    def change(d):
        values = d[first_feature(d)].copy()
        values.iloc[3] = -1
        return d.assign(**{first_feature(d): values})

    change_train(folder, change)


def truncated(folder):
    path = folder / "train.parquet"
    path.write_bytes(path.read_bytes()[:-2000])


def not_parquet(folder):
    (folder / "train.parquet").write_text("<html>502 Bad Gateway</html>")


def empty_file(folder):
    (folder / "train.parquet").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (missing_file, ["train.parquet"]),
        (missing_column, ["train.parquet", "'era'"]),
        (missing_target, ["'target'"]),
        (duplicate_ids, ["more than once"]),
        (era_not_a_number, ["seven", "train.parquet"]),
        (all_nan_target, ["'target'"]),
        (outside_int8, ["300", "feature"]),
        (negative_feature, ["-1", "feature"]),
        (truncated, ["train.parquet"]),
        (not_parquet, ["train.parquet"]),
        (empty_file, ["train.parquet"]),
    ],
)
def test_damaged_data(lab, folder, trained, tiny_config, tmp_path, damage, says):
    before = contents(tmp_path / "runs")
    damage(folder)
    data = contents(folder)
    result = lab("train", tiny_config, "--data", folder, "--runs-dir", tmp_path / "runs")
    sentence = result.err.splitlines()[-1]
    assert result.code == 2
    assert sentence.startswith("error: ")
    assert "Traceback" not in result.err
    for text in says:
        assert text in sentence
    assert contents(tmp_path / "runs") == before
    assert contents(folder) == data


def test_unknown_feature_set(lab, tiny_config, tmp_path):
    result = lab(
        "train", tiny_config, "--runs-dir", tmp_path, "--set", "data.feature_set=smal", "--quiet"
    )
    assert result.code == 2
    assert "smal" in result.err
    assert "did you mean 'small'" in result.err
    assert result.err.count("\n") == 1


def test_a_config_with_five_errors_names_all_five_with_their_lines(lab, tmp_path):
    path = tmp_path / "five.yaml"
    path.write_text(
        "name: five\n"
        "sed: 1\n"
        "data: {eras: {step: 0}}\n"
        "split:\n"
        "  type: walk_forward\n"
        "  chunk_eras: many\n"
        "model:\n"
        "  type: xgb\n"
        "  params:\n"
        "    eat: 0.1\n"
        "    max_depth: 3.5\n"
    )
    result = lab("train", path, "--runs-dir", tmp_path / "runs")
    assert result.code == 2
    for place in (
        ":2 sed: unknown key, did you mean 'seed'?",
        ":3 data.eras.step:",
        ":6 split.chunk_eras:",
        ":10 model.params.eat: unknown key, did you mean 'eta'?",
        ":11 model.params.max_depth:",
    ):
        assert f"{path}{place}" in result.err
    assert not (tmp_path / "runs").exists()
    assert lab("config", "check", path).code == 2


@pytest.mark.parametrize("limit_kb", [pytest.param(2, marks=pytest.mark.slow), 30])
def test_full_disk(lab, forks, tiny_config, tmp_path, limit_kb):
    """A limit on file size makes every larger write fail, as a full disk does."""
    run = tmp_path / "run"
    limited = {"file_bytes": limit_kb * 1024}
    code, _, err = forks.run("train", tiny_config, "--run-dir", run, **limited)
    assert code == 1, err
    assert "disk is full" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not (run / "DONE").exists()
    assert not list(tmp_path.rglob("*.part"))
    begun = ["--resume"] if (run / "manifest.json").exists() else []
    whole = lab("train", tiny_config, "--run-dir", run, *begun)
    assert whole.code == 0, whole.err


def test_a_folder_that_may_not_be_written(lab, tiny_config, tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    result = lab("train", tiny_config, "--runs-dir", tmp_path / "runs")
    assert result.code in {1, 2}
    assert str(tmp_path / "runs") in result.err.splitlines()[-1]
    assert "Traceback" not in result.err


def test_json_errors_are_json_too(lab, tmp_path):
    result = lab("train", tmp_path / "nothing.yaml", "--json")
    assert result.code == 2
    assert result.json["exit_code"] == 2
    assert "nothing.yaml" in result.json["error"]


def test_usage_errors_exit_with_2(lab):
    result = lab("trian")
    assert result.code == 2
    assert "train" in result.err
