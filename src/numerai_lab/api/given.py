"""Predictions as people have them in Python: Series, tables, arrays, files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError, UserError
from numerai_lab.experiment import Predictions, read_predictions

MAIN = "prediction"
PredictionsLike: TypeAlias = (
    "pd.Series[Any] | pd.DataFrame | npt.NDArray[Any] | str | os.PathLike[str]"
)
"""A Series or table by id, an array [n] or [n, 1] in the order of a frame's rows, or a file."""

_KEYS = ("id", "era", "fold")


def as_predictions(given: PredictionsLike, rows: EraFrame) -> Predictions:
    """Return predictions as judging takes them, the first column (or `prediction`) as `MAIN`.

    Parameters
    ----------
    rows : whose order an array has.

    Raises
    ------
    UserError : an array of another length; something else than is taken. RunError : a file that is
        none. DataError : values that are no finite numbers.
    """
    if isinstance(given, str | os.PathLike):
        found = read_predictions(Path(given))
    elif isinstance(given, pd.Series):
        found = _of_table(given.to_frame(MAIN))
    elif isinstance(given, pd.DataFrame):
        found = _of_table(given)
    else:
        values = one_column(given)
        if len(values) != rows.n_rows:
            raise UserError(
                f"{len(values):,} predictions for {rows.n_rows:,} rows",
                where="predictions",
                fix="an array has one value for each row, in their order; a Series goes by id",
            )
        folds = np.zeros(rows.n_rows, dtype=np.int32)
        found = Predictions(rows.ids, None, folds, {MAIN: values}, "predictions")
    if MAIN not in found.columns:
        first = next(iter(found.columns))
        columns = {MAIN if name == first else name: v for name, v in found.columns.items()}
        found = replace(found, columns=columns)
    for name, values in found.columns.items():
        bad = int(np.count_nonzero(np.isinf(values)))
        if bad:
            raise DataError(f"'{name}' is infinite in {bad:,} of {len(values):,} rows")
    return found


def one_column(values: Any) -> Float64:
    """Return an array [n] or [n, 1] as float64 [n].

    Raises UserError for any other shape.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise UserError(
            f"an array of shape {array.shape} is not one prediction a row",
            where="predictions",
            fix="give [n] or [n, 1]; several columns go into a DataFrame",
        )
    return array


def _of_table(table: pd.DataFrame) -> Predictions:
    ids = table["id"] if "id" in table.columns else table.index.to_series()
    eras: npt.NDArray[np.int32] | None = None
    if "era" in table.columns:
        try:
            eras = np.asarray(table["era"].astype(np.int32).to_numpy(), dtype=np.int32)
        except (TypeError, ValueError):
            raise DataError(
                "column 'era' holds a value that is no era number",
                where="predictions",
                fix="leave the column out: the data know the era of every id",
            ) from None
    columns = {
        str(name): column.to_numpy(dtype=np.float64)
        for name, column in table.items()
        if name not in _KEYS and pd.api.types.is_numeric_dtype(column)
    }
    if not columns:
        raise DataError("there is no column of numbers", where="predictions")
    text = pa.array(ids.astype(str).to_numpy(dtype=object), pa.string())
    folds = np.zeros(len(table), dtype=np.int32)
    return Predictions(text, eras, folds, columns, "predictions")


def predicted_rows(
    given: Mapping[str, PredictionsLike], rows: EraFrame
) -> tuple[EraFrame, dict[str, Float64]]:
    """Return the rows that have every one of some predictions, and these in their order.

    Raises
    ------
    DataError : predictions of ids that are not among the rows, or rows that only some have.
    """
    found = {name: as_predictions(one, rows) for name, one in given.items()}
    kept: EraFrame | None = None
    columns: dict[str, Float64] = {}
    for name, one in found.items():
        theirs, mine, unmatched = one.align(rows)
        if unmatched:
            raise DataError(
                f"{unmatched:,} of {len(one.ids):,} predictions are of ids that the rows do not "
                "have",
                where=name,
                fix="load the rows that were predicted",
            )
        if kept is not None and not kept.ids.equals(theirs.ids):
            raise DataError(
                f"'{name}' predicts other rows than those before it",
                where="predictions",
                fix="cut them to the rows that all have",
            )
        kept, columns[name] = theirs, mine.columns[MAIN]
        absent = int(np.count_nonzero(np.isnan(columns[name])))
        if absent:
            raise DataError(f"{absent:,} of {theirs.n_rows:,} values are NaN", where=name)
    if kept is None:
        raise UserError("there are no predictions", where="predictions")
    return kept, columns


def by_id(values: npt.NDArray[Any], rows: EraFrame) -> pd.Series[float]:
    """Return values of rows as a Series named `prediction`, by id."""
    index = pd.Index(rows.ids.to_pandas(), name="id")
    return pd.Series(np.asarray(values, dtype=np.float64), index=index, name=MAIN)
