"""What a model learns where that is not the main target (`train_on`): another, or a residual."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from numerai_lab.arrays import Eras, Float32, Float64
from numerai_lab.config import RESIDUAL, Experiment, ResidualOfRun
from numerai_lab.data import Dataset, References, choose_benchmark, load_references
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ConfigError, ModelError
from numerai_lab.experiment.records import RunDir, read_predictions
from numerai_lab.files import sha256_of
from numerai_lab.models import Model, ModelInfo, OnlineModel, history_eras_of
from numerai_lab.scoring import gaussian_rank_per_era
from numerai_lab.splits import Plan, purge_for

FEWEST_ERAS = 100
"""Training eras with benchmark predictions below which a residual is not learnt from."""
MOSTLY = 0.8
"""Share of an era's rows that a benchmark has to cover, as bmc asks for."""

Say = Callable[[str], None]


def check_train_on(experiment: Experiment, model: Model, info: ModelInfo) -> None:
    """Refuse models that are shown labels in another way than with training rows.

    `info` is what the model declares with its parameters.

    Raises ConfigError.
    """
    if experiment.train_on is None:
        return
    kind = experiment.model.type
    why = None
    if info.needs_members:
        why = "learns weights from what members predict"
    elif (
        isinstance(model, OnlineModel) and not info.offline
    ):  # whether it is online is known after its fit
        why = "may go on learning from labels of judged eras as they become known"
    elif history_eras_of(model):
        why = "is shown the labels of earlier eras when it predicts"
    if why is not None:
        raise ConfigError(
            f"model '{kind}' {why}, and these are of the main target",
            where="train_on",
            fix="write train_on at its members, and aim: bmc for its weights"
            if info.needs_members
            else "leave train_on out",
        )


def with_residual(dataset: Dataset, experiment: Experiment, say: Say) -> Dataset:
    """Return the dataset with what a benchmark leaves of the main target as a target, `RESIDUAL`.

    In each era it is the target minus its regression, with intercept, on the benchmark's gaussian
    ranks. Rows without benchmark prediction, and eras with fewer than 80 % of them, have none.

    Raises
    ------
    ConfigError : there is no benchmark; a run that predicted eras that it had learnt from, or
        nothing of these rows.
    """
    if isinstance(experiment.train_on, ResidualOfRun):
        values = _of_run(dataset, experiment, say)
    else:
        values = _of_benchmark(dataset, experiment, say)
    main = dataset.train_targets[0]
    frame = dataset.frame
    residual = residuals(frame, frame.target(main), values)
    n_eras = len(np.unique(frame.row_eras[~np.isnan(residual)]))
    lacking = int(np.count_nonzero(np.isnan(values)))
    say(
        f"train_on {RESIDUAL}: {n_eras} of {frame.n_eras} eras have benchmark predictions; "
        f"{lacking:,} of {frame.n_rows:,} rows have none"
    )
    return replace(
        dataset,
        frame=_with_target(frame, residual),
        horizons={**dataset.horizons, RESIDUAL: dataset.horizons[main]},
    )


def residuals(frame: EraFrame, target: Float32, benchmark: Float64) -> Float32:
    """Return what is left of a target within each era, float32 [n_rows], NaN where none is.

    Parameters
    ----------
    target : float32 [n_rows]. benchmark : float64 [n_rows], NaN where there is no prediction.
    """
    left = np.full(frame.n_rows, np.nan, dtype=np.float32)
    for _, era in frame.iter_eras():
        labelled = ~np.isnan(target[era])
        known = np.flatnonzero(labelled & ~np.isnan(benchmark[era]))
        if not len(known) or len(known) < MOSTLY * np.count_nonzero(labelled):
            continue
        y = target[era][known].astype(np.float64)
        y -= y.mean()
        ranks = gaussian_rank_per_era(benchmark[era][known], np.array([0, len(known)]))
        ranks -= ranks.mean()
        spread = float(ranks @ ranks)
        if spread > 0:  # a benchmark that is constant says nothing, and leaves nothing to say
            left[era.start + known] = y - ranks * (float(ranks @ y) / spread)
    return left


def eras_with(label: str, frame: EraFrame) -> Eras:
    """Return the eras in which some row has the label."""
    if frame.n_eras == 0:
        return frame.eras
    has = np.logical_or.reduceat(~np.isnan(frame.target(label)), frame.offsets[:-1])
    return np.asarray(frame.eras[has])


