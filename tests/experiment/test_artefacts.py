"""Artefacts in a run: what folds make and share, and files that a run was made with."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import pretrained_model
from damage import flip
from numerai_lab.config import config_hash
from numerai_lab.errors import UserError
from numerai_lab.experiment import Reporter, read_experiment
from numerai_lab.experiment.cluster import ClusterExecutor
from numerai_lab.models import ModelInfo, seal_artefact
from plugins import install_model


@pytest.fixture
def mine(tmp_path, monkeypatch, tiny_config):
    """A folder with the model installed, its config and an empty list of pretrainings."""
    target = "pretrained_model:Pretrained"
    monkeypatch.syspath_prepend(install_model(tmp_path / "installed", "pretrained", target))
    monkeypatch.chdir(tmp_path)
    Path("pre.yaml").write_text(
        "extends: tiny.yaml\nname: pre\nartefacts_dir: kept\nmodel: {type: pretrained}\n"
    )
    pretrained_model.BUILT.clear()
    return pretrained_model.BUILT


def fits(run_dir: str, name: str) -> list:
    return [json.loads(p.read_text())[name] for p in sorted(Path(run_dir).glob("*/*/fit.json"))]


def test_folds_make_what_they_need_once(mine, lab):
    first = lab("train", "pre.yaml", "--json", "--final").json
    used = fits(first["run_dir"], "artefacts")
    judged = [fold["judged"]["first"] for fold in first["folds"]]
    assert [one[0]["features_to"] for one in used] == [era - 1 for era in judged]
    assert all(one[0]["labels_to"] is None for one in used)
    assert len(mine) == len(judged) + 1  # the final model's own
    again = lab("train", "pre.yaml", "--json").json
    assert len(mine) == len(judged) + 1
    assert fits(again["run_dir"], "artefacts") == used
    files = [Path(run["run_dir"], "predictions.parquet") for run in (first, again)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_later_fold_may_use_what_an_earlier_one_made(mine, lab):
    run = lab("train", "pre.yaml", "--json", "--set", "model.params.earlier=true").json
    used = fits(run["run_dir"], "artefacts")
    assert len(used) == 3
    assert [one[0]["sha256"] for one in used] == [used[0][0]["sha256"]] * 3
    assert len(mine) == 1
    run = lab("train", "pre.yaml", "--json", "--set", "model.params.earlier=true").json
    assert fits(run["run_dir"], "artefacts") == used


def test_where_artefacts_are_kept_changes_no_hash(mine):
    here, there, other = (
        config_hash(read_experiment("pre.yaml", None, (setting,)).experiment)
        for setting in ("artefacts_dir=a", "artefacts_dir=b", "seed=1")
    )
    assert here == there != other


@pytest.fixture
def checkpoint():
    """A folder with pretrained weights that have seen eras to 20, and no label."""

    def make(features_to: int | None = 20, labels_to: int | None = None) -> Path:
        folder = Path(f"checkpoint_{features_to}_{labels_to}")
        folder.mkdir()
        np.save(folder / "means.npy", np.zeros(12))
        seal_artefact(folder, {"name": "means", "features_to": features_to, "labels_to": labels_to})
        return folder

    return make


@pytest.mark.parametrize(
    ("features_to", "labels_to", "said"),
    [
        (31, None, "has seen features up to era 31, and era 31 is judged"),
        (30, 27, "has seen labels up to era 27, and training ends with era 26"),
    ],
)
def test_a_checkpoint_that_saw_too_much_is_refused_before_the_run(
    mine, lab, checkpoint, features_to, labels_to, said
):
    path = checkpoint(features_to, labels_to)
    result = lab("train", "pre.yaml", "--set", f"model.params.checkpoint={path}")
    assert result.code == 2
    assert said in result.err
    assert f"model.params.checkpoint: {path.resolve()}" in result.err
    assert not Path("runs").exists()
    gone = lab("train", "pre.yaml", "--set", "model.params.checkpoint=gone")
    assert gone.code == 2
    assert "model.params.checkpoint: gone: there is no such file" in gone.err


def test_a_changed_file_is_noticed_by_resume_and_by_baselines(mine, lab, checkpoint):
    prior = Path("prior.bin")
    prior.write_bytes(b"what is known before")
    path = checkpoint()
    params = f"{{checkpoint: {path}, prior: {prior}}}"
    Path("pre.yaml").write_text(
        f"extends: tiny.yaml\nname: pre\nmodel: {{type: pretrained, params: {params}}}\n"
    )
    run = Path(lab("train", "pre.yaml", "--json").json["run_dir"])
    made_with = json.loads((run / "manifest.json").read_text())["made_with"]
    assert list(made_with) == ["model.params.checkpoint", "model.params.prior"]
    assert made_with["model.params.checkpoint"]["features_to"] == 20
    assert mine == []  # nothing was pretrained
    Path("tiny_too.yaml").write_text("extends: tiny.yaml\ncompare_to: [pre]\n")
    found = lab("train", "tiny_too.yaml")
    assert f"compare_to: pre from {run}" in found.err
    flip(prior)
    other = lab("train", "tiny_too.yaml")
    assert other.code == 0
    assert f"{run} is no run for compare_to: pre: it was made with another file" in other.err
    assert "compare_to: pre has no run on these rows and folds yet" in other.err
    (run / "DONE").unlink()
    resumed = lab("train", "pre.yaml", "--resume", "--run-dir", run)
    assert resumed.code == 2
    assert f"was made with another file than {prior.resolve()} is now" in resumed.err
    flip(prior)
    assert lab("train", "pre.yaml", "--resume", "--run-dir", run).code == 0


def test_workers_make_none():
    """Whatever else such a model asks for."""
    info = ModelInfo(summary="pretrains", unit="fits", artefacts=True)
    chosen = SimpleNamespace(model=SimpleNamespace(type="pre"))
    prepared = SimpleNamespace(info=info, experiment=chosen, label="target", target="target")
    executor = ClusterExecutor(SimpleNamespace(spec="local:2"))
    with pytest.raises(UserError, match="makes artefacts, which folds hand on to one another"):
        executor.check(prepared, Reporter(quiet=True))
