"""What stands around `submit`: cron, keys in a file, who is told of failure, the documents."""

import json
import shlex
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from numerai_lab.errors import UserError
from numerai_lab.tournament import State, load_slots, parse_duration, read_env_file
from stand_in import PUBLIC, SECRET, clean_environment
from submit_lab import APART, MAIN, ONE, ROUND


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
        result = start(SUBMIT_WEBHOOK=hook, NUMERAI_SECRET_KEY_OLD="ANOTHERSECRET")
        assert result.code == 2
        assert hook not in result.err
    text = out.read_text()
    assert text.count("round 1385, slot alpha: ") == 1
    assert "SUBMIT_WEBHOOK" in text
    assert PUBLIC not in text
    assert SECRET not in text
    assert "ANOTHERSECRET" not in text
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


def test_on_failure_names_a_round_only_if_it_is_known(submit, start):
    out = submit.folder / "told"
    submit.slots(
        'slots: [{name: alpha, run: "latest:none"}]\n'
        f"on_failure: {{command: [sh, -c, 'cat >> {out}']}}\n"
    )
    assert start().code == 2
    assert out.read_text().startswith("numerai-lab submit, slot alpha: ")


def test_on_failure_that_fails_is_said(submit, start):
    submit.slots(
        ONE + "on_failure: {command: [no-such-program], webhook: 'http://127.0.0.1:9/x'}\n"
    )
    submit.server.fault("model", "error", times=-1)
    result = start()
    assert result.code == 2
    sentence = "on_failure.command: 'no-such-program' could not tell anybody (No such file"
    assert sentence in result.err
    assert "on_failure.webhook could not be reached" in result.err


def test_an_alert_address_that_is_not_set_stops_nothing(submit, start):
    submit.slots(ONE + "on_failure: {webhook: env:SUBMIT_WEBHOOK}\n")
    submit.server.fault("model", "error")
    result = start()
    assert result.code == 2
    assert "variable SUBMIT_WEBHOOK is not set" in result.err
    assert "until then no alert is sent to it when a slot fails" in result.err
    assert "nobody was told by it: on_failure.webhook" in result.err
    result = start(SUBMIT_WEBHOOK="http://example.com/hook")
    assert result.code == 0, result.err
    assert "on_failure.webhook: must be an https address" in result.err
    assert submit.submissions() == [("alpha", ROUND)]


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


@pytest.mark.slow  # a shell, and a cold start of the command
def test_the_cron_script(submit, start):
    """The shipped script, with nothing in the environment but where things are."""
    project = submit.folder / "project"
    (project / "scripts").mkdir(parents=True)
    shutil.copy(Path(__file__).parents[3] / "scripts" / "cron_submit.sh", project / "scripts")
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

    def says(result):
        """Let the command say again what it has said, and end as it has ended."""
        text = project / "said"
        text.write_text(result.out + result.err)
        command.write_text(f"#!/bin/sh\ncat {text}\nexit {result.code}\n")

    submit.slots('slots: [{name: beta, run: "latest:none"}, {name: gama, run: "latest:tiny"}]\n')
    says(start("--env-file", env))
    done = cron()  # what cron mails is this start's failures, each once
    assert done.returncode == 2
    assert done.stderr.count("no finished run named 'none'") == 1
    assert done.stderr.count("no model 'gama'") == 1
    assert done.stderr.splitlines()[-1].endswith("2 failed (beta, gama)")
    env.chmod(0o644)
    says(start("--env-file", env))
    done = cron()
    assert done.returncode == 2
    assert "others may read it (mode 0644)" in done.stderr
    assert "gama" not in done.stderr
    command.unlink()
    done = cron()
    assert done.returncode == 2
    assert f"there is no program {command}" in done.stderr
    assert "nothing was submitted" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert log.read_text().endswith(done.stderr)
    assert SECRET not in log.read_text()


def test_the_documents_without_an_account(tmp_path, lab, forks, monkeypatch):
    """The five commands, on a smaller tournament than they have by themselves."""
    root = Path(__file__).parents[3]
    page = (root / "docs" / "submitting.md").read_text()
    (block,) = [part for part in page.split("```")[1::2] if "dev-server" in part]
    server, train, export, *submits = [
        shlex.split(line, comments=True) for line in block.splitlines()[1:] if line.strip()
    ]
    shutil.copytree(root / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    small = ["--set", "data.synthetic={n_eras: 330, rows_per_era: 40, n_features: 10}"]
    small += ["--set", "model.params.num_boost_round=20", "--quiet"]
    assert lab(*train[1:], *small).code == 0
    (data,) = (tmp_path / "data" / "synthetic").iterdir()
    process = forks.start(*server[1:], "--port", "0", "--data", data, "--json")
    try:
        told = json.loads(process.stdout.readline())
        named = dict(setting.split("=") for setting in export[1:])
        assert {**told["environment"], "NUMERAI_API_URL": named["NUMERAI_API_URL"]} == named
        for name, value in told["environment"].items():
            monkeypatch.setenv(name, value)
        results = [forks.run(*command[1:], "--json", code=APART) for command in submits]
    finally:
        process.kill()
        process.communicate()
    assert [code for code, _, _ in results] == [0, 0], results[-1][2]
    told = [json.loads(out)["slots"][0]["status"] for _, out, _ in results]
    assert told == ["dry_run", "submitted"]


def test_durations():
    assert [parse_duration(t) for t in ("0", "45m", "90s", "1.5h", "30")] == [0, 2700, 90, 5400, 30]
    for wrong in ("", "m", "-1", "2d", "25h", "nan", "1e9"):
        with pytest.raises(UserError, match="is not a duration"):
            parse_duration(wrong)


def test_old_files_go_and_receipts_stay(submit, start, monkeypatch):
    submit.slots(ONE)
    assert start().code == 0
    state = State(submit.state, submit.server.url)
    (receipt,) = state.receipts("alpha")
    for number in range(1, 60):
        state.write_predictions("alpha", number, b"x")
        state.write_receipt(replace(receipt, round=number, counted_for=number))
    assert len(list(submit.records("alpha").glob("*.csv"))) == 30
    assert len(state.receipts("alpha")) == 60


def test_the_shipped_config_names_nobody_s_model(lab, monkeypatch):
    root = Path(__file__).parents[3]
    (slot,) = load_slots(root / "configs" / "submit.yaml").slots
    assert (slot.model_name, slot.run) == ("my_model", "latest:xgb")
    result = lab("config", "check", root / "configs" / "submit.yaml")
    assert result.code == 0
    assert "fine (1 slots)" in result.out
