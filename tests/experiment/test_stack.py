"""`stack` from a config to a submission: weights by fold, what is shown, the bundle."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from numerai_lab.cli import run
from numerai_lab.experiment import find_final, live_file, load_final
from numerai_lab.models.combined import WeightFit, blend
from numerai_lab.tournament.bundles.bundle import build_bundle
from tiny import TINY_CONFIG

STACK = """\
extends: tiny.yaml
name: stack
split: {chunk_eras: 6}
model:
  type: stack
  params:
    prior_eras: 5
    members:
      deep: {type: xgb, params: {num_boost_round: 4, max_depth: 3}}
      line: {type: ridge, params: {alpha: 1.0}}
      half: {type: xgb, params: {num_boost_round: 4, max_depth: 1}, train_step: 2}
"""
MEMBERS = ("deep", "line", "half")


@pytest.fixture(scope="module")
def made(tmp_path_factory, tournament):
    """A finished stack with a final model; read it only."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "tiny.yaml").write_text(TINY_CONFIG.format(folder=tournament))
    (folder / "stack.yaml").write_text(STACK)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(["train", "stack.yaml", "--quiet", "--final"]) == 0
    return folder


def only(folder: Path, name: str) -> Path:
    (found,) = (folder / "runs" / name).iterdir()
    return found


def weights_of(folder: Path) -> dict[str, float]:
    details = json.loads((folder / "fit.json").read_text())["details"]
    return {one["member"]: one["weight"] for one in details["members"]}


def test_weights_of_a_fold_are_those_of_the_folds_before_it(made, tournament):
    stacked = only(made, "stack")
    labels = pd.concat(
        pd.read_parquet(tournament / f"{name}.parquet") for name in ("train", "validation")
    )["target"]
    tables = {
        name: pd.read_parquet(only(made, f"stack.{name}") / "predictions.parquet").set_index("id")
        for name in MEMBERS
    }
    mine = pd.read_parquet(stacked / "predictions.parquet").set_index("id")
    folds = json.loads((stacked / "manifest.json").read_text())["folds"]
    assert len(folds) > 3
    assert set(weights_of(stacked / "folds" / "01").values()) == {1 / 3}
    number = mine["era"].astype(int)
    last = folds[-1]
    past = mine.index[number < last["judged"]["first"] - 4]
    fit = WeightFit(3)
    for _, rows in mine.loc[past].groupby("era", sort=True):
        values = np.column_stack([tables[n].loc[rows.index, "prediction"] for n in MEMBERS])
        label = labels.loc[rows.index].to_numpy(dtype=np.float32)
        fit.add(values.astype(np.float32).astype(float), label, np.array([0, len(rows)]))
    expected = fit.solve(prior_eras=5)
    found = weights_of(stacked / "folds" / f"{last['fold']:02d}")
    np.testing.assert_allclose([found[n] for n in MEMBERS], expected, atol=1e-6)
    era = mine[number == last["judged"]["first"]]
    values = np.column_stack([tables[n].loc[era.index, "prediction"] for n in MEMBERS])
    np.testing.assert_allclose(
        era["prediction"], blend(values.astype(float), expected), atol=2 / len(era)
    )


def test_members_equal_weights_and_the_stack_without_each_are_scored(made, lab):
    told = lab("evaluate", only(made, "stack"), "--json")
    assert told.code == 0, told.err
    names = json.dumps(json.loads(told.out))
    for name in ("equal", *MEMBERS, *(f"without_{member}" for member in MEMBERS)):
        assert f'"{name}"' in names
    assert lab("report", only(made, "stack")).code == 0
    page = (only(made, "stack") / "report.html").read_text()
    assert "Weights of members" in page
    assert "Members on the judged eras" in page
    assert "correlation with the meta model" in page
    scores = json.loads(told.out)["scores"]
    for metric in ("mmc", "bmc", "meta_model_corr", "benchmark_corr"):
        shown = scores["line"][metric]["mean"]
        assert f"{shown:.4f}".lstrip("-") in page, metric
    assert "stack without line" in page
    assert page.count("stack minus it ") == 5  # of 8: the others are under Scores
    assert "3 more" in page


def test_a_bundle_holds_the_members_and_predicts_as_the_run(made):
    final = load_final(find_final(str(only(made, "stack")), made / "runs"))
    rows = pd.read_parquet(live_file(final))
    rows = rows if rows.index.name == "id" else rows.set_index("id")
    bundled = pickle.loads(build_bundle(final)).before_ranks(rows)
    from numerai_lab.tournament import predict

    whole = predict(final, live_file(final), say=lambda _: None)
    order = pd.Series(whole.values, index=whole.ids.to_pylist()).reindex(rows.index)
    assert np.abs(order.rank() - pd.Series(bundled, index=rows.index).rank()).max() <= 1


def test_members_are_weighed_for_what_they_add_to_the_benchmark(made, tmp_path, lab, monkeypatch):
    """Weights of the last fold against those that each member's own bmc would give alone."""
    shutil.copytree(made, tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    before = only(made, "stack").name
    told = lab("train", "stack.yaml", "--set", "model.params.aim=bmc", "--json")
    assert told.code == 0, told.err
    assert "training it" not in told.err  # members are found
    (mine,) = (path for path in Path("runs/stack").iterdir() if path.name != before)
    last = sorted((mine / "folds").iterdir())[-1]
    assert weights_of(last) != weights_of(only(made, "stack") / "folds" / last.name)
    details = json.loads((last / "fit.json").read_text())["details"]
    assert 20 <= details["weights_on"]["n_eras"] <= 26


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["model.params.aim=mmc"], "members add to the meta model, which covers"),
        (["model.params.aim=bmc", "scoring.benchmark=none"], "and scoring.benchmark is none"),
    ],
)
def test_an_aim_that_the_data_cannot_give_is_refused_before_any_fit(
    made, tmp_path, lab, monkeypatch, change, said
):
    monkeypatch.chdir(made)
    settings = [part for one in change for part in ("--set", one)]
    told = lab("train", "stack.yaml", *settings, "--runs-dir", tmp_path / "runs")
    assert told.code == 2
    assert said in told.err
    assert "Traceback" not in told.err
    assert not (tmp_path / "runs").exists()
