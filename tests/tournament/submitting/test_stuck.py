"""`submit` beside what never ends or ends everything: a model that crashes, a start that hangs."""

import contextlib
import json
import shutil
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from numerai_lab.checksums import write_sealed
from numerai_lab.tournament.server.ticks import tick
from submit_lab import APART, ONE, ROUND


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("a segmentation fault", "ended by SIGSEGV"),
        ("an abort", "ended by SIGABRT"),
        ("an exit", "ended with exit code 0 and no result"),
        ("no end", "did not end within 3 s"),
    ],
)
def test_a_model_that_takes_its_process_down_costs_its_own_slot(submit, zygote, how, sentence):
    """Real crashes while the model is loaded."""
    (run,) = (submit.runs / "tiny").iterdir()
    bad = shutil.copytree(run, submit.folder / "bad" / run.name)
    submit.slots(f'slots: [{{name: alpha, run: "{bad}"}}, {{name: beta, run: "latest:tiny"}}]\n')
    more = ["--deadline", "9"] if how == "no end" else []
    options = {"folder": submit.folder, "environment": submit.environment, "crash": how}
    code, out, err = zygote.run("submit", *submit.places, "--json", *more, **options)
    assert code == 1, err
    assert [one["status"] for one in json.loads(out)["slots"]] == ["failed", "submitted"], err
    assert sentence in err
    assert f"`numerai-lab predict {bad}`" in err
    assert submit.submissions() == [("beta", ROUND)]
    assert list(submit.state.glob(".predicted*")) == []


def test_a_start_that_takes_too_long_ends_itself_and_says_so(submit, forks):
    told = submit.folder / "told"
    submit.slots(ONE + f"on_failure: {{command: [sh, -c, 'cat >> {told}']}}\n")
    submit.server.fault("rounds", "drip", seconds=0.3, times=-1)
    options = {"code": APART, "env": submit.environment, "cwd": "/"}
    code, out, err = forks.run("submit", *submit.places, "--json", "--deadline", "2", **options)
    assert code == 1, err
    (slot,) = json.loads(out)["slots"]
    assert "this start has ended itself" in slot["message"]
    assert "this start has ended itself" in told.read_text()
    submit.server.control(clear_faults=True)
    assert forks.run("submit", *submit.places, **options)[0] == 0
    assert not (submit.state / ".lock.json").exists()


@contextlib.contextmanager
def stopped(submit, forks):
    """A submit that has the lock and is stopped."""
    asked = submit.server.asked("rounds")
    submit.server.fault("rounds", "hang", seconds=60)
    process = forks.start("submit", *submit.places, env=submit.environment, cwd="/")
    while submit.server.asked("rounds") == asked:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGSTOP)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_stopped_start_is_told_by_the_next_ones(submit, start, forks):
    told = submit.folder / "told"
    submit.slots(ONE + f"on_failure: {{command: [sh, -c, 'cat >> {told}']}}\n")
    assert start().code == 0
    submit.server.control(set_time="2026-03-04T12:05:00Z")
    with stopped(submit, forks) as process:
        result = start("--json")
        assert result.code == 0, "it may still be at work"
        assert result.json == {"round": None, "slots": []}
        path = submit.state / ".lock.json"
        holder = json.loads(path.read_text())
        assert holder["pid"] == process.pid
        holder["since"]["seconds"] -= 3000
        # whatever the clock was set to meanwhile
        later = datetime.now(UTC) + timedelta(days=700)
        write_sealed(path, {**holder, "started_at": later.isoformat()})
        for _ in range(2):
            result = start("--json")
            assert result.code == 1
            assert f"kill -9 {process.pid}" in result.err
            assert "holds the lock for 50 minutes, and should have ended after 30" in result.err
        assert told.read_text().count("holds the lock for 50 minutes") == 1
        submit.server.control(set_time="2026-03-04T14:05:00Z")  # and the round goes by
        result = start("--json")
        assert result.code == 1
        assert f"round {ROUND + 1} is not open, it closed at" in told.read_text()
        path.write_text("{")
        result = start()
        assert result.code == 1
        assert "cannot be read, so that nothing tells since when" in result.err
    assert start().code == 75
    assert submit.submissions() == [("alpha", ROUND)]


def test_a_round_that_goes_by_behind_a_start_at_work_is_told(submit, start, forks):
    submit.slots(ONE)
    assert start().code == 0
    submit.server.control(set_time="2026-03-04T14:05:00Z")
    with stopped(submit, forks):
        result = start("--json")
        assert result.code == 1
        (slot,) = result.json["slots"]
        assert "has no submission of this slot; another submit is at work" in slot["message"]


def test_a_moment_of_another_boot_has_no_age():
    now = tick()
    assert 0 <= now.age() < 60
    assert type(now)("another boot", now.seconds).age() is None
    assert type(now)(now.boot, now.seconds + 3600).age() is None
