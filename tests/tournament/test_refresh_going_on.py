"""`refresh --continue` is judged before it is used; what was taken back is not tried at once."""

import json
import shutil
from pathlib import Path

import pytest

from numerai_lab.experiment import RunDir
from refresh_lab import in_use, write_eras

SPLIT = (
    "split={type: walk_forward, first_train_eras: 14, chunk_eras: 8, purge_eras: 4, "
    "partial_chunk: true}"
)


@pytest.fixture
def early(project, lab, tournament):
    """Trains a config on eras up to 26, so that 30 eras resolve afterwards; `refresh` of it."""
    folder, _ = project
    shutil.rmtree(folder / "runs")

    def train(config):
        write_eras(tournament, folder / "data" / "v5.3", 26)
        made = lab("train", config, "--final", "-q", "--set", SPLIT, "--runs-dir", "runs")
        assert made.code == 0, made.err
        slots = folder / "early_submit.yaml"
        slots.write_text(f'slots: [{{name: alpha, run: "latest:{Path(config).stem}"}}]\n')

        def refresh(*more):
            return lab("refresh", "alpha", "--config", slots, "--no-download", *more, "--json")

        return folder, refresh

    return train


def test_the_model_in_use_goes_on_once_a_copy_was_no_worse_for_it(early, lab, tournament):
    folder, refresh = early("live.yaml")
    before = in_use(folder)
    turned = range(27, 61)  # the signal turns round after the fit: going on pays
    write_eras(tournament, folder / "data" / "v5.3", 54, flipped=turned)
    few = refresh("--continue")
    assert (few.code, few.json["promoted"], few.json["new"]) == (0, False, None)
    assert few.json["reason"] == (
        "of the eras resolved since the fit of the model in use, a copy of it would learn from 12 "
        "and be judged, a purge later, on 12; 13 of each are wanted"
    )
    write_eras(tournament, folder / "data" / "v5.3", 60, flipped=turned)
    done = refresh("--continue")
    assert done.code == 0, done.err
    told, new = done.json, RunDir(Path(done.json["new"]))
    assert told["promoted"]
    # of the eras 27-56 the copy learns 27-39, and after a purge of 4 the rest is judged
    assert (told["judged"]["first_era"], told["judged"]["n_eras"]) == (44, 13)
    assert in_use(folder).resolve() == new.path.resolve() != before.resolve()
    lineage = new.manifest()["continued"]
    assert lineage["parent"] == str(before.resolve())
    assert (lineage["first_era"], lineage["last_era"]) == (27, 56)
    assert lab("evaluate", str(new.path)).code == 0
    assert lab("predict", str(new.path), "--out", str(folder / "live.parquet")).code == 0
    assert refresh("--back").code == 0
    assert in_use(folder) == before


def test_a_copy_that_learnt_what_was_wrong_later_is_not_followed(early, tournament):
    folder, refresh = early("live.yaml")
    before = in_use(folder)
    write_eras(tournament, folder / "data" / "v5.3", 60, flipped=range(27, 40))
    done = refresh("--continue")
    assert done.code == 1, done.err
    assert done.json["reason"].startswith("worse: new - old -")
    assert in_use(folder) == before


def test_what_was_taken_back_is_not_promoted_again_before_new_eras_resolved(early, tournament):
    folder, refresh = early("live.yaml")
    before = in_use(folder)
    write_eras(tournament, folder / "data" / "v5.3", 43)
    first = refresh()
    assert first.json["promoted"], first.err
    assert refresh("--back").code == 0
    write_eras(tournament, folder / "data" / "v5.3", 55)
    again = refresh()
    assert (again.code, again.json["promoted"], again.json["new"]) == (0, False, None)
    name = Path(first.json["new"]).name
    assert again.json["reason"] == (
        f"{name} was promoted on eras up to 43 and taken back: 12 eras were resolved since, 13 are "
        "wanted before the same is judged again"
    )
    assert in_use(folder) == before
    receipts = sorted((folder / "runs" / ".refresh" / "alpha").glob("*.json"))
    assert json.loads(receipts[-1].read_text())["reason"] == again.json["reason"]
    write_eras(tournament, folder / "data" / "v5.3", 60)
    later = refresh()
    assert later.json["promoted"], later.err
    assert (later.json["judged"]["first_era"], later.json["judged"]["last_era"]) == (31, 56)


STACK = """\
extends: live.yaml
name: inner
model:
  type: stack
  params:
    weights_from: inner
    inner_folds: 1
    prior_eras: 5
    members:
      deep: {type: xgb, params: {num_boost_round: 20, max_depth: 3, eta: 0.2}}
      adapts:
        type: xgb_ttt
        params:
          num_boost_round: 20
          max_depth: 3
          eta: 0.2
          auxiliary: {noise_ratio: 0}
          adapt: {method: nearest_eras, strength: 0.5, refit_eras: 1}
"""


@pytest.mark.slow
def test_a_stack_goes_on_with_a_member_that_adapts(early, project, tournament):
    (project[0] / "inner.yaml").write_text(STACK)
    folder, refresh = early("inner.yaml")
    write_eras(tournament, folder / "data" / "v5.3", 60)
    done = refresh("--continue")
    assert done.code in (0, 1), done.err
    assert done.json["judged"]["n_eras"] == 13
    assert "stays as it was fitted" not in done.err


@pytest.mark.slow
def test_trees_that_were_trained_jointly_cannot_go_on(early, project):
    joint = STACK.split("model:")[0].replace("inner", "joint") + (
        "model: {type: xgb_ttt, params: {num_boost_round: 5, auxiliary: {weight: 0.1, "
        "noise_ratio: 0}, adapt: {strength: 0.5}}}\n"
    )
    (project[0] / "joint.yaml").write_text(joint)
    _, refresh = early("joint.yaml")
    done = refresh("--continue")
    assert done.code == 2
    assert "trained jointly with auxiliary targets cannot go on" in done.err
