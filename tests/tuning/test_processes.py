"""Killed and gone on with, stopped and waited for: a study in several real processes."""

import time

import pytest

from numerai_lab.models import get_model
from tune_lab import HELD, TRIALS, told


@pytest.fixture
def held(forks, small):
    """Start a process of the study that waits in its n-th fit."""
    started = []

    def start(at, *more):
        command = [*small.command, *map(str, more)]
        process = forks.start(small.folder, at, *command, code=HELD, cwd=small.folder)
        started.append(process)
        end = time.monotonic() + 60
        while not (small.folder / "held").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_killed_study_finds_what_it_would_have_found(small, finished, held):
    process = held(4, "--trials", TRIALS)  # the second fold of trial 1
    process.kill()
    assert process.wait() == -9
    found = small.tune("--trials", TRIALS)
    assert found["n_trials"] == {"complete": TRIALS, "pruned": 0, "failed": 0, "crashed": 1}
    assert [trial["number"] for trial in found["trials"] if trial["state"] == "crashed"] == [1]
    assert told(found) == told(finished[1])
    assert found["best"]["values"] == finished[1]["best"]["values"]


@pytest.mark.slow
def test_two_processes_share_one_study(small, held):
    first = held(4, "--trials", 4)  # the second fold of trial 1
    second = small.tune("--trials", 4)
    assert second == {"study": str(small.study), "finished": False}
    assert not small.tuned.exists(), "one trial is still running: its process writes the result"
    (small.folder / "go").touch()
    out, err = first.communicate()
    assert first.returncode == 0, err
    assert '"finished": true' in out
    found = small.tune("--trials", 4)
    assert found["n_trials"] == {"complete": 4, "pruned": 0, "failed": 0, "crashed": 0}
    assert small.tuned.is_file()
    assert len({str(trial["values"]) for trial in found["trials"]}) == 4


@pytest.fixture
def pressed(monkeypatch, ctrl_c):
    """Ctrl-C in the n-th fit from now on."""
    xgb, left = get_model("xgb"), []
    fit = xgb.fit

    def stopping(self, train, ctx):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return fit(self, train, ctx)

    def press(at):
        left[:] = [at]
        monkeypatch.setattr(xgb, "fit", stopping)

    return press


def test_ctrl_c_keeps_what_was_finished(small, finished, pressed, lab):
    pressed(5)
    stopped = lab(*small.command, "--trials", 3)
    assert stopped.code == 130
    assert "run it again" in stopped.err
    found = small.tune("--trials", 3)
    assert told(found) == told(finished[1])[:3]
    assert found["n_trials"]["crashed"] == 1


def test_a_trial_that_ends_its_process_each_time_is_given_up(small, pressed, lab):
    for at in (3, 1, 1):
        pressed(at)
        assert lab(*small.command, "--trials", 2).code == 130
    found = small.tune("--trials", 2)
    assert found["n_trials"] == {"complete": 1, "pruned": 0, "failed": 1, "crashed": 2}
    (failed,) = (trial for trial in found["trials"] if trial["state"] == "failed")
    assert failed["reason"] == "its process ended 3 times before it was judged"


def test_time_that_is_over_begins_no_trial(small):
    assert (
        "no trial finished (none began before the time was over)"
        in small.tune("--time", "0")["error"]
    )
    assert small.tune("--time", "5m", "--trials", 1)["n_trials"]["complete"] == 1
