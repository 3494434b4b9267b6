"""`refresh`: trained anew on new files, judged on eras neither has seen, promoted if not worse."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from damage import rewritten
from numerai_lab.experiment import OldAndNew, RunDir
from numerai_lab.files import exclusive_lock
from numerai_lab.tournament import about_age, about_refresh
from refresh_lab import in_use, write_eras


def test_new_files_are_fetched_and_what_is_not_worse_takes_the_slot(
    project, stand_in, monkeypatch, lab
):
    folder, refresh = project
    monkeypatch.setenv("NUMERAI_API_URL", stand_in.url)
    before = in_use(folder)
    done = refresh()
    assert done.code == 0, done.err
    told = done.json
    assert told["promoted"]
    assert (told["judged"]["first_era"], told["judged"]["n_eras"]) == (41, 16)
    assert in_use(folder).resolve() == Path(told["new"]).resolve() != before
    assert before.is_dir()
    assert told["drift"]["n_features"] == 12
    (receipt,) = (folder / "runs" / ".refresh" / "alpha").glob("*.json")
    assert json.loads(receipt.read_text()) == told
    again = refresh("--no-download")
    assert (again.code, again.json["promoted"], again.json["new"]) == (0, False, None)
    assert "0 eras were resolved since the fit" in again.json["reason"]
    seen = lab("status", "--config", "submit.yaml", "--json")
    (slot,) = seen.json["slots"]
    assert slot["refreshed"]["reason"] == again.json["reason"]
    newer = shutil.copytree(told["new"], Path(told["new"]).with_name("newer"))
    rewritten(newer, created_utc="2999-01-01T00:00:00+00:00")
    refused = refresh("--back")
    assert refused.code == 2
    assert "is not in use" in refused.err
    shutil.rmtree(newer)
    back = refresh("--back")
    assert back.code == 0, back.err
    assert in_use(folder) == before
    assert Path(back.json["withdrawn"]).is_dir()
    assert refresh("--back").code == 2
    receipt.write_text(receipt.read_text()[:100])
    damaged = refresh("--back")
    assert damaged.code == 2
    assert f"{receipt.name}: this receipt of a refresh is damaged" in damaged.err
    seen = lab("status", "--config", "submit.yaml", "--json")
    assert any(
        "receipt of a refresh is damaged" in one for one in seen.json["slots"][0]["warnings"]
    )


@pytest.mark.slow
def test_one_that_was_killed_before_the_new_run_came_to_its_place_changed_nothing(
    project, lab, tournament
):
    folder, refresh = project
    before = in_use(folder)
    write_eras(tournament, folder / "data" / "v5.3", 60)
    first = refresh("--no-download")
    assert first.json["promoted"], first.err
    new, slot = Path(first.json["new"]), folder / "runs" / ".refresh" / "alpha"
    # as it was after the receipt: the run still lies where it was trained
    (slot / "runs" / "live").mkdir(parents=True, exist_ok=True)
    new.rename(slot / "runs" / "live" / new.name)
    assert in_use(folder) == before
    assert refresh("--back").code == 2
    assert before.is_dir()
    seen = lab("status", "--config", "submit.yaml", "--json").json["slots"][0]
    assert Path(seen["run"]).name == before.name
    with exclusive_lock(slot / ".lock", "held"):
        busy = refresh("--no-download")
    assert "another refresh of 'alpha' is at work" in busy.err
    again = refresh("--no-download")
    assert again.json["promoted"], again.err
    assert in_use(folder).resolve() == Path(again.json["new"]).resolve() != before
    assert refresh("--back").code == 0
    assert in_use(folder) == before


STACK = """\
extends: live.yaml
name: stacked
model:
  type: stack
  params:
    prior_eras: 5
    members:
      deep: {type: xgb, params: {num_boost_round: 20, max_depth: 3, eta: 0.2}}
      line: {type: ridge, params: {alpha: 1.0}}
"""


@pytest.mark.slow
def test_members_of_a_stack_come_along_with_it(project, lab, tournament):
    folder, refresh = project
    (folder / "stacked.yaml").write_text(STACK)
    write_eras(tournament, folder / "data" / "v5.3", 36, flipped=range(1, 37))
    assert lab("train", "stacked.yaml", "--final", "-q", "--runs-dir", "runs").code == 0
    slots = folder / "stacked_submit.yaml"
    slots.write_text('slots: [{name: alpha, run: "latest:stacked"}]\n')
    write_eras(tournament, folder / "data" / "v5.3", 60)
    done = refresh("--no-download", "--config", str(slots))
    assert done.code == 0, done.err
    assert done.json["promoted"]
    new = RunDir(Path(done.json["new"]))
    for told in new.manifest()["members"].values():
        assert RunDir(new.path / told["run"]).finished
    seen = lab("runs", "remove", str(new.path / told["run"]))
    assert seen.code != 0
    assert "as its member line" in seen.err
    assert lab("evaluate", str(new.path)).code == 0


ADAPTING = """\
extends: live.yaml
name: adapting
neutralize: {proportion: 1.0}
model:
  type: xgb_ttt
  params:
    num_boost_round: 40
    max_depth: 3
    eta: 0.2
    auxiliary: {noise_ratio: 0}
    adapt: {method: nearest_eras, strength: 0.25, refit_eras: 1}
