"""Rows that a worker reads by itself: how they are described to it, and how it reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Eras
from numerai_lab.config import Data, RemoteFile, Rows
from numerai_lab.data import load_data
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError
from numerai_lab.experiment.plan import Prepared
from numerai_lab.splits import drawn_rows


@dataclass(frozen=True)
class RowsToRead:
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
    labelled : whether rows without the main target are left out.
    drawn : which part of the eras' rows is wanted; None: all. seed : that it is drawn with.
    """

    data: Data
    features: tuple[str, ...]
    targets: tuple[str, ...]
    eras: npt.NDArray[np.int32]
    sha256: tuple[str, ...]
    n_rows: int
    dtype: str
    store: Path | None
    labelled: bool = True
    drawn: Rows | None = None
    seed: int = 0


def rows_by_era(frame: EraFrame) -> dict[int, int]:
    """Return the number of rows of each era."""
    return dict(zip(frame.eras.tolist(), np.diff(frame.offsets).tolist(), strict=True))


def rows_to_read(
    prepared: Prepared,
    frame: EraFrame,
    eras: Eras | None = None,
    *,
    labelled: bool = True,
    drawn: bool = False,
) -> RowsToRead:
    """Describe eras of a frame to a worker that reads them by itself.

    Parameters
    ----------
    drawn : whether the frame has the part of its eras' rows that is trained on (`data.rows`).
    """
    chosen = frame.eras if eras is None else eras
    rows = rows_by_era(frame)
    store = prepared.dataset.store
    return RowsToRead(
        data=_as_workers_read(prepared.experiment.data, prepared.dataset.folder),
        features=frame.feature_names,
        targets=frame.target_names,
        eras=np.asarray(chosen, dtype=np.int32),
        sha256=tuple(file.sha256 for file in prepared.dataset.files),
        n_rows=sum(rows[era] for era in chosen.tolist()),
        dtype=frame.features.dtype.name,
        store=None if store is None else store.resolve(),
        labelled=labelled,
        drawn=prepared.experiment.data.rows if drawn else None,
        seed=prepared.experiment.seed,
    )


def _as_workers_read(data: Data, folder: Path | None) -> Data:
    """Return the data section for a worker: absolute paths, and features that are chosen already.

    Which features have too many missing values is decided over all rows, here. Of prices a worker
    reads the rows that were made of them, in `folder`.
    """
    made = data.source == "prices" and folder is not None
    return data.model_copy(
        update={
            "dir": folder.resolve() if made and folder else data.dir.resolve(),
            "files": [path.resolve() for path in data.files],
            "store": data.store.model_copy(update={"dir": data.store.dir.resolve()}),
            "missing": data.missing.model_copy(update={"max_feature_missing": None}),
        }
    )


def known_rows(prepared: Prepared, trained_to: int, judged: Eras) -> RowsToRead:
    """Describe the eras after training up to the last judged one."""
    frame = prepared.dataset.frame
    eras = frame.eras[(frame.eras > trained_to) & (frame.eras <= judged[-1])]
    return rows_to_read(prepared, frame, np.union1d(eras, judged).astype(np.int32))


def earlier_rows(prepared: Prepared, judged: Eras) -> RowsToRead | None:
    """Describe the eras that a model looks back on from judged ones; None where it does not."""
    if not prepared.history_eras:
        return None
    rows = prepared.past.rows
    first, last = int(judged[0]) - prepared.history_eras, int(judged[-1])
    return rows_to_read(prepared, rows, rows.between(first, last).eras, labelled=False)


def read_rows(wanted: RowsToRead) -> EraFrame:
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
        require_label=wanted.labelled,
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
    if wanted.drawn is not None:
        target = dataset.train_targets[0]
        frame = frame.take(drawn_rows(frame, wanted.drawn, target, wanted.seed))
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


def _me() -> str:
    from distributed import get_worker

    return f"worker {get_worker().address}"
