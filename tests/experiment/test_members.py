"""Members of a model as runs of their own: found or trained, what is handed over, what is kept."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from numerai_lab.checksums import read_sealed, write_sealed
from numerai_lab.cli import run
from numerai_lab.errors import ModelError
from numerai_lab.experiment import RunDir, load_final
from numerai_lab.scoring import gaussian_rank_per_era, rank_per_era
from numerai_lab.tournament.bundles.bundle import build_bundle
from plugins import install_model
from tiny import TINY_CONFIG

STACK = """\
extends: tiny.yaml
name: stack
model:
  type: weighted
  params:
    members:
      shallow: {type: xgb, params: {num_boost_round: 4, max_depth: 1}}
      other: {from: other.yaml}
      sixty: {type: xgb, params: {num_boost_round: 3, max_depth: 2}, targets: [target_ender_60]}
"""
OTHER = """\
extends: tiny.yaml
name: other
seed: 5
model: {params: {num_boost_round: 5, max_depth: 2, subsample: 0.5}}
data: {feature_set: small}
"""
MEMBERS = ("shallow", "other", "sixty")


@pytest.fixture(scope="module")
def made(tmp_path_factory, tournament):
    """A folder with a finished stack that has a final model, and its members: copy it."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "tiny.yaml").write_text(TINY_CONFIG.format(folder=tournament))
    (folder / "stack.yaml").write_text(STACK)
    (folder / "other.yaml").write_text(OTHER)
    installed = install_model(folder / "installed", "weighted", "stacked_model:Weighted")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(installed)
        assert run(["train", "stack.yaml", "--quiet", "--final"]) == 0
    return folder


