"""`submit`: each mistake is one sentence with its exit code, and nothing is submitted or lost."""

import json
import shutil
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from damage import rewritten
from numerai_lab.errors import DataError, MachineError
from numerai_lab.tournament import State
from numerai_lab.tournament.records.record_files import DamagedRecord
from numerai_lab.tournament.submitting.checks import StaleLive, check_new, check_submission
from simulation import Simulation
from stand_in import PUBLIC, SECRET
from submit_lab import APART, ONE, ROUND, Submit, ThreadStandIn
from tiny import TINY_CONFIG


def test_one_slot_does_not_stop_the_others(submit, start):
    submit.slots(
        'slots: [{name: alpah, run: "latest:tiny"}, {name: beta, run: "latest:none"}, '
        '{name: gamma, account: work, run: "latest:tiny"}]\n'
    )
    result = start("--json")
    assert result.code == 1
    assert [one["status"] for one in result.json["slots"]] == ["failed", "failed", "submitted"]
    assert "the account has no model 'alpah', did you mean 'alpha'?" in result.err
    assert result.err.splitlines()[-1].endswith("round 1385: 2 failed (alpah, beta), 1 submitted")
    assert submit.submissions() == [("gamma", ROUND)]


def test_a_failure_is_said_once_and_the_summary_is_true(submit, start):
    submit.slots('slots: [{name: alpha, run: "latest:none"}]\n')
    result = start()  # refused before the server is asked which round it is
    assert result.code == 2
    told = result.out + result.err
    assert told.count("no finished run named 'none'") == 1
    assert "not known" not in told
    assert result.err.splitlines()[-1].endswith("error: nothing was submitted: 1 failed (alpha)")
    assert result.out == "alpha  failed  -\n"
    assert "no finished run named 'none'" in start("--json").json["slots"][0]["message"]
    submit.slots('slots: [{name: alpah, run: "latest:tiny"}]\n')  # and one the server refuses
    result = start()
    assert (result.out + result.err).count("the account has no model 'alpah'") == 1


def test_what_was_submitted_stays_so_when_the_server_goes_away(submit):
    """One slot is done, one tries again, and then the round cannot be asked for any more."""
    submit.slots('slots: [{name: alpah, run: "latest:tiny"}, {name: beta, run: "latest:tiny"}]\n')
    world = Simulation(submit.server, submit.runs, submit.folder, seed=0)
    world.go_to(datetime(2026, 3, 3, 12, 1))
    submit.server.fault("rounds", "500", skip=2, times=-1)
    outcome = world.start(wait=60.0)
    told = {one.slot: one.status for one in outcome.slots}
    assert (outcome.round, told) == (ROUND, {"alpah": "failed", "beta": "submitted"})


def test_wrong_and_missing_keys(submit, start):
    submit.slots(ONE)
    result = start(NUMERAI_SECRET_KEY="WRONGSECRET")
    assert result.code == 2
    assert "does not accept the keys" in result.err
    assert "WRONGSECRET" not in result.err + result.out
    result = start(NUMERAI_PUBLIC_ID="")
    assert result.code == 2
    assert "the environment variable NUMERAI_PUBLIC_ID is not set" in result.err
    assert submit.submissions() == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "slots: [{name: alpha}]\n",
            "submit.yaml:1 slots[0].run: missing, write a run directory, or latest:EXPERIMENT",
        ),
        ("slots:\n  - {name: alpha, run: ''}\n", "submit.yaml:2 slots[0].run: missing"),
        ("slots: []\n", "slots: expected a list"),
        ('slots: [{name: alpha, run: "latest:tniy"}]\n', "'tniy', did you mean 'tiny'?"),
        (
            'slots: [{name: alpha, run: "latest:tiny"}, {name: b, model: Alpha, run: x}]\n',
            "a model is submitted once per round",
        ),
        (
            "slots:\n  - {name: a, run: x}\n  - {name: b, run: x}\n  - {name: A, run: x}\n",
            "submit.yaml:4 slots[2].name: slots[0] has this name already ('a')",
        ),
        (
            "slots:\n  - {name: a, model: m, run: x}\n  - {name: b, model: m, run: x}\n",
            "submit.yaml:3 slots[1].model: slots[0] ('a') submits model 'm' of account 'default'",
        ),
        ('slots: [{name: alpha, run: "latest:tiny", modell: a}]\n', "did you mean 'model'?"),
        (
            'slots: [{name: alpha, run: "latest:tiny", data_version: v5.2}]\n',
            "no data version 'v5.2', did you mean 'v5.3'?",
        ),
        (ONE + 'on_failure: {webhook: "http://example.com/x"}\n', "must be an https address"),
    ],
)
def test_a_wrong_config_is_one_sentence(submit, start, text, sentence):
    submit.slots(text)
    result = start()
    assert result.code == 2, result.err
    assert sentence in result.err
    assert submit.submissions() == []


