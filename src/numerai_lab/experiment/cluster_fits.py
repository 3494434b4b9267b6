"""Which fit goes to which worker: folds as tasks, or the rows of one fold over all workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.config import Data
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import UserError
from numerai_lab.experiment import cluster_work as work
from numerai_lab.experiment.cluster import Call, Cluster, host_of
from numerai_lab.experiment.plan import Prepared, purge_eras
from numerai_lab.experiment.planned_fit import PlannedFit
from numerai_lab.experiment.predicting import joined
from numerai_lab.experiment.provenance import versions
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.models import (
    Detailed,
    DetailedModel,
    FitContext,
    MemberModel,
    OnlineModel,
    SizedModel,
)
from numerai_lab.seeds import child_seed
from numerai_lab.splits import Fold

Eras = npt.NDArray[np.int32]


def check_workers(cluster: Cluster, prepared: Prepared) -> None:
    """Check, before any work, that every worker sees the data and has the same libraries.

    Raises
    ------
    UserError : one does not; with the worker and the path.
    """
    files = [(file.path.resolve(), file.bytes) for file in prepared.dataset.files]
    for worker, problem in cluster.on_all(work.missing_file, files).items():
        if problem is not None:
            raise UserError(
                f"worker {worker} {problem}",
                where=cluster.spec,
                fix="workers read the data by themselves: give each the same files at these paths",
            )
    mine = versions()
    matters = ("numerai_lab", "xgboost", "lightgbm", "numpy")
    for worker, theirs in cluster.on_all(versions).items():
        for name in matters:
            if theirs[name] != mine[name]:
                raise UserError(
                    f"worker {worker} has {name} {theirs[name]}, here it is {mine[name]}",
                    where=cluster.spec,
                    fix="install the same versions on every worker",
                )


def folds_are_tasks(cluster: Cluster, prepared: Prepared, folds: Sequence[Fold]) -> bool:
    """Decide how folds are shared out: each whole on one worker, or each over all workers.

    Whole folds need no talk between workers, so they are better where there are as many of
    them as workers, and the largest one fits on a worker.
    """
    if not prepared.model_class.info.in_parts:
        return True
    rows = rows_by_era(prepared.dataset.frame)
    largest = max((sum(rows[era] for era in fold.train.tolist()) for fold in folds), default=0)
    return len(folds) >= len(cluster.workers) and _fits(cluster, prepared, largest)


def _fits(cluster: Cluster, prepared: Prepared, n_rows: int) -> bool:
    """Tell whether one worker can train on so many rows."""
    model = prepared.model_class(prepared.params)
    if cluster.memory is None or not isinstance(model, SizedModel):
        return True
    return model.memory_needed(n_rows, prepared.dataset.frame.n_features) <= cluster.memory


def rows_by_era(frame: EraFrame) -> dict[int, int]:
    """Return the number of rows of each era."""
    return dict(zip(frame.eras.tolist(), np.diff(frame.offsets).tolist(), strict=True))


def write_model(fitted: work.Fitted, folder: Path) -> None:
    """Write a model that came from a worker, as it saved itself there."""
    folder.mkdir()
    work.write_files(fitted.files, folder)


def fit_one(
    cluster: Cluster, fit: PlannedFit, prepared: Prepared, reporter: Reporter
) -> work.Fitted:
    """Fit one model on all workers: members shared out, or rows; or on one if it can do neither.

    Raises
    ------
    LabError : what the model, the data or the cluster says.
    """
    cluster.go_on_without_lost(reporter.warn)
    n = len(cluster.workers) if prepared.model_class.info.in_parts else 1
    model = prepared.model_class(prepared.params)
    members = model.n_members(fit.ctx.targets) if isinstance(model, MemberModel) else 0
    share_members = members >= n > 1 and _fits(cluster, prepared, fit.train.n_rows)
    if share_members:
        parts = [fit.train.eras] * n
        reporter.say(f"cluster: {members} members go out to {n} workers")
    else:
        parts = deal_eras(fit.train, n, fit.ctx.seed)
        reporter.say(f"cluster: the rows are spread over {len(parts)} of {n} workers")
    stop = None if fit.stop is None else wanted(prepared, fit.stop)
    # All workers have read their rows before the first one waits for another.
    trains = cluster.together(
        [(work.read_rows, wanted(prepared, fit.train, part)) for part in parts]
    )
    stops: list[Any] = [None] * len(parts)
    if stop is not None:
        stops = cluster.together([(work.read_rows, stop)] * len(parts))
    first = cluster.workers[0]
    meeting = None
    if len(parts) > 1:
        meeting = cluster.results(
            cluster.together([(work.start_meeting, len(parts), host_of(first))])
        )[0]
    task = _task(cluster, fit, prepared)
    calls: list[Call] = [
        (
            partial(work.fit, same_rows=share_members),
            task,
            trains[i],
            stops[i],
            _weights_of(fit, part),
            meeting,
            host_of(worker),
        )
        for i, (part, worker) in enumerate(zip(parts, cluster.workers, strict=False))
    ]
    fitted = cluster.results(cluster.together(calls, reporter.trees))
    whole: work.Fitted = next(result for result in fitted if result.files)
    return whole


def predict_together(
    cluster: Cluster, folder: Path, fold: Fold, trained_to: int, prepared: Prepared
) -> Detailed:
    """Predict the judged eras of a fold on the workers, with the model saved in `folder`.

    Eras are shared out only where a prediction depends on nothing but its own era.
    """
    model = prepared.model_class.load(folder)
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    depends = (
        prepared.model_class.info.stateful
        or isinstance(model, DetailedModel)
        or (isinstance(model, OnlineModel) and model.online)
    )
    judged = np.asarray(fold.judged, dtype=np.int32)
    n = 1 if depends else min(len(cluster.workers), len(judged))
    calls = [
        _predict_call(files, part, prepared, trained_to if depends else int(part[0]) - 1)
        for part in np.array_split(judged, n)
    ]
    parts = dict(cluster.each(calls))
    return joined([parts[i] for i in range(n)]) if n > 1 else parts[0]


def fit_folds(
    cluster: Cluster, fits: Sequence[tuple[Fold, PlannedFit]], prepared: Prepared
) -> Iterator[tuple[int, work.Fitted, Detailed, tuple[float, float]]]:
    """Fit and predict whole folds on one worker each; yield them as they end.

    Yields
    ------
    Position among `fits`, the model, the predictions, seconds of the fit and of the prediction.
    """
    calls: list[Call] = []
    for fold, fit in fits:
        calls.append(
            (
                work.fit_fold,
                _task(cluster, fit, prepared),
                wanted(prepared, fit.train),
                None if fit.stop is None else wanted(prepared, fit.stop),
                fit.ctx.weights,
                _known(prepared, fit.last_era, fold.judged),
                np.asarray(fold.judged, dtype=np.int32),
                fit.last_era,
            )
        )
    for position, (fitted, detail, seconds) in cluster.each(calls):
        yield position, fitted, detail, seconds


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


def wanted(prepared: Prepared, frame: EraFrame, eras: Eras | None = None) -> work.Wanted:
    """Describe eras of a frame to a worker that reads them by itself."""
    chosen = frame.eras if eras is None else eras
    rows = rows_by_era(frame)
    store = prepared.dataset.store
    return work.Wanted(
        data=_as_workers_read(prepared.experiment.data),
        features=frame.feature_names,
        targets=frame.target_names,
        eras=np.asarray(chosen, dtype=np.int32),
        sha256=tuple(file.sha256 for file in prepared.dataset.files),
        n_rows=sum(rows[era] for era in chosen.tolist()),
        dtype=frame.features.dtype.name,
        store=None if store is None else store.resolve(),
    )


def _as_workers_read(data: Data) -> Data:
    """Return the data section for a worker: absolute paths, and features that are chosen already.

    Which features have too many missing values is decided over all rows, here.
    """
    return data.model_copy(
        update={
            "dir": data.dir.resolve(),
            "files": [path.resolve() for path in data.files],
            "store": data.store.model_copy(update={"dir": data.store.dir.resolve()}),
            "missing": data.missing.model_copy(update={"max_feature_missing": None}),
        }
    )


def _task(cluster: Cluster, fit: PlannedFit, prepared: Prepared) -> work.Task:
    experiment = prepared.experiment
    told = fit.ctx
    ctx = FitContext(  # without what cannot travel, or what every worker adds
        seed=told.seed,
        target=told.target,
        targets=told.targets,
        purge_eras=told.purge_eras,
        stop_rounds=told.stop_rounds,
        device=told.device,
        n_threads=min(experiment.threads or cluster.threads, cluster.threads),
    )
    return work.Task(experiment.model.type, prepared.params, ctx)


def _weights_of(fit: PlannedFit, eras: Eras) -> npt.NDArray[np.float32] | None:
    if fit.ctx.weights is None:
        return None
    return fit.ctx.weights[np.isin(fit.train.row_eras, eras)]


def _known(prepared: Prepared, trained_to: int, judged: Eras) -> work.Wanted:
    frame = prepared.dataset.frame
    eras = frame.eras[(frame.eras > trained_to) & (frame.eras <= judged[-1])]
    return wanted(prepared, frame, np.union1d(eras, judged).astype(np.int32))


def _predict_call(
    files: dict[str, bytes], judged: Eras, prepared: Prepared, trained_to: int
) -> Call:
    known = _known(prepared, trained_to, judged)
    name = prepared.experiment.model.type
    return work.predict, name, files, known, judged, trained_to, purge_eras(prepared)
