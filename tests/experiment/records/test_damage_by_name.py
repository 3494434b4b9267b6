"""Damage of a run that is asked for by its experiment's name: told, and never passed over."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from damage import rewritten


@pytest.fixture
def runs(final_runs, tmp_path) -> Path:
    """Two whole runs of experiment tiny with final models; `two` is the newer one."""
    (path,) = (final_runs / "tiny").iterdir()
    for name in ("one", "two"):
        shutil.copytree(path, tmp_path / "runs" / "tiny" / name)
    return tmp_path / "runs"


@pytest.fixture
def by_name(lab, runs, final_runs):
    """Give a command the name `tiny` or a directory, and return the one line it fails with."""
    live = final_runs.parent / "data" / "v5.3" / "live.parquet"
    more = {"predict": ("--features", live, "--out", runs.parent / "out.csv")}

    def ask(command: str, run: object = "tiny") -> str:
        names = (run, run) if command == "compare" else (run,)
        result = lab(command, *names, "--runs-dir", runs, *more.get(command, ()))
        assert result.code == 2, result.err
        assert "taking run" not in result.err
        (line,) = result.err.strip().splitlines()
        return line

    return ask


def carry_out(lab, line: str) -> None:
    """Run the command that a sentence tells, letter by letter."""
    result = lab(*shlex.split(re.search(r"`numerai-lab ([^`]*)`", line)[1]))
    assert result.code == 0, result.err


def states(lab, runs: Path) -> dict[str, str]:
    rows = lab("runs", "--runs-dir", runs, "--json").json["runs"]
    return {Path(row["run"]).name: row["state"] for row in rows}


def test_a_final_model_without_its_record_is_not_passed_over(lab, runs, by_name):
    done = runs / "tiny" / "two" / "final" / "DONE"
    done.unlink()
    line = by_name("predict")
    assert f"{done}: is gone" in line
    assert "--final" in line
    assert states(lab, runs) == {"one": "finished", "two": "damaged"}
    assert f"{done}: is gone" in lab("runs", "--runs-dir", runs).err
    carry_out(lab, line)
    assert done.is_file()
    assert states(lab, runs) == {"one": "finished", "two": "finished"}


def test_a_final_fit_that_was_interrupted_is_no_damage(lab, runs, final_runs):
    final = runs / "tiny" / "two" / "final"
    (final / "DONE").unlink()
    final.rename(final.with_name(".final.killed.part"))
    live = final_runs.parent / "data" / "v5.3" / "live.parquet"
    asked = ("--features", live, "--out", runs.parent / "out.csv", "--runs-dir", runs)
    result = lab("predict", "tiny", *asked)
    assert result.code == 0, result.err
    assert f"taking run {runs / 'tiny' / 'one'} " in result.err
    assert states(lab, runs) == {"one": "finished", "two": "finished"}


def test_a_name_finds_the_run_that_has_lost_its_record(lab, runs, by_name):
    for name in ("one", "two"):
        (runs / "tiny" / name / "DONE").unlink()
    for command in ("evaluate", "compare", "report"):
        line = by_name(command)
        assert f"{runs / 'tiny' / 'two' / 'DONE'}: is not there" in line
        assert line == by_name("evaluate", runs / "tiny" / "two")
    carry_out(lab, by_name("predict"))
    assert states(lab, runs) == {"one": "unfinished", "two": "finished"}


@pytest.mark.parametrize("how", ["gone", "another run's"])
def test_a_manifest_that_is_lost_has_one_way_out_everywhere(lab, runs, by_name, how):
    run = runs / "tiny" / "two"
    path = run / "manifest.json"
    whole = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        foreign = shutil.copytree(runs / "tiny" / "one", runs / "other" / "run")
        rewritten(foreign, experiment="other", config_hash="0" * 8)
        shutil.copyfile(foreign / "manifest.json", path)
        assert lab("evaluate", "other", "--runs-dir", runs).code == 0
    line = by_name("evaluate")
    problem = "gone" if how == "gone" else "of another run than DONE and the folds"
    assert f"{path}: is {problem}" in line
    for command in ("evaluate", "compare", "predict", "report"):
        assert by_name(command) == line
        assert by_name(command, run) == line
    assert states(lab, runs)["two"] == "damaged"
    carry_out(lab, line)
    assert path.read_bytes() == whole


def test_a_fold_is_still_no_run(runs, by_name):
    assert "is not a run directory" in by_name("evaluate", runs / "tiny" / "two" / "folds" / "01")
