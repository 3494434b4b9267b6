"""Model upload and diagnostics, against the stand-in."""

import json
import re
import shlex
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from damage import rewritten
from numerai_lab import tournament as public
from numerai_lab.errors import MachineError, UserError
from numerai_lab.experiment import find_final, load_final
from numerai_lab.tournament import Rejected, Tournament, TournamentError, export, uploading
from numerai_lab.tournament.bundles import model_upload
from numerai_lab.tournament.bundles.model_upload import upload_model
from numerai_lab.tournament.monitoring.diagnostics import await_diagnostics, upload_diagnostics
from numerai_lab.tournament.records.receipts import State
from numerai_lab.tournament.server.transport import Backoff
from stand_in import KEYS, PUBLIC, SECRET, StandIn
from tournament_runs import train_final

SLOTS = """\
slots:
  - {name: mine, model: Alpha, run: latest:plain}
  - {name: other, account: work, model: beta, run: latest:plain}
"""


@pytest.fixture(autouse=True)
def surroundings(request, monkeypatch, tmp_path):
    """Point the command line at the stand-in, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    if "server" in request.fixturenames:
        server = request.getfixturevalue("server")
        server.control(clear_faults=True)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, tournament):
    return train_final(tmp_path_factory.mktemp("upload"), tournament, "plain")


@pytest.fixture(scope="module")
def bundle(run_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "plain.pkl"
    return export(final_of(run_dir), path, say=silent)


def final_of(run_dir):
    return load_final(find_final(str(run_dir), run_dir.parent))


def silent(_):
    return None


def client(server, **options):
    return Tournament(KEYS, url=server.url, wait=Backoff(first=0.01, longest=0.02), **options)


def test_upload_command(lab, server, run_dir, tournament, forks, monkeypatch):
    done = lab("upload", run_dir, "--slot", "beta", "--no-check", "--json")
    assert done.code == 0, done.err
    taken = server.state()["pickles"][-1]
    assert taken["id"] == done.json["id"]
    assert taken["model"] == "beta"
    assert taken["docker_image"] == done.json["docker_image"]
    assert taken["bytes"] == Path(done.json["bundle"]).stat().st_size
    assert taken["filename"].endswith(".pkl")
    assert "whether 'beta' submits by cron elsewhere is not known" in done.err
    assert SECRET not in done.out + done.err
    assert PUBLIC not in done.out + done.err
    assert done.json["replaces"] is None
    # `status` knows it from now on
    seen = lab("status", "--json").json["slots"]
    assert [(one["slot"], one["kind"]) for one in seen] == [("beta", "model")]
    (record,) = Path("submissions").rglob("upload.json")
    assert json.loads(record.read_text())["server"] == server.url
    # another server knows nothing of it, and what it is told next replaces nothing
    other = StandIn.start(tournament, forks)
    try:
        monkeypatch.setenv("NUMERAI_API_URL", other.url)
        assert lab("status", "--json").json["slots"] == []
        there = lab("upload", run_dir, "--slot", "beta", "--no-check", "--json")
        assert there.json["replaces"] is None
    finally:
        other.stop()


def test_a_second_upload_says_what_it_replaces(lab, server, run_dir):
    first = lab("upload", run_dir, "--slot", "beta", "--no-check", "--json")
    assert "replaces" not in first.err
    second = lab("upload", run_dir, "--slot", "beta", "--no-check", "--json")
    assert second.code == 0, second.err
    before = second.json["replaces"]
    assert (before["id"], before["run"]) == (first.json["id"], str(run_dir))
    assert before["uploaded_at"].startswith("2026-03-03T12:0")
    assert (
        f"it replaces the model uploaded to 'beta' on {before['uploaded_at']} "
        f"({before['id']}, of {run_dir})" in second.err
    )


def test_a_data_version_that_the_run_does_not_tell_can_be_named(lab, server, run_dir):
    done = lab("upload", run_dir, "--slot", "beta", "--no-check")
    sentence = "no data version is named and Numerai will run the model on one of its own choice"
    assert sentence in done.err
    assert "--data-version v5.3" in done.err
    server.fault("computePickleUploadAuth", "error")  # it is said before anything is uploaded
    failed = lab("upload", run_dir, "--slot", "beta", "--no-check")
    assert failed.code == 2
    assert sentence in failed.err
    done = lab("upload", run_dir, "--slot", "beta", "--no-check", "--data-version", "v5.3")
    assert done.code == 0, done.err
    assert "choice" not in done.err
    assert server.state()["pickles"][-1]["data_version"] == "v5.3"
    unknown = lab("upload", run_dir, "--slot", "beta", "--no-check", "--data-version", "v5.4")
    assert unknown.code == 2
    assert "no model on data v5.4, did you mean 'v5.3'?" in unknown.err


def test_another_data_version_than_the_run_s_own(server, run_dir, bundle):
    final = final_of(run_dir)
    data = {**final.manifest["data"], "folder": "/data/v5.3"}
    final = replace(final, manifest={**final.manifest, "data": data})
    with (
        client(server) as opened,
        pytest.raises(UserError, match=r"v5.2 is not the data version .* trained on, v5.3"),
    ):
        upload_model(opened, final, "beta", bundle, "v5.2")


def test_a_bundle_is_named_pkl(lab, run_dir):
    wrong = lab("export", run_dir, "--out", "foo.bin")
    assert wrong.code == 2
    assert wrong.err == (
        "error: --out: cannot write a pickle to 'foo.bin': its name must end in .pkl; "
        "call it foo.pkl\n"
    )


@pytest.mark.parametrize(
    ("slot", "account", "found"), [("alpha", "default", "mine"), ("mine", "work", "mine")]
)
def test_a_slot_that_submits_by_cron_is_refused(
    slot, account, found, lab, server, run_dir, tmp_path
):
    path = tmp_path / "submit.yaml"
    path.write_text(SLOTS)
    before = server.state()["requests"]
    done = lab("upload", run_dir, "--slot", slot, "--account", account, "--config", path)
    assert done.code == 2
    assert "Numerai refuses these once a model was uploaded" in done.err
    assert f"take slot '{found}' out of the file" in done.err
    assert server.state()["requests"] == before


def test_the_same_model_name_of_another_account_is_another_slot(lab, server, run_dir, tmp_path):
    path = tmp_path / "submit.yaml"
    path.write_text(SLOTS)
    done = lab("upload", run_dir, "--slot", "beta", "--no-check", "--config", path)
    assert done.code == 0, done.err


def test_a_config_that_was_named_must_be_there(lab, server, run_dir):
    done = lab("upload", run_dir, "--slot", "beta", "--no-check", "--config", "submti.yaml")
    assert done.code == 2
    assert "submti.yaml: no such file" in done.err


def test_wrong_names_and_keys(lab, server, run_dir, monkeypatch):
    wrong = lab("upload", run_dir, "--slot", "betta", "--no-check")
    assert wrong.code == 2
    assert "no model 'betta', did you mean 'beta'?" in wrong.err
    monkeypatch.setenv("NUMERAI_SECRET_KEY", "WRONGSECRET")
    wrong = lab("upload", run_dir, "--slot", "beta", "--no-check")
    assert wrong.code == 2
    assert "does not accept the keys" in wrong.err
    assert "WRONGSECRET" not in wrong.err
    monkeypatch.delenv("NUMERAI_SECRET_KEY")
    wrong = lab("upload", run_dir, "--slot", "beta", "--no-check")
    assert wrong.code == 2
    assert "NUMERAI_SECRET_KEY is not set" in wrong.err


@pytest.fixture
def synthetic_run(run_dir, tmp_path):
    """The run, as if it had been trained on the synthetic tournament."""
    copy = shutil.copytree(run_dir, tmp_path / "runs" / "plain" / run_dir.name)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["data"]["source"] = "synthetic"
    rewritten(copy, **manifest)
    return copy


def test_a_synthetic_run_goes_to_a_stand_in_loudly(lab, server, synthetic_run):
    done = lab("upload", synthetic_run, "--slot", "beta", "--no-check")
    assert done.code == 0, done.err
    assert "warning: a run on synthetic data, taken by a stand-in" in done.err


def test_a_synthetic_run_goes_nowhere_else(lab, synthetic_run, monkeypatch):
    monkeypatch.setenv("NUMERAI_API_URL", "https://numerai.invalid")
    monkeypatch.setenv("NUMERAI_PUBLIC_ID", PUBLIC)
    monkeypatch.setenv("NUMERAI_SECRET_KEY", SECRET)
    for command in ("upload", "diagnostics"):
        refused = lab(command, synthetic_run, "--slot", "beta")
        assert refused.code == 2
        assert "synthetic data" in refused.err


def test_a_python_or_data_version_that_numerai_does_not_run(server, run_dir, bundle):
    final = final_of(run_dir)
    with client(server) as opened:
        with pytest.raises(Rejected, match=r"no container with Python 3.99 \(it has: Python 3.10"):
            upload_model(opened, final, "beta", replace(bundle, python="3.99"))
        data = {**final.manifest["data"], "folder": "/data/v9.9"}
        elsewhere = replace(final, manifest={**final.manifest, "data": data})
        with pytest.raises(Rejected, match=r"no model on data v9.9 .*\(it has: v5.3\)"):
            upload_model(opened, elsewhere, "beta", bundle)
        data["folder"] = "/data/v5.3"
        done = upload_model(opened, elsewhere, "beta", bundle)
    assert done.data_version == "v5.3"
    assert server.state()["pickles"][-1]["data_version"] == "v5.3"


def test_a_refused_put_is_an_error(lab, server, run_dir):
    before = len(server.state().get("pickles", []))
    server.fault("put", "status", status=403, times=9)
    failed = lab("upload", run_dir, "--slot", "beta", "--no-check")
    assert failed.code == 1
    assert "refused with HTTP 403" in failed.err
    assert len(server.state().get("pickles", [])) == before


def test_an_answer_that_got_lost_is_not_sent_again(server, run_dir, bundle):
    before = len(server.state().get("pickles", []))
    server.fault("createComputePickleUpload", "accept_then_cut")
    with (
        client(server) as opened,
        pytest.raises(TournamentError, match="whether the model was taken is not known") as caught,
    ):
        upload_model(opened, final_of(run_dir), "beta", bundle)
    assert "look at the uploads of 'beta'" in str(caught.value)
    assert len(server.state()["pickles"]) == before + 1


def test_a_server_that_stumbles_is_asked_again(server, run_dir, bundle):
    for op in ("computePickleDockerImages", "computePickleUploadAuth", "put"):
        server.fault(op, "status", status=503)
    with client(server) as opened:
        upload_model(opened, final_of(run_dir), "beta", bundle)
    assert server.state()["faults"]["waiting"] == []


def test_a_failed_check_uploads_nothing(server, run_dir, tmp_path, monkeypatch):
    import numerai_lab.tournament.bundles.container_check as checking

    before = len(server.state().get("pickles", []))
    monkeypatch.setattr(checking, "PINNED_PYTHONS", ())
    with pytest.raises(MachineError, match="export without --check"):
        uploading(
            final_of(run_dir),
            "beta",
            "default",
            State(tmp_path),
            server.environment,
            check=True,
            say=silent,
            warn=silent,
        )
    assert len(server.state().get("pickles", [])) == before
    assert not list(tmp_path.rglob("upload.json"))


def test_diagnostics_are_those_of_the_run(lab, server, run_dir):
    done = lab("diagnostics", run_dir, "--slot", "alpha", "--wait", "1m", "--json")
    assert done.code == 0, done.err
    assert done.json["status"] == "done"
    theirs, ours = done.json["scores"], done.json["own_scores"]
    # ranks lose nothing that corr reads, so the server finds what the run found
    for name in ("corr", "corr_std", "sharpe"):
        assert theirs[name] == pytest.approx(ours[name], abs=1e-9)
    table = pd.read_parquet(run_dir / "scores_per_era.parquet")
    assert done.json["n_eras"] < table["era"].nunique()
    n, first, last = done.json["own_eras"]
    assert (n, done.json["n_judged"]) == (done.json["n_eras"], table["era"].nunique())
    assert first > table["era"].min()
    shown = lab("diagnostics", run_dir, "--slot", "alpha", "--wait", "1m").out
    words = " ".join(shown.split())
    assert f"run: its scores of {n} eras ({first}-{last}), out of {done.json['n_judged']}" in words
    assert "stand-in run" in words  # the heads of the columns: nothing here is Numerai's
    assert "Numerai" not in words
    again = lab("diagnostics", run_dir, "--slot", "alpha", "--id", done.json["id"])
    assert again.code == 0
    assert f"diagnostics {done.json['id']}: done" in " ".join(again.out.split())
    assert "corr" in again.out
    unknown = lab("diagnostics", run_dir, "--slot", "alpha", "--id", "nothing")
    assert unknown.code == 2
    assert "Diagnostics not found" in unknown.err


def test_a_name_means_the_same_run_in_every_command(lab, server, run_dir, tmp_path):
    """The newest with a final model, not a baseline that was trained for a comparison since."""
    runs = tmp_path / "runs"
    shutil.copytree(run_dir, runs / "plain" / "older")
    newer = shutil.copytree(run_dir, runs / "plain" / "newer", ignore=lambda *_: {"final"})
    manifest = json.loads((newer / "manifest.json").read_text())
    manifest["created_utc"] = "2099-01-01T00:00:00+00:00"
    rewritten(newer, **manifest)
    live = Path(manifest["data"]["folder"]) / "live.parquet"
    for command in (
        ["diagnostics", "--slot", "alpha", "--wait", "0"],
        ["export"],
        ["upload", "--slot", "beta", "--no-check"],
        ["predict", "--features", live],
    ):
        for name in ("latest:plain", "plain"):
            done = lab(command[0], name, *command[1:], "--runs-dir", runs)
            assert done.code == 0, (command, done.err)
            said = f"run {runs}/plain/older (experiment plain), the newest with a final model"
            assert said in " ".join(done.err.split()), command
    named = lab("diagnostics", newer, "--slot", "alpha", "--wait", "0", "--json")
    assert named.code == 0, named.err
    assert named.json["run_dir"] == str(newer)


def test_diagnostics_that_are_not_done_say_how_to_ask_again(lab, server, run_dir):
    done = lab("diagnostics", run_dir, "--slot", "alpha", "--wait", "0")
    assert done.code == 0
    assert "not done yet (status running); ask again with --id" in " ".join(done.err.split())


def test_waiting_asks_until_the_time_is_over(server):
    with client(server) as opened:
        model_id = opened.model_id("alpha")
        id_ = upload_diagnostics(opened, model_id, b"id,prediction\nx,0.5\n")
        waited = []
        found = await_diagnostics(
            opened, model_id, id_, wait_seconds=100, clock=lambda: 0.0, sleep=waited.append
        )
        assert waited == [1.0]
        assert (found.status, found.message) == ("error", "no id is a validation id")


def test_the_commands_of_the_documents(lab, server, run_dir, tmp_path, monkeypatch, container):
    page = (Path(__file__).parents[3] / "docs" / "submitting.md").read_text()
    (block,) = [text for text in re.findall(r"```sh\n(.*?)```", page, re.S) if "--check" in text]
    here = partial(export, live_features=(20,), live_rows=60, python=container)
    monkeypatch.setattr(public, "export", here)
    monkeypatch.setattr(model_upload, "export", here)
    said = []
    for line in block.splitlines():
        ours = line.replace("YOUR_MODEL", "beta").replace(":xgb", ":plain")
        program, *arguments = shlex.split(ours, comments=True)
        assert program == "numerai-lab"
        done = lab(*arguments, "--runs-dir", run_dir.parent.parent)
        assert done.code == 0, (line, done.err)
        said.append(done.out)
    assert len(said) == 4
    assert "20 features" in said[2]
    assert (tmp_path / "monitor.html").exists()
