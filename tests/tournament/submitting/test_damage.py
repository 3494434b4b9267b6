"""`submit` beside records that are damaged, of another model, or counted for another round."""

import json
from dataclasses import replace

import pytest

from submit_lab import ONE, ROUND


def flip(path) -> None:
    """Change one letter of a value, so that the JSON still reads."""
    text = path.read_text()
    path.write_text(text.replace('"model": "alpha"', '"model": "alphb"'))
    assert path.read_text() != text


DAMAGE = {
    "a flipped bit": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:40]),
    "empty": lambda path: path.write_bytes(b""),
    "of another round": lambda path: path.write_text(
        path.read_text().replace(f'"round": {ROUND}', '"round": 7')
    ),
    "too deep": lambda path: path.write_text("[" * 100_000),
    "not text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_receipt_is_moved_aside_and_the_server_asked(submit, start, how):
    submit.slots(ONE)
    assert start().code == 0
    path = submit.records("alpha") / f"{ROUND}.json"
    DAMAGE[how](path)
    damaged = path.read_bytes()
    result = start("--json")
    assert result.code == 0, result.err
    assert "is damaged" in result.err
    assert f"{ROUND}.json.damaged" in result.err
    assert path.with_name(f"{ROUND}.json.damaged").read_bytes() == damaged
    assert submit.receipts("alpha")[ROUND]["how"] == "found"
    assert submit.submissions() == [("alpha", ROUND)]
    assert "damaged" not in start().err


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("arrived", [True, False])
def test_a_damaged_journal_is_moved_aside_once_the_server_was_asked(submit, start, how, arrived):
    submit.slots(ONE)
    if arrived:
        submit.server.fault("submissions", "500", skip=1, times=-1)
    else:
        submit.server.fault("create_submission", "500")
    assert start().code == 1
    submit.server.control(clear_faults=True)
    path = submit.records("alpha") / f"{ROUND}.pending"
    DAMAGE[how](path)
    result = start("--json")
    assert result.code == 0, result.err
    assert "the journal" in result.err
    assert path.with_name(f"{ROUND}.pending.damaged").exists()
    assert not path.exists()
    assert submit.submissions() == [("alpha", ROUND)]
    made = "found" if how == "empty" else "recovered"
    if arrived and how not in ("cut", "too deep", "not text"):
        assert submit.receipts("alpha")[ROUND]["how"] == made
    assert "damaged" not in start().err


def test_other_small_state_that_is_damaged_stops_nothing(submit, start):
    submit.slots(ONE + "on_failure: {command: ['true']}\n")
    assert start().code == 0
    submit.server.control(set_time="2026-03-04T12:05:00Z")  # the next round
    folder = submit.records("alpha")
    damaged = [
        submit.state / ".told.json",
        submit.state / ".live" / "numerai_data.lock.json",
        folder / "upload.json",
        folder / f"{ROUND}.csv",
        folder / f"{ROUND}.json",
    ]
    for path in damaged:
        path.write_text('{"x": ')
    submit.server.fault("model", "error")  # so that somebody is told
    assert start().code == 2
    result = start()
    assert result.code == 0, result.err
    assert submit.submissions() == [("alpha", ROUND), ("alpha", ROUND + 1)]
    aside = [path.with_name(f"{path.name}.damaged") for path in damaged[:4]]
    assert [path.name for path in aside if not path.exists()] == []


def test_a_submission_that_counts_for_the_next_round_is_made_again_there(submit, start):
    """Killed while a slow server had it; it landed when the next round was open."""
    told = submit.folder / "told"
    submit.slots(ONE + f"on_failure: {{command: [sh, -c, 'cat >> {told}']}}\n")
    assert start().code == 0
    submit.server.control(set_time="2026-03-04T12:05:00Z")
    submit.server.fault("submissions", "500", skip=1, times=-1)
    submit.server.fault("create_submission", "accept_then_cut")
    assert start().code == 1
    world = submit.server.process.world
    stray = world.submissions[-1]
    stray.round += 1  # what the server makes of it
    submit.server.control(clear_faults=True, set_time="2026-03-05T12:05:00Z")
    result = start("--json")
    assert result.code == 0, result.err
    assert [one["status"] for one in result.json["slots"]] == ["submitted"]
    sentence = f"with the rows of round {ROUND + 1} arrived late, and the server counts it for"
    assert sentence in result.err
    assert sentence in told.read_text()
    mine = [one for one in submit.server.state()["submissions"] if one["round"] == ROUND + 2]
    assert [one["filename"] == stray.filename for one in mine] == [True, False]
    assert mine[-1]["problem"] is None
    assert [one["status"] for one in start("--json").json["slots"]] == ["already"]


@pytest.fixture
def stray(submit, start):
    """The record of a submission that landed in the next round, which is not yet made again."""
    submit.slots(ONE)
    submit.server.fault("submissions", "500", skip=1, times=-1)
    submit.server.fault("create_submission", "accept_then_cut")
    assert start().code == 1
    submit.server.process.world.submissions[-1].round += 1  # what a slow server makes of it
    submit.server.control(clear_faults=True, set_time="2026-03-04T12:05:00Z")
    submit.server.fault("submission_upload_auth", "error", times=-1)
    assert start().code == 2
    submit.server.control(clear_faults=True)
    path = submit.records("alpha") / f"{ROUND}.astray.json"
    assert path.exists()
    return path


