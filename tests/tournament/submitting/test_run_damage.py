"""submit, upload and export beside a run that is damaged, or that was made before checksums."""

import json
import shutil
from pathlib import Path

import pytest

from damage import as_before_records, flip
from numerai_lab.experiment import RunDir
from submit_lab import ROUND


@pytest.fixture
def mine(submit) -> Path:
    """A run of the first slot, to be damaged; the second slot submits the whole one."""
    (run,) = (submit.runs / "tiny").iterdir()
    copy = shutil.copytree(run, submit.folder / "mine" / run.name)
    submit.slots(f'slots: [{{name: alpha, run: "{copy}"}}, {{name: beta, run: "latest:tiny"}}]\n')
    return copy


def statuses(result) -> list[str]:
    return [one["status"] for one in result.json["slots"]]


def test_a_damaged_final_model_costs_its_own_slot_and_is_told(submit, start, mine):
    told = submit.folder / "told"
    with (submit.folder / "submit.yaml").open("a") as file:
        file.write(f"on_failure: {{command: [sh, -c, 'cat >> {told}']}}\n")
    flip(mine / "final" / "model" / "booster.ubj", 0.6)
    result = start("--json")
    assert result.code == 1, result.err
    assert statuses(result) == ["failed", "submitted"]
    assert submit.submissions() == [("beta", ROUND)]
    sentence = result.json["slots"][0]["message"]
    assert "model/booster.ubj is not what was written" in sentence
    assert f"--resume --final --run-dir {mine}` makes it anew" in sentence
    assert sentence in told.read_text()


@pytest.mark.parametrize("name", ["manifest.json", "resolved.yaml", "DONE", "final/DONE"])
def test_any_other_record_that_is_damaged_costs_no_other_slot(submit, start, mine, name):
    flip(mine / name)
    result = start("--json")
    assert statuses(result) == ["failed", "submitted"], result.err
    assert Path(name).name in result.json["slots"][0]["message"]
    assert "`numerai-lab train" in result.json["slots"][0]["message"]
    assert submit.submissions() == [("beta", ROUND)]


def test_what_the_final_model_does_not_need_is_told_and_stops_nothing(submit, start, mine):
    flip(mine / "predictions.parquet")
    result = start("--json")
    assert statuses(result) == ["submitted", "submitted"], result.err
    assert "predictions.parquet is not what was written" in result.err


def test_a_run_without_checksums_wants_trust_once(submit, start, mine):
    as_before_records(mine)
    result = start("--json")
    assert statuses(result) == ["failed", "submitted"], result.err
    assert "not verifiable" in result.json["slots"][0]["message"]
    assert "--trust" in result.json["slots"][0]["message"]
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    rehearsed = start("--json", "--trust", "--dry-run")
    assert statuses(rehearsed) == ["dry_run", "dry_run"], rehearsed.err
    assert {path: path.read_bytes() for path in before} == before
    trusted = start("--json", "--trust")
    assert statuses(trusted) == ["submitted", "already"], trusted.err
    assert f"{mine}: trusted as it is now" in trusted.err
    assert json.loads((mine / "manifest.json").read_text())["trusted_utc"]
    assert RunDir(mine).verifiable()
    submit.server.control(set_time="2026-03-04T12:05:00Z")
    again = start("--json")  # as cron does, without it
    assert statuses(again) == ["submitted", "submitted"], again.err
    submit.server.control(set_time="2026-03-05T12:05:00Z")
    flip(mine / "final" / "model" / "booster.ubj")
    assert statuses(start("--json", "--trust")) == ["failed", "submitted"]


def test_export_and_upload_want_trust_once(lab, submit, mine, monkeypatch):
    for name, value in submit.environment.items():
        monkeypatch.setenv(name, value)
    as_before_records(mine)
    out = submit.folder / "bundle.pkl"
    exporting = ["export", mine, "--out", out]
    elsewhere = ["--config", submit.folder / "none.yaml", "--state-dir", submit.state]
    (submit.folder / "none.yaml").write_text('slots: [{name: gamma, run: "latest:tiny"}]\n')
    uploading = ["upload", mine, "--slot", "alpha", "--no-check", *elsewhere]
    for command in (exporting, uploading):
        refused = lab(*command)
        assert refused.code == 2, refused.err
        assert "not verifiable" in refused.err
    assert not out.exists()
    trusted = lab(*exporting, "--trust")
    assert trusted.code == 0, trusted.err
    assert "trusted as it is now" in trusted.err
    uploaded = lab(*uploading)
    assert uploaded.code == 0, uploaded.err
    assert "verifiable" not in uploaded.err
    (mine / "final" / "fit.json").unlink()
    for command in (exporting, uploading, ["predict", mine]):
        result = lab(*command, *(["--trust"] if command[0] == "export" else []))
        assert result.code == 2
        assert "fit.json is gone" in result.err


def test_trust_makes_nothing_of_what_is_gone_or_damaged(lab, submit, mine):
    (mine / "predictions.parquet").unlink()
    as_before_records(mine)
    result = lab("export", mine, "--out", submit.folder / "bundle.pkl", "--trust")
    assert result.code == 2
    assert "has no predictions.parquet" in result.err
    assert "`numerai-lab train" in result.err
