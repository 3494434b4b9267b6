"""Which fit goes to which worker: folds as tasks, or the rows of one fold over all workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Eras
from numerai_lab.eraframe import EraFrame
from numerai_lab.experiment.cluster import work
from numerai_lab.experiment.cluster.predictions import FoldToPredict, SharedPrediction
from numerai_lab.experiment.cluster.rows import RowsToRead, read_rows, rows_by_era, rows_to_read
from numerai_lab.experiment.cluster.workers import Call, Cluster, host_of
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.planned_fit import PlannedFit, fit_shape
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.models import Detailed, MemberModel, SizedModel
from numerai_lab.seeds import child_seed
from numerai_lab.splits import Fold


@dataclass(frozen=True)
class WholeFold:
    """A fold that one worker fitted.

    Attributes
    ----------
    predicted : the judged eras. fit_seconds, predict_seconds : that workers took, in sum.
    """

    model: work.SavedModel
    predicted: Detailed
    fit_seconds: float
    predict_seconds: float


def folds_are_tasks(cluster: Cluster, prepared: Prepared, folds: Sequence[Fold]) -> bool:
    """Decide how folds are shared out: each whole on one worker, or each over all workers.

    Whole folds need no talk between workers, so they are better where there are as many of
    them as workers, and the largest one fits on a worker.
    """
    if not prepared.info.in_parts:
        return True
    rows = rows_by_era(prepared.dataset.frame)
    largest = max((sum(rows[era] for era in fold.train.tolist()) for fold in folds), default=0)
    return len(folds) >= len(cluster.workers) and _fits(cluster, prepared, largest)


def _fits(cluster: Cluster, prepared: Prepared, n_rows: int) -> bool:
    """Tell whether one worker can train on eras with so many rows."""
    model = prepared.model_class(prepared.params)
    if cluster.memory is None or not isinstance(model, SizedModel):
        return True
    return model.memory_needed(fit_shape(prepared, n_rows)).host <= cluster.memory


def _judged_eras(fold: Fold) -> Eras:
    return np.asarray(fold.judged, dtype=np.int32)


def fit_one(
    cluster: Cluster, fit: PlannedFit, prepared: Prepared, reporter: Reporter
) -> work.SavedModel:
    """Fit one model on all workers: members shared out, or rows; or on one if it can do neither.

    Raises
    ------
    LabError : what the model, the data or the cluster says.
    """
    cluster.go_on_without_lost(reporter.warn)
    n = len(cluster.workers) if prepared.info.in_parts else 1
    model = prepared.model_class(prepared.params)
    members = model.n_members(fit.ctx.targets) if isinstance(model, MemberModel) else 0
    share_members = members >= n > 1 and _fits(
        cluster, prepared, fit.drawn_from or fit.train.n_rows
    )
    if share_members:
        parts = [fit.train.eras] * n
        reporter.say(f"cluster: {members} members go out to {n} workers")
    else:
        parts = deal_eras(fit.train, n, fit.ctx.seed)
        reporter.say(f"cluster: the rows are spread over {len(parts)} of {n} workers")
    # All workers have read their rows before the first one waits for another.
    trains = cluster.together(
        [(read_rows, rows_to_read(prepared, fit.train, part, drawn=True)) for part in parts]
    )
    stops, unlabelled = (
        [None] * len(parts) if rows is None else cluster.together([(read_rows, rows)] * len(parts))
        for rows in _beside(fit, prepared)
    )
    first = cluster.workers[0]
    tracker = None
    if len(parts) > 1:
        tracker = cluster.results(
            cluster.together([(work.start_tracker, len(parts), host_of(first))])
        )[0]
    task = _task(cluster, fit, prepared)
    calls: list[Call] = [
        (
            partial(work.fit, same_rows=share_members),
            task,
            trains[i],
            stops[i],
            _weights_of(fit, part),
            tracker,
            host_of(worker),
            unlabelled[i],
        )
        for i, (part, worker) in enumerate(zip(parts, cluster.workers, strict=False))
    ]
    fitted = cluster.results(cluster.together(calls, reporter.progress))
    whole: work.SavedModel = next(result for result in fitted if result.files)
    return whole


def predict_together(
    cluster: Cluster, files: dict[str, bytes], fold: Fold, trained_to: int, prepared: Prepared
) -> Detailed:
    """Predict the judged eras of a fold on the workers, with a model's files."""
    judged = FoldToPredict(files, _judged_eras(fold), trained_to)
    shared = SharedPrediction(judged, prepared, len(cluster.workers))
    waiting: deque[tuple[Any, Call]] = deque(shared.begin())
    for (step, part), (result, seconds) in cluster.each(waiting):
        waiting.extend(shared.take(step, part, result, seconds))
    assert shared.whole is not None
    return shared.whole