def test_no_slots_at_all_says_how_to_write_them(submit, start):
    (submit.folder / "submit.yaml").unlink()
    (submit.folder / "xgb.yaml").write_text("name: x")  # another kind of file
    result = start()
    assert result.code == 2
    assert (
        "write the slots into it, as `slots: [{name: YOUR_MODEL, run: latest:xgb}]`" in result.err
    )
    assert "did you mean" not in result.err
    submit.slots("slots: [{name: YOUR_MODEL, run: latest:xgb}]\n")  # strict YAML takes it so
    assert "no finished run named 'xgb'" in start().err


def test_a_misprinted_key_is_named_with_its_file(submit, start):
    env = submit.folder / "env"
    env.write_text(f"NUMERAI_PUBLICID={PUBLIC}\nNUMERAI_SECRET_KEY={SECRET}\n")
    env.chmod(0o600)
    submit.slots(ONE)
    result = start("--env-file", env, NUMERAI_PUBLIC_ID="")
    assert result.code == 2
    assert f"{env}: NUMERAI_PUBLICID is not read, did you mean 'NUMERAI_PUBLIC_ID'?" in result.err
    sentence = "NUMERAI_PUBLIC_ID is not set (keys of account 'default'), but NUMERAI_PUBLICID is"
    assert sentence in result.err
    assert PUBLIC not in result.err


def test_a_run_without_a_final_model(submit, start):
    (run,) = (submit.runs / "tiny").iterdir()
    bare = submit.folder / "runs" / "bare" / run.name
    shutil.copytree(run, bare, ignore=shutil.ignore_patterns("final"))
    submit.slots(f'slots: [{{name: alpha, run: "{bare}"}}]\n')
    result = start()
    assert result.code == 2
    assert "has no final model" in result.err
    assert f"--resume --final --run-dir {bare}" in result.err


