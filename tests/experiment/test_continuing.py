"""`train --continue`: a final model grows on eras that have resolved since, as a new run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xgboost

from damage import flip
from numerai_lab.errors import RunError
from numerai_lab.experiment import RunDir
from plugins import install_model

CONFIG = """\
name: weekly
data: {{source: numerai, dir: "{folder}"}}
split: {{type: walk_forward, first_train_eras: 20, chunk_eras: 10, purge_eras: 4}}
scoring: {{bootstrap: {{samples: 200}}}}
threads: 1
model:
  type: {model}
"""
XGB = "xgb\n  params: {num_boost_round: 12, max_depth: 2, eta: 0.1}\n"
RIDGE = "ridge\n  params: {alpha: 1.0}\n"
ENSEMBLE = (
    "lgbm_ensemble\n  params: {weights: equal, era_step: 1, era_offsets: [0], "
    "lightgbm: {num_iterations: 12}}\n"
)

NET = "mlp\n  params: {epochs: 2, width: 8, hidden: 8, fine_tune: {strength: 0.5, refit_eras: 4}}\n"

STACK = """stack
  params:
    prior_eras: 5
    members:
      deep: {type: xgb, params: {num_boost_round: 12, max_depth: 2, eta: 0.1}}
      line: {type: ridge, params: {alpha: 1.0}}
      honest: {type: honest}
"""


def write_eras(source: Path, folder: Path, last: int) -> None:
    """Write the source's labelled rows up to an era: the data as it was then."""
    folder.mkdir(exist_ok=True)
    for name in ("train.parquet", "validation.parquet"):
        frame = pd.read_parquet(source / name)
        frame[frame["era"].astype(int) <= last].to_parquet(folder / name)
    (folder / "features.json").write_bytes((source / "features.json").read_bytes())


@pytest.fixture
def weekly(lab, tournament, tmp_path):
    """A final model of the eras up to 40; then those up to 56 resolve (57-60 have no label yet)."""

    def train(model):
        folder = tmp_path / "data"
        write_eras(tournament, folder, 40)
        config = tmp_path / "weekly.yaml"
        config.write_text(CONFIG.format(folder=folder, model=model))
        result = lab("train", config, "--final", "--runs-dir", tmp_path / "runs", "--json")
        assert result.code == 0, result.err
        write_eras(tournament, folder, 60)
        return Path(result.json["run_dir"])

    return train


@pytest.mark.slow  # a run of a net, and its continuation
def test_a_net_that_learns_on_begins_again_from_where_it_goes_on(weekly, lab, tmp_path):
    pytest.importorskip("torch", reason="tests of nets need torch: make nets")
    parent = weekly(NET)
    result = lab("train", "--continue", parent, "--runs-dir", tmp_path / "runs", "--json")
    assert result.code == 0, result.err
    run = Path(result.json["run_dir"])
    facts = json.loads((run / "final" / "fit.json").read_text())
    assert facts["last_era"] == 56
    assert "strength 0.5 as written" in facts["notes"]
    meta = json.loads((run / "final" / "model" / "meta.json").read_text())
    # what was gained in eras 41-56 is known: era 41 is known by 46, and four are wanted at once
    assert meta["own"]["guarded"]["gain_eras"] == [*range(49, 57)]
    assert meta["own"]["guarded"]["trained_to"] == 56


