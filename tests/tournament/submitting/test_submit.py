"""`submit`: what it promises, against the stand-in, in processes of its own."""

import json
import shutil
from datetime import datetime

import pytest

from simulation import Simulation
from submit_lab import APART, ONE, ROUND


def test_as_cron_starts_it(submit, forks):
    """A bare environment, another directory, and a machine whose clock is months away."""
    submit.slots(ONE)
    bare = {"env": submit.environment, "cwd": "/", "code": APART}
    code, out, err = forks.run("submit", *submit.places, "--json", **bare)
    assert code == 0, err
    told = json.loads(out)
    assert told["round"] == ROUND
    assert [(s["slot"], s["status"]) for s in told["slots"]] == [("alpha", "submitted")]
    assert set(told["slots"][0]) == {"slot", "status", "submission_id", "message"}
    there = {one["model"]: one for one in submit.server.state()["submissions"]}
    for one in told["slots"]:
        assert there[one["slot"]]["id"] == one["submission_id"]
        assert submit.receipts(one["slot"])[ROUND]["submission_id"] == one["submission_id"]
    assert submit.submissions() == [("alpha", ROUND)]


def test_a_receipt_ends_it_with_one_question(submit, start):
    first = start()
    before = submit.server.state()["requests"]
    assert sorted(submit.submissions()) == [("alpha", ROUND), ("gamma", ROUND)]
    again = start("--json")
    after = submit.server.state()["requests"]
    assert (first.code, again.code) == (0, 0)
    assert [one["status"] for one in again.json["slots"]] == ["already", "already"]
    assert {op: n - before.get(op, 0) for op, n in after.items() if n > before.get(op, 0)} == {
        "rounds": 1
    }
    receipt = submit.receipts("gamma")[ROUND]
    assert receipt["how"] == "submitted"
    assert json.loads(receipt["origin"]["post"]) == {"against": "features", "proportion": 0.5}


def test_without_receipts_the_server_knows(submit, start):
    start()
    shutil.rmtree(submit.state)
    again = start("--json")
    assert again.code == 0
    assert "by something else; it is left as it is" in again.err
    assert len(submit.submissions()) == 2
    assert submit.receipts("alpha")[ROUND]["how"] == "found"


def test_a_dry_run_uploads_nothing(submit, start):
    for now in ("2026-03-03T12:05:00Z", "2026-03-03T14:05:00Z"):  # open, and late
        submit.server.control(set_time=now)
        result = start("--dry-run", "--json")
        assert result.code == 0, result.err
        assert [one["status"] for one in result.json["slots"]] == ["dry_run", "dry_run"]
        assert "60 predictions pass every check" in result.out
    requests = submit.server.state()["requests"]
    assert not {"submission_upload_auth", "put", "create_submission"} & set(requests)
    assert submit.receipts("alpha") == {}


def test_a_dry_run_tells_of_a_submission_that_is_there(submit, start):
    submit.slots(ONE)
    assert "already" not in start("--dry-run").out
    assert start().code == 0
    made = submit.receipts("alpha")[ROUND]["submission_id"]
    for _ in range(2):  # by its receipt, and by the server's list alone
        result = start("--dry-run")
        assert result.code == 0
        assert f"round {ROUND} has submission {made} already" in result.out
        shutil.rmtree(submit.state)
    assert submit.receipts("alpha") == {}


def test_the_run_behind_a_name_is_said(submit, start):
    (run,) = (submit.runs / "tiny").iterdir()
    assert f"alpha: run {run}" in start("--slot", "alpha").err


def test_one_slot_and_one_run(submit, start):
    assert start("--slot", "gamma").code == 0
    assert submit.submissions() == [("gamma", ROUND)]
    result = start("--slot", "gama")
    assert result.code == 2
    assert "no slot 'gama', did you mean 'gamma'? (there are: alpha, gamma)" in result.err
    (run,) = (submit.runs / "tiny").iterdir()
    result = start(run)
    assert result.code == 2
    assert "a run needs the name of its slot" in result.err
    result = start(run, "--slot", "no such")
    assert result.code == 2
    assert "'no such' cannot be a slot's name; write Numerai's name of the model" in result.err
    result = start(run, "--slot", "beta")  # not in the file: Numerai's model of that name
    assert result.code == 0, result.err
    assert ("beta", ROUND) in submit.submissions()
    assert submit.receipts("beta")[ROUND]["origin"]["run"] == str(run)


