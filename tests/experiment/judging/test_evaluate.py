"""evaluate and report, through the command line."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from tiny import TINY_CONFIG


@pytest.fixture
def runs_dir(tmp_path):
    return tmp_path / "runs"


def test_evaluate_gives_the_scores_train_gave(lab, trained, runs_dir):
    before = (Path(trained["run_dir"]) / "scores_per_era.parquet").read_bytes()
    result = lab("evaluate", "--runs-dir", runs_dir, "--json")
    assert result.code == 0, result.err
    assert result.json["scores"] == trained["scores"]
    assert result.json["folds"] == trained["folds"]
    assert (Path(trained["run_dir"]) / "scores_per_era.parquet").read_bytes() == before


@pytest.mark.parametrize("by", ["directory", "name", "latest:"])
def test_a_run_is_found_by_directory_or_name(lab, trained, runs_dir, by):
    spec = {"directory": trained["run_dir"], "name": "tiny", "latest:": "latest:tiny"}[by]
    result = lab("evaluate", spec, "--runs-dir", runs_dir, "--json")
    assert result.json["run_dir"] == trained["run_dir"]


def test_evaluate_other_target_and_eras_writes_nothing(lab, trained, runs_dir):
    run = Path(trained["run_dir"])
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    result = lab(
        *("evaluate", "--runs-dir", runs_dir, "--json"),
        *("--target", "target_ender_60", "--from", 35, "--to", 44, "--benchmark", "none"),
    ).json
    assert result["target"] == "target_ender_60"
    assert result["eras"] == {"first": 35, "last": 44, "n": 10}
    assert result["benchmark"] is None
    assert "bmc" not in result["scores"]["prediction"]
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_every_target_asked_for_is_shown(lab, trained, runs_dir):
    wanted = ("--target", "target", "--target", "target_ender_60")
    found = lab("evaluate", "--runs-dir", runs_dir, "--json", *wanted).json["scores_by_target"]
    shown = lab("evaluate", "--runs-dir", runs_dir, *wanted).out
    table = shown[shown.index("corr on every target") :].splitlines()[3:]
    for target in ("target", "target_ender_60"):
        line = table[table.index(target) + 1]
        corr = found[target]["prediction"]["corr"]
        assert line.split()[:2] == ["tiny", f"{corr['mean']:.4f}"]
        assert f"{corr['n_eras']} ({corr['first_era']}-{corr['last_era']})" in line
        assert f"[{corr['ci_low']:.4f}, {corr['ci_high']:.4f}]" in line
        assert f"{corr['sharpe']:.2f}" in line


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_evaluate_any_predictions_file(lab, trained, tournament, tmp_path, suffix):
    mine = pd.read_parquet(Path(trained["run_dir"]) / "predictions.parquet")
    mine = mine.sample(frac=1.0, random_state=0)[["id", "era", "prediction"]]
    path = tmp_path / f"mine{suffix}"
    if suffix == ".csv":
        mine["era"] = mine["era"].astype(int)  # numbers will do, too
        mine.to_csv(path, index=False)
    else:
        mine.to_parquet(path)
    result = lab("evaluate", path, "--data", tournament, "--json")
    assert result.code == 0, result.err
    wanted = trained["scores"]["prediction"]["corr"]["mean"]
    assert result.json["scores"]["prediction"]["corr"]["mean"] == pytest.approx(wanted, abs=1e-6)


def test_evaluate_counts_predictions_without_a_label(lab, trained, tournament, tmp_path):
    mine = pd.read_parquet(Path(trained["run_dir"]) / "predictions.parquet")
    mine.loc[:4, "id"] = [f"stranger{i}" for i in range(5)]
    mine.to_parquet(tmp_path / "mine.parquet")
    result = lab("evaluate", tmp_path / "mine.parquet", "--data", tournament, "--json")
    assert result.code == 0
    assert f"5 of {len(mine)} predictions have no labelled row" in result.err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.drop(columns="id"), "no column 'id'"),
        (lambda d: d.drop(columns="prediction").drop(columns="fold"), "no column of numbers"),
        (lambda d: d.assign(id=d["id"].where(d.index > 1)), "2 rows have no id"),
        (lambda d: d.assign(era=d["era"].where(d.index > 0)), "column 'era' is empty in 1 of"),
        (lambda d: d.assign(era=d["era"].astype(int) + 0.5), "no era number"),
        (lambda d: d.assign(fold=d["fold"].where(d.index > 0)), "column 'fold' is empty in 1 of"),
        (
            lambda d: d.assign(prediction=d["prediction"].where(d.index > 2, float("-inf"))),
            "column 'prediction' is infinite in 3 of",
        ),
        (lambda d: pd.concat([d, d.head(1)]), "more than once"),
        (lambda d: d.assign(era="X"), "no era number"),
        (lambda d: d.assign(era=d["era"].astype(int) + 1), "is in era"),
        (lambda d: d.assign(id="q" + d["id"]), "no id of these predictions"),
        (lambda d: d.head(0), "holds no predictions"),
    ],
)
def test_bad_predictions_files(lab, trained, tournament, tmp_path, change, says):
    change(pd.read_parquet(Path(trained["run_dir"]) / "predictions.parquet")).to_parquet(
        tmp_path / "bad.parquet"
    )
    result = lab("evaluate", tmp_path / "bad.parquet", "--data", tournament)
    assert result.code == 2
    assert says in result.err
    assert result.err.splitlines()[-1].startswith("error: ")
    assert "Warning" not in result.err


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_predictions_file_without_eras_takes_them_from_the_data(
    lab, trained, tournament, tmp_path, suffix
):
    mine = pd.read_parquet(Path(trained["run_dir"]) / "predictions.parquet")
    mine = mine.sample(frac=1.0, random_state=0)[["id", "prediction"]].reset_index(drop=True)
    mine.loc[:2, "id"] = ["stranger0", "stranger1", "stranger2"]
    path = tmp_path / f"mine{suffix}"
    mine.to_parquet(path) if suffix == ".parquet" else mine.to_csv(path, index=False)
    result = lab("evaluate", path, "--data", tournament, "--json")
    assert result.code == 0, result.err
    assert "each id's era is taken from the data" in result.err
    assert f"3 of {len(mine)} predictions have no labelled row" in result.err
    assert result.json["eras"] == trained["eras"]
    wanted = trained["scores"]["prediction"]["corr"]["mean"]
    assert result.json["scores"]["prediction"]["corr"]["mean"] == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize(
    ("eras", "says"),
    [
        (["--from", 1000], "no predictions from era 1000 on, they are of eras 00"),
        (["--to", 1], "no predictions up to era 1, they"),
        (["--from", 1000, "--to", 1001], "no predictions between eras 1000 and 1001, they"),
    ],
)
def test_eras_without_predictions(lab, trained, runs_dir, eras, says):
    result = lab("evaluate", "--runs-dir", runs_dir, *eras)
    assert result.code == 2
    assert says in result.err


def test_constant_predictions_give_no_score_and_a_warning(lab, trained, tournament, tmp_path):
    mine = pd.read_parquet(Path(trained["run_dir"]) / "predictions.parquet")
    mine["prediction"] = 0.5
    mine.to_parquet(tmp_path / "flat.parquet")
    result = lab("evaluate", tmp_path / "flat.parquet", "--data", tournament, "--json")
    assert result.code == 0, result.err
    assert "constant" in result.err
    assert "corr" not in result.json["scores"]["prediction"]


def test_no_runs_yet(lab, tmp_path):
    assert lab("runs", "--runs-dir", tmp_path).code == 0
    result = lab("evaluate", "--runs-dir", tmp_path)
    assert result.code == 2
    assert "numerai-lab train" in result.err


def test_an_unknown_run_names_those_there_are(lab, trained, runs_dir):
    result = lab("evaluate", "tinny", "--runs-dir", runs_dir)
    assert result.code == 2
    assert "did you mean 'tiny'" in result.err


def test_report_is_written_anew(lab, trained, runs_dir):
    path = Path(trained["report"])
    path.unlink()
    result = lab("report", "tiny", "--runs-dir", runs_dir)
    assert result.out.strip() == str(path)
    assert path.stat().st_size > 10_000


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nobody_reads_ends_without_a_word(trained, runs_dir, forks, unbuffered):
    read, write = os.pipe()
    os.close(read)
    options = {"stdout": write, "unbuffered": unbuffered, "whole_end": True}
    code, _, err = forks.run("runs", "--runs-dir", runs_dir, **options)
    assert code == 141
    assert err == ""


def test_a_run_on_files_at_urls_is_judged_again(lab, tournament, tmp_path):
    """They are read where the config says: the manifest keeps addresses without what is secret."""
    files = [f"file://{tournament}/train.parquet", str(tournament / "validation.parquet")]
    data = {"source": "parquet", "files": files, "columns": {"data_type": "data_type"}}
    config = TINY_CONFIG.format(folder=tournament).splitlines()
    config[1] = f"data: {json.dumps(data)}"
    (tmp_path / "tiny.yaml").write_text("\n".join(config))
    run = tmp_path / "run"
    first = lab("train", tmp_path / "tiny.yaml", "--run-dir", run)
    assert first.code == 0, first.err
    scores = (run / "scores.json").read_bytes()
    (run / "scores_per_era.parquet").unlink()
    again = lab("evaluate", run)
    assert again.code == 0, again.err
    assert (run / "scores.json").read_bytes() == scores


def test_a_run_is_judged_neutralised_without_a_fit(lab, trained, tournament):
    before = trained["scores"]["prediction"]
    asked = ("evaluate", trained["run_dir"], "--json", "--neutralize")
    half, whole = (lab(*asked, share).json["scores"] for share in ("0.5", "1"))
    exposures = [one["prediction"]["exposure_rms"]["mean"] for one in (half, whole)]
    assert before["exposure_rms"]["mean"] > exposures[0] > exposures[1]
    was = half["before_neutralization"]["corr"]["mean"]
    assert was == pytest.approx(before["corr"]["mean"], abs=1e-6)
    told = json.loads(Path(trained["run_dir"], "scores.json").read_text())
    assert "before_neutralization" not in told["scores"]  # nothing is written
    wrong = lab("evaluate", trained["run_dir"], "--neutralize", "2")
    assert (wrong.code, "--neutralize: 2 is not from 0 to 1" in wrong.err) == (2, True)
