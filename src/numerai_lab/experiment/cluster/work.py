"""What a worker does: fit alone or with others, predict."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from numerai_lab.eraframe import EraFrame
from numerai_lab.experiment import predicting
from numerai_lab.experiment.cluster.rows import RowsToRead, read_rows
from numerai_lab.experiment.cluster.workers import PROGRESS_TOPIC
from numerai_lab.experiment.reporter import Stopwatch
from numerai_lab.models import (
    Collective,
    ControlledModel,
    Detailed,
    FitContext,
    FitReport,
    Model,
    World,
    get_model,
)

_SECONDS_TO_CONNECT = 300
_SECONDS_TO_WAIT = 24 * 3600
_SECONDS_BETWEEN_REPORTS = 0.2


@dataclass(frozen=True)
class Task:
    """A fit as a worker is told of it.

    Attributes
    ----------
    model : its name. params : its parameters.
    ctx : without weights, world, early-stopping and unlabelled rows, which the worker adds.
    """

    model: str
    params: BaseModel
    ctx: FitContext


@dataclass(frozen=True)
class SavedModel:
    """A fitted model on its way: the files that it saved, by relative path, and what it told."""

    files: dict[str, bytes]
    report: FitReport
    said: tuple[str, ...]


def start_tracker(n_workers: int, host: str) -> dict[str, Any]:
    """Start XGBoost's tracker, which tells each worker the addresses of the others.

    Parameters
    ----------
    n_workers : that will connect. host : address of this machine, where it listens.

    Returns
    -------
    What every worker needs to connect, as arguments of `xgboost.dask.CommunicatorContext`.
    """
    from xgboost.tracker import RabitTracker

    tracker = RabitTracker(n_workers, host, sortby="task", timeout=_SECONDS_TO_CONNECT)
    tracker.start()
    # A thread must wait for the tracker, or it ends before the last worker has left.
    threading.Thread(target=_wait_for, args=(tracker,), daemon=True).start()
    return dict(tracker.worker_args())


def _wait_for(tracker: Any) -> None:
    from xgboost.core import XGBoostError

    # Without its workers it gives up; they, or their absence, say why.
    with contextlib.suppress(XGBoostError):
        tracker.wait_for()


def fit(
    task: Task,
    train: EraFrame,
    stop: EraFrame | None,
    weights: npt.NDArray[np.float32] | None,
    tracker: dict[str, Any] | None,
    host: str,
    unlabelled: EraFrame | None = None,
    *,
    same_rows: bool = False,
) -> SavedModel:
    """Fit on these rows alone, or with the other workers of a tracker.

    The others hold other rows of the same fit; or, with `same_rows`, the same ones, and each worker
    trains some of the members.

    Parameters
    ----------
    tracker : what `start_tracker` returned; None: there are no others. host : of this worker.
    unlabelled : rows that the model may see without labels, all of them on each worker.

    Returns
    -------
    The model; without files on all workers but the first.
    """
    said: list[str] = []
    with _world(tracker, host) as world:
        ctx = replace(
            task.ctx,
            weights=weights,
            stop=stop,
            unlabelled=unlabelled,
            world=World() if same_rows else world,
            peers=world if same_rows else World(),
            progress=_reporter(),
            say=said.append,
        )
        model = get_model(task.model)(task.params)
        report = model.fit(train, ctx)
        files = {}
        if world.rank == 0:
            with tempfile.TemporaryDirectory(prefix="numerai-lab-") as folder:
                model.save(Path(folder))
                files = read_files(Path(folder))
    return SavedModel(files, report, tuple(said))


def fit_alone(
    task: Task,
    train: RowsToRead,
    stop: RowsToRead | None,
    weights: npt.NDArray[np.float32] | None,
    unlabelled: RowsToRead | None = None,
) -> tuple[SavedModel, float]:
    """Fit a whole fold on this worker; also the seconds."""
    watch = Stopwatch()
    stopping, more = (None if one is None else read_rows(one) for one in (stop, unlabelled))
    return fit(task, read_rows(train), stopping, weights, None, "", more), watch.seconds


def predict(
    model: str,
    files: dict[str, bytes],
    known: RowsToRead,
    judged: npt.NDArray[np.int32],
    trained_to: int,
    purge_eras: int,
    earlier: RowsToRead | None,
    targets: tuple[str, ...],
) -> tuple[Detailed, float]:
    """Predict judged eras, which are among `known`; also the seconds.

    A model that learns from labels wants all eras after training up to the last judged one. One
    that looks back is shown `earlier` eras, with labels of `targets`.
    """
    watch = Stopwatch()
    rows, loaded = read_rows(known), load_model(model, files)
    past = None
    if earlier is not None:
        past = predicting.Past(read_rows(earlier), targets, purge_eras)
    detail = predicting.predict_eras(
        loaded, rows.select_eras(judged), rows, trained_to, purge_eras, past=past
    )
    return detail, watch.seconds


def predict_apart(
    model: str, files: dict[str, bytes], judged: RowsToRead
) -> tuple[tuple[Detailed, list[Any]], float]:
    """Predict some of the judged eras but for the control; also their states, and the seconds."""
    watch = Stopwatch()
    loaded = load_model(model, files)
    assert isinstance(loaded, ControlledModel)
    return predicting.predict_apart(loaded, read_rows(judged)), watch.seconds


def predict_control(
    model: str,
    files: dict[str, bytes],
    judged: RowsToRead,
    apart: Detailed,
    others: list[Any],
    name: str,
) -> tuple[Detailed, float]:
    """Add the control of that name to what `predict_apart` returned; also the seconds."""
    watch = Stopwatch()
    loaded = load_model(model, files)
    assert isinstance(loaded, ControlledModel)
    rows = read_rows(judged)
    return predicting.predict_control(loaded, rows, apart, others, name), watch.seconds


def load_model(model: str, files: dict[str, bytes]) -> Model:
    """Load a model from its files."""
    with tempfile.TemporaryDirectory(prefix="numerai-lab-") as folder:
        write_files(files, Path(folder))
        return get_model(model).load(Path(folder))


def read_files(folder: Path) -> dict[str, bytes]:
    """Read all files that a model saved, by relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_files(files: dict[str, bytes], folder: Path) -> None:
    """Write a model's files as it saved them."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextlib.contextmanager
def _world(tracker: dict[str, Any] | None, host: str) -> Iterator[World]:
    if tracker is None:
        yield World()
        return
    import xgboost
    from xgboost import dask

    with contextlib.ExitStack() as held:
        with xgboost.config_context(verbosity=0):  # it would print who has connected
            # XGBoost's own patience, five minutes, is shorter than a member may take to train.
            told = {**tracker, "dmlc_timeout": _SECONDS_TO_WAIT}
            held.enter_context(dask.CommunicatorContext(**told))
        yield Collective(host)


def _reporter() -> Callable[[int, int], None]:
    """Return a `progress` that tells whoever waits for this worker, a few times a second."""
    from distributed import get_worker

    worker = get_worker()
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_REPORTS or done == total:
            last = now
            worker.log_event(PROGRESS_TOPIC, (worker.address, done, total))

    return progress
