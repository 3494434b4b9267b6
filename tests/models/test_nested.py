"""Models within a model's parameters: checked at any depth, and traits that follow them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from member_model import MeanOf
from numerai_lab.experiment import Reporter, prepare, read_experiment
from numerai_lab.models import ModelChoice, check_model, info_of, models_within

XGB = {"type": "xgb", "params": {"num_boost_round": 2, "max_depth": 2, "lambda": 0.5}}
ENSEMBLE = {"type": "lgbm_ensemble", "params": {"preset": "custom"}}


@pytest.fixture
def members(tmp_path, monkeypatch):
    """Install the model of members under the name `mean_of`; return a function writing configs."""
    info = tmp_path / "installed" / "mean_of-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mean_of\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[numerai_lab.models]\nmean_of = member_model:MeanOf\n")
    monkeypatch.syspath_prepend(tmp_path / "installed")

    def write(tiny_config, lines: str):
        path = tmp_path / "mean.yaml"
        head = "extends: tiny.yaml\nname: mean\nmodel:\n  type: mean_of\n  params:\n    members:\n"
        path.write_text(head + lines)
        return path

    return write


def test_a_model_of_models_keeps_every_promise():
    check_model(MeanOf, {"members": [XGB, {**XGB, "params": {"num_boost_round": 3}}]})


def test_a_mistake_deep_within_keeps_its_line(members, tiny_config, lab):
    config = members(
        tiny_config,
        "    - {type: xgb, params: {eta: 0.1}}\n"
        "    - type: mean_of\n"
        "      params:\n"
        "        members:\n"
        "        - type: xgb\n"
        "          params:\n"
        "            max_dept: 3\n"
        "            eta: fast\n"
        "        - type: xbg\n"
        "    - {type: xgb, params: {seed: 4}}\n",
    )
    result = lab("train", config)
    assert result.code == 2
    place = "model.params.members"
    for said in (
        f"{config}:13 {place}[1].params.members[0].params.max_dept: unknown key, did you mean "
        "'max_depth'?",
        f"{config}:14 {place}[1].params.members[0].params.eta: expected a number",
        f"{config}:15 {place}[1].params.members[1].type: there is no model 'xbg', did you mean "
        "'xgb'?",
        f"{config}:16 {place}[2].params.seed: not a parameter here: write `seed`",
    ):
        assert said in result.err, (said, result.err)
    assert "4 errors" in result.err


def test_traits_follow_the_parameters(members, tiny_config):
    config = members(tiny_config, "    - {type: xgb}\n    - {type: lgbm_ensemble}\n")
    both = "data.targets=[target, target_ender_60]"
    with Reporter(quiet=True) as reporter:
        mixed = prepare(read_experiment(str(config), None, (both,)), reporter)
        assert mixed.trained == ("target", "target_ender_60")
        assert mixed.info.multi_target
        alone = members(tiny_config, "    - {type: xgb}\n")
        single = prepare(read_experiment(str(alone), None, (both,)), reporter, mixed.dataset)
    assert single.trained == ("target",)
    assert single.horizon_days < mixed.horizon_days


def test_models_within_are_found_at_any_depth():
    inner = {"type": "xgb"}
    params = MeanOf.Params.model_validate({"members": [inner, ENSEMBLE]})
    assert [choice.type for choice in models_within(params)] == ["xgb", "lgbm_ensemble"]
    assert info_of(MeanOf, params).multi_target
    assert not ModelChoice(type="xgb").info.multi_target
    assert list(models_within(ModelChoice(type="xgb").params)) == []


def test_what_a_device_cannot_hold_is_told_before_training(members, tiny_config, tmp_path, lab):
    """A program that answers as NVIDIA's does, with a GPU that has 1.5 GiB free."""
    tools = tmp_path / "bin"
    tools.mkdir()
    tool = tools / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 100\necho 1536\n")
    tool.chmod(0o755)
    config = members(tiny_config, "    - {type: xgb}\n")
    run = ("train", config, "--set", "device=cuda", "--runs-dir", tmp_path / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
        result = lab(*run)
    assert result.code != 0
    assert re.search(
        r"fold \d+ trains on [\d,]+ rows x \d+ features, which takes 2\.0 GiB of the GPU at least; "
        r"1\.5 GiB of it are free; choose fewer features .* or smaller members",
        result.err,
    ), result.err
    assert not (tmp_path / "runs" / "mean").exists()


def test_a_run_with_members(members, tiny_config, lab, tmp_path):
    config = members(
        tiny_config, f"    - {XGB}\n    - {{type: xgb, params: {{num_boost_round: 3}}}}\n"
    )
    result = lab("train", config, "--runs-dir", tmp_path / "runs", "--json")
    assert result.code == 0, result.err
    assert "2 members (" in result.err
    manifest = json.loads((Path(result.json["run_dir"]) / "manifest.json").read_text())
    assert manifest["versions"]["mean_of"] == "1.0"
