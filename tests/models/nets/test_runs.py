"""Nets in whole runs: bundles in the pinned environment, members of a stack, real rows of 2018."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

import submit_lab
from net_lab import write_eras
from numerai_lab.errors import MachineError
from numerai_lab.experiment import find_final, load_final
from numerai_lab.tournament import export
from numerai_lab.tournament.bundles.container_check import check_bundle, container_python
from tournament_runs import train_final

SMALL = {"width": 8, "hidden": 8, "epochs": 2}
GROUPS = {"heads": 2, "n_groups": 3, "layers": 1, "pretrain_epochs": 1}
NETS = {
    "mlp": {**SMALL, "tabm": 2, "seeds": 2},
    "mixer": {"width": 4, "hidden": 6, "bottleneck": 2, "epochs": 2},
    "era_set": {**SMALL, "heads": 2, "points": 3},
    "mtm": {**SMALL, **GROUPS, "era_layers": 1, "points": 3},
    "icl": {"context": "nearest", "context_rows": 60, "context_eras": 4, "contexts": 2},
}


def silent(_):
    return None


@pytest.fixture(scope="module")
def finals(tmp_path_factory, tournament):
    """Final models by name, trained when first asked for."""
    parent, known = tmp_path_factory.mktemp("nets"), {}

    def final(name):
        if name not in known:
            model = json.dumps({"type": name, "params": NETS[name]})
            train_final(parent, tournament, name, model=model)
            known[name] = load_final(find_final(f"latest:{name}", parent / "runs"))
        return known[name]

    return final


@pytest.mark.slow  # a run of three folds and a final model each, and a bundle in a process
@pytest.mark.parametrize("name", NETS)
def test_a_bundle_predicts_what_the_run_does_without_torch(name, finals, container, tmp_path):
    final = finals(name)
    bundle = export(final, tmp_path / "b.pkl", check=False, say=silent)
    assert b"torch" not in bundle.path.read_bytes()
    check = check_bundle(final, bundle.path, 20, python=container, n_rows=300, say=silent)
    assert check.difference <= 1e-6
    assert check.moved_rows == 0


@pytest.mark.slow
@pytest.mark.very_slow  # makes that environment where it is not there yet
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NETS)
def test_in_the_pinned_environment_on_live_sized_data(name, finals, tmp_path):
    try:
        container_python(silent)
    except MachineError as error:
        pytest.skip(str(error))
    bundle = export(finals(name), tmp_path / "b.pkl", check=True, say=silent)
    assert [check.n_features for check in bundle.checks] == [780, 3_555]
    for check in bundle.checks:
        assert check.versions == {"numpy": "2.1.3", "pandas": "2.3.1"}
        assert check.difference <= 1e-6
        assert check.predict_seconds < 60
        assert check.peak_mb < 2_000


STACK = """
extends: tiny.yaml
name: three
model:
  type: stack
  params:
    members:
      sets: {type: era_set, params: SETS}
      masks: {type: mtm, params: MASKS}
      linear: {type: ridge, params: {alpha: 1.0}}
"""


@pytest.mark.slow  # four runs of three folds, each with a final model
def test_a_stack_has_era_set_and_mtm_as_members(lab, tiny_config, tmp_path):
    config, runs = tmp_path / "three.yaml", ("--runs-dir", tmp_path / "runs")
    written = STACK.replace("SETS", json.dumps(NETS["era_set"]))
    config.write_text(written.replace("MASKS", json.dumps(NETS["mtm"])))
    result = lab("train", config, *runs, "--final")
    assert result.code == 0, result.err
    (run,) = (path.parent for path in (tmp_path / "runs").glob("three/*/DONE"))
    judged = pd.read_parquet(run / "predictions.parquet")
    assert {"sets", "masks", "linear"} <= set(judged.columns)
    assert judged["masks"].std() > 0
    exported = lab("export", run, *runs, "--out", tmp_path / "three.pkl")
    assert exported.code == 0, exported.err
    assert b"torch" not in (tmp_path / "three.pkl").read_bytes()


REAL = Path(os.environ.get("NUMERAI_LAB_REAL_DATA", Path(__file__).parents[3] / "../shared/data"))
SAMPLE = REAL / "numerai" / "numerai_2018_eras1-132_bernie.parquet"
SPLIT = "{type: holdout, train: {from: 1, to: 100}, validate: {from: 105, to: 132}, purge_eras: 4}"


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of 2018 is not in ../shared/data")
@pytest.mark.parametrize("name", ["mlp", "mtm"])
def test_the_sample_of_2018_runs_through(name, lab, tmp_path):
    """50 float features, ranked into bins within their era, and a binary target as two classes."""
    params = {**NETS[name], "loss": "cross_entropy", "class_weight_power": 0}
    settings = {
        "data.files": [str(SAMPLE)],
        "model.params": params,
        "compare_to": [],
        "split": SPLIT,
        "threads": 1,
    }
    chosen = [
        one
        for key, value in settings.items()
        for one in ("--set", f"{key}={value if key == 'split' else json.dumps(value)}")
    ]
    runs = ("--runs-dir", tmp_path / "runs")
    result = lab("train", f"configs/{name}.yaml", "--data", "legacy_2018", *chosen, *runs)
    assert result.code == 0, result.err
    (run,) = (path.parent for path in (tmp_path / "runs").glob("*/*/DONE"))
    judged = pd.read_parquet(run / "predictions.parquet")
    assert len(judged["era"].unique()) == 28
    assert judged["prediction"].between(0, 1).all()
    assert np.isfinite(judged["prediction"]).all()


@pytest.mark.slow  # a run of three folds, its final model twice, two rows explained, two trials
@pytest.mark.parametrize("name", ["mlp", "mixer", "era_set", "mtm"])
def test_from_a_final_model_to_a_round_to_more_eras(name, start_at, lab, tournament, tmp_path):
    """Explained, submitted, taught later eras, and tuned over the space that the model brings."""
    made = tmp_path / "made"
    write_eras(tournament, made, 46)
    (made / "live.parquet").write_bytes((tournament / "live.parquet").read_bytes())
    model = ("--set", f"model={json.dumps({'type': name})}")
    model += ("--set", f"model.params={json.dumps(NETS[name])}", "--set", f"name={name}")
    runs = ("--runs-dir", submit_lab.train_final(tmp_path, made, *model))
    run = f"latest:{name}"

    explained = lab("explain", run, *runs, "--rows", "50", "--permute", "1")
    assert explained.code == 0, explained.err

    server = submit_lab.ThreadStandIn.start(tmp_path / "data")
    project = submit_lab.Submit(tmp_path, runs[1], server)
    project.slots(f'slots: [{{name: alpha, run: "{run}"}}]\n')
    try:
        sent = start_at(project)
        assert sent.code == 0, sent.err
        assert project.submissions() == [("alpha", submit_lab.ROUND)]
    finally:
        server.stop()

    write_eras(tournament, tmp_path / "data" / "v5.3", 60)
    more = lab("train", "--continue", run, "--amount", "1", *runs)
    assert more.code == 0, more.err
    assert "1 epochs more" in more.err

    places = (*runs, "--studies-dir", tmp_path / "studies", "--out", tmp_path / "tuned.yaml")
    tuned = lab("tune", tmp_path / "tiny.yaml", *model, "--trials", "2", *places)
    assert tuned.code == 0, tuned.err
    assert "learning_rate" in (tmp_path / "tuned.yaml").read_text()
