"""Predictions on disk: written by a run, read back from a run or from anybody's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import RunError
from numerai_lab.files import write_aside

KEYS = ("id", "era", "fold")


@dataclass(frozen=True)
class Predictions:
    """Prediction columns by id.

    Attributes
    ----------
    ids : string array [n]; eras : int32 [n]; folds : int32 [n], 0 where the file has none.
    columns : name -> float64 [n].
    """

    ids: pa.Array
    eras: npt.NDArray[np.int32]
    folds: npt.NDArray[np.int32]
    columns: dict[str, npt.NDArray[np.float64]]
    source: str

    def align(self, rows: EraFrame) -> tuple[EraFrame, Predictions, int]:
        """Match to labelled rows by id.

        Returns
        -------
        The rows that have a prediction, these predictions in the order of those rows, and the
        number of predictions without a labelled row.

        Raises
        ------
        RunError : no id in common, or an era that differs between predictions and data.
        """
        positions = pc.index_in(rows.ids, value_set=self.ids)
        found = np.flatnonzero(pc.is_valid(positions).to_numpy(zero_copy_only=False))
        if len(found) == 0:
            raise RunError(
                "no id of these predictions is a labelled row of the data",
                where=self.source,
                fix="name the data they were made for with --data",
            )
        kept = rows if len(found) == rows.n_rows else rows.take(found)
        order = positions.drop_null().to_numpy().astype(np.int64)
        mine = Predictions(
            self.ids.take(pa.array(order)),
            self.eras[order],
            self.folds[order],
            {name: values[order] for name, values in self.columns.items()},
            self.source,
        )
        differs = np.flatnonzero(mine.eras != kept.row_eras)
        if len(differs):
            i = int(differs[0])
            raise RunError(
                f"id {mine.ids[i].as_py()} is in era {mine.eras[i]} here and in era "
                f"{kept.row_eras[i]} of the data",
                where=self.source,
                fix="name the data they were made for with --data",
            )
        return kept, mine, len(self.ids) - len(found)

    def values_for(self, rows: EraFrame) -> npt.NDArray[np.float64]:
        """Return the column `prediction` in the order of `rows`, NaN where there is none."""
        if "prediction" not in self.columns:
            raise RunError("has no column 'prediction'", where=self.source)
        positions = pc.index_in(rows.ids, value_set=self.ids)
        order = positions.fill_null(0).to_numpy()
        values: npt.NDArray[np.float64] = self.columns["prediction"][order]
        values[pc.is_null(positions).to_numpy(zero_copy_only=False)] = np.nan
        return values


def merge_predictions(paths: list[Path], into: Path) -> None:
    """Join the predictions of all folds, in order, into one file."""
    table = pa.concat_tables([pq.read_table(path) for path in paths])
    with write_aside(into) as part:
        pq.write_table(table, part)


def write_predictions(
    path: Path,
    rows: EraFrame,
    folds: npt.NDArray[np.int32],
    columns: Mapping[str, npt.NDArray[np.float32]],
) -> None:
    """Write id, era, fold and prediction columns, whole or not at all."""
    table = pa.table(
        {"id": rows.ids, "era": pa.array(rows.row_eras), "fold": pa.array(folds)}
        | {name: pa.array(values) for name, values in columns.items()}
    )
    with write_aside(path) as part:
        pq.write_table(table, part)


def read_predictions(path: Path) -> Predictions:
    """Read predictions: parquet or CSV with `id`, `era` and at least one column of numbers.

    Raises
    ------
    RunError : file missing or damaged, columns missing, duplicate ids, an era that is no number.
    """
    where = str(path)
    try:
        table = pyarrow.csv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    except FileNotFoundError:
        raise RunError("no such file", where=where) from None
    except (OSError, pa.ArrowInvalid) as error:
        first = str(error).splitlines()[0]
        raise RunError(f"cannot be read as predictions ({first})", where=where) from None
    for key in ("id", "era"):
        if key not in table.column_names:
            raise RunError(
                f"has no column '{key}' (columns: {', '.join(table.column_names)})",
                where=where,
                fix="predictions need id, era and one or more columns of numbers",
            )
    ids = table["id"].cast(pa.large_string()).combine_chunks()
    if len(ids) == 0:
        raise RunError("holds no predictions", where=where)
    if pc.count_distinct(ids).as_py() != len(ids):
        repeated = pc.value_counts(ids).sort(order="descending", by="counts")[0]["values"].as_py()
        raise RunError(f"id {repeated} is there more than once", where=where)
    try:
        eras = table["era"].cast(pa.string()).cast(pa.int32()).to_numpy()
    except pa.ArrowInvalid as error:
        raise RunError(
            f"column 'era' holds a value that is no era number ({error})", where=where
        ) from None
    columns = {
        name: table[name].cast(pa.float64()).to_numpy()
        for name in table.column_names
        if name not in KEYS and _is_number(table.schema.field(name).type)
    }
    if not columns:
        raise RunError("has no column of numbers besides id and era", where=where)
    folds = (
        table["fold"].cast(pa.int32()).to_numpy()
        if "fold" in table.column_names
        else np.zeros(len(ids), dtype=np.int32)
    )
    return Predictions(ids, eras, folds, columns, where)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