def fit_whole_folds(
    cluster: Cluster,
    fits: Sequence[tuple[Fold, PlannedFit]],
    prepared: Prepared,
    reporter: Reporter,
) -> Iterator[tuple[int, WholeFold]]:
    """Fit whole folds on one worker each, and predict their eras; yield them as they end.

    As long as all workers fit, a fold's eras are predicted by one; by those that have no fold to
    fit else. A fold is predicted before the next one is fitted: what is whole is kept.

    Yields
    ------
    Position among `fits`, and the fold.
    """
    waiting: deque[tuple[Any, Call]] = deque(
        (
            (i, "fit", 0),
            (
                work.fit_alone,
                _task(cluster, fit, prepared),
                rows_to_read(prepared, fit.train, drawn=True),
                stop,
                fit.ctx.weights,
                unlabelled,
            ),
        )
        for i, (_, fit) in enumerate(fits)
        for stop, unlabelled in [_beside(fit, prepared)]
    )
    models: dict[int, tuple[work.SavedModel, float]] = {}
    predictions: dict[int, SharedPrediction] = {}
    n_fitting = len(fits)
    for (i, step, part), (result, seconds) in cluster.each(waiting):
        if step == "fit":
            fold, fit = fits[i]
            models[i] = result, seconds
            n_fitting -= 1
            judged = FoldToPredict(result.files, _judged_eras(fold), fit.last_era)
            n_free = len(cluster.workers) - n_fitting
            predictions[i] = SharedPrediction(judged, prepared, n_free)
            if predictions[i].n_parts > 1:
                reporter.say(
                    f"cluster: fold {fold.index}: {len(fold.judged)} judged eras go out to "
                    f"workers in {predictions[i].n_parts} parts"
                )
            calls = predictions[i].begin()
        else:
            calls = predictions[i].take(step, part, result, seconds)
        waiting.extendleft(((i, *key), call) for key, call in reversed(calls))
        whole = predictions[i].whole
        if whole is not None:
            fitted, fit_seconds = models.pop(i)
            yield i, WholeFold(fitted, whole, fit_seconds, predictions.pop(i).seconds)


def deal_eras(train: EraFrame, n_workers: int, seed: int) -> list[Eras]:
    """Deal whole eras to workers: in a random order that `seed` fixes, each to the one with
    the fewest rows, so that every worker sees early and late ones, and every residue of them.

    Returns
    -------
    Era numbers, increasing, of each worker; fewer parts than workers where eras are too few.
    """
    sizes = np.diff(train.offsets)
    n_workers = min(n_workers, train.n_eras)
    held = np.zeros(n_workers, dtype=np.int64)
    owner = np.empty(train.n_eras, dtype=np.int64)
    order = np.random.default_rng(child_seed(seed, "workers")).permutation(train.n_eras)
    for era in order.tolist():
        owner[era] = int(np.argmin(held))
        held[owner[era]] += sizes[era]
    return [train.eras[owner == worker] for worker in range(n_workers)]


def _task(cluster: Cluster, fit: PlannedFit, prepared: Prepared) -> work.Task:
    experiment = prepared.experiment
    threads = min(experiment.threads or cluster.threads, cluster.threads)
    return work.Task(experiment.model.type, prepared.params, fit.ctx.travelling(threads))


def _beside(fit: PlannedFit, prepared: Prepared) -> tuple[RowsToRead | None, RowsToRead | None]:
    """Describe the early-stopping rows and those without labels that go with the training rows."""
    stop, known = fit.stop, fit.ctx.unlabelled
    return (
        None if stop is None else rows_to_read(prepared, stop),
        None if known is None else rows_to_read(prepared, known, labelled=False),
    )


def _weights_of(fit: PlannedFit, eras: Eras) -> npt.NDArray[np.float32] | None:
    if fit.ctx.weights is None:
        return None
    return fit.ctx.weights[np.isin(fit.train.row_eras, eras)]
