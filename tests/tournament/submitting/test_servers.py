"""`submit`: receipts of other servers, uploaded models, runs that change, keys that are gone."""

import json
import shutil

import pytest

from numerai_lab.checksums import OWN_SUM
from numerai_lab.tournament import State, address_of
from numerai_lab.tournament.records.model_uploads import UploadRecord, write_upload
from submit_lab import ONE, ROUND, ThreadStandIn


@pytest.fixture
def other(final_runs):
    server = ThreadStandIn.start(final_runs.parent / "data")
    yield server
    server.stop()


def test_a_receipt_counts_for_its_own_server_only(submit, start, other):
    submit.slots(ONE)
    assert start().code == 0
    kept = submit.receipts("alpha")[ROUND]
    assert kept["server"] == submit.server.url
    result = start("--json", NUMERAI_API_URL=other.url)
    assert result.code == 0
    assert [one["status"] for one in result.json["slots"]] == ["submitted"]
    assert [one["model"] for one in other.state()["submissions"]] == ["alpha"]
    assert submit.receipts("alpha")[ROUND] == kept
    theirs = State(submit.state, other.url).receipt("alpha", ROUND)
    assert (theirs.server, theirs.submission_id) == (
        other.url,
        other.state()["submissions"][0]["id"],
    )
    assert [one["status"] for one in start("--json").json["slots"]] == ["already"]
    assert submit.submissions() == [("alpha", ROUND)]


def test_a_receipt_without_an_address_counts_as_before(submit, start):
    submit.slots(ONE)
    assert start().code == 0
    (path,) = submit.records("alpha").glob("*.json")
    receipt = json.loads(path.read_text())
    for key in ("server", "counted_for", OWN_SUM):  # an older version wrote none of them
        del receipt[key]
    old = submit.state / "alpha" / path.name
    old.write_text(json.dumps(receipt))
    shutil.rmtree(path.parent)
    result = start("--json", NUMERAI_SECRET_KEY="")
    assert [one["status"] for one in result.json["slots"]] == ["already"]


def test_the_address_of_a_receipt_has_no_secrets():
    assert address_of("https://me:secret@Example.com:8/x/?key=1") == "https://example.com:8/x"
    assert address_of("https://api-tournament.numer.ai") == "https://api-tournament.numer.ai"
    with_numerai = State(server="https://api-tournament.numer.ai")
    assert with_numerai.folder("a") == State().folder("a")  # where it always was


def test_receipts_do_for_keys_that_are_gone(submit, start):
    assert start().code == 0
    gone = {"NUMERAI_PUBLIC_ID": "", "WORK_NUMERAI_PUBLIC_ID": ""}
    result = start("--json", **gone)
    assert result.code == 0
    assert [one["status"] for one in result.json["slots"]] == ["already", "already"]
    assert "not set" not in result.err
    submit.server.control(set_time="2026-03-04T12:05:00Z")  # the next round
    result = start(**gone)
    assert result.code == 2
    assert result.err.count("variable NUMERAI_PUBLIC_ID is not set") == 1
    submit.server.fault("rounds", "500", times=-1)
    result = start("--wait", "1h", **gone)  # nothing to wait for
    assert result.code == 2


def test_a_model_that_was_uploaded_takes_no_predictions(submit, start):
    state = State(submit.state, submit.server.url)
    write_upload(state, UploadRecord("alpha", "default", "runs/a", "id7", "3.11", "2026-03-01"))
    result = start("--json")
    assert result.code == 1  # gamma went on
    assert [one["status"] for one in result.json["slots"]] == ["failed", "submitted"]
    sentence = "runs the model that was uploaded to 'alpha' on 2026-03-01 (id7), and takes no"
    assert sentence in result.err
    submit.slots(ONE)
    assert start("--dry-run").code == 2
    assert start().code == 2
    assert submit.submissions() == [("gamma", ROUND)]


def test_the_stand_in_takes_no_submission_for_an_uploaded_model(submit, start):
    """One that was uploaded from elsewhere: only the server knows."""
    world = submit.server.process.world
    world.extra["pickles"] = [{"model_id": world.accounts[0].models["alpha"]}]
    submit.slots(ONE)
    result = start()
    assert result.code == 2
    assert "This model has a model upload and takes no submissions via the API" in result.err
    assert submit.submissions() == []


def test_another_run_than_the_last_time_is_warned_of(submit, start):
    (run,) = (submit.runs / "tiny").iterdir()
    copy = shutil.copytree(run, submit.folder / "copy")
    submit.slots(ONE)
    assert "its run was" not in start().err
    submit.slots(f"slots: [{{name: alpha, run: {copy}}}]\n")
    submit.server.control(set_time="2026-03-04T12:05:00Z")
    sentence = f"warning: alpha: its run was {run} until round {ROUND}, and now is {copy}"
    assert sentence in start("--dry-run").err
    assert sentence in start().err
    submit.server.control(set_time="2026-03-05T12:05:00Z")
    assert "its run was" not in start().err


def test_a_submission_of_ours_under_another_slot_is_known(submit, start):
    submit.slots(ONE)
    assert start().code == 0
    (run,) = (submit.runs / "tiny").iterdir()
    submit.slots('slots: [{name: renamed, model: alpha, run: "latest:tiny"}]\n')
    result = start()
    assert result.code == 0
    assert f"from here, as slot 'alpha' with run {run}; it is left as it is" in result.err
