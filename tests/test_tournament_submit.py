"""`submit`: each promise and each mistake against the stand-in, in processes of its own."""

import json
import resource
import shlex
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from conftest import Result
from numerai_lab.errors import DataError, MachineError, UserError
from numerai_lab.tournament import State, load_slots, parse_duration, read_env_file
from numerai_lab.tournament.checks import StaleLive, check_new, check_submission
from stand_in import PUBLIC, SECRET, clean_environment
from submit_lab import MAIN, Submit, ThreadStandIn
from submit_zygote import Zygote
from test_tournament_faults import Simulation

ROUND = 1385
ONE = 'slots: [{name: alpha, run: "latest:tiny"}]\n'


@pytest.fixture(scope="module")
def zygote():
    zygote = Zygote()
    yield zygote
    zygote.stop()


@pytest.fixture
def submit(tmp_path, final_runs):
    server = ThreadStandIn.start(final_runs.parent / "data")
    lab = Submit(tmp_path, final_runs, server)
    lab.slots()
    yield lab
    server.stop()


@pytest.fixture
def start(submit, zygote):
    """Start submit, with other variables of the environment if need be."""

    def call(*arguments: object, **environment: str) -> Result:
        given = {**submit.environment, **environment}
        asked = [*submit.places, *map(str, arguments)]
        return Result(*zygote.run("submit", *asked, folder=submit.folder, environment=given))

    return call


def test_as_cron_starts_it(submit):
    """A bare environment, another directory, and a machine whose clock is months away."""
    result = submit.process("--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["round"] == ROUND
    assert [(s["slot"], s["status"]) for s in told["slots"]] == [
        ("alpha", "submitted"),
        ("gamma", "submitted"),
    ]
    assert set(told["slots"][0]) == {"slot", "status", "submission_id", "message"}
    there = {one["model"]: one for one in submit.server.state()["submissions"]}
    for one in told["slots"]:
        assert there[one["slot"]]["id"] == one["submission_id"]
        assert submit.receipts(one["slot"])[ROUND]["submission_id"] == one["submission_id"]
    assert sorted(submit.submissions()) == [("alpha", ROUND), ("gamma", ROUND)]


def test_a_receipt_ends_it_with_one_question(submit, start):
    first = start()
    before = submit.server.state()["requests"]
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
    assert (submit.state / "alpha" / f"{ROUND}.pending").exists()
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


def test_one_slot_does_not_stop_the_others(submit, start):
    submit.slots(
        'slots: [{name: alpah, run: "latest:tiny"}, {name: beta, run: "latest:none"}, '
        '{name: gamma, account: work, run: "latest:tiny"}]\n'
    )
    result = start("--json")
    assert result.code == 1
    assert [one["status"] for one in result.json["slots"]] == ["failed", "failed", "submitted"]
    assert "the account has no model 'alpah', did you mean 'alpha'?" in result.err
    last = result.err.splitlines()[-1]
    assert "round 1385: 2 failed, 1 submitted (alpah: " in last
    assert "beta: " in last
    assert submit.submissions() == [("gamma", ROUND)]


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
        ("slots: [{name: alpha}]\n", "submit.yaml:1 slots[0].run: missing"),
        ("slots: []\n", "slots: expected a list"),
        ('slots: [{name: alpha, run: "latest:tniy"}]\n', "'tniy', did you mean 'tiny'?"),
        (
            'slots: [{name: alpha, run: "latest:tiny"}, {name: b, model: Alpha, run: x}]\n',
            "a model is submitted once per round",
        ),
        ('slots: [{name: alpha, run: "latest:tiny", modell: a}]\n', "did you mean 'model'?"),
        (
            'slots: [{name: alpha, run: "latest:tiny", data_version: v5.2}]\n',
            "no data version 'v5.2', did you mean 'v5.3'?",
        ),
        (ONE + "on_failure: {webhook: env:NOT_SET}\n", "variable NOT_SET is not set"),
        (ONE + 'on_failure: {webhook: "http://example.com/x"}\n', "must be an https address"),
    ],
)
def test_a_wrong_config_is_one_sentence(submit, start, text, sentence):
    submit.slots(text)
    result = start()
    assert result.code == 2, result.err
    assert sentence in result.err
    assert submit.submissions() == []


def test_a_run_without_a_final_model(submit, start):
    (run,) = (submit.runs / "tiny").iterdir()
    bare = submit.folder / "runs" / "bare" / run.name
    shutil.copytree(run, bare, ignore=shutil.ignore_patterns("final"))
    submit.slots(f'slots: [{{name: alpha, run: "{bare}"}}]\n')
    result = start()
    assert result.code == 2
    assert "has no final model" in result.err
    assert f"--resume --final --run-dir {bare}" in result.err