def learnable_eras(eras: Eras, frame: EraFrame, label: str) -> Eras:
    """Return those of the eras in which some row has the label.

    Raises
    ------
    ModelError : there is none; of a residual, fewer than `FEWEST_ERAS`.
    """
    kept: Eras = eras[np.isin(eras, eras_with(label, frame))]
    least = FEWEST_ERAS if label == RESIDUAL else 1
    if len(kept) < least:
        span = f" {eras[0]}-{eras[-1]}" if len(eras) else ""
        raise ModelError(
            f"{label} is there in {len(kept)} of the {len(eras)} training eras{span}, and "
            f"{least} are the least",
            where="train_on",
            fix="begin to judge later (split), or take a benchmark that predicts more eras",
        )
    return kept


def learnable_rows(frame: EraFrame, label: str, say: Say) -> EraFrame:
    """Return the rows that have the label: the frame itself where all have it. Others are said."""
    known = np.flatnonzero(~np.isnan(frame.target(label)))
    if len(known) == frame.n_rows:
        return frame
    say(
        f"{frame.n_rows - len(known):,} of {frame.n_rows:,} training rows have no {label} and are "
        "left out"
    )
    return frame.take(known)


def learnable_folds(plan: Plan, frame: EraFrame, label: str, main: str) -> Plan:
    """Return the plan with folds that train on eras with the label only, and a note about them.

    Raises ModelError as `learnable_eras`.
    """
    folds = [replace(fold, train=learnable_eras(fold.train, frame, label)) for fold in plan.folds]
    counted = ", ".join(
        f"{len(now.train)} of {len(before.train)}"
        for now, before in zip(folds, plan.folds, strict=True)
    )
    note = f"trained on {label}, judged on {main}; training eras that have it, by fold: {counted}"
    return replace(plan, folds=tuple(folds), notes=(*plan.notes, note))


def label_files(experiment: Experiment) -> Mapping[str, Mapping[str, Any]]:
    """Return what is known of the run that `train_on` names, as `file_identities` tells of files.

    Raises RunError: there is no such run, it is not finished or damaged.
    """
    if not isinstance(experiment.train_on, ResidualOfRun):
        return {}
    run = RunDir(experiment.train_on.residual_of_run)
    path = run.checked(run.predictions_path)
    key = "train_on.residual_of_run"
    return {key: {"path": str(path.resolve()), "sha256": sha256_of(path)}}


def _of_benchmark(dataset: Dataset, experiment: Experiment, say: Say) -> Float64:
    references: References = load_references(dataset, say)
    name = choose_benchmark(experiment.scoring.benchmark, references.benchmarks)
    if name is None:
        raise ConfigError(
            "there is no benchmark to learn the residual of",
            where="train_on",
            fix="get the files of benchmark models, name one in scoring.benchmark, or write "
            "{residual_of_run: RUN}",
        )
    say(
        f"train_on {RESIDUAL}: of benchmark {name}, which is taken to predict each era by what was "
        "known before it, as Numerai's do"
    )
    return references.align(dataset.frame.ids, [name])[name]


def _of_run(dataset: Dataset, experiment: Experiment, say: Say) -> Float64:
    assert isinstance(experiment.train_on, ResidualOfRun)
    run = RunDir(experiment.train_on.residual_of_run)
    predictions = read_predictions(run.checked(run.predictions_path))
    purge = purge_for(dataset.horizons[dataset.train_targets[0]])
    where = str(run.path)
    for fold in run.manifest()["folds"]:
        gap = fold["judged"]["first"] - fold["train"]["last"] - 1
        if gap < purge:
            raise ConfigError(
                f"fold {fold['fold']} of this run learnt from eras up to {fold['train']['last']} "
                f"and predicts from {fold['judged']['first']} on: with {purge} eras of purge its "
                "predictions are not all out of sample",
                where=where,
                fix="name a walk-forward run, purged",
            )
    say(
        f"train_on {RESIDUAL}: of run {run.path}, each fold of which learnt from eras that end at "
        f"least {purge} before those that it predicts"
    )
    return predictions.values_for(dataset.frame)


def _with_target(frame: EraFrame, values: Float32) -> EraFrame:
    kept = [name for name in frame.target_names if name != RESIDUAL]
    columns = [frame.target(name) for name in kept]
    return replace(
        frame,
        targets=np.column_stack([*columns, values]).astype(np.float32),
        target_names=(*kept, RESIDUAL),
    )
