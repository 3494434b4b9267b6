"""A model of a finished run opened again, with rows: a fold's, with those that it judges."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.arrays import Eras, Float32
from numerai_lab.config import Experiment
from numerai_lab.data import Dataset
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import RunError
from numerai_lab.experiment.judging import checked_fold, fold_model, planned_again
from numerai_lab.experiment.predicting import Past, predict_with_past
from numerai_lab.experiment.records import RunDir
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.files import sha256_of
from numerai_lab.models import Model, ModelInfo

FINAL = 0
"""In place of a fold's number: the final model."""


@dataclass(frozen=True)
class OpenedModel:
    """A model of a finished run with the rows that it was judged on, or that it is for.

    Attributes
    ----------
    fold : its number, from 1; `FINAL` for the final model, whose rows have NaN as their label.
    info : what the model declares. target : the main target. horizon_days : of that.
    source : of the data: synthetic or not. feature_sets : by name, to be summed up.
    rows : whole eras. facts : its fit.json. past : eras before, for a model that looks back.
    members : the same of its members' runs, by name, for a model made of what they predict.
    """

    run: RunDir
    fold: int
    experiment: Experiment
    info: ModelInfo
    target: str
    horizon_days: int
    source: str
    feature_sets: Mapping[str, Sequence[str]]
    model: Model
    rows: EraFrame
    facts: Mapping[str, Any]
    past: Past | None = None
    members: Mapping[str, OpenedModel] = field(default_factory=dict)

    @property
    def labelled(self) -> bool:
        """Whether the rows have labels."""
        return self.fold != FINAL

    @property
    def name(self) -> str:
        """What it is called: "fold 3", or "final model"."""
        return f"fold {self.fold}" if self.labelled else "final model"

    def predict(self, rows: EraFrame) -> Float32:
        """Predict whole eras as the model did, float32 [n_rows].

        A fold's model that learns from labels predicts as it did before the first judged era.

        Raises
        ------
        ModelError : a prediction that is not finite.
        """
        given = {
            name: member.predict(rows.with_features(member.rows.feature_names))
            for name, member in self.members.items()
        }
        return predict_with_past(self.model, rows, self.past, given or None).predictions


def open_fold(
    run: RunDir, fold: int, reporter: Reporter, loaded: Dataset | None = None
) -> OpenedModel:
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
    dataset, target = prepared.dataset, prepared.target
    return OpenedModel(
        run=run,
        fold=fold,
        experiment=prepared.experiment,
        info=prepared.info,
        target=target,
        horizon_days=dataset.horizons[target],
        source=dataset.source,
        feature_sets=dataset.feature_sets,
        model=model,
        rows=rows,
        facts=facts,
        past=prepared.past,
        members=members,
    )


def _member(
    run: RunDir,
    name: str,
    told: Mapping[str, Any],
    fold: int,
    dataset: Dataset,
    judged: Eras,
    reporter: Reporter,
) -> OpenedModel:
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
