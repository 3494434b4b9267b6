"""A fold of a finished run opened again: its model, and the rows that it judges."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.arrays import Eras, Float32
from numerai_lab.data import Dataset
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import RunError
from numerai_lab.experiment.judging import checked_fold, fold_model, planned_again
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.predicting import predict_with_past
from numerai_lab.experiment.records import RunDir
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.files import sha256_of
from numerai_lab.models import Model


@dataclass(frozen=True)
class OpenedFold:
    """A fold's model with the rows that it was judged on, labelled.

    Attributes
    ----------
    fold : its number, from 1. facts : its fit.json.
    members : the same fold of its members' runs, by name, for a model made of what they predict.
    """

    run: RunDir
    fold: int
    prepared: Prepared
    model: Model
    rows: EraFrame
    facts: Mapping[str, Any]
    members: Mapping[str, OpenedFold] = field(default_factory=dict)

    def predict(self, rows: EraFrame) -> Float32:
        """Predict whole eras as the fold's model did, float32 [n_rows].

        A model that learns from labels predicts as it did before the first judged era.

        Raises
        ------
        ModelError : a prediction that is not finite.
        """
        given = {
            name: member.predict(rows.with_features(member.rows.feature_names))
            for name, member in self.members.items()
        }
        past = self.prepared.past
        return predict_with_past(self.model, rows, past, given or None).predictions


def open_fold(
    run: RunDir, fold: int, reporter: Reporter, loaded: Dataset | None = None
) -> OpenedFold:
    """Load a fold's model and the rows that it judged, as they were.

    Parameters
    ----------
    fold : its number, one of the manifest's. loaded : rows of the same files, if they are there.

    Raises
    ------
    RunError : its model is damaged or gone, or a member's; the data are not those it was trained
        on.
    """
    checked_fold(run, fold)  # before rows are read
    fix = "bring the files back that it was trained on"
    prepared, _ = planned_again(run, loaded, (), reporter, fix)
    model, facts = fold_model(run, prepared, fold)
    judged = next(one.judged for one in prepared.plan.folds if one.index == fold)
    rows = prepared.dataset.frame.select_eras(judged)
    members = {
        name: _member(run, name, told, fold, prepared.dataset, judged, reporter)
        for name, told in run.manifest().get("members", {}).items()
    }
    return OpenedFold(run, fold, prepared, model, rows, facts, members)


def _member(
    run: RunDir,
    name: str,
    told: Mapping[str, Any],
    fold: int,
    dataset: Dataset,
    judged: Eras,
    reporter: Reporter,
) -> OpenedFold:
    """Open the same fold of a member's run, which must be the run that was used."""
    member = RunDir(Path(os.path.normpath(run.path / told["run"])))
    if sha256_of(member.checked(member.predictions_path)) != told["predictions"]:
        raise RunError(
            f"predicts otherwise than when it became member {name}",
            where=str(member.path),
            fix=f"train {run.path} again",
        )
    opened = open_fold(member, fold, reporter, dataset)
    if not np.isin(judged, opened.rows.eras).all():
        raise RunError(
            f"fold {fold} of member {name} does not judge all eras of fold {fold} here",
            where=str(member.path),
            fix="explain the member's run",
        )
    return opened
