"""A run stopped at any moment, by Ctrl-C or a full disk: the advice, taken literally, ends it."""

import errno
import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tiny import TINY_CONFIG

STAGES = (
    "manifest.json",
    "02",
    "final",
    "predictions.parquet",
    "scores.json",
    "DONE",
    "report.html",
)
AT_ANY_RATE = {("manifest.json", "disk"), ("DONE", "disk"), ("report.html", "ctrl-c")}
EACH = [
    pytest.param(stage, how, marks=[] if (stage, how) in AT_ANY_RATE else pytest.mark.slow)
    for stage in STAGES
    for how in ("disk", "ctrl-c")
]


@pytest.fixture
def stop_at(monkeypatch, ctrl_c):
    """Stop what moves a file or folder of that name into place, once."""

    def stop(name, how):
        left = [1]

        def instead(usual):
            def move(self, target):
                if Path(target).name == name and left and left.pop():
                    if how == "disk":
                        raise OSError(errno.ENOSPC, "No space left on device")
                    signal.raise_signal(signal.SIGINT)
                return usual(self, target)

            return move

        for function in ("replace", "rename"):
            monkeypatch.setattr(Path, function, instead(getattr(Path, function)))

    return stop


def follow(lab, command, err):
    """Do what the message says, as a person would."""
    assert "no unfinished run" not in err
    if added := re.search("give the command with `(.*)` added", err):
        return lab(*command, *shlex.split(added[1]))
    if other := re.search("`numerai-lab (.*)` writes its report", err):
        return lab(*shlex.split(other[1]))
    assert "give the same command again" in err
    return lab(*command)


@pytest.mark.parametrize(("stage", "how"), EACH)
def test_the_advice_ends_the_run_whole(lab, tournament, tmp_path, stop_at, stage, how):
    (tmp_path / "tiny.yaml").write_text(TINY_CONFIG.format(folder=tournament))
    command = ["train", tmp_path / "tiny.yaml", "--runs-dir", tmp_path / "a b", "--final"]
    stop_at(stage, how)
    stopped = lab(*command)
    assert stopped.code == {"disk": 1, "ctrl-c": 130}[how], stopped.err
    assert len(stopped.err.splitlines()[-1]) > 0
    done = follow(lab, command, stopped.err.splitlines()[-1])
    assert done.code == 0, done.err
    (run,) = tmp_path.glob("a b/tiny/*")
    for name in (
        "DONE",
        "report.html",
        "scores.json",
        "final/DONE",
        *(f"folds/0{n}/DONE" for n in (1, 2, 3)),
    ):
        assert (run / name).is_file(), name
    assert not list(run.rglob("*.part"))
    assert lab("evaluate", run).code == 0


def test_a_disk_that_is_full_for_the_report_alone(lab, forks, tournament, tmp_path, monkeypatch):
    """The system's own limit on files, which only the page with its charts is longer than."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY_CONFIG.format(folder=tournament))
    command = ["train", "tiny.yaml", "--runs-dir", "runs", "--final"]
    code, _, err = forks.run(*command, cwd=tmp_path, file_bytes=1_000_000)
    assert code == 1, err
    assert "report.html: the disk is full" in err
    (run,) = Path("runs/tiny").iterdir()
    assert not (run / "report.html").exists()
    predicted = (run / "predictions.parquet").read_bytes()
    done = follow(lab, command, err.splitlines()[-1])
    assert done.code == 0, done.err
    assert list(Path("runs/tiny").iterdir()) == [run]
    assert (run / "report.html").stat().st_size > 1_000_000
    assert (run / "predictions.parquet").read_bytes() == predicted


@pytest.mark.parametrize("stage", ["final", "report.html"])
def test_a_final_model_added_to_a_finished_run(lab, tournament, tmp_path, stop_at, stage):
    (tmp_path / "tiny.yaml").write_text(TINY_CONFIG.format(folder=tournament))
    command = ["train", tmp_path / "tiny.yaml", "--runs-dir", tmp_path / "runs"]
    assert lab(*command).code == 0
    stop_at(stage, "disk")
    stopped = lab(*command, "--final")
    assert stopped.code == 1
    assert follow(lab, [*command, "--final"], stopped.err).code == 0
    (run,) = tmp_path.glob("runs/tiny/*")
    assert (run / "final" / "DONE").is_file()
    nothing = lab(*command, "--resume")
    assert nothing.code == 2
    assert f"to resume (its last run, {run}, is complete); " in nothing.err


IMPORTING = """
import sys
class Interrupted:
    def find_spec(name, *_):
        if name == {!r}:
            sys.meta_path.remove(Interrupted)
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted)
from numerai_lab.cli import main
main()
"""


@pytest.mark.parametrize("module", ["numerai_lab.streams", "typer", "numerai_lab.cli.bundles"])
def test_ctrl_c_while_the_command_line_is_imported(module):
    """Nothing is imported yet: a process of its own, which ends at once."""
    command = [sys.executable, "-c", IMPORTING.format(module), "runs", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    sentence = "stopped before it began: run it again"
    assert (done.returncode, done.stderr) == (130, f"error: {sentence}\n")
    assert json.loads(done.stdout) == {"error": sentence, "exit_code": 130}
