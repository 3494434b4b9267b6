"""A slot whose predictions somebody's program writes: run with a deadline, checked, submitted."""

from __future__ import annotations

import json
import os
import select
import sys
import time
from pathlib import Path

import pytest

from numerai_lab.errors import DataError, LabError, UserError
from numerai_lab.tournament.records import OwnCommand
from numerai_lab.tournament.submitting.child_process import Died
from numerai_lab.tournament.submitting.command_run import predict_by_command
from submit_lab import ROUND

PROGRAM = """\
import os, sys
import pyarrow.parquet as pq

ids = pq.read_table(sys.argv[1], columns=["id"])["id"].to_pylist()
assert not any("SECRET" in name for name in os.environ)
print("this goes nowhere")
with open(sys.argv[2], "w") as file:
    file.write("id,prediction\\n")
    file.writelines(f"{one},{(i + 1) / (len(ids) + 1)}\\n" for i, one in enumerate(ids))
"""


@pytest.fixture
def program(tmp_path):
    """A shell program of these lines, as a command."""

    def write(*lines: str) -> OwnCommand:
        path = tmp_path / "program.sh"
        path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
        path.chmod(0o755)
        return OwnCommand(command=[str(path)])

    return write


@pytest.fixture
def live(final_runs):
    return final_runs.parent / "data" / "v5.3" / "live.parquet"


@pytest.fixture
def predicted(live, tmp_path):
    def run(how: OwnCommand, seconds: float = 20.0):
        inside = tmp_path / "state"
        inside.mkdir(exist_ok=True)
        environ = {**os.environ, "NUMERAI_SECRET_KEY": "abcdefgh12345678"}
        try:
            return predict_by_command(how, live, seconds=seconds, folder=inside, environ=environ)
        finally:
            assert list(inside.iterdir()) == []  # nothing of it is left

    return run


def test_it_is_submitted_as_any_other(submit, start):
    path = submit.folder / "mine.py"
    path.write_text(PROGRAM)
    command = json.dumps([sys.executable, str(path)])
    submit.slots(f"slots: [{{name: alpha, run: {{command: {command}}}}}]\n")
    result = start("--json")
    assert result.code == 0, result.err
    assert result.json["slots"][0]["status"] == "submitted"
    assert submit.submissions() == [("alpha", ROUND)]
    origin = submit.receipts("alpha")[ROUND]["origin"]
    assert origin["run"] == f"command {sys.executable} {path}"
    assert "is given live rows of v5.3, the newest version" in result.err
    again = start("--json")
    assert again.json["slots"][0]["status"] == "already"


def test_a_program_that_is_not_there_is_told_before_anything_is_asked(submit, start):
    submit.slots("slots: [{name: alpha, run: {command: [no-such-program]}}]\n")
    result = start("--json")
    assert result.code == 2
    assert "alpha run.command: there is no program 'no-such-program'" in result.err
    assert submit.submissions() == []


def test_a_slot_says_what_does_not_go_together(submit, start):
    submit.slots(
        "slots: [{name: alpha, run: {command: ['true']}, post: {neutralize: none}},\n"
        "  {name: beta, run: {command: []}}]\n"
    )
    result = start()
    assert result.code == 2
    assert "post goes with a run" in result.err
    assert "submit.yaml:2" in result.err


def copied(text: str, tmp_path: Path) -> str:
    (tmp_path / "out.csv").write_text(text)
    return f'cp {tmp_path / "out.csv"} "$2"'


@pytest.mark.parametrize(
    ("make", "kind", "says"),
    [
        (lambda ids: "id,prediction\nsomebody,0.5\n", DataError, "1 predictions for 60 live ids"),
        (
            lambda ids: "id,prediction\n" + "".join(f"{one},{i}\n" for i, one in enumerate(ids)),
            DataError,
            "between 0 and 1",
        ),
        (
            lambda ids: "id,prediction\n" + "".join(f"{one},\n" for one in ids[1:]) + f"{ids[0]},1",
            DataError,
            "are NaN",
        ),
        (
            lambda ids: "id,prediction\n" + "".join(f"{one},0.5\n" for one in ids),
            DataError,
            "all 60 predictions are the same",
        ),
        (
            lambda ids: "id,prediction\n" + "".join(f"{ids[0]},0.{i + 1}\n" for i in range(60)),
            DataError,
            "60 predictions for 60 live ids",
        ),
        (lambda ids: "id,guess\na,0.5\n", UserError, "wrote no column 'prediction'"),
        (lambda ids: "", DataError, "predictions.csv: the file is empty"),
    ],
)
def test_what_it_writes_is_checked(predicted, program, live, tmp_path, make, kind, says):
    import pandas as pd

    ids = list(pd.read_parquet(live, columns=["feature_0000"]).index)
    assert len(ids) == 60
    with pytest.raises(kind, match=says):
        predicted(program(copied(make(ids), tmp_path)))


def test_a_program_that_fails_is_told_with_its_last_words(predicted, program):
    how = program("echo first >&2", "echo 'no model file' >&2", "exit 3")
    with pytest.raises(Died, match="ended with exit code 3: no model file") as told:
        predicted(how)
    assert told.value.exit_code == 1
    with pytest.raises(Died, match="ended with SIGKILL"):
        predicted(program("kill -9 $$"))
    with pytest.raises(Died, match="ended well, and wrote no predictions"):
        predicted(program("exit 0"))
    no_program = program("exit 0")
    Path(no_program.command[0]).write_text("no shebang")
    with pytest.raises(LabError, match="cannot be started"):
        predicted(no_program)


def test_a_program_that_does_not_end_is_ended_with_what_it_started(predicted, program, tmp_path):
    held = tmp_path / "held"  # open for writing as long as anything that was started lives
    os.mkfifo(held)
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    begun = tmp_path / "begun"
    how = program(f"exec 3> {held}", "sleep 300 &", f"touch {begun}", "sleep 300")
    for seconds in (0.5, 4, 30):  # a machine that has other work may not come to it at once
        began = time.monotonic()
        with pytest.raises(Died, match="did not end within"):
            predicted(how, seconds)
        assert time.monotonic() - began < 150
        if begun.exists():
            break
    let_go, _, _ = select.select([reader], [], [], 10)
    assert let_go
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_it_is_given_no_key(predicted, program, tmp_path):
    seen = tmp_path / "environment"
    with pytest.raises(Died, match="wrote no predictions"):
        predicted(program(f"env > {seen}"))
    assert "PATH=" in seen.read_text()
    assert "abcdefgh12345678" not in seen.read_text()
