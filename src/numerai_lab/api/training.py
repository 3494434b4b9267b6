"""`train`: an experiment from its config to its scores, also with a model made in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from numerai_lab.api.frames import frame_settings, on_frame
from numerai_lab.api.loading import as_settings
from numerai_lab.api.runs import Run
from numerai_lab.config import TRANSFORMED, ModelSection, Resolved
from numerai_lab.eraframe import EraFrame
from numerai_lab.experiment import Reporter, TrainOptions, read_experiment
from numerai_lab.experiment import train as run_training
from numerai_lab.models import offer_estimator


def train(
    config: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | EraFrame | pd.DataFrame | None = None,
    overrides: Mapping[str, Any] | None = None,
    model: Any = None,
    name: str | None = None,
    final: bool = False,
    resume: bool = False,
    runs_dir: str | os.PathLike[str] = "runs",
    progress: bool = False,
) -> Run:
    """Run an experiment: folds, purged, predictions, scores beside its baselines.

    Parameters
    ----------
    config : the YAML file.
    data : other rows, as --data: a folder, a profile, a YAML file; rows from `load`, which are not
        read again; or a table with `era`, ids (column `id`, or the index), columns feature* and
        targets, which is written to `runs_dir/.frames` so that the run can be made again.
    overrides : dotted keys and values, as --set: {"model.params.max_depth": 6}.
    model : an object with `fit(X, y)` and `predict(X)`, as scikit-learn's, instead of the config's
        model. It is fitted on float32 features (NaN: missing) and the main target, one copy a
        fold, and judged like any other; the run is marked, because no YAML file makes it again.
    name : of the experiment; with `model` its class is added to the config's name if left out.
    final : also fit on every labelled era: the model that goes live.
    resume : go on with a run that was stopped.
    progress : tell on stderr what happens, not only what must be known.

    Raises
    ------
    ConfigError, DataError, SplitError, ModelError, RunError, MachineError : in one sentence, with
        the way out.

    Examples
    --------
    >>> train("configs/xgb.yaml", data="synthetic")  # doctest: +SKIP
    """
    given = dict(overrides or {}) | ({} if name is None else {"name": name})
    source, dataset = None, None
    if isinstance(data, pd.DataFrame):
        given = frame_settings(data, Path(runs_dir)) | given
    elif not isinstance(data, EraFrame | None):
        source = os.fspath(data)
    resolved = read_experiment(os.fspath(config), source, as_settings(given))
    if isinstance(data, EraFrame):
        resolved, dataset = on_frame(resolved, data)
    if model is not None:
        resolved = _with_object(resolved, model, renamed="name" in given)
    options = TrainOptions(
        runs_dir=Path(runs_dir),
        resume=resume,
        final=final,
        data=source,
        command=f"numerai_lab.train({os.fspath(config)!r}, ...)",
    )
    with Reporter(quiet=not progress) as reporter:
        return Run(run_training(resolved, options, reporter, dataset))


def _with_object(resolved: Resolved, model: Any, *, renamed: bool) -> Resolved:
    """Put an object in the place of the config's model."""
    experiment = resolved.experiment
    changes: dict[str, Any] = {
        "model": _given_columns(experiment.model, offer_estimator(model)),
        "early_stopping": None,
    }
    if not renamed:
        changes["name"] = f"{experiment.name}.{type(model).__name__}"
    notes = resolved.notes
    if experiment.early_stopping is not None:
        notes = (*notes, "early_stopping is left out: nothing here tells the object when to stop")
    return replace(resolved, experiment=experiment.model_copy(update=changes), notes=notes)


def _given_columns(model: ModelSection, offered: dict[str, Any]) -> ModelSection:
    """Return a section with the object, given the columns of `transforms` where there are any."""
    own: dict[str, Any] = {"type": "estimator", "params": offered}
    if model.type != TRANSFORMED:
        return ModelSection(**own)
    return ModelSection(type=TRANSFORMED, params={**model.params, "model": own})
