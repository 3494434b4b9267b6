"""What an experiment will take, as far as anything tells before it is trained."""

from __future__ import annotations

import json
from dataclasses import replace

from numerai_lab.data import chosen_features
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.planned_fit import fit_shape
from numerai_lab.experiment.records import RunDir
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


def seconds_of_run(run: RunDir) -> float:
    """Return what the folds of a run took to fit and predict, on the machine it was made on."""
    fits = [json.loads(path.read_text("utf-8")) for path in run.path.glob("folds/*/fit.json")]
    return float(sum(fit.get("fit_seconds", 0.0) + fit.get("predict_seconds", 0.0) for fit in fits))