def test_live_data_of_another_version(tmp_path, final_runs, start_at):
    flat = tmp_path / "flat"
    shutil.copytree(final_runs.parent / "data" / "v5.3", flat)
    server = ThreadStandIn.start(flat, versions="v5.2")
    try:
        lab = Submit(tmp_path, final_runs, server)
        for slot, sentence in (
            ("{name: alpha, run: 'latest:tiny'}", "no data version 'v5.3', did you mean 'v5.2'?"),
            (
                "{name: alpha, run: 'latest:tiny', data_version: v5.2}",
                "is of data version v5.2, the run was trained on v5.3",
            ),
        ):
            lab.slots(f"slots: [{slot}]\n")
            result = start_at(lab)
            assert result.code == 2
            assert sentence in result.err
        assert lab.submissions() == []
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("value", "code", "sentence"),
    [
        (np.nan, 2, "predicted NaN or infinity in 60 of 60 rows"),
        (0.5, 2, "all 60 predictions are the same"),
        (None, 1, "unexpected ZeroDivisionError"),
    ],
)
def test_predictions_that_are_none(submit, start, monkeypatch, value, code, sentence):
    from numerai_lab.models import get_model

    def predict(self, frame):
        return np.full(frame.n_rows, value if value is not None else 1 // 0, dtype=np.float32)

    monkeypatch.setattr(get_model("xgb"), "predict", predict)
    result = start("--slot", "alpha")
    assert result.code == code
    assert result.err.count(sentence) == 1
    assert submit.submissions() == []
    assert "submission_upload_auth" not in submit.server.state()["requests"]


def test_a_full_disk_loses_nothing(submit, forks, start, monkeypatch):
    submit.slots(ONE)
    full = {"code": APART, "env": submit.environment, "file_bytes": 2000}
    code, _, err = forks.run("submit", *submit.places, **full)
    assert code == 1, err
    assert "the disk is full" in err
    assert submit.submissions() == []

    def full(*_):
        raise MachineError("the disk is full")

    with monkeypatch.context() as patch:  # full after the server has accepted
        patch.setattr(State, "write_receipt", full)
        assert start().code == 1
    assert submit.submissions() == [("alpha", ROUND)]
    assert start().code == 0
    assert submit.submissions() == [("alpha", ROUND)]
    assert submit.receipts("alpha")[ROUND]["how"] == "recovered"


def test_no_network_is_one_sentence(submit, start):
    result = start(NUMERAI_API_URL="http://127.0.0.1:9")
    assert result.code == 1
    assert "the current round is not known: 127.0.0.1:9: there is no connection" in result.err
    assert result.err.splitlines()[-1].endswith("nothing was submitted: 2 failed (alpha, gamma)")
    assert "Traceback" not in result.err
    result = start(NUMERAI_API_URL="http://example.com")
    assert result.code == 2
    assert "neither an https address nor http on this machine" in result.err


def test_a_synthetic_run_goes_to_a_stand_in_only(submit, start):
    (run,) = (submit.runs / "tiny").iterdir()
    copy = submit.folder / "synthetic"
    shutil.copytree(run, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["data"]["source"] = "synthetic"
    rewritten(copy, **manifest)
    submit.slots(f'slots: [{{name: alpha, run: "{copy}"}}]\n')
    result = start(NUMERAI_API_URL="")  # Numerai's own: refused before anything is asked
    assert result.code == 2
    assert "was trained on SYNTHETIC DATA and is not submitted" in result.err
    result = start()
    assert result.code == 0
    assert "SYNTHETIC DATA, for a stand-in on this machine and not for Numerai" in result.err


def test_a_run_on_a_copy_of_synthetic_files_goes_to_a_stand_in_only(
    submit, start, tournament, tmp_path, lab
):
    """Named by path, away from the folder they were made in: their own mark tells."""
    data = tmp_path / "copied" / "v5.3"
    shutil.copytree(tournament, data)
    config = tmp_path / "tiny.yaml"
    config.write_text(TINY_CONFIG.format(folder="nowhere"))
    asked = ["--data", data, "--runs-dir", tmp_path / "runs", "--set", "split.partial_chunk=false"]
    trained = lab("train", config, *asked, "--final")
    assert trained.code == 0, trained.err
    assert "*** SYNTHETIC DATA" in trained.out
    assert f"SYNTHETIC DATA: {data / 'train.parquet'} was made by" in trained.err
    (run,) = (tmp_path / "runs" / "tiny").iterdir()
    assert "was made by the synthetic tournament" in (run / "report.html").read_text()
    assert lab("evaluate", run, "--json").json["source"] == "synthetic"
    predicted = lab("predict", run)
    assert "live.parquet was made by the synthetic tournament" in predicted.err
    assert "its predictions mean nothing to Numerai" in predicted.err
    submit.slots(f'slots: [{{name: alpha, run: "{run}"}}]\n')
    refused = start(NUMERAI_API_URL="")
    assert refused.code == 2
    assert "was trained on SYNTHETIC DATA and is not submitted" in refused.err
    assert start("--dry-run").code == 0


def test_a_run_that_does_not_tell_its_data_version(submit, start):
    (run,) = (submit.runs / "tiny").iterdir()
    copy = submit.folder / "flat"
    shutil.copytree(run, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["data"]["folder"] = "/somewhere/data"
    rewritten(copy, **manifest)
    submit.slots(f'slots: [{{name: alpha, run: "{copy}"}}]\n')
    result = start()
    assert result.code == 2
    assert "does not tell its data version: its data were in /somewhere/data" in result.err
    submit.slots(f'slots: [{{name: alpha, run: "{copy}", data_version: v5.3}}]\n')
    assert start().code == 0


IDS = [f"n{i}" for i in range(8)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.iloc[1:], "7 predictions for 8 live ids"),
        (lambda t: t.assign(id=["x", *IDS[1:]]), r"\(1 unknown\)"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "9 predictions for 8 live ids"),
        (lambda t: t.assign(prediction=[np.nan, *t["prediction"][1:]]), "1 predictions are NaN"),
        (lambda t: t.assign(prediction=[1.0, *t["prediction"][1:]]), "between 0 and 1"),
        (lambda t: t.assign(prediction=[0.0, *t["prediction"][1:]]), "between 0 and 1"),
        (lambda t: t.assign(prediction=0.5), "all 8 predictions are the same"),
        (lambda t: t[["prediction", "id"]], "invalid_submission_headers"),
    ],
)
def test_what_may_not_leave(change, sentence):
    good = pd.DataFrame({"id": IDS, "prediction": (np.arange(8) + 0.5) / 8})
    check_submission(good, pa.array(IDS), "alpha")
    with pytest.raises(DataError, match=sentence):
        check_submission(change(good), pa.array(IDS), "alpha")


def test_the_same_as_the_round_before(tmp_path):
    before = tmp_path / "1.csv"
    old = pd.DataFrame({"id": IDS, "prediction": (np.arange(8) + 0.5) / 8})
    old.to_csv(before, index=False)
    new = old.assign(id=[f"m{i}" for i in range(8)])
    check_new(new.iloc[::-1], before, 1)
    with pytest.raises(DataError, match="those of round 1, row by row"):
        check_new(new, before, 1)
    with pytest.raises(StaleLive, match="still has the ids of round 1"):
        check_new(old.iloc[::-1], before, 1)
    check_new(old, tmp_path / "none.csv", 1)
    before.write_text("nothing")
    with pytest.raises(DamagedRecord, match="cannot be read"):
        check_new(new, before, 1)
