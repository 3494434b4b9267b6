"""`export RUN --to mlflow`: a finished run into a tracking store of MLflow's, one way.

    numerai-lab export xgb --to mlflow --uri sqlite:///mlflow.db
    mlflow ui --backend-store-uri sqlite:///mlflow.db

Settings become parameters, summaries metrics, the score of each era a metric with the era as its
step. Nothing is ever read back: a run's own files stay what is believed.
"""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from numerai_lab.errors import MachineError, UserError, in_one_line
from numerai_lab.experiment.judging import MAIN, list_settings
from numerai_lab.experiment.records import RunDir

URI = "sqlite:///mlflow.db"
ARTIFACTS = ("report.html", "resolved.yaml", "scores.json")
_TAG = "numerai_lab.run"
_MOST_METRICS, _MOST_PARAMS, _LONGEST = 1000, 100, 5000
"""What MLflow takes in one call, and of a parameter."""
_STATISTICS = ("mean", "ci_low", "ci_high", "sharpe", "sharpe_hac", "max_drawdown", "hit_rate")
_PER_ERA = ("corr", "mmc", "bmc", "payout")


def export_to_mlflow(run: RunDir, uri: str = URI) -> tuple[str, bool]:
    """Write a finished run into a tracking store, or anew into the run that it is there already.

    Parameters
    ----------
    uri : of the store, as sqlite:///mlflow.db, or the address of a tracking server.

    Returns
    -------
    MLflow's name of the run, and whether it was there before.

    Raises
    ------
    UserError : MLflow is not installed. RunError : the run is not finished, or damaged.
    MachineError : the store cannot be written.
    """
    scores, manifest = run.scores(), run.manifest()
    params = {key: _short(value) for key, value in list_settings(run).items()}
    metrics = [*_summaries(scores), *_per_era(run, scores["target"])]
    artifacts = [run.path / name for name in ARTIFACTS if (run.path / name).exists()]
    tags = {
        _TAG: f"{manifest['created_utc']} {manifest.get('config_hash')}",
        "numerai_lab.path": str(run.path),
        "numerai_lab.target": scores["target"],
        "numerai_lab.model": manifest["model"]["type"],
        "numerai_lab.synthetic": str(run.is_synthetic()).lower(),
        "mlflow.note.content": manifest.get("question", ""),
    }
    client, entities = _client(uri)
    began = int(datetime.fromisoformat(manifest["created_utc"]).timestamp() * 1000)
    with _told(uri):
        experiment = _experiment(client, manifest["experiment"], uri)
        found = client.search_runs([experiment], f"tags.`{_TAG}` = '{tags[_TAG]}'")
        there = bool(found)
        if there:
            name = found[0].info.run_id
        else:
            made = client.create_run(experiment, began, tags, run.path.name)
            name = made.info.run_id
        told = [entities.Metric(key, value, began, step) for key, value, step in metrics]
        for start in range(0, len(told), _MOST_METRICS):
            client.log_batch(name, metrics=told[start : start + _MOST_METRICS])
        written = [entities.Param(key, value) for key, value in params.items()]
        for start in range(0, len(written), _MOST_PARAMS):
            client.log_batch(name, params=written[start : start + _MOST_PARAMS])
        for path in artifacts:
            client.log_artifact(name, str(path))
        client.set_terminated(name, "FINISHED")
    return str(name), there


def _client(uri: str) -> tuple[Any, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mlflow import MlflowClient, entities
    except ImportError as error:
        raise UserError(
            f"MLflow cannot be imported ({in_one_line(error)})",
            where="--to mlflow",
            fix='install it: pip install "numerai_lab[mlflow]"',
        ) from None
    logging.getLogger("alembic").setLevel(logging.ERROR)  # tells each table that it makes
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with _told(uri):
        return MlflowClient(tracking_uri=uri), entities


def _experiment(client: Any, name: str, uri: str) -> str:
    """Return the experiment of this name; files of a new one lie beside an SQLite store."""
    there = client.get_experiment_by_name(name)
    if there is not None:
        return str(there.experiment_id)
    place = None
    if uri.startswith("sqlite:///"):
        place = (Path(uri.removeprefix("sqlite:///")).absolute().parent / "mlartifacts").as_uri()
    return str(client.create_experiment(name, artifact_location=place))


@contextlib.contextmanager
def _told(uri: str) -> Iterator[None]:
    """Turn what MLflow raises into one sentence; what its libraries deprecate is not said."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # its own, SQLAlchemy's, a server's
        raise MachineError(
            f"cannot be written by MLflow: {in_one_line(error)}",
            where=uri,
            fix="name a store that can be, as --uri sqlite:///mlflow.db",
        ) from error


def _short(value: Any) -> str:
    text = "default" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _summaries(scores: dict[str, Any]) -> Iterator[tuple[str, float, int]]:
    for metric, told in scores["scores"].get(MAIN, {}).items():
        for statistic in _STATISTICS:
            value = told.get(statistic)
            if value is not None:
                yield f"{metric}.{statistic}", float(value), 0


def _per_era(run: RunDir, target: str) -> Iterator[tuple[str, float, int]]:
    table = pd.read_parquet(run.checked(run.per_era_path))
    mine = table[(table["prediction"] == MAIN) & (table["target"] == target)]
    for metric in _PER_ERA:
        if metric in mine.columns:
            for era, value in zip(mine["era"].tolist(), mine[metric].tolist(), strict=True):
                if math.isfinite(value):
                    yield f"{metric}.era", float(value), int(era)
