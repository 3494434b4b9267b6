"""A final `icl` on its way to Numerai: predicted, explained, bundled, submitted to the stand-in."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from submit_lab import ONE, ROUND, Submit, ThreadStandIn, train_final

MODEL = {
    "type": "icl",
    "params": {"context": "resolved", "context_rows": 64, "context_eras": 8, "history_eras": 40},
}
OWN = ["--set", f"model={json.dumps(MODEL)}"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tournament):
    return train_final(tmp_path_factory.mktemp("icl"), tournament, *OWN)


@pytest.mark.slow  # a run of three folds and a final model
def test_its_final_model_predicts_live_rows_from_the_newest_resolved_eras(runs, lab, tmp_path):
    """The run, its bundle and a second call agree; labels of eras not resolved do not exist."""
    (run,) = (path.parent for path in runs.glob("tiny/*/DONE"))
    out = tmp_path / "live.parquet"
    told = lab("predict", run, "--out", out)
    assert told.code == 0, told.err
    predicted = pd.read_parquet(out)["prediction"].to_numpy()
    assert np.isfinite(predicted).all()
    assert predicted.std() > 0
    again = lab("predict", run, "--out", tmp_path / "again.parquet")
    assert again.code == 0, again.err
    assert np.array_equal(pd.read_parquet(tmp_path / "again.parquet")["prediction"], predicted)
    with np.load(next((run / "final").rglob("context.npz"))) as kept:
        eras = kept["pool_eras"].tolist()
    labelled = pd.read_parquet(runs.parent / "data" / "v5.3" / "validation.parquet")
    known = labelled.loc[labelled["target"].notna(), "era"].astype(int).unique()
    assert eras == sorted(known)[-8:]
    bundle = tmp_path / "icl.pkl"
    exported = lab("export", run, "--out", bundle, "--runs-dir", runs)
    assert exported.code == 0, exported.err
    live = pd.read_parquet(runs.parent / "data" / "v5.3" / "live.parquet")
    from_bundle = pd.read_pickle(bundle)(live.drop(columns="era", errors="ignore"))
    ranks = pd.Series(predicted).rank().to_numpy()
    assert np.abs(from_bundle["prediction"].rank().to_numpy() - ranks).max() < 1


@pytest.mark.slow
def test_it_is_submitted_once_a_round(runs, start_at, tmp_path):
    server = ThreadStandIn.start(runs.parent / "data")
    project = Submit(tmp_path, runs, server)
    project.slots(ONE)
    first = start_at(project, "--json")
    assert first.code == 0, first.err
    assert first.json["slots"][0]["status"] == "submitted"
    assert project.submissions() == [("alpha", ROUND)]
    assert start_at(project, "--json").json["slots"][0]["status"] == "already"
    server.stop()


@pytest.mark.slow
def test_it_is_explained_by_what_shuffled_features_take_away(runs, lab):
    (run,) = (path.parent for path in runs.glob("tiny/*/DONE"))
    told = lab("explain", run, "--runs-dir", runs, "--json", "-q")
    assert told.code == 0, told.err
    losses = {one["feature"]: one["loss"] for one in told.json["permutation"]["features"]}
    assert len(losses) == 12
    assert max(losses.values()) > 0


@pytest.mark.slow
def test_what_is_shown_is_the_label_that_the_run_learns(tmp_path, tournament):
    """An average of two targets, as `train_on` names it, in place of the judged one."""
    average = "data.averages={both: [target_ender_20, target_ender_60]}"
    params = {**MODEL["params"], "context": "newest"}
    model = ["--set", f"model={json.dumps({**MODEL, 'params': params})}"]
    labels = []
    for name, more in (("own", []), ("both", ["--set", average, "--set", "train_on=both"])):
        runs = train_final(tmp_path / name, tournament, *model, *more)
        with np.load(next(runs.rglob("final/**/context.npz"))) as kept:
            labels.append(kept["pool_y"])
    assert len(np.unique(labels[1])) > len(np.unique(labels[0])) > 1
