"""Rows that are in memory already, for `train(config, data=...)`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from numerai_lab.api.loading import LoadedFrame
from numerai_lab.config import Resolved
from numerai_lab.data import Dataset
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError, UserError
from numerai_lab.experiment import dataset_for
from numerai_lab.files import sha256_of, write_aside

FOLDER = ".frames"
"""Below the runs: tables that were trained on, each named after its bytes."""


def on_frame(resolved: Resolved, frame: EraFrame) -> tuple[Resolved, Dataset | None]:
    """Put rows from `load` in the place of an experiment's.

    Returns
    -------
    The experiment with the data section that the rows were loaded by, and the rows as it wants
    them; None where it wants more than they hold (rows without labels, say), and reads them again.

    Raises
    ------
    UserError : rows that `load` did not make, or a part of them, which no data section tells of.
    """
    whole = isinstance(frame, LoadedFrame) and frame.n_rows == frame.dataset.frame.n_rows
    if not isinstance(frame, LoadedFrame) or not whole:
        what = "a part of what was loaded" if isinstance(frame, LoadedFrame) else "no rows of load"
        raise UserError(
            f"these rows are {what}, and no config could tell which",
            where="data",
            fix="choose eras by overrides={'data.eras': {...}} of `load`, or give a table "
            "(frame.to_pandas())",
        )
    experiment = resolved.experiment
    changed = experiment.model_copy(update={"data": frame.section})
    resolved = replace(resolved, experiment=changed)
    return resolved, dataset_for(resolved, frame.dataset)


def frame_settings(table: pd.DataFrame, runs_dir: Path) -> dict[str, Any]:
    """Write a table to a parquet file named after its bytes, and return the settings that read it.

    Raises
    ------
    DataError : no column `era`, ids that are no names or there twice, no column feature*.
    MachineError : the file cannot be written.
    """
    rows = table if "id" in table.columns else table.rename_axis("id").reset_index()
    if "era" not in rows.columns:
        raise DataError(
            f"the table has no column 'era' (columns: {', '.join(map(str, rows.columns[:6]))} ...)",
            where="data",
            fix="give it one, as Numerai's files have it",
        )
    if not any(str(name).startswith("feature") for name in rows.columns):
        raise DataError("the table has no column that begins with 'feature'", where="data")
    if "id" not in table.columns and pd.api.types.is_integer_dtype(table.index):
        raise DataError(
            "the table has neither a column 'id' nor an index of ids: its index is whole numbers",
            where="data",
            fix="set the index to the ids, or add a column 'id'",
        )
    folder = runs_dir / FOLDER
    first = folder / "table.parquet"
    with write_aside(first) as part:
        part.parent.mkdir(parents=True, exist_ok=True)
        rows.to_parquet(part, index=False)
    path = folder / f"{sha256_of(first)[:16]}.parquet"
    first.replace(path)
    return {
        "data.source": "parquet",
        "data.files": [str(path.absolute())],
        "data.feature_sets": {"small": "all", "medium": "all"},
    }