def test_live_data_of_another_version(tmp_path, final_runs, zygote):
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
            code, _, err = zygote.run(
                "submit", *lab.places, folder=tmp_path, environment=lab.environment
            )
            assert code == 2
            assert sentence in err
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
def test_predictions_that_are_none(submit, lab, monkeypatch, value, code, sentence):
    from numerai_lab.models import get_model

    def predict(self, frame):
        return np.full(frame.n_rows, value if value is not None else 1 // 0, dtype=np.float32)

    monkeypatch.setattr(get_model("xgb"), "predict", predict)
    for name, setting in submit.server.environment.items():
        monkeypatch.setenv(name, setting)
    result = lab("submit", *submit.places, "--slot", "alpha")
    assert result.code == code
    assert sentence in result.err.splitlines()[-1]
    assert submit.submissions() == []
    assert "submission_upload_auth" not in submit.server.state()["requests"]


def test_a_full_disk_loses_nothing(submit, lab, monkeypatch):
    submit.slots(ONE)
    result = submit.process(
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    )
    assert result.returncode == 1, result.stderr
    assert "the disk is full" in result.stderr
    assert submit.submissions() == []
    for name, setting in submit.server.environment.items():
        monkeypatch.setenv(name, setting)

    def full(*_):
        raise MachineError("the disk is full")

    with monkeypatch.context() as patch:  # full after the server has accepted
        patch.setattr(State, "write_receipt", full)
        assert lab("submit", *submit.places).code == 1
    assert submit.submissions() == [("alpha", ROUND)]
    assert lab("submit", *submit.places).code == 0
    assert submit.submissions() == [("alpha", ROUND)]
    assert submit.receipts("alpha")[ROUND]["how"] == "recovered"


def test_no_network_is_one_sentence(submit, start):
    result = start(NUMERAI_API_URL="http://127.0.0.1:9")
    assert result.code == 1
    last = result.err.splitlines()[-1]
    assert "round not known: 2 failed (alpha, gamma: 127.0.0.1:9: " in last
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
    (copy / "manifest.json").write_text(json.dumps(manifest))
    submit.slots(f'slots: [{{name: alpha, run: "{copy}"}}]\n')
    result = start(NUMERAI_API_URL="")  # Numerai's own: refused before anything is asked
    assert result.code == 2
    assert "was trained on SYNTHETIC DATA and is not submitted" in result.err
    result = start()
    assert result.code == 0
    assert "SYNTHETIC DATA, for a stand-in on this machine and not for Numerai" in result.err


def test_a_run_that_does_not_tell_its_data_version(submit, start):
    (run,) = (submit.runs / "tiny").iterdir()
    copy = submit.folder / "flat"
    shutil.copytree(run, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["data"]["folder"] = "/somewhere/data"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    submit.slots(f'slots: [{{name: alpha, run: "{copy}"}}]\n')
    result = start()
    assert result.code == 2
    assert "does not tell its data version: its data were in /somewhere/data" in result.err
    submit.slots(f'slots: [{{name: alpha, run: "{copy}", data_version: v5.3}}]\n')
    assert start().code == 0


def test_gaps_are_told(submit, start):
    submit.slots(ONE)
    assert start().code == 0
    submit.server.control(set_time="2026-03-06T12:10:00Z")
    result = start()
    assert result.code == 0
    assert "alpha: no submission was made in rounds 1386 to 1387" in result.err


class Hook(BaseHTTPRequestHandler):
    told: ClassVar[list] = []

    def do_POST(self):
        Hook.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hook():
    Hook.told = []
    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/secret-hook"
    server.shutdown()
    server.server_close()


def test_on_failure_is_told_once_and_without_keys(submit, start, hook):
    out = submit.folder / "told"
    script = f"cat >> {out}; env >> {out}"
    submit.slots(
        ONE + f"on_failure: {{command: [sh, -c, '{script}'], webhook: env:SUBMIT_WEBHOOK}}\n"
    )
    submit.server.fault("model", "error", times=-1)
    for _ in range(2):
        result = start(SUBMIT_WEBHOOK=hook)
        assert result.code == 2
        assert hook not in result.err
    text = out.read_text()
    assert text.count("round 1385, slot alpha: ") == 1
    assert "SUBMIT_WEBHOOK" in text
    assert PUBLIC not in text
    assert SECRET not in text
    (told,) = Hook.told
    assert told["slot"] == "alpha"
    assert told["status"] == "failed"
    assert "something went wrong" in told["text"]
    submit.server.control(clear_faults=True)
    assert start(SUBMIT_WEBHOOK=hook).code == 0
    submit.server.control(set_time="2026-03-04T15:00:00Z")  # a round is missed
    for _ in range(2):
        assert start(SUBMIT_WEBHOOK=hook).code == 75
    assert [one["round"] for one in Hook.told] == [1385, 1386]
    assert "has no submission of this slot" in Hook.told[1]["text"]
    submit.server.control(set_time="2026-03-06T12:05:00Z")  # and two were not even looked at
    assert start(SUBMIT_WEBHOOK=hook).code == 0
    assert "no submission was made in rounds 1386 to 1387" in Hook.told[2]["text"]


def test_on_failure_that_fails_is_said(submit, start):
    submit.slots(
        ONE + "on_failure: {command: [no-such-program], webhook: 'http://127.0.0.1:9/x'}\n"
    )
    submit.server.fault("model", "error", times=-1)
    result = start()
    assert result.code == 2
    assert "on_failure.command could not tell anybody (FileNotFoundError)" in result.err
    assert "on_failure.webhook could not be reached" in result.err


def test_the_env_file_must_be_private(tmp_path):
    path = tmp_path / "env"
    path.write_text("# keys\nexport NUMERAI_PUBLIC_ID='abc'\n\nNUMERAI_SECRET_KEY=d=e\n")
    for mode in (0o644, 0o640, 0o604):
        path.chmod(mode)
        with pytest.raises(UserError, match=f"others may read it .mode 0{mode:o}.*chmod 600"):
            read_env_file(path)
    path.chmod(0o600)
    assert read_env_file(path) == {"NUMERAI_PUBLIC_ID": "abc", "NUMERAI_SECRET_KEY": "d=e"}
    path.write_text("NUMERAI_SECRET_KEY: topsecret\n")
    with pytest.raises(UserError, match="env:1: expected NAME=VALUE") as caught:
        read_env_file(path)
    assert "topsecret" not in str(caught.value)
    with pytest.raises(UserError, match="no such file"):
        read_env_file(tmp_path / "none")


def test_the_cron_script(submit):
    """The shipped script, with nothing in the environment but where things are."""
    project = submit.folder / "project"
    (project / "scripts").mkdir(parents=True)
    shutil.copy(Path(__file__).parent.parent / "scripts" / "cron_submit.sh", project / "scripts")
    command = project / "numerai-lab"
    command.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{MAIN[-1]}' \"$@\"\n")
    command.chmod(0o755)
    env = project / "env"
    env.write_text("".join(f"{k}={v}\n" for k, v in submit.server.environment.items()))
    env.chmod(0o600)
    (project / "configs").mkdir()
    shutil.copy(submit.slots(ONE), project / "configs")

    def cron() -> subprocess.CompletedProcess:
        return subprocess.run(
            [project / "scripts" / "cron_submit.sh", "--runs-dir", submit.runs],
            env=clean_environment(NUMERAI_LAB_ENV=str(env), NUMERAI_LAB=str(command)),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )

    done = cron()
    log = project / "submissions" / "submit.log"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), log.read_text()
    assert submit.submissions() == [("alpha", ROUND)]
    assert log.stat().st_mode & 0o077 == 0
    env.chmod(0o644)
    done = cron()
    assert done.returncode == 2
    assert "others may read it (mode 0644)" in done.stderr
    assert SECRET not in log.read_text()


def test_the_readme_without_an_account(tmp_path, lab, monkeypatch):
    """The five commands, on a smaller tournament than they have by themselves."""
    root = Path(__file__).parent.parent
    readme = (root / "README.md").read_text()
    (block,) = [part for part in readme.split("```") if "dev-server" in part]
    server, train, export, *submits = [
        shlex.split(line, comments=True) for line in block.splitlines()[1:] if line.strip()
    ]
    shutil.copytree(root / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    small = ["--set", "data.synthetic={n_eras: 330, rows_per_era: 40, n_features: 10}"]
    small += ["--set", "model.params.num_boost_round=20", "--quiet"]
    assert lab(*train[1:], *small).code == 0
    (data,) = (tmp_path / "data" / "synthetic").iterdir()
    process = subprocess.Popen(
        [*MAIN, *server[1:], "--port", "0", "--data", data, "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        told = json.loads(process.stdout.readline())
        named = dict(setting.split("=") for setting in export[1:])
        assert {**told["environment"], "NUMERAI_API_URL": named["NUMERAI_API_URL"]} == named
        for name, value in told["environment"].items():
            monkeypatch.setenv(name, value)
        results = [lab(*command[1:], "--json") for command in submits]
    finally:
        process.kill()
        process.communicate()
    assert [result.code for result in results] == [0, 0], results[-1].err
    assert [one.json["slots"][0]["status"] for one in results] == ["dry_run", "submitted"]


def test_durations():
    assert [parse_duration(t) for t in ("0", "45m", "90s", "1.5h", "30")] == [0, 2700, 90, 5400, 30]
    for wrong in ("", "m", "-1", "2d", "25h", "nan", "1e9"):
        with pytest.raises(UserError, match="is not a duration"):
            parse_duration(wrong)


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
    with pytest.raises(DataError, match="cannot be read"):
        check_new(new, before, 1)


def test_old_files_go_and_receipts_stay(submit, start, monkeypatch):
    submit.slots(ONE)
    assert start().code == 0
    state = State(submit.state)
    (receipt,) = state.receipts("alpha")
    for number in range(1, 60):
        state.write_predictions("alpha", number, b"x")
        state.write_receipt(replace(receipt, round=number))
    assert len(list((submit.state / "alpha").glob("*.csv"))) == 30
    assert len(state.receipts("alpha")) == 60


def test_the_shipped_config_names_nobody_s_model(lab, monkeypatch):
    root = Path(__file__).parent.parent
    (slot,) = load_slots(root / "configs" / "submit.yaml").slots
    assert (slot.model_name, slot.run) == ("my_model", "latest:xgb")
    result = lab("config", "check", root / "configs" / "submit.yaml")
    assert result.code == 0
    assert "fine (1 slots)" in result.out