def test_not_open_is_75(submit, start):
    submit.server.control(set_time="2026-03-03T13:00:00Z")
    result = start("--json")
    assert result.code == 75
    assert [one["status"] for one in result.json["slots"]] == ["not_open", "not_open"]
    assert "round 1385 is not open, it closed at 2026-03-03 13:00 UTC" in result.err
    submit.server.control(set_time="2026-03-04T11:00:00Z")  # between rounds there is none
    result = start()
    assert result.code == 75
    assert "round 1385 is not open" in result.err
    assert submit.submissions() == []
    assert submit.receipts("alpha") == {}


def test_wait_polls_until_the_round_opens(submit):
    world = Simulation(submit.server, submit.runs, submit.folder, seed=0)
    world.go_to(datetime(2026, 3, 3, 11, 40))
    outcome = world.start(wait=600.0)
    assert (outcome.exit_code, submit.submissions()) == (75, [])
    assert world.now == datetime(2026, 3, 3, 11, 50)
    outcome = world.start(wait=900.0)
    assert (outcome.round, outcome.exit_code) == (ROUND, 0)
    # the next day, started too early: yesterday's round is done, but today's is waited for
    world.go_to(datetime(2026, 3, 4, 11, 50))
    assert world.start(wait=2700.0).round == ROUND + 1
    assert world.now < datetime(2026, 3, 4, 12, 1)
    assert len(submit.submissions()) == 4


def test_wait_tries_again_what_may_pass(submit):
    world = Simulation(submit.server, submit.runs, submit.folder, seed=0)
    world.go_to(datetime(2026, 3, 3, 12, 1))
    world.break_until(datetime(2026, 3, 3, 12, 30), [{"op": "model", "kind": "503", "times": -1}])
    outcome = world.start(wait=2700.0)
    assert outcome.exit_code == 0, world.log
    assert len(submit.submissions()) == 2
    assert datetime(2026, 3, 3, 12, 30) <= world.now < datetime(2026, 3, 3, 12, 33)


@pytest.mark.parametrize(
    ("op", "kind", "options"),
    [
        ("create_submission", "accept_then_cut", {}),
        ("create_submission", "accept_then_status", {"status": 502}),
        ("put", "status", {"status": 403, "times": 2}),
        ("*", "500", {"times": 3}),
        ("file", "truncated", {}),
    ],
)
def test_what_passes_is_got_over_in_one_start(submit, start, op, kind, options):
    submit.slots(ONE)
    submit.server.fault(op, kind, **options)
    result = start()
    assert result.code == 0, result.err
    assert submit.submissions() == [("alpha", ROUND)]
    assert submit.receipts("alpha")[ROUND]["how"] == "submitted"


def test_no_answer_and_no_submission_is_asked_about_before_it_is_sent_again(submit, start):
    submit.slots(ONE)
    submit.server.fault("create_submission", "500")
    result = start()
    assert result.code == 1
    assert "no answer came to the submission, and the server does not list it" in result.err
    assert submit.receipts("alpha") == {}
    assert (submit.records("alpha") / f"{ROUND}.pending").exists()
    result = start()
    assert result.code == 0, result.err
    assert f"an upload of round {ROUND} never arrived" in result.err
    assert submit.submissions() == [("alpha", ROUND)]


def test_accepted_and_not_listed_is_never_sent_again(submit, start):
    submit.slots(ONE)
    submit.server.fault("submissions", "500", skip=1, times=-1)
    assert start().code == 1
    submit.server.control(clear_faults=True)
    result = start("--json")
    assert result.code == 0
    assert "recovered for model alpha" in result.json["slots"][0]["message"]
    assert submit.submissions() == [("alpha", ROUND)]


def test_a_round_that_closes_in_the_middle(submit, start):
    submit.slots(ONE)
    submit.server.fault("put", "close_round")
    result = start()
    assert result.code == 75
    assert "round 1385 closed before the submission was made" in result.err
    assert submit.submissions() == []
    assert submit.receipts("alpha") == {}


def test_a_late_submission_is_said_to_be_late(submit, start):
    submit.slots(ONE)
    submit.server.fault("create_submission", "close_round")
    result = start("--json")
    assert result.code == 1
    assert result.json["slots"][0]["status"] == "late"
    assert "after the deadline: it is not staked" in result.err
    assert submit.receipts("alpha")[ROUND]["late"] is True
    assert start().code == 0


def test_gaps_are_told(submit, start):
    submit.slots(ONE)
    assert start().code == 0
    submit.server.control(set_time="2026-03-06T12:10:00Z")
    result = start()
    assert result.code == 0
    assert "alpha: no submission was made in rounds 1386 to 1387" in result.err
