"""What a worker does: read its own eras, fit alone or with others, predict."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from numerai_lab.config import Data, RemoteFile
from numerai_lab.data import load_data
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError
from numerai_lab.experiment.cluster import PROGRESS_TOPIC
from numerai_lab.experiment.predicting import predict_eras
from numerai_lab.experiment.reporter import Stopwatch
from numerai_lab.models import Collective, Detailed, FitContext, FitReport, World, get_model

_SECONDS_TO_MEET = 300
_SECONDS_TO_WAIT = 24 * 3600
_SECONDS_BETWEEN_REPORTS = 0.2


@dataclass(frozen=True)
class Wanted:
    """Rows that a worker is to read by itself, and what they must be.

    Attributes
    ----------
    data : where rows come from, with absolute paths.
    features, targets : columns of the frame, in order.
    eras : era numbers, int32.
    sha256 : of the source files, as the run knows them.
    n_rows : of the eras.
    dtype : of the features.
    store : the store they are in, which this worker may see or not; None: in none.
    """

    data: Data
    features: tuple[str, ...]
    targets: tuple[str, ...]
    eras: npt.NDArray[np.int32]
    sha256: tuple[str, ...]
    n_rows: int
    dtype: str
    store: Path | None


@dataclass(frozen=True)
class Task:
    """A fit as a worker is told of it.

    Attributes
    ----------
    model : its name. params : its parameters.
    ctx : without weights, early-stopping rows and world, which the worker adds.
    """

    model: str
    params: BaseModel
    ctx: FitContext


@dataclass(frozen=True)
class Fitted:
    """A fitted model on its way: the files that it saved, by relative path, and what it told."""

    files: dict[str, bytes]
    report: FitReport
    said: tuple[str, ...]


def read_rows(wanted: Wanted) -> EraFrame:
    """Read eras from the store or the parquet files that this worker sees.

    Raises
    ------
    DataError : they are not what the run was begun with.
    """
    data = wanted.data
    if wanted.store is None or not (wanted.store / "manifest.json").is_file():
        # Not to convert all rows here, of which only some eras are wanted.
        data = data.model_copy(update={"store": data.store.model_copy(update={"use": "never"})})
    dataset = load_data(
        data,
        say=lambda _: None,
        eras=wanted.eras.tolist(),
        features=list(wanted.features),
        targets=wanted.targets,
    )
    frame = dataset.frame
    theirs = tuple(file.sha256 for file in dataset.files)
    if theirs != wanted.sha256:
        changed = [
            file.path
            for file, sha256 in zip(dataset.files, wanted.sha256, strict=False)
            if file.sha256 != sha256
        ]
        raise DataError(
            "the worker reads other bytes than the run was begun with",
            where=f"{_me()} {changed[0] if changed else wanted.data.dir}",
            fix="give every worker the same files",
        )
    if frame.n_rows != wanted.n_rows or frame.features.dtype != wanted.dtype:
        raise DataError(
            f"the worker finds {frame.n_rows:,} rows of {frame.features.dtype}, "
            f"not {wanted.n_rows:,} of {wanted.dtype}",
            where=_me(),
            fix="install the same numerai_lab on every worker",
        )
    if frame.target_names == wanted.targets:
        return frame
    columns = [frame.target_names.index(name) for name in wanted.targets]
    return replace(
        frame,
        targets=np.ascontiguousarray(frame.targets[:, columns]),
        target_names=wanted.targets,
    )


def missing_file(files: Sequence[tuple[Path, int]]) -> str | None:
    """Return the first of these files that is not here with this size, and what is wrong."""
    for path, size in files:
        if not path.is_file():
            return f"does not see {path}"
        found = path.n_bytes if isinstance(path, RemoteFile) else path.stat().st_size
        if found != size:
            return f"has {found:,} bytes in {path}, not {size:,}"
    return None


def start_meeting(n_workers: int, host: str) -> dict[str, Any]:
    """Open the place where workers find one another; return how they get there."""
    from xgboost.tracker import RabitTracker

    tracker = RabitTracker(n_workers, host, sortby="task", timeout=_SECONDS_TO_MEET)
    tracker.start()
    # Somebody must hold the tracker until the last worker has left.
    threading.Thread(target=_hold, args=(tracker,), daemon=True).start()
    return dict(tracker.worker_args())


def _hold(tracker: Any) -> None:
    from xgboost.core import XGBoostError

    # Without its workers it gives up; they, or their absence, say why.
    with contextlib.suppress(XGBoostError):
        tracker.wait_for()


def fit(
    task: Task,
    train: EraFrame,
    stop: EraFrame | None,
    weights: npt.NDArray[np.float32] | None,
    meeting: dict[str, Any] | None,
    host: str,
    *,
    same_rows: bool = False,
) -> Fitted:
    """Fit on these rows alone, or with the other workers of a meeting.

    They hold other rows, or with `same_rows` the same ones, and then share out members.

    Returns
    -------
    The model; without files on all workers but the first.
    """
    said: list[str] = []
    with _world(meeting, host) as world:
        ctx = replace(
            task.ctx,
            weights=weights,
            stop=stop,
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
                files = {
                    str(path.relative_to(folder)): path.read_bytes()
                    for path in sorted(Path(folder).rglob("*"))
                    if path.is_file()
                }
    return Fitted(files, report, tuple(said))


def fit_fold(
    task: Task,
    train: Wanted,
    stop: Wanted | None,
    weights: npt.NDArray[np.float32] | None,
    known: Wanted,
    judged: npt.NDArray[np.int32],
    trained_to: int,
) -> tuple[Fitted, Detailed, tuple[float, float]]:
    """Fit a whole fold on this worker and predict its judged eras.

    Returns
    -------
    The model, the predictions, and the seconds of both.
    """
    watch = Stopwatch()
    stopping = None if stop is None else read_rows(stop)
    fitted = fit(task, read_rows(train), stopping, weights, None, "")
    fit_seconds = watch.seconds
    watch = Stopwatch()
    detail = predict(task.model, fitted.files, known, judged, trained_to, task.ctx.purge_eras)
    return fitted, detail, (fit_seconds, watch.seconds)


def predict(
    model: str,
    files: dict[str, bytes],
    known: Wanted,
    judged: npt.NDArray[np.int32],
    trained_to: int,
    purge_eras: int,
) -> Detailed:
    """Predict judged eras; `known` are the eras after training up to the last of them."""
    rows = read_rows(known)
    with tempfile.TemporaryDirectory(prefix="numerai-lab-") as folder:
        write_files(files, Path(folder))
        loaded = get_model(model).load(Path(folder))
    return predict_eras(loaded, rows.select_eras(judged), rows, trained_to, purge_eras)


def write_files(files: dict[str, bytes], folder: Path) -> None:
    """Write a model's files as it saved them."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextlib.contextmanager
def _world(meeting: dict[str, Any] | None, host: str) -> Iterator[World]:
    if meeting is None:
        yield World()
        return
    import xgboost
    from xgboost import dask

    with contextlib.ExitStack() as held:
        with xgboost.config_context(verbosity=0):  # it would print who met whom
            # XGBoost's own patience, five minutes, is shorter than a member may take to train.
            told = {**meeting, "dmlc_timeout": _SECONDS_TO_WAIT}
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


def _me() -> str:
    from distributed import get_worker

    return f"worker {get_worker().address}"