@pytest.mark.parametrize("model", [XGB, ENSEMBLE])
def test_exactly_so_many_rounds_are_added_and_the_lineage_is_kept(weekly, lab, tmp_path, model):
    parent = weekly(model)
    runs = ["--runs-dir", tmp_path / "runs"]
    result = lab("train", "--continue", parent, "--amount", 5, *runs, "--json")
    assert result.code == 0, result.err
    run = Path(result.json["run_dir"])
    manifest = json.loads((run / "manifest.json").read_text())
    lineage = manifest["continued"]
    assert lineage["parent"] == str(parent.resolve())
    assert (lineage["first_era"], lineage["last_era"], lineage["amount"]) == (41, 56, 5)
    assert lineage["unit"] == "rounds"
    # the parent never saw any part of the labels of 45-56: its first judgement on what came later
    judged = lineage["parent_on_new_eras"]
    assert (judged["first_era"], judged["last_era"], judged["n_eras"]) == (45, 56, 12)
    assert np.isfinite(judged["corr"])
    before, after = (
        json.loads((path / "final" / "fit.json").read_text()) for path in (parent, run)
    )
    assert (after["size"], after["unit"]) == (before["size"] + 5, "trees")
    assert after["train"]["n_eras"] == before["train"]["n_eras"] + 16
    assert after["last_era"] == 56
    if model == XGB:
        grown = xgboost.Booster(model_file=run / "final" / "model" / "booster.ubj")
        assert grown.num_boosted_rounds() == 17
    # the scores are the parent's, and every reader is told so
    assert result.json["scores"] == json.loads((parent / "scores.json").read_text())["scores"]
    assert any("folds and scores are those of that run" in note for note in manifest["notes"])
    assert "folds and scores are those of that run" in (run / "report.html").read_text()
    listed = lab("runs", *runs, "--json").json["runs"]
    assert [row["continues"] for row in listed] == [None, str(parent.resolve())]
    assert "grown by train --continue" in lab("runs", *runs).out
    # the refreshed model is what goes live, and can be refreshed again
    out = tmp_path / "live.csv"
    live = pd.read_parquet(tmp_path / "data" / "validation.parquet")
    live[live["era"] == "0060"].to_parquet(tmp_path / "live.parquet")
    predicted = lab(
        "predict", "weekly", *runs, "--features", tmp_path / "live.parquet", "--out", out
    )
    assert predicted.code == 0, predicted.err
    assert len(pd.read_csv(out)) == 60


@pytest.mark.parametrize(
    ("model", "amount"),
    [(XGB, 5), (RIDGE, 16)],  # 12 rounds on 40 eras, so 4.8 on 16; ridge counts eras
)
def test_the_default_is_as_many_steps_an_era_as_before(weekly, lab, tmp_path, model, amount):
    parent = weekly(model)
    result = lab("train", "--continue", parent, "--runs-dir", tmp_path / "runs", "--json")
    manifest = json.loads((Path(result.json["run_dir"]) / "manifest.json").read_text())
    assert manifest["continued"]["amount"] == amount