def of_next_round(submit) -> list[str]:
    listed = submit.server.state()["submissions"]
    return [one["filename"] for one in listed if one["round"] == ROUND + 1]


@pytest.mark.parametrize("how", ["a flipped bit", "cut", "empty"])
def test_a_damaged_record_of_a_stray_is_rebuilt_from_what_the_server_has(submit, start, stray, how):
    DAMAGE[how](stray)
    damaged, (there,) = stray.read_bytes(), of_next_round(submit)
    rehearsed = start("--dry-run", "--json")
    by_name = how == "a flipped bit"
    assert ("has submission" in rehearsed.json["slots"][0]["message"]) is not by_name
    assert stray.read_bytes() == damaged
    result = start("--json")
    assert result.code == 0, result.err
    assert [one["status"] for one in result.json["slots"]] == ["submitted"]
    why = "which its text names" if by_name else f"no other record here has of round {ROUND + 1}"
    assert f"{why}: it holds rows of round {ROUND}" in result.err
    assert stray.with_name(f"{stray.name}.damaged").read_bytes() == damaged
    assert json.loads(stray.read_text())["filename"] == there
    assert len(of_next_round(submit)) == 2
    again = start("--json")
    assert [one["status"] for one in again.json["slots"]] == ["already"]
    assert "damaged" not in again.err


def test_nothing_is_submitted_where_two_submissions_could_be_the_stray(submit, start, stray):
    world = submit.server.process.world
    world.submissions.append(replace(world.submissions[-1], id="by-hand", filename="by-hand.csv"))
    kept, (there, _) = stray.read_bytes(), of_next_round(submit)
    stray.write_bytes(b"")
    for _ in range(2):
        result = start("--json")
        assert result.code == 1
        assert f"2 submissions of round {ROUND + 1} could be the one" in result.err
        assert f"remove {stray} to leave them as they are" in result.err
        assert of_next_round(submit) == [there, "by-hand.csv"]
    stray.write_bytes(kept[:-20])  # its text tells which one it is
    found = start("--json")
    assert (found.code, found.json["slots"][0]["status"]) == (0, "already")
    assert of_next_round(submit) == [there, "by-hand.csv"]


def test_a_damaged_record_of_a_stray_outlives_what_is_not_certain(submit, start, stray):
    """A server that does not answer, or does not list it now, decides nothing."""
    stray.write_bytes(b"")
    submit.server.fault("submissions", "500", times=-1)
    assert start().code == 1
    assert stray.read_bytes() == b""
    submit.server.control(clear_faults=True, set_time="2026-03-05T12:05:00Z")
    result = start("--json")  # the round it could be taken for is over
    assert result.code == 0, result.err
    assert f"round {ROUND + 1} is over and needs it no more" in result.err
    assert stray.with_name(f"{stray.name}.damaged").exists()
    assert [one["status"] for one in result.json["slots"]] == ["submitted"]


def test_a_round_that_changes_in_flight_is_submitted_at_once(submit, start):
    submit.slots(ONE)
    rounds = [
        {"number": 7 + i, "open_time": f"2026-03-03T12:{10 * i:02}:00Z"}
        | {"close_staking_time": f"2026-03-03T12:{10 * i + 10:02}:00Z"}
        for i in range(3)
    ]
    submit.server.control(rounds=rounds)
    submit.server.fault("create_submission", "close_round")
    result = start()
    assert result.code == 0, result.err
    assert "the server counts it for round 8" in result.err
    assert [one["round"] for one in submit.server.state()["submissions"]] == [8, 8]
    assert submit.server.state()["submissions"][-1]["problem"] is None
    assert sorted(submit.receipts("alpha")) == [8]


def test_another_model_in_the_same_round_is_submitted_too(submit, start):
    submit.slots(ONE)
    assert start().code == 0
    submit.slots('slots: [{name: alpha, model: beta, run: "latest:tiny"}]\n')
    result = start("--json")
    assert result.code == 0, result.err
    assert [one["status"] for one in result.json["slots"]] == ["submitted"]
    assert f"round {ROUND} was submitted for model alpha of account default" in result.err
    assert [one["status"] for one in start("--json").json["slots"]] == ["already"]
    submit.slots(ONE)
    back = start("--json")
    assert [one["status"] for one in back.json["slots"]] == ["already"]
    assert "from here, as slot 'alpha' with run" in back.err
    assert submit.submissions() == [("alpha", ROUND), ("beta", ROUND)]


def test_records_carry_their_checksum(submit, start):
    submit.slots(ONE)
    submit.server.fault("create_submission", "500")
    assert start().code == 1
    journal = json.loads((submit.records("alpha") / f"{ROUND}.pending").read_text())
    assert start().code == 0
    receipt = submit.receipts("alpha")[ROUND]
    assert {"sha256_of_this"} <= set(journal) & set(receipt)
