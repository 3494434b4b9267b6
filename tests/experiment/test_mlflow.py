"""export --to mlflow: settings and scores of a run, written one way into a store."""

import json
import sys
from importlib.util import find_spec

import pandas as pd
import pytest

needs_mlflow = pytest.mark.skipif(
    find_spec("mlflow") is None,
    reason="mlflow is not installed: that a run arrives in a store is NOT checked",
)


def test_without_mlflow_it_is_said_how_to_get_it(lab, trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    result = lab("export", trained["run_dir"], "--to", "mlflow")
    assert result.code == 2
    assert 'pip install "numerai_lab[mlflow]"' in result.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "wandb"], "write --to mlflow"),
        (["--to", "mlflow", "--check"], "--check"),
        (["--uri", "sqlite:///x.db"], "goes with --to mlflow"),
    ],
)
def test_what_cannot_be_is_refused(lab, trained, options, said):
    result = lab("export", trained["run_dir"], *options)
    assert result.code == 2
    assert said in result.err


@needs_mlflow
@pytest.mark.slow  # MLflow takes seconds to import, and to make its tables
def test_settings_and_scores_arrive_and_once(lab, trained, tmp_path):
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    said = [
        lab("export", trained["run_dir"], "--to", "mlflow", "--uri", uri, "--json")
        for _ in range(2)
    ]
    assert [result.code for result in said] == [0, 0], said[0].err
    assert [result.json["was_there"] for result in said] == [False, True]
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("tiny")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id == said[0].json["mlflow_run"]
    assert run.info.status == "FINISHED"
    assert run.data.params["model.params.max_depth"] == "2"
    assert run.data.params["model.params.max_bin"] == "default"
    assert run.data.tags["numerai_lab.synthetic"] == "true"
    scores = json.loads((tmp_path / trained["run_dir"] / "scores.json").read_text())
    corr = scores["scores"]["prediction"]["corr"]
    assert run.data.metrics["corr.mean"] == corr["mean"]
    table = pd.read_parquet(tmp_path / trained["run_dir"] / "scores_per_era.parquet")
    own = table[table["prediction"] == "prediction"].set_index("era")["corr"]
    history = {
        one.step: one.value for one in client.get_metric_history(run.info.run_id, "corr.era")
    }
    assert history == own.to_dict()
    names = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert {"report.html", "scores.json", "resolved.yaml"} <= names
