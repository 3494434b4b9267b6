"""Configs that come with the package: found by name where nobody has written one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from numerai_lab.config import load_experiment, shipped_folder, start_project
from numerai_lab.errors import ConfigError, UserError
from numerai_lab.experiment import read_experiment

SHIPPED = Path(__file__).parents[2] / "configs"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["xgb", "xgb.yaml"])
def test_a_name_finds_the_shipped_config_and_says_which(name):
    assert shipped_folder() == SHIPPED.parent
    found = load_experiment(name, data="synthetic")
    assert (found.path, found.experiment.name) == (SHIPPED / "xgb.yaml", "xgb")
    assert found.experiment.data.source == "synthetic"
    assert found.notes == (f"there is no file {name}: {SHIPPED / 'xgb.yaml'} is meant",)


def test_ones_own_config_comes_first():
    Path("configs").mkdir()
    own = "split: {type: official}\nmodel: {type: xgb}\nseed: 7\n"
    Path("configs/xgb.yaml").write_text(own)
    found = load_experiment("xgb")
    assert (found.path, found.experiment.seed) == (Path("configs/xgb.yaml"), 7)
    Path("xgb.yaml").write_text(own.replace("7", "8"))
    assert load_experiment("xgb.yaml").experiment.seed == 8
    assert load_experiment("xgb.yaml").notes == ()
    Path("mine.yaml").write_text("extends: xgb\n")
    assert load_experiment("mine.yaml").experiment.seed == 8


def test_extends_members_and_baselines_may_be_shipped_ones(lab, tournament):
    Path("mine.yaml").write_text(
        "extends: xgb.yaml\ncompare_to: [ridge]\n"
        f"data: {{source: numerai, dir: '{tournament}'}}\n"
        "split: {type: walk_forward, first_train_eras: 30, chunk_eras: 30, purge_eras: 4}\n"
        "model: {params: {num_boost_round: 2}}\n"
    )
    (note,) = load_experiment("mine.yaml").notes
    assert note == f"extends: xgb.yaml is {SHIPPED / 'xgb.yaml'}, which comes with numerai_lab"
    result = lab("train", "mine.yaml", "--json")
    assert result.code == 0, result.err
    assert note in result.err
    came = f"compare_to: ridge is {SHIPPED / 'ridge.yaml'}, which comes with numerai_lab"
    assert came in result.err
    assert "ridge" in result.json["scores"]
    Path("stack.yaml").write_text(
        "extends: mine.yaml\nmodel: {type: stack, params: {members: {a: {from: ridge.yaml}, "
        "b: {from: mine.yaml}}}}\n"
    )
    notes = read_experiment("stack.yaml", None, ()).notes
    assert f"from: ridge.yaml is {SHIPPED / 'ridge.yaml'}, which comes with numerai_lab" in notes


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("xbg", "xbg: no such file, did you mean 'xgb.yaml'?"),
        ("nowhere/xgb.yaml", "nowhere/xgb.yaml: no such file"),
        ("mine.yaml", "extends: no such file xbg.yaml, did you mean 'xgb.yaml'?"),
    ],
)
def test_what_is_not_there_is_told(name, says):
    Path("mine.yaml").write_text("extends: xbg\n")
    with pytest.raises(ConfigError) as caught:
        load_experiment(name)
    assert says in str(caught.value)


def test_init_writes_a_folder_to_work_in(lab, monkeypatch):
    result = lab("init", "my lab", "--json")
    assert result.code == 0, result.err
    folder = Path("my lab").absolute()
    assert all(Path(path).is_file() for path in result.json["files"])
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"configs/xgb.yaml", "configs/submit.yaml", "configs/data/synthetic.yaml"} <= there
    assert {"README.md", ".gitignore", "scripts/numerai-lab-submit.timer"} <= there
    for path in SHIPPED.rglob("*.yaml"):
        assert (folder / "configs" / path.relative_to(SHIPPED)).read_bytes() == path.read_bytes()
    assert len((folder / "README.md").read_text().splitlines()) <= 12
    unit = (folder / "scripts/numerai-lab-submit.service").read_text()
    assert f"WorkingDirectory={folder}\n" in unit
    script = folder / "scripts/cron_submit.sh"
    text = script.read_text() + unit + (folder / "README.md").read_text()
    assert [
        part
        for part in ("/path/to", "%h/numerai_lab", ":-.venv", "[.venv", "make demo")
        if part in text
    ] == []
    assert os.access(script, os.X_OK)
    monkeypatch.chdir(folder)
    checked = lab("config", "check", "configs/xgb.yaml", "configs/submit.yaml")
    assert checked.code == 0, checked.err


def test_what_init_writes_for_cron_runs_the_command(tmp_path):
    start_project(tmp_path / "lab")
    fake = tmp_path / "numerai lab"
    fake.write_text('#!/bin/sh\necho "called in $PWD with $*"\nexit 75\n')
    fake.chmod(0o755)
    environ = {**os.environ, "NUMERAI_LAB": str(fake), "HOME": str(tmp_path)}
    script = tmp_path / "lab" / "scripts" / "cron_submit.sh"
    done = subprocess.run([script, "--slot", "a"], env=environ, cwd="/", check=False)
    assert done.returncode == 0
    log = (tmp_path / "lab" / "submissions" / "submit.log").read_text()
    assert log.startswith(f"called in {tmp_path / 'lab'} with submit --env-file {tmp_path}/.config")
    del environ["NUMERAI_LAB"]
    subprocess.run(["sh", "-n", script], env=environ, check=True)


def test_init_writes_nothing_over():
    folder = Path("lab")
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "ridge.yaml").write_text("mine")
    with pytest.raises(UserError, match=r"configs/ridge.yaml is there already"):
        start_project(folder)
    assert [p.name for p in folder.rglob("*") if p.is_file()] == ["ridge.yaml"]
    Path("file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        start_project(Path("file"))
    (folder / "configs" / "ridge.yaml").rename(folder / "configs" / "other.yaml")
    assert folder.absolute() / "configs" / "ridge.yaml" in start_project(folder)


def test_the_version_comes_with_those_of_the_libraries(lab):
    import xgboost

    lines = lab("--version").out.splitlines()
    assert lines[0].startswith("numerai_lab ")
    assert f"xgboost {xgboost.__version__}" in lines
    assert any(line.startswith("python 3.") for line in lines)
