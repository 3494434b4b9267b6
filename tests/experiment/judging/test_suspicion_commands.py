"""A leak is told by every command that shows the scores; a benchmark is never accused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from numerai_lab.experiment import RunDir
from numerai_lab.tournament.monitoring.validation_scores import read_promise
from tiny import TINY_CONFIG

ACCUSED = "is surely more than honest models reach: "


@pytest.fixture(scope="module")
def leaky(tournament, tmp_path_factory):
    """The tournament with a feature that is the target, and a config that trains on it."""
    folder = shutil.copytree(tournament, tmp_path_factory.mktemp("leaky") / "data")
    for path in (folder / "train.parquet", folder / "validation.parquet"):
        frame = pd.read_parquet(path)
        first = next(name for name in frame.columns if name.startswith("feature"))
        told = (frame["target"] * 4).fillna(2).astype(np.int8)
        frame[first] = told.where(np.random.default_rng(0).random(len(frame)) < 0.3, 2)
        frame.to_parquet(path)
    config = folder.parent / "leaky.yaml"
    config.write_text(TINY_CONFIG.format(folder=folder).replace("name: tiny", "name: leaky"))
    return config


def test_a_leak_is_told_by_train_report_evaluate_compare_and_status(lab, leaky, tmp_path):
    runs = ("--runs-dir", tmp_path / "runs")
    trained = lab("train", leaky, *runs, "--json")
    assert trained.code == 0, trained.err
    said = [line for line in trained.err.splitlines() if ACCUSED in line]
    assert len(said) == 1
    assert "'prediction' 0." in said[0]
    run = Path(trained.json["run_dir"])
    numbers = json.loads((run / "scores.json").read_text())["suspicions"]["target"]["prediction"]
    assert numbers["suspicious"]
    assert numbers["mean"] > numbers["limit"] + numbers["excess_low"] > numbers["limit"]
    assert numbers["benchmark"] in ("benchmark_ender20", "benchmark_ender60")
    assert numbers["reason"] in said[0]
    assert ACCUSED in (run / "report.html").read_text()
    assert ACCUSED in lab("evaluate", run).err
    compared = lab("compare", run, run, *runs, "--json")
    assert compared.err.count(ACCUSED) == 2
    assert numbers["reason"] in compared.err
    assert numbers["reason"] in read_promise(RunDir(run)).suspicion


@pytest.mark.parametrize("benchmark", ["benchmark_ender20", "benchmark_ender60"])
@pytest.mark.parametrize("target", ["target", "target_ender_60", "target_rowan_20"])
def test_a_benchmark_judged_as_a_prediction_is_not_accused(
    lab, tournament, tmp_path, benchmark, target
):
    frame = pd.read_parquet(tournament / "validation_benchmark_models.parquet").reset_index()
    path = tmp_path / "mine.parquet"
    frame[["id", benchmark]].rename(columns={benchmark: "prediction"}).to_parquet(path)
    found = lab(*("evaluate", path, "--data", tournament, "--target", target, "--json"))
    assert found.code == 0, found.err
    assert "suspicious" not in found.err
    assert not found.json["suspicions"][target]["prediction"]["suspicious"]


def test_every_benchmark_counts_before_a_prediction_is_accused(lab, tournament, tmp_path):
    """The one that is shown is weak here: the other one, read for this alone, acquits."""
    folder = shutil.copytree(tournament, tmp_path / "data")
    path = folder / "validation_benchmark_models.parquet"
    rows = pd.read_parquet(folder / "validation.parquet", columns=["era", "target"])
    frame = pd.read_parquet(path)
    noise = np.random.default_rng(0).random(len(frame))
    strong = rows["target"].reindex(frame.index).fillna(0.5) * 0.12 + 0.88 * noise
    frame["benchmark_ender20"], frame["benchmark_ender60"] = noise, strong
    frame.to_parquet(path)
    frame["prediction"] = strong.to_numpy()
    frame.reset_index()[["id", "prediction"]].to_parquet(tmp_path / "mine.parquet")
    options = ("evaluate", tmp_path / "mine.parquet", "--data", folder, "--json")
    found = lab(*options, "--benchmark", "benchmark_ender20")
    numbers = found.json["suspicions"]["target"]["prediction"]
    assert numbers["benchmark"] == "benchmark_ender60", numbers
    assert "suspicious" not in found.err
    frame.drop(columns=["benchmark_ender60", "prediction"]).to_parquet(path)
    assert ACCUSED in lab(*options).err