def test_a_stack_goes_on_with_the_members_that_can(weekly, lab, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(install_model(tmp_path, "honest", "honest_model:Honest"))
    parent = weekly(STACK)
    runs = ["--runs-dir", tmp_path / "runs"]
    for member in ("deep", "line", "honest"):  # a final model holds all it needs of its members
        shutil.rmtree(tmp_path / "runs" / f"weekly.{member}")
    refused = lab("train", "--continue", parent, "--amount", 3, *runs)  # before a member grows
    assert refused.code == 2
    assert (
        "--amount: model 'stack' learns from each of 16 new eras once, which makes 16 steps, not 3"
        in refused.err
    )
    assert "member deep" not in refused.err
    assert [path.name for path in (tmp_path / "runs" / "weekly").iterdir()] == [parent.name]
    result = lab("train", "--continue", parent, *runs, "--json")
    assert result.code == 0, result.err
    run = Path(result.json["run_dir"])
    said = (
        "member honest stays as it was fitted up to era 40: model 'honest' cannot go on from a fit"
    )
    assert said in result.err
    lineage = json.loads((run / "manifest.json").read_text())["continued"]
    assert (lineage["amount"], lineage["unit"], lineage["n_eras"]) == (16, "eras", 16)
    assert lineage["parent_on_new_eras"]["first_era"] == 45
    before, after = (
        json.loads((path / "final" / "fit.json").read_text()) for path in (parent, run)
    )
    assert said in after["notes"]
    weighed = [facts["details"]["weights_on"] for facts in (before, after)]
    assert weighed[1]["n_eras"] == weighed[0]["n_eras"] + 12  # of 16, 4 are within the purge
    assert weighed[1]["last"] == 56
    kept = run / "final" / "members"
    grown = xgboost.Booster(model_file=kept / "deep" / "model" / "booster.ubj")
    assert grown.num_boosted_rounds() == 12 + round(12 * 16 / 40)
    assert json.loads((kept / "line" / "model" / "meta.json").read_text())["n_steps"] == 56
    same = parent / "final" / "members" / "honest" / "model"
    for path in same.iterdir():
        assert (kept / "honest" / "model" / path.name).read_bytes() == path.read_bytes()
    told = {name: facts["last_era"] for name, facts in after["members"].items()}
    assert told == {"deep": 56, "line": 56, "honest": 40}
    live = pd.read_parquet(tmp_path / "data" / "validation.parquet")
    live[live["era"] == "0060"].to_parquet(tmp_path / "live.parquet")
    out = tmp_path / "live.csv"
    predicted = lab("predict", run, "--features", tmp_path / "live.parquet", "--out", out)
    assert predicted.code == 0, predicted.err
    assert len(pd.read_csv(out)) == 60
    refused = lab("train", "--continue", run, *runs)
    assert refused.code == 2
    assert "was fitted up to era 56" in refused.err


def test_a_refreshed_run_names_all_it_comes_from(weekly, lab, tournament, tmp_path):
    parent = weekly(XGB)
    runs = ["--runs-dir", tmp_path / "runs", "--json"]
    write_eras(tournament, tmp_path / "data", 50)
    first = lab("train", "--continue", parent, *runs).json["run_dir"]
    write_eras(tournament, tmp_path / "data", 60)
    second = lab("train", "--continue", "weekly", *runs).json["run_dir"]
    lineage = json.loads((Path(second) / "manifest.json").read_text())["continued"]
    assert lineage["parent"] == str(Path(first).resolve())
    assert lineage["ancestors"] == [str(parent.resolve())]
    assert lineage["first_era"] == 51
    assert lineage["parent_on_new_eras"]["first_era"] == 55


def test_other_data_than_the_parents_can_be_given(weekly, lab, tournament, tmp_path):
    parent = weekly(XGB)
    write_eras(tournament, tmp_path / "newer", 50)
    runs = ["--runs-dir", tmp_path / "runs", "--json"]
    result = lab("train", "--continue", parent, "--data", tmp_path / "newer", *runs)
    manifest = json.loads((Path(result.json["run_dir"]) / "manifest.json").read_text())
    assert manifest["data"]["folder"] == str((tmp_path / "newer").resolve())
    assert manifest["continued"]["last_era"] == 50


def test_what_cannot_be_continued_says_why(weekly, lab, tournament, tmp_path):
    parent = weekly(XGB)
    runs = ["--runs-dir", tmp_path / "runs"]
    before = sorted((tmp_path / "runs").rglob("manifest.json"))
    write_eras(tournament, tmp_path / "data", 40)
    result = lab("train", "--continue", parent, *runs)
    assert result.code == 2
    assert "was fitted up to era 40" in result.err
    assert "no labelled era" in result.err
    for arguments in (
        ["train", *runs],
        ["train", tmp_path / "weekly.yaml", "--continue", parent, *runs],
        ["train", tmp_path / "weekly.yaml", "--rounds", 3, *runs],
        ["train", "--continue", parent, "--final", *runs],
        ["train", "--continue", tmp_path / "nowhere", *runs],
    ):
        result = lab(*arguments)
        assert result.code == 2, result.err
        assert result.err.count("\n") == 1
    assert sorted((tmp_path / "runs").rglob("manifest.json")) == before


def test_a_damaged_run_that_was_grown_is_grown_again(weekly, lab, tmp_path):
    parent = weekly(XGB)
    runs = ["--runs-dir", tmp_path / "runs", "--json"]
    run = Path(lab("train", "--continue", parent, "--rounds", 3, *runs).json["run_dir"])
    assert RunDir(run).verifiable()
    for name in ("final/model/booster.ubj", "predictions.parquet", "folds/01/fit.json"):
        whole = (run / name).read_bytes()
        flip(run / name)
        with pytest.raises(RunError, match="is not what was written") as error:
            RunDir(run).checked(run / name)
        assert f"`numerai-lab train --continue {parent} --amount 3`" in str(error.value)
        (run / name).write_bytes(whole)
    again = Path(lab("train", "--continue", parent, "--rounds", 3, *runs).json["run_dir"])
    for name in ("final/model/booster.ubj", "predictions.parquet", "scores_per_era.parquet"):
        assert (again / name).read_bytes() == (run / name).read_bytes()
    # its folds are those of the parent, so nothing of it is fitted on its own data
    resumed = lab("train", tmp_path / "weekly.yaml", "--resume", "--run-dir", run, *runs)
    assert resumed.code == 2
    assert f"numerai-lab train --continue {parent} --amount 3" in resumed.err
    flip(parent / "final" / "model" / "booster.ubj")
    refused = lab("train", "--continue", parent, *runs)
    assert refused.code == 2
    assert "booster.ubj is not what was written" in refused.err