@pytest.fixture
def mine(made, tmp_path, monkeypatch):
    """Work in a copy of that folder."""
    shutil.copytree(made, tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    monkeypatch.syspath_prepend(tmp_path / "mine" / "installed")
    return tmp_path / "mine"


def only(name: str) -> Path:
    (found,) = Path("runs", name).iterdir()
    return found


def fit_facts(run: Path, part: str) -> dict:
    return json.loads((run / part / "fit.json").read_text())


def test_members_are_runs_of_their_own(mine):
    assert {path.name for path in Path("runs").iterdir()} == {
        "stack",
        "stack.shallow",
        "stack.sixty",
        "other",
    }
    told = json.loads((only("stack") / "manifest.json").read_text())
    assert list(told["members"]) == list(MEMBERS)
    assert told["data"]["horizon_days"] == 60  # the purge follows the longest
    other = json.loads((only("other") / "manifest.json").read_text())
    assert other["seed"] == 5
    assert other["data"]["n_features"] < told["data"]["n_features"]
    assert [f["judged_eras"] for f in other["folds"]] == [f["judged_eras"] for f in told["folds"]]


def test_a_fold_learns_from_earlier_ones_as_far_as_their_labels_are_known(mine):
    run = only("stack")
    folds = json.loads((run / "manifest.json").read_text())["folds"]
    judged = [era for fold in folds for a, b in fold["judged_eras"] for era in range(a, b + 1)]
    assert len(folds) == 3
    for fold in folds:
        details = fit_facts(run, f"folds/{fold['fold']:02d}")["details"]
        first = fold["judged"]["first"]
        assert details["purge_eras"] == 4
        assert details["eras"] == [era for era in judged if era < first - 4]
        assert all(number < fold["fold"] for number in details["folds"])
    assert details["eras"]
    final = fit_facts(run, "final")["details"]
    assert final["eras"] == judged


def test_what_it_predicts_is_made_of_what_members_predicted_out_of_fold(mine):
    """Equal weights in the first fold, where no member is known by anything."""
    stacked = pd.read_parquet(only("stack") / "predictions.parquet").set_index("id")
    stacked = stacked[stacked["fold"] == 1]
    offsets = np.append(0, np.cumsum(stacked.groupby("era").size().to_numpy()))
    total = np.zeros(len(stacked))
    for name in ("stack.shallow", "other", "stack.sixty"):
        theirs = pd.read_parquet(only(name) / "predictions.parquet").set_index("id")
        values = theirs["prediction"].reindex(stacked.index).to_numpy()
        total += 1 / 3 * gaussian_rank_per_era(values, offsets)
    assert np.allclose(rank_per_era(total, offsets), stacked["prediction"], atol=1e-6)


def test_a_second_run_finds_its_members(mine, lab):
    result = lab("train", "stack.yaml", "--json")
    assert result.code == 0, result.err
    assert "member sixty has no prediction for 360 of 1,560 judged rows, in 6 of 26" in result.err
    assert len(list(Path("runs/other").iterdir())) == 1
    for name in MEMBERS:
        assert f"member {name} from runs/" in result.err
    first, second = sorted(Path("runs/stack").iterdir())
    assert (first / "predictions.parquet").read_bytes() == (
        second / "predictions.parquet"
    ).read_bytes()


def test_the_final_model_needs_no_other_run(mine, lab, tournament, tmp_path):
    table = tournament / "live.parquet"
    live = tmp_path / "live.parquet"
    shutil.copy(table, live)
    before = lab("predict", only("stack"), "--features", live, "--out", tmp_path / "a.csv")
    assert before.code == 0, before.err
    moved = tmp_path / "elsewhere"
    shutil.move(only("stack"), moved)
    shutil.rmtree("runs")
    after = lab("predict", moved, "--features", live, "--out", tmp_path / "b.csv")
    assert after.code == 0, after.err
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    member = next((moved / "final/members/other/model").iterdir())
    member.write_bytes(member.read_bytes()[:-1])
    damaged = lab("predict", moved, "--features", live)
    assert damaged.code == 2
    assert f"members/other/model/{member.name}" in damaged.err


def test_a_changed_member_is_a_run_of_another_name_which_the_next_stack_finds(mine, lab):
    """`latest:other` stays what other.yaml says, however many variants of it a stack has."""
    whole = only("other")
    text = (
        "extends: tiny.yaml\nname: NAME\nmodel: {type: weighted, params: {members: "
        "{other: {from: other.yaml}, late: {from: other.yaml, seed: 9}}}}\n"
    )
    for name in ("first", "second"):
        Path(f"{name}.yaml").write_text(text.replace("NAME", name))
        result = lab("train", f"{name}.yaml", "--json")
        assert result.code == 0, result.err
        assert f"member other from {whole}" in result.err
    assert f"member late from {only('other.late')}" in result.err
    assert only("other") == whole
    assert lab("runs", "--json").json["runs"][-1]["experiment"] == "second"


def test_a_stack_of_stacks_is_kept_predicted_and_bundled_to_its_depth(mine, lab, tournament):
    """The outer one finds the inner one's run, which is finished, and so are its members'."""
    Path("outer.yaml").write_text(
        "extends: tiny.yaml\nname: outer\nmodel: {type: weighted, params: {members: "
        "{inner: {from: stack.yaml}, plain: {type: xgb, params: {num_boost_round: 2}}}}}\n"
    )
    result = lab("train", "outer.yaml", "--final", "--json")
    assert result.code == 0, result.err
    assert f"member inner from {only('stack')}" in result.err
    kept = only("outer") / "final/members"
    assert (kept / "inner/members/sixty/model").is_dir()
    live = tournament / "live.parquet"
    told = lab("predict", only("outer"), "--features", live, "--out", "ours.csv")
    assert told.code == 0, told.err
    ours = pd.read_csv("ours.csv").set_index("id")["prediction"]
    rows = pd.read_parquet(live)
    rows = rows if rows.index.name == "id" else rows.set_index("id")
    bundled = pickle.loads(build_bundle(load_final(RunDir(only("outer")))))(rows)
    assert np.allclose(bundled["prediction"].loc[ours.index], ours, atol=1e-6)


def test_a_member_that_cannot_be_bundled_is_named(mine):
    final = load_final(RunDir(only("stack")))
    member = replace(final.members["other"], model=object())
    final = replace(final, members={**final.members, "other": member})
    with pytest.raises(ModelError, match="member 'other' cannot be bundled"):
        build_bundle(final)


def stop_after_first_fold(run: Path) -> bytes:
    """Leave what a run has that was killed in its second fold; return its whole predictions."""
    whole = (run / "predictions.parquet").read_bytes()
    for name in ("DONE", "scores.json", "predictions.parquet"):
        (run / name).unlink()
    for name in ("folds/02", "folds/03", "final"):
        shutil.rmtree(run / name)
    return whole


def test_a_killed_stack_goes_on_with_its_killed_member(mine, lab):
    shutil.rmtree("runs/stack.sixty")
    whole = stop_after_first_fold(only("stack"))
    theirs = stop_after_first_fold(only("other"))
    first = (only("other") / "folds/01/fit.json").read_bytes()
    result = lab("train", "stack.yaml", "--final", "--resume", "--json")
    assert result.code == 0, result.err
    assert f"member other: going on with {only('other')}, which is not finished" in result.err
    assert "member sixty has no run on these rows and folds yet" in result.err
    assert (only("stack") / "predictions.parquet").read_bytes() == whole
    assert (only("other") / "predictions.parquet").read_bytes() == theirs
    assert (only("other") / "folds/01/fit.json").read_bytes() == first
    assert (only("stack") / "final/members/other/model").is_dir()


def test_a_damaged_member_is_left_out_and_trained_anew(mine, lab):
    damaged = only("stack.shallow") / "predictions.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    booster = next((only("other") / "final/model").glob("*"))
    booster.write_bytes(booster.read_bytes()[:-1])
    result = lab("train", "stack.yaml", "--final", "--json", "--run-dir", "again")
    assert result.code == 0, result.err
    assert "member shallow: a damaged run is left out: " in result.err
    assert len(list(Path("runs/stack.shallow").iterdir())) == 2
    assert f"member other from {only('other')}, whose final model is fitted now" in result.err
    assert "and fitted again" in result.err
    assert (Path("again") / "predictions.parquet").read_bytes() == (
        only("stack") / "predictions.parquet"
    ).read_bytes()


def test_a_run_made_with_other_predictions_is_not_gone_on_with(mine, lab):
    run = only("stack")
    stop_after_first_fold(run)
    manifest = read_sealed(run / "manifest.json")
    manifest["members"]["other"]["predictions"] = "0" * 64
    write_sealed(run / "manifest.json", manifest)
    result = lab("train", "stack.yaml", "--resume")
    assert result.code == 2
    assert "was made with other predictions of member other" in result.err
    assert "begin a new run" in result.err


def test_a_change_in_a_members_file_is_another_experiment(mine, lab):
    stop_after_first_fold(only("stack"))
    Path("other.yaml").write_text(OTHER.replace("seed: 5", "seed: 6"))
    result = lab("train", "stack.yaml", "--resume")
    assert result.code == 2
    assert "no unfinished run of 'stack' with this config" in result.err


def test_the_resolved_config_needs_no_other_file(mine, lab):
    Path("other.yaml").unlink()
    assert lab("evaluate", only("stack")).code == 0
    result = lab("train", only("stack") / "resolved.yaml", "--plan")
    assert result.code == 0, result.err


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("split={type: blocked, n_blocks: 4}", "these members have learnt from the judged eras"),
        ("split={type: holdout, validate: {from: 40}}", "this split has one fold only"),
        ("data.feature_set=small", "member 'shallow' has"),
        (
            "model.params.members.other={from: other.yaml, train_step: 99, train_offset: 98}",
            "none of",
        ),
        ("model.params.members.other={from: othr.yaml}", "did you mean 'other.yaml'"),
        ("model.params.members.other={from: stack.yaml}", "circle: stack.yaml -> stack.yaml"),
        ("model.params.members.other={from: round.yaml}", "stack.yaml -> round.yaml -> stack.yaml"),
        ("model.params.members.other={from: neutral.yaml}", "which a member cannot have"),
        ("model.params.members={a b: {type: xgb}}", "'a b' is no name for a member"),
        ("model.params.members.shallow={type: xgb, train_offset: 2}", "must be below train_step"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(mine, lab, setting, said):
    Path("round.yaml").write_text(
        "extends: tiny.yaml\nmodel: {type: weighted, params: {members: {s: {from: stack.yaml}}}}\n"
    )
    Path("neutral.yaml").write_text("extends: other.yaml\nneutralize: {}\n")
    more = []
    if "feature_set" in setting:
        more = ["--set", "model.params.members.shallow={type: xgb, feature_set: all}"]
    result = lab("train", "stack.yaml", "--plan", "--set", setting, *more)
    assert result.code == 2
    assert said in result.err, result.err
    assert "Traceback" not in result.err


def test_a_member_whose_step_hits_no_era_is_refused_before_others_train(mine, lab):
    never = "model.params.members.other={from: other.yaml, train_step: 99, train_offset: 98}"
    result = lab("train", "stack.yaml", "--plan", "--set", never)
    assert result.code == 2
    assert "member 'other' trains on every 99th era with offset 98, and fold 1" in result.err


def test_within_another_model_it_is_given_no_members(mine, lab):
    install_model(mine / "installed", "mean_of", "member_model:MeanOf")
    inner = "{type: weighted, params: {members: {a: {type: xgb}}}}"
    Path("mean.yaml").write_text(
        f"extends: tiny.yaml\nmodel: {{type: mean_of, params: {{members: [{inner}]}}}}\n"
    )
    result = lab("train", "mean.yaml", "--plan")
    assert result.code == 2
    assert "model 'weighted' is made of members, and is given none within another" in result.err


def test_sections_of_a_members_file_that_give_way_are_told(mine, lab):
    Path("other.yaml").write_text(OTHER + "split: {chunk_eras: 5, train_step: 2}\n")
    result = lab("train", "stack.yaml", "--plan")
    assert result.code == 0
    assert (
        "of the members' files gives way to this experiment's: split (of other.yaml)" in result.err
    )
