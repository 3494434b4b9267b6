"""`status`: receipts, the server's view, and whether live corr is what validation promised."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from damage import rewritten
from data_files import without_mark
from numerai_lab.checksums import read_sealed, write_sealed
from numerai_lab.tournament import State, Tournament
from numerai_lab.tournament.records.model_uploads import UploadRecord, write_upload
from numerai_lab.tournament.records.record_files import Journal, Origin, Receipt
from stand_in import KEYS, SECRET
from tournament_runs import train_final

ERAS = np.arange(157, 557, dtype=np.int32)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, tournament):
    """A run that is said to have judged 400 eras, corr .02 with a spread of .02."""
    folder = tmp_path_factory.mktemp("status")
    # As if they were Numerai's: the files bear no mark.
    data = without_mark(shutil.copytree(tournament, folder / "data"))
    run = train_final(folder, data, "plain")
    table = pd.read_parquet(run / "scores_per_era.parquet")
    row = table[table["prediction"] == "prediction"].iloc[:1]
    many = pd.concat([row] * 400, ignore_index=True)
    many["era"] = ERAS
    many["corr"] = np.random.default_rng(0).normal(0.02, 0.02, 400)
    many.to_parquet(run / "scores_per_era.parquet")
    return rewritten(run)


@pytest.fixture
def slots(server, run_dir, tmp_path, monkeypatch):
    """submit.yaml with two slots, an empty state folder, the environment set."""
    server.control(set_time="2026-03-05T12:05:00Z", clear_faults=True, scores={"alpha": []})
    monkeypatch.chdir(tmp_path)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "submit.yaml"
    path.write_text(
        f"slots:\n  - {{name: first, model: alpha, run: {run_dir}}}\n"
        f"  - {{name: gamma, account: work, run: {run_dir}}}\n"
    )
    return path


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "submissions")


def submitted(server, state, run_dir, model="alpha", slot="first", receipt=True):
    """Submit something as of now; with a receipt unless told otherwise."""
    with Tournament(KEYS, url=server.url) as tournament:
        model_id = tournament.model_id(model)
        auth = tournament.upload_auth(model_id)
        tournament.put(auth.url, b"id,prediction\n")
        id_ = tournament.create_submission(auth.filename, model_id)
        number = tournament.current_round().number
    origin = Origin(str(run_dir), "hash", "none", "0" * 64, "0" * 64, 60)
    made = Receipt(
        slot,
        number,
        "default",
        model,
        model_id,
        id_,
        auth.filename,
        "submitted",
        None,
        False,
        "2026-03-05T12:05:00+00:00",
        origin,
    )
    if receipt:
        state.write_receipt(made)
    return made


def lines(result, slot="first"):
    found = next(one for one in result.json["slots"] if one["slot"] == slot)
    return {line["round"]: line for line in found["rounds"]}, found


def test_receipts_beside_the_server_s_view(lab, server, slots, state, run_dir):
    old = submitted(server, state, run_dir)
    server.control(set_time="2026-03-06T12:05:00Z")
    new = submitted(server, state, run_dir)
    again = submitted(server, state, run_dir, receipt=False)  # somebody else's, later
    result = lab("status", "--config", slots, "--json")
    assert result.code == 0, result.err
    rounds, slot = lines(result)
    assert rounds[old.round]["server"] == "selected"
    assert rounds[new.round] == {
        "round": new.round,
        "receipt": "submitted",
        "submission_id": new.submission_id,
        "server": "replaced",
        "late": False,
    }
    assert again.round == new.round
    assert result.json["round"] == new.round
    assert result.json["round_open"] is True
    assert result.json["stand_in"] is True
    assert slot["run"] == str(run_dir)
    assert slot["problem"] is None
    assert lines(result, "gamma")[0] == {}
    assert SECRET not in result.out + result.err


def test_late_absent_pending_and_missed_rounds_are_warned_of(lab, server, slots, state, run_dir):
    server.control(set_time="2026-04-09T12:05:00Z")
    made = submitted(server, state, run_dir)
    gone = replace(made, round=made.round - 1, filename="never-seen.csv")
    state.write_receipt(gone)
    pending = Journal(
        "first",
        made.round + 1,
        "default",
        "alpha",
        made.model_id,
        "waiting.csv",
        "2026-03-05T12:05:00+00:00",
        made.origin,
    )
    state.write_journal(pending)
    server.control(set_time="2026-04-14T14:00:00Z")  # Tuesday's round is over, too
    late = submitted(server, state, run_dir)
    assert late.round > made.round + 2
    result = lab("status", "--config", slots, "--json")
    rounds, slot = lines(result)
    assert rounds[gone.round]["server"] == "absent"
    assert rounds[pending.round]["receipt"] == "pending"
    assert rounds[late.round]["late"] is True
    said = "\n".join(slot["warnings"])
    assert f"round {gone.round}: there is a receipt, the server does not list it" in said
    assert f"round {pending.round}: not confirmed" in said
    assert f"round {late.round}: late, not staked" in said
    missed = list(range(pending.round + 1, late.round))
    named = ", ".join(map(str, missed))
    assert f"no submission in round{'s' if len(missed) > 1 else ''} {named}" in said
    assert f"first: round {late.round}: late" in result.err  # --json says warnings on stderr, too


@pytest.mark.parametrize(
    ("mean", "words"), [(-0.06, "the model has decayed"), (0.02, None), (0.12, "better than")]
)
def test_live_corr_beside_validation(mean, words, lab, server, slots, state, run_dir):
    made = submitted(server, state, run_dir)
    last = made.round - 25
    noise = np.random.default_rng(1).normal(0, 0.005, 70)
    scores = [
        {"roundNumber": last - i, "displayName": "v2_corr20", "value": mean + noise[i]}
        for i in range(70)
    ]
    # an earlier day of a round, another score, a round that is not resolved: none of them counts
    scores += [{**scores[3], "day": 5, "value": 9.0}]
    scores += [{**scores[3], "displayName": "canon_corr", "value": 9.0}]
    scores += [{**scores[3], "roundNumber": last + 1, "resolved": False, "value": 9.0}]
    scores += [{"roundNumber": last - i, "displayName": "mmc", "value": 0.004} for i in range(30)]
    server.control(scores={"alpha": scores})
    result = lab("status", "--config", slots, "--json")
    _, slot = lines(result)
    assert slot["n_resolved"] == 60
    assert slot["live"]["corr"] == pytest.approx(mean + noise[:60].mean())
    assert slot["live"]["mmc"] == pytest.approx(0.004)
    assert slot["verdict"]["last_round"] == last
    assert slot["promised"]["corr"] is not None
    if words:
        assert [said for said in slot["warnings"] if words in said]
    else:
        assert slot["warnings"] == []
    shown = lab("status", "--config", slots).out
    assert f"{slot['live']['corr']:.4f}" in shown
    assert "expected of 12 weeks" in shown
    assert "too few" not in shown.split("gamma")[0]


def test_without_server_or_keys_receipts_are_shown_and_the_reason(
    lab, server, slots, state, run_dir, monkeypatch
):
    made = submitted(server, state, run_dir)
    monkeypatch.delenv("NUMERAI_SECRET_KEY")
    result = lab("status", "--config", slots, "--json")
    rounds, slot = lines(result)
    assert result.code == 2
    assert rounds[made.round]["server"] is None
    assert "NUMERAI_SECRET_KEY is not set" in slot["problem"]
    monkeypatch.setenv("NUMERAI_SECRET_KEY", "WRONGSECRET")
    result = lab("status", "--config", slots)
    assert result.code == 2
    assert f"{made.round}" in result.out
    assert result.err.count("error: the server's view is missing: ") == 1
    assert "does not accept the keys" in result.err
    monkeypatch.setenv("NUMERAI_SECRET_KEY", SECRET)
    monkeypatch.setenv("NUMERAI_API_URL", "http://127.0.0.1:1")
    result = lab("status", "--config", slots, "--json")
    rounds, slot = lines(result)
    assert result.code == 1
    assert rounds[made.round]["receipt"] == "submitted"
    assert "no connection" in slot["problem"]
    assert "start `numerai-lab dev-server`" in slot["problem"]
    assert result.err.count("error: the server's view is missing: ") == 1
    assert result.json["round"] is None


def test_a_damaged_receipt_or_run_is_said_and_the_rest_is_shown(lab, server, slots, state, run_dir):
    (state.path / "first").mkdir(parents=True)
    (state.path / "first" / "7.json").write_text("{")
    slots.write_text(slots.read_text().replace(f"work, run: {run_dir}", "work, run: gone"))
    result = lab("status", "--config", slots, "--json")
    assert result.code == 0
    assert any("7.json" in said for said in lines(result)[1]["warnings"])
    assert any("no finished run" in said for said in lines(result, "gamma")[1]["warnings"])


def test_a_damaged_run_is_not_told_as_none(lab, server, slots, run_dir, tmp_path):
    copy = shutil.copytree(run_dir, tmp_path / "copy")
    (copy / "scores.json").write_text("{")
    slots.write_text(slots.read_text().replace(f"work, run: {run_dir}", f"work, run: {copy}"))
    _, slot = lines(lab("status", "--config", slots, "--json"), "gamma")
    assert slot["unjudged"] == "the run to compare with is damaged"
    assert any("scores.json" in said for said in slot["warnings"])


def test_uploaded_models_are_listed_after_the_slots(lab, slots, state, run_dir):
    for model in ("alpha", "beta"):
        write_upload(
            state, UploadRecord(model, "default", str(run_dir), "id", "3.11", "2026-03-05")
        )
    found = lab("status", "--config", slots, "--json").json["slots"]
    assert [(one["slot"], one["kind"]) for one in found] == [
        ("first", "model"),  # in submit.yaml too: Numerai runs what was uploaded
        ("gamma", "predictions"),
        ("beta", "model"),
    ]
    assert found[2]["promised"]["corr"] is not None
    assert [said for said in found[0]["warnings"] if "submit leaves out its slot" in said]
    assert found[2]["warnings"] == []


def test_the_run_of_an_upload_is_shown_and_not_the_slot_s_newest(
    lab, server, slots, state, run_dir, tmp_path
):
    submitted(server, state, run_dir)
    copy = shutil.copytree(run_dir, tmp_path / "uploaded")
    write_upload(state, UploadRecord("alpha", "default", str(copy), "id", "3.11", "2026-03-05"))
    assert lab("status", "--config", slots, "--json").json["slots"][0]["run"] == "uploaded"


def test_an_upload_to_a_model_that_this_server_has_not_is_said_once(
    lab, server, slots, state, run_dir
):
    """As of a practice server, from before addresses were recorded."""
    write_upload(state, UploadRecord("mine", "default", str(run_dir), "id", "3.11", "2026-01-05"))
    result = lab("status", "--config", slots, "--json")
    assert result.code == 0
    (said,) = lines(result, "mine")[1]["warnings"]
    assert said == "this server has no model 'mine': it was uploaded to another one"
    assert lines(result, "mine")[1]["problem"] is None


def test_records_of_other_servers_do_not_count_and_are_named(
    lab, server, slots, state, run_dir, tmp_path
):
    made = submitted(server, state, run_dir)  # of no server that is known: counts as before
    practice = State(state.path, "http://127.0.0.1:1")
    practice.write_receipt(replace(made, round=7))
    practice.write_receipt(replace(made, round=made.round, submission_id="practised"))
    practice.write_receipt(replace(made, slot="gone", round=7))
    write_upload(
        practice, UploadRecord("beta", "default", str(run_dir), "id", "3.11", "2026-01-05")
    )
    result = lab("status", "--config", slots, "--html", "monitor.html", "--json")
    rounds, slot = lines(result)
    assert [number for number, line in rounds.items() if line["receipt"]] == [made.round]
    assert rounds[made.round]["submission_id"] == made.submission_id
    assert slot["warnings"] == []
    assert [one["slot"] for one in result.json["slots"]] == ["first", "gamma"]
    sentence = "receipts of other servers do not count here: 3 of http://127.0.0.1:1"
    assert result.json["elsewhere"] == sentence
    assert sentence in " ".join(lab("status", "--config", slots).out.split())
    assert sentence in (tmp_path / "monitor.html").read_text()
    assert practice.receipt("first", made.round).submission_id == "practised"


def test_rounds_before_the_first_receipt_are_not_missed(lab, server, slots, state, run_dir):
    """The server lists an old submission; from here the slot is submitted since today."""
    server.control(set_time="2026-06-02T12:05:00Z")
    submitted(server, state, run_dir, model="beta", receipt=False)
    slots.write_text(f"slots: [{{name: beta, run: {run_dir}}}]\n")
    server.control(set_time="2026-06-09T14:00:00Z")
    _, slot = lines(lab("status", "--config", slots, "--json"), "beta")
    assert slot["warnings"] == []  # nothing was ever submitted from here
    server.control(set_time="2026-06-10T12:05:00Z")
    first = submitted(server, state, run_dir, model="beta", slot="beta").round
    server.control(set_time="2026-06-13T12:05:00Z")
    _, slot = lines(lab("status", "--config", slots, "--json"), "beta")
    assert slot["warnings"] == [f"no submission in rounds {first + 1}, {first + 2}"]


def test_runs_are_shown_in_one_form(lab, slots, state, run_dir, tmp_path, monkeypatch):
    """A receipt names a run from the root, submit.yaml from the current folder, or by its name."""
    monkeypatch.chdir(run_dir.parent.parent.parent)
    near = f"runs/plain/{run_dir.name}"
    slots.write_text(
        f"slots:\n  - {{name: first, model: alpha, run: {near}}}\n"
        f"  - {{name: gamma, account: work, run: {run_dir}}}\n"
        "  - {name: third, model: beta, run: latest:plain}\n"
    )
    found = lab("status", "--config", slots, "--state-dir", state.path, "--json").json["slots"]
    assert [one["run"] for one in found] == [near] * 3
    monkeypatch.chdir(tmp_path)
    found = lab("status", "--config", slots, "--runs-dir", run_dir.parent.parent, "--json").json
    assert [one["run"] for one in found["slots"]][1:] == [str(run_dir)] * 2


def test_no_submit_yaml_is_no_error_but_a_wrong_one_is(lab, slots, tmp_path):
    assert lab("status").code == 0
    missing = lab("status", "--config", tmp_path / "other.yaml")
    assert missing.code == 2
    assert "other.yaml" in missing.err


# ---- the page


class Page(HTMLParser):
    """What a page asks for, and what it shows."""

    def __init__(self, text):
        super().__init__()
        self.asked, self.open, self.words, self.tags = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.asked += [value for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_monitor_page_stands_alone(lab, server, slots, state, run_dir, tmp_path):
    made = submitted(server, state, run_dir)
    scores = [
        {"roundNumber": made.round - 25 - i, "displayName": "v2_corr20", "value": -0.05}
        for i in range(60)
    ]
    server.control(scores={"alpha": scores})
    gamma = "name: gamma.x, account: work, run: '<b>&'}"
    slots.write_text(re.sub(r"name: gamma.*\}", gamma, slots.read_text()))
    result = lab("status", "--config", slots, "--html", tmp_path / "monitor.html", "--json")
    assert result.json["html"] == str(tmp_path / "monitor.html")
    text = (tmp_path / "monitor.html").read_text()
    page = Page(text)
    assert page.open == []
    assert page.asked == []
    assert not re.search(r"url\(|@import|<script", text)
    assert len(text) < 60_000
    words = " ".join(" ".join(page.words).split())
    assert "2 of 2 slots need a look" in words
    assert "Synthetic" not in words
    assert "the model has decayed" in words
    assert "<b>&" in words
    assert page.tags.count("rect") == 61  # 60 rounds and the band
    assert made.submission_id in words
    assert "prefers-color-scheme: dark" in text
    assert SECRET not in text
    assert json.dumps(result.json).count("NaN") == 0


LOW = "Below validation, not yet proven"


@pytest.mark.parametrize(
    ("live", "standing", "headline"),
    [
        ([0.02] * 60, "holds", "1 slot, nothing to warn of"),
        ([0.01] * 60, "low", "1 of 1 slot below validation, not yet proven"),
        ([-0.05] * 60, "decayed", "1 of 1 slot needs a look"),
        ([0.02] * 7, None, "1 slot, live corr not judged yet"),
        ([0.02] * 20 + [None] * 40 + [0.02] * 20, "holds", "1 slot, nothing to warn of"),
    ],
)
def test_terminal_and_page_say_the_same_of_live_corr(
    live, standing, headline, lab, server, slots, state, run_dir
):
    made = submitted(server, state, run_dir)
    slots.write_text(f"slots: [{{name: first, model: alpha, run: {run_dir}}}]\n")
    first = made.round - 25 - len(live)
    scores = [
        {"roundNumber": first + i, "displayName": "v2_corr20", "value": value}
        for i, value in enumerate(live)
        if value is not None
    ]
    server.control(scores={"alpha": scores})
    result = lab("status", "--config", slots, "--html", "monitor.html", "--json")
    assert result.code == 0
    assert result.json["headline"] == headline
    (slot,) = result.json["slots"]
    verdict = slot["verdict"]
    assert (verdict and verdict["standing"]) == standing
    page = Page(Path("monitor.html").read_text())
    words = " ".join(" ".join(page.words).split())
    shown = " ".join(lab("status", "--config", slots).out.split())
    said = verdict["sentence"] if verdict else slot["unjudged"]
    for text in (words, shown):
        assert headline in text
        assert said in text
    assert (LOW in words) == (standing == "low")
    assert bool(slot["warnings"]) == (standing == "decayed")
    # bars with the band of one round, and the sum with its own band; zero is named on both axes
    assert page.tags.count("rect") == len(scores) + 1
    assert page.tags.count("polygon") == 1
    assert page.tags.count("polyline") == 2
    assert page.words.count("0") == 2
    low, high = slot["bands"]["round"]
    assert low < -0.01 < 0.05 < high  # 400 judged eras of .02 with a spread of .02
    assert ("no score for 40 rounds between" in words) == (None in live)


def test_a_suspicious_validation_is_warned_of(lab, slots, run_dir, tmp_path):
    copy = shutil.copytree(run_dir, tmp_path / "leaky")
    scores = read_sealed(copy / "scores.json")
    own = scores["suspicions"][scores["target"]]["prediction"]
    scores["suspicions"][scores["target"]]["prediction"] = {**own, "suspicious": True}
    write_sealed(copy / "scores.json", scores)
    rewritten(copy)
    slots.write_text(f"slots: [{{name: first, model: alpha, run: {copy}}}]\n")
    result = lab("status", "--config", slots, "--json")
    said = [text for text in result.json["slots"][0]["warnings"] if "suspicious" in text]
    assert len(said) == 1
    assert own["reason"] in said[0]
    assert result.json["headline"] == "1 of 1 slot needs a look"


def test_no_slots_and_no_server_is_nothing_to_be_calm_about(lab, slots, monkeypatch):
    slots.write_text("slots: []\n")
    monkeypatch.setenv("NUMERAI_API_URL", "http://127.0.0.1:9")
    result = lab("status", "--json")
    assert result.code != 0
    assert result.json["headline"] == "0 slots, the server could not be asked"


def test_one_slot_of_a_synthetic_run_on_the_page(lab, server, slots, run_dir, tmp_path):
    copy = shutil.copytree(run_dir, tmp_path / "made_up")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["data"]["source"] = "synthetic"
    rewritten(copy, **manifest)
    slots.write_text(f"slots: [{{name: alpha, run: {copy}}}]\n")
    scores = [{"roundNumber": 1300 + i, "displayName": "v2_corr20", "value": 0.01} for i in (0, 1)]
    scores += [{"roundNumber": 1300, "displayName": "mmc", "value": 0.01}]
    server.control(scores={"alpha": scores})
    result = lab("status", "--config", slots, "--html", "monitor.html", "--json")
    assert result.json["slots"][0]["synthetic"] is True
    assert "alpha: SYNTHETIC data" in result.err
    page = Page((tmp_path / "monitor.html").read_text())
    words = " ".join(" ".join(page.words).split())
    assert "1 slot, live corr not judged yet" in words
    assert "Synthetic data The run was made on synthetic data" in words
    # each number beside what it is the mean of
    assert "live corr 0.0100 2 resolved rounds validation corr" in words
    assert "mean of 400 judged eras live mmc 0.0100 1 resolved round validation mmc" in words
    assert "2 resolved rounds, live corr is judged from 20 on" in words
