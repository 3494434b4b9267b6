"""The columns of one step: room for them, and the rules that each era's must keep."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.arrays import Int8
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import MachineError, ModelError
from numerai_lab.features.joined import block_on_disk
from numerai_lab.features.protocol import StepContext, Transform
from numerai_lab.features.runtime import MISSING, MOST_BINS
from numerai_lab.machine import as_size

LARGE_BYTES = 64 << 20
"""Columns of so many bytes lie on disk, also those of features in memory."""


def room_for(rows: EraFrame, n: int, step: Transform) -> Int8:
    """Return room for the columns of a step: in memory, or on disk where the features are."""
    size = rows.n_rows * n
    folder = None if isinstance(rows.features, np.ndarray) else rows.features.folder
    if size < (LARGE_BYTES if folder is None else 1):
        return np.empty((rows.n_rows, n), dtype=np.int8)
    place = Path(tempfile.gettempdir()) if folder is None else folder
    place.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place).free
    if size > free:
        raise MachineError(
            f"the {n:,} columns of {rows.n_rows:,} rows take {as_size(size)}, and {as_size(free)} "
            f"are free in {place}",
            where=f"transforms ({type(step).__name__})",
            fix="let it make fewer, train on fewer eras (split.train_step: 4), or make room",
        )
    return block_on_disk(rows.n_rows, n, place)


def checked(step: Transform, columns: Int8) -> Int8:
    """Return columns of an era as they are. Raises ModelError where they break a rule."""
    shape = getattr(columns, "shape", None)
    if shape is None or columns.dtype != np.int8 or shape[1:] != (len(step.names),):
        raise ModelError(
            f"{type(step).__name__}.apply gives {getattr(columns, 'dtype', type(columns))} "
            f"{shape}, not int8 [n_rows, {len(step.names)}]"
        )
    if columns.size and (columns.min() < MISSING or columns.max() >= MOST_BINS):
        raise ModelError(
            f"{type(step).__name__}.apply gives values from {columns.min()} to {columns.max()}, "
            f"which must be from {MISSING} (missing) to {MOST_BINS - 1}"
        )
    return columns


def check_varies(step: Transform, block: Int8, varies: Any, ctx: StepContext) -> None:
    """Say which columns are constant; refuse those that only differ from era to era."""
    still = np.flatnonzero(~varies)
    if len(still) == 0:
        return
    between = []
    for i in still.tolist():
        known = block[:, i][block[:, i] != MISSING]
        if len(known) and known.min() != known.max():
            between.append(i)
    if between:
        raise ModelError(
            f"column '{step.names[between[0]]}' has one value for all rows of an era, which cannot "
            "rank them",
            where="transforms",
            fix="multiply it with features of the rows (a gate, as era_aggregates does)",
        )
    ctx.say(
        f"{len(still)} of {len(step.names)} columns of '{step.names[0].partition('.')[0]}' are "
        f"constant over the training rows, first '{step.names[still[0]]}': they tell nothing"
    )
