"""Runs that another one trained, as members or baselines: what a name means, and their names."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from numerai_lab.experiment import Reporter, TrainOptions, read_experiment, train
from tiny import TINY_CONFIG

RIDGE = "extends: tiny.yaml\nname: line\nmodel: {type: ridge, params: {alpha: 1.0}}\n"
STACK = """\
extends: tiny.yaml
name: stack
model:
  type: stack
  params:
    members:
      line: {from: line.yaml}
      flat: {type: ridge, params: {alpha: 100.0}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, tournament):
    """A finished run of `line` with a final model, and a later stack that trained another one."""
    folder = tmp_path_factory.mktemp("trained_for")
    (folder / "tiny.yaml").write_text(TINY_CONFIG.format(folder=tournament))
    (folder / "line.yaml").write_text(RIDGE)
    (folder / "stack.yaml").write_text(STACK)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for config, changes in (("line.yaml", ("model.params.alpha=2.0",)), ("stack.yaml", ())):
            options = TrainOptions(Path("runs"), final=True)
            train(read_experiment(config, None, changes), options, Reporter(quiet=True))
    return folder


@pytest.fixture
def mine(made, tmp_path, monkeypatch):
    """Work in a copy of that folder."""
    shutil.copytree(made, tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path / "mine"


def test_a_name_means_the_run_that_was_asked_for(mine, lab):
    """For scores and for predictions; a member is meant where there is no other."""
    listed = {
        run["trained_for"]: Path(run["run"])
        for run in lab("runs", "--json").json["runs"]
        if run["experiment"] == "line"
    }
    asked_for, member = listed[None], listed["stack"]
    live = ("predict", "latest:line", "--out", "live.csv")
    assert lab("evaluate", "line", "--json").json["run_dir"] == str(asked_for)
    assert f"taking run {asked_for} " in lab(*live).err
    assert lab("evaluate", member, "--json").json["run_dir"] == str(member)
    shown = lab("runs", "--filter", "trained_for=stack")
    assert shown.out.count("trained for stack") == 2
    assert asked_for.name not in shown.out
    shutil.rmtree(asked_for)
    assert lab("evaluate", "line", "--json").json["run_dir"] == str(member)
    assert f"taking run {member} " in lab(*live[:-1], "again.csv").err


def test_a_baseline_that_was_trained_on_the_way_is_not_the_newest_run(mine, lab):
    compared = ("--set", "name=again", "--set", "compare_to=[base]")
    Path("base.yaml").write_text(RIDGE.replace("1.0", "7.0").replace("line", "base"))
    told = lab("train", "line.yaml", *compared, "--json")
    assert told.code == 0, told.err
    assert lab("evaluate", "--json").json["run_dir"] == told.json["run_dir"]
    assert lab("runs", "--filter", "name=base", "--json").json["runs"][0]["trained_for"] == "again"


def test_a_final_model_for_what_was_trained_for_another_says_what_the_name_means(mine, lab):
    Path("line.yaml").write_text(RIDGE.replace("1.0", "3.0"))
    assert lab("train", "stack.yaml").code == 0
    told = lab("train", "line.yaml", "--final")
    assert told.code == 0
    assert "it was trained for stack: latest:line means it only where no run" in told.err


def test_runs_that_will_join_others_take_no_name_of_theirs(mine):
    """Members, too, as the run made of them knows them by their names."""
    now = datetime.now(UTC)
    for other in list(Path("runs").glob("*/*")):
        digest = other.name.split("-")[1]
        for second in range(120):
            stamp = f"{now + timedelta(seconds=second):%Y%m%dT%H%M%SZ}"
            (other.parent / f"{stamp}-{digest}").mkdir(exist_ok=True)
    options = TrainOptions(Path("staging"), to_join=Path("runs"))
    train(read_experiment("stack.yaml", None, ()), options, Reporter(quiet=True))
    found = [path.name for path in Path("staging").glob("*/*")]
    assert len(found) == 3
    assert all(".2-" in name for name in found), found
