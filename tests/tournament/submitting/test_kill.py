"""kill -9 at every step of submit, and two submits at once: never twice, never lost."""

import shutil
import time
from datetime import UTC, datetime, timedelta

import pytest

from submit_lab import APART, ONE

FIRST = datetime(2026, 3, 3, 12, 5)


def left_over(submit) -> list[str]:
    """What a submit must not leave behind."""
    names = [path.name for path in submit.state.rglob("*")]
    return [name for name in names if name.endswith((".part", ".pending"))]


TWO = ("alpha", "gamma")
VERY_SLOW = [pytest.mark.slow, pytest.mark.very_slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize(
    ("slots", "stride", "least"),
    [
        pytest.param(TWO[:1], 5, 9, marks=pytest.mark.slow),
        pytest.param(TWO, 1, 90, marks=VERY_SLOW),
        (TWO[:1], 16, 2),
    ],
)
def test_killed_at_every_step_it_is_finished_by_the_next_start(
    submit, zygote, start, slots, stride, least
):
    if slots != TWO:
        submit.slots('slots: [{name: alpha, run: "latest:tiny"}]')
    killed = 0
    while True:
        # every Tuesday a round of its own
        now = FIRST + timedelta(weeks=killed)
        number = submit.server.control(set_time=now.isoformat())["latest_round"]
        options = {"folder": submit.folder, "environment": submit.environment}
        code, _, _ = zygote.run("submit", *submit.places, kill_at=1 + killed * stride, **options)
        mine = [model for model, of_round in submit.submissions() if of_round == number]
        assert len(mine) == len(set(mine)), (killed, mine)
        if code == 0:
            break
        assert code == -9, (killed, code)
        killed += 1
        result = start()
        assert result.code == 0, (killed, result.out, result.err)
        mine = [model for model, of_round in submit.submissions() if of_round == number]
        assert sorted(mine) == sorted(slots), (killed, result.err)
        assert left_over(submit) == [], killed
        told = {one["id"]: one for one in submit.server.state()["submissions"]}
        for slot in slots:
            receipt = submit.receipts(slot)[number]
            assert told[receipt["submission_id"]]["filename"] == receipt["filename"]
    assert killed > least


def test_killed_after_the_round_closed_the_receipt_is_not_lost(submit, zygote, start):
    """Killed between accepting and receipt; the next start comes when the round is over."""
    options = {"folder": submit.folder, "environment": submit.environment}
    submit.slots('slots: [{name: alpha, run: "latest:tiny"}]')
    number = submit.server.control(set_time=FIRST.isoformat())["latest_round"]
    submit.server.fault("create_submission", "accept_then_hang", seconds=5)
    code, _, _ = zygote.run("submit", *submit.places, kill_in_flight=True, **options)
    assert code == -9
    assert (submit.records("alpha") / f"{number}.pending").exists()
    assert submit.submissions() == [("alpha", number)]
    later = FIRST + timedelta(days=1, hours=3)
    submit.server.control(set_time=later.isoformat(), clear_faults=True)
    result = start()
    assert result.code == 75, result.err
    assert submit.receipts("alpha")[number]["how"] == "recovered"
    assert f"of round {number} that was left unfinished is at the server" in result.err
    assert left_over(submit) == []


@pytest.mark.parametrize(
    "skews",
    [
        (60,),
        pytest.param((-120, -5, 60, 120), marks=pytest.mark.slow),
        pytest.param(range(-120, 121, 6), marks=VERY_SLOW),
    ],
    ids=["one", "some", "many"],
)
def test_killed_in_flight_with_a_clock_that_is_off_and_a_slow_server(submit, zygote, skews):
    """The server takes 100 s, and this machine's clock is ahead of it, or behind, by `skew` s."""
    submit.slots(ONE)
    options = {"folder": submit.folder, "environment": submit.environment, "moves_clock": True}
    made = []
    for skew in skews:
        shutil.rmtree(submit.state, ignore_errors=True)
        now = datetime.now(UTC) - timedelta(seconds=skew)
        opened = {
            "number": 1000 + skew,
            "open_time": (now - timedelta(minutes=5)).isoformat(),
            "close_staking_time": (now + timedelta(minutes=55)).isoformat(),
        }
        submit.server.control(set_time=now.isoformat(), rounds=[opened])
        submit.server.fault("create_submission", "accept_later", seconds=100)
        code, _, err = zygote.run("submit", *submit.places, kill_in_flight=True, **options)
        assert code == -9, (skew, err)
        for _ in range(2):
            code, _, err = zygote.run("submit", *submit.places, **options)
        submit.server.control(advance=300)
        mine = [one for one in submit.submissions() if one[1] == 1000 + skew]
        made.append((skew, code, len(mine)))
    assert made == [(skew, 0, 1) for skew in skews]


def test_two_crons_at_once(submit, forks, start):
    submit.server.fault("put", "500", times=-1)  # keeps the first one at work: it tries again
    first = forks.start("submit", *submit.places, code=APART, env=submit.environment, cwd="/")
    while not submit.server.asked("put"):
        assert first.poll() is None
        time.sleep(0.01)
    second = start("--json")
    assert first.poll() is None
    submit.server.control(clear_faults=True)
    assert second.code == 0, second.err
    assert "another submit is at work here: nothing to do" in second.err
    assert second.out.strip() == '{"round": null, "slots": []}'
    _, err = first.communicate(timeout=60)
    assert first.returncode == 0, err
    assert sorted(submit.submissions()) == [("alpha", 1385), ("gamma", 1385)]


def test_a_folder_that_cannot_be_written_is_one_sentence(submit, start):
    submit.state.write_text("a file")
    result = start()
    assert result.code == 1
    assert "cannot be written" in result.err
    assert result.err.count("\n") == 1
    assert submit.submissions() == []