"""


@pytest.mark.slow
def test_what_a_run_takes_out_is_taken_out_of_an_old_model_that_goes_through_eras(
    project, lab, tournament
):
    folder, refresh = project
    (folder / "adapting.yaml").write_text(ADAPTING)
    assert lab("train", "adapting.yaml", "--final", "-q", "--runs-dir", "runs").code == 0
    slots = folder / "adapting_submit.yaml"
    slots.write_text('slots: [{name: alpha, run: "latest:adapting"}]\n')
    write_eras(tournament, folder / "data" / "v5.3", 60)
    done = refresh("--no-download", "--config", str(slots))
    assert done.code in (0, 1), done.err
    # a feature tells every third label: with the features taken out nothing is left of it
    assert abs(done.json["judged"]["new"]) < 0.1
    assert abs(done.json["judged"]["old"]) < 0.1


def test_a_run_of_the_same_second_leaves_it_another_name(project, tournament):
    folder, refresh = project
    before = in_use(folder)
    write_eras(tournament, folder / "data" / "v5.3", 60)
    digest, now = before.name.split("-")[1], datetime.now(UTC)
    taken = [f"{now + timedelta(seconds=i):%Y%m%dT%H%M%SZ}-{digest}" for i in range(120)]
    for name in set(taken) - {before.name}:
        (before.parent / name).mkdir()
    done = refresh("--no-download")
    assert (done.code, done.json["promoted"]) == (0, True), done.err
    new = Path(done.json["new"])
    assert new.name in {name.replace("-", ".2-") for name in taken}
    assert in_use(folder).resolve() == new.resolve()


def test_a_worse_one_is_not_used(project, tournament):
    folder, refresh = project
    before = in_use(folder)
    write_eras(tournament, folder / "data" / "v5.3", 60, flipped=range(1, 37))
    done = refresh("--no-download")
    assert done.code == 1, done.err
    assert done.json["reason"].startswith("worse: new - old -")
    assert done.json["judged"]["high"] < 0
    assert in_use(folder) == before
    assert [one.name for one in (folder / "runs" / "live").iterdir()] == [before.name]


def test_too_few_new_eras_train_nothing(project, tournament):
    folder, refresh = project
    write_eras(tournament, folder / "data" / "v5.3", 52)
    done = refresh("--no-download")
    assert (done.code, done.json["n_new_eras"], done.json["new"]) == (0, 12, None)
    assert not (folder / "runs" / ".refresh" / "alpha" / "runs").exists()


def test_an_experiment_that_ends_at_an_era_is_told_why_nothing_is_ever_new(project, lab):
    folder, refresh = project
    ends = ("--final", "--set", "data.eras.to=36", "--set", "name=ended")
    assert lab("train", "live.yaml", *ends).code == 0
    (folder / "submit.yaml").write_text('slots: [{name: alpha, run: "latest:ended"}]\n')
    done = refresh("--no-download")
    (folder / "submit.yaml").write_text('slots: [{name: alpha, run: "latest:live"}]\n')
    assert done.json["reason"].endswith("data.eras.to of the experiment leaves out all after 36")


def test_a_slot_that_names_a_run_is_refused(project, lab):
    folder, _ = project
    (folder / "fixed.yaml").write_text(f'slots: [{{name: alpha, run: "{in_use(folder)}"}}]\n')
    done = lab("refresh", "alpha", "--config", "fixed.yaml", "--no-download")
    assert done.code == 2
    assert "write run: latest:EXPERIMENT" in done.err


@pytest.mark.parametrize(
    ("difference", "low", "high", "fine"),
    [(0.001, -0.01, 0.012, True), (-0.001, -0.004, 0.002, True), (-0.003, -0.005, -0.001, False)],
)
def test_not_worse_is_within_one_standard_error(difference, low, high, fine):
    assert OldAndNew(1, 20, 20, 0.02, 0.02 + difference, difference, low, high).not_worse is fine
    assert not OldAndNew(1, 3, 3, 0.02, 0.03, 0.01, None, None).not_worse


def test_status_says_when_a_model_grows_too_old_to_adapt_and_what_drifted(tmp_path):
    run = RunDir(tmp_path)
    (tmp_path / "final").mkdir()
    spans = [{"last": 26, "strength": 0.5}, {"last": 52, "strength": 0.25}]
    spans.append({"last": 78, "strength": 0.0})
    fit = {"details": {"guard": {"by_age": spans}}}
    (tmp_path / "final" / "fit.json").write_text(json.dumps(fit))
    begun = datetime(2025, 1, 7, tzinfo=UTC)
    manifest = {"created_utc": begun.isoformat(), "folds": [{"purge_eras": 8}]}
    (tmp_path / "manifest.json").write_text(json.dumps({"experiment": "x", **manifest}))
    assert about_age(run, begun + timedelta(weeks=39)) == []
    (soon,) = about_age(run, begun + timedelta(weeks=41))
    assert "50 eras old, and adapts for 2 weeks more: train and export it anew" in soon
    (late,) = about_age(run, begun + timedelta(weeks=44))
    assert "53 eras old, and adapts no more since 52" in late
    support = {"distance": 3.0, "limit": 2.0, "factor": 0.5}
    drift = {"n_features": 10, "outside": 2, "farthest": "feature_a", "support": support}
    receipt = {"new": "runs/x", "promoted": False, "at": "now", "reason": "worse", "drift": drift}
    worse, means, code = about_refresh(receipt)
    assert worse == "the last refresh (now) was not promoted: worse"
    assert means.startswith("2 of 10 live features had a mean outside their training range")
    assert code.endswith("its adaptation is faded to 50 %")
    assert about_refresh({**receipt, "promoted": True, "drift": None}) == []
