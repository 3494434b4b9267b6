"""What an experiment will take, as far as anything tells before it is trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from numerai_lab.config import config_hash
from numerai_lab.data import chosen_features
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.planned_fit import fit_shape
from numerai_lab.experiment.records import RunDir, iter_runs
from numerai_lab.models import SizedModel


def memory_of_fits(prepared: Prepared) -> int | None:
    """Return the bytes that the largest fit takes at least; None where the model cannot tell."""
    model = prepared.model_class(prepared.params)
    if not isinstance(model, SizedModel):
        return None
    frame = prepared.dataset.frame
    rows = [frame.select_eras(fold.train).n_rows for fold in prepared.plan.folds]
    n_features = len(chosen_features(prepared.experiment.data, prepared.dataset))
    shape = replace(fit_shape(prepared, max(rows)), n_features=n_features)
    return model.memory_needed(shape).host


def seconds_of_last_run(prepared: Prepared, runs_dir: Path) -> tuple[float, RunDir] | None:
    """Return what the folds of the last finished run of this config took to fit and predict.

    Returns
    -------
    Seconds, on the machine that it was made on, and the run; None where there is none.
    """
    digest = config_hash(prepared.experiment)
    runs = iter_runs(runs_dir, prepared.experiment.name, damaged=lambda *_: None)
    same = [run for run in runs if run.finished and run.manifest()["config_hash"] == digest]
    if not same:
        return None
    fits = [json.loads(path.read_text("utf-8")) for path in same[-1].path.glob("folds/*/fit.json")]
    seconds = sum(fit.get("fit_seconds", 0.0) + fit.get("predict_seconds", 0.0) for fit in fits)
    return seconds, same[-1]
