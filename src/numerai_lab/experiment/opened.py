"""A fold of a finished run opened again: its model, and the rows that it judges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import RunError
from numerai_lab.experiment.judging import planned_again
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.predicting import predict_with_past
from numerai_lab.experiment.records import RunDir
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.models import Model


@dataclass(frozen=True)
class OpenedFold:
    """A fold's model with the rows that it was judged on, labelled.

    Attributes
    ----------
    fold : its number, from 1. facts : its fit.json.
    """

    run: RunDir
    fold: int
    prepared: Prepared
    model: Model
    rows: EraFrame
    facts: Mapping[str, Any]

    def predict(self, rows: EraFrame) -> Float32:
        """Predict whole eras as the fold's model did, float32 [n_rows].

        A model that learns from labels predicts as it did before the first judged era.

        Raises
        ------
        ModelError : a prediction that is not finite.
        """
        return predict_with_past(self.model, rows, self.prepared.past).predictions


def open_fold(run: RunDir, fold: int, reporter: Reporter) -> OpenedFold:
    """Load a fold's model and the rows that it judged, as they were.

    Parameters
    ----------
    fold : its number, one of the manifest's.

    Raises
    ------
    RunError : its model is damaged or gone, or it is not made to predict alone; the data are not
        those it was trained on.
    """
    manifest = run.manifest()
    if "continued" in manifest:
        raise RunError(
            "grew another run's final model, and keeps no model of a fold",
            where=str(run.path),
            fix=f"explain that run: {manifest['continued']['parent']}",
        )
    if manifest.get("members"):
        runs = [facts["run"] for facts in manifest["members"].values()]
        raise RunError(
            "is made of what other runs predict, and looks at no feature itself",
            where=str(run.path),
            fix=f"explain its members, whose runs are {', '.join(runs)}",
        )
    folder = run.fold_dir(fold)
    if not folder.is_dir():
        raise RunError(
            f"has no fold {fold}", where=str(run.path), fix=f"make it with `{run.completing()}`"
        )
    run.check_part(folder)
    facts = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    fix = "bring the files back that it was trained on"
    prepared, _ = planned_again(run, None, (), reporter, fix)
    model = prepared.model_class.load(folder / "model")
    judged = next(one.judged for one in prepared.plan.folds if one.index == fold)
    return OpenedFold(run, fold, prepared, model, prepared.dataset.frame.select_eras(judged), facts)
