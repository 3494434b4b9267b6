"""Predictions on disk: written by a run, read back from a run or from anybody's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from numerai_lab.config import EraFormat
from numerai_lab.data import eras_of_predictions, read_id_table, same_number
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError, RunError
from numerai_lab.files import write_aside

KEYS = ("id", "era", "fold")
_FEW_VALUES = ["era", "fold"]
"""Columns worth a dictionary in parquet; for unique ids it only takes time."""


@dataclass(frozen=True)
class Predictions:
    """Prediction columns by id.

    Attributes
    ----------
    ids : string array [n]; folds : int32 [n], 0 where the file has none.
    eras : int32 [n], or None where the file has none: the data know the era of an id.
    columns : name -> float64 [n].
    left_out : columns of the file that are not judged: text, truth values, an index.
    """

    ids: pa.Array
    eras: npt.NDArray[np.int32] | None
    folds: npt.NDArray[np.int32]
    columns: dict[str, npt.NDArray[np.float64]]
    source: str
    left_out: tuple[str, ...] = ()

    def align(self, rows: EraFrame) -> tuple[EraFrame, Predictions, int]:
        """Match to labelled rows by id.

        Returns
        -------
        The rows that have a prediction, these predictions in the order of those rows, and the
        number of predictions without a labelled row.

        Raises
        ------
        RunError : no id in common, an id that is there twice, or an era that differs between
            predictions and data.
        """
        if self.ids.equals(rows.ids):  # as in the run that made them: no look-up of each id
            return rows, self._checked_eras(rows), 0
        self._check_unique()
        positions = pc.index_in(rows.ids, value_set=self.ids)
        found = np.flatnonzero(pc.is_valid(positions).to_numpy(zero_copy_only=False))
        if len(found) < len(self.ids):
            self._check_writing(rows.ids)
        if len(found) == 0:
            raise RunError(
                f"no id of these predictions (such as '{self.ids[0]}') is a labelled row of the "
                f"data (such as '{rows.ids[0]}')",
                where=self.source,
                fix="name the data they were made for with --data",
            )
        kept = rows if len(found) == rows.n_rows else rows.take(found)
        order = positions.drop_null().to_numpy().astype(np.int64)
        mine = Predictions(
            self.ids.take(pa.array(order)),
            None if self.eras is None else self.eras[order],
            self.folds[order],
            {name: values[order] for name, values in self.columns.items()},
            self.source,
        )
        return kept, mine._checked_eras(kept), len(self.ids) - len(found)

    def _check_writing(self, ids: pa.Array) -> None:
        """Raise when ids without a row would have one if they were read as numbers."""
        mine = self.ids.filter(pc.invert(pc.is_in(self.ids, value_set=ids)))
        theirs = ids.filter(pc.invert(pc.is_in(ids, value_set=self.ids)))
        twins = same_number(mine, [theirs])
        if twins is not None:
            raise RunError(
                f"id '{twins[0]}' here and '{twins[1]}' in the data are the same number, written "
                f"in two ways",
                where=self.source,
                fix="keep ids as text wherever they are written, with their leading zeros "
                "(pandas: dtype={'id': str})",
            )

    def _check_unique(self) -> None:
        if pc.count_distinct(self.ids).as_py() == len(self.ids):
            return
        counts = pc.value_counts(self.ids).sort(order="descending", by="counts")
        repeated = counts[0]["values"].as_py()
        raise RunError(
            f"id {repeated} is there more than once",
            where=self.source,
            fix="keep one row for each id",
        )

    def _checked_eras(self, rows: EraFrame) -> Predictions:
        """Return these predictions of these rows with the rows' eras, which must be their own."""
        known = rows.row_eras
        if self.eras is None:
            return replace(self, eras=known)
        self._check_eras(self.eras, rows)
        return self

    def _check_eras(self, eras: npt.NDArray[np.int32], rows: EraFrame) -> None:
        """Raise where one of the eras of these rows is not what the rows say."""
        known = rows.row_eras
        differs = np.flatnonzero(eras != known)
        if len(differs):
            i = int(differs[0])
            raise RunError(
                f"id {rows.ids[i].as_py()} is in era {eras[i]} here and in era {known[i]} of the "
                "data",
                where=self.source,
                fix="name the data they were made for with --data",
            )

    def values_for(self, rows: EraFrame) -> npt.NDArray[np.float64]:
        """Return the column `prediction` in the order of `rows`, NaN where there is none.

        Raises RunError without such a column, or where a row is in another era here.
        """
        if "prediction" not in self.columns:
            raise RunError("has no column 'prediction'", where=self.source)
        positions = pc.index_in(rows.ids, value_set=self.ids)
        order = positions.fill_null(0).to_numpy()
        absent = pc.is_null(positions).to_numpy(zero_copy_only=False)
        if self.eras is not None:
            self._check_eras(np.where(absent, rows.row_eras, self.eras[order]), rows)
        values: npt.NDArray[np.float64] = self.columns["prediction"][order]
        values[absent] = np.nan
        return values


def _read(path: Path) -> pa.Table:
    with path.open("rb") as file:
        return pq.read_table(file)


def merge_predictions(paths: list[Path], into: Path) -> None:
    """Join the predictions of all folds, in order, into one file."""
    table = pa.concat_tables([_with_labels(_read(path)) for path in paths])
    # Arrow opens no name that is not UTF-8
    with write_aside(into) as part, part.open("wb") as file:
        pq.write_table(table, file, use_dictionary=_FEW_VALUES)


def _with_labels(table: pa.Table) -> pa.Table:
    """Write eras as labels, also those of a fold that an older version left as numbers."""
    place = table.schema.get_field_index("era")
    if not pa.types.is_integer(table.schema.field(place).type):
        return table
    labels = pc.utf8_lpad(table["era"].cast(pa.string()), 4, "0")
    return table.set_column(place, "era", labels)


def write_predictions(
    path: Path,
    rows: EraFrame,
    folds: npt.NDArray[np.int32],
    columns: Mapping[str, npt.NDArray[np.float32]],
) -> None:
    """Write id, era, fold and prediction columns, whole or not at all.

    Ids and eras ("0575") are written as in Numerai's files, so that tables can be joined.
    """
    table = pa.table(
        {"id": rows.ids, "era": rows.row_labels, "fold": pa.array(folds)}
        | {name: pa.array(values) for name, values in columns.items()}
    )
    # Arrow opens no name that is not UTF-8
    with write_aside(path) as part, part.open("wb") as file:
        pq.write_table(table, file, use_dictionary=_FEW_VALUES)


def read_predictions(path: Path, era: EraFormat = "auto") -> Predictions:
    """Read predictions: parquet or CSV with `id` and at least one column of numbers.

    `era` may be there as well, and is then checked against the data. It is read as the data's
    own (`era` is their format), or holds the numbers of weeks, as a run writes them.

    Raises
    ------
    RunError : file missing or damaged, columns missing, ids missing, an era that is no number,
        an infinite prediction.
    """
    where = str(path)
    read = read_id_table(path)
    ids, table = read.ids, read.columns
    for key in KEYS:
        missing = table[key].null_count if key in table.column_names else 0
        if missing:
            raise RunError(
                f"column '{key}' is empty in {missing:,} of {table.num_rows:,} rows",
                where=where,
                fix="fill it, or leave those rows out",
            )
    if len(ids) == 0:
        raise RunError("holds no predictions", where=where)
    eras = None if "era" not in table.column_names else _era_numbers(table["era"], era, where)
    folds = _whole_numbers(table, "fold", where)
    others = [name for name in table.column_names if name not in KEYS]
    judged = [name for name in others if _is_number(table.schema.field(name).type)]
    if "prediction" in others and "prediction" not in judged:
        raise RunError(
            f"column 'prediction' is {table.schema.field('prediction').type}, not numbers",
            where=where,
            fix="write numbers with a point, and nothing else in the column",
        )
    columns = {name: table[name].cast(pa.float64(), safe=False).to_numpy() for name in judged}
    if not columns:
        raise RunError("has no column of numbers besides id, era and fold", where=where)
    for name, values in columns.items():
        infinite = int(np.count_nonzero(np.isinf(values)))
        if infinite:
            raise RunError(
                f"column '{name}' is infinite in {infinite:,} of {len(ids):,} rows",
                where=where,
                fix="give every row a finite number",
            )
    if folds is None:
        folds = np.zeros(len(ids), dtype=np.int32)
    left_out = (*read.left_out, *(name for name in others if name not in judged))
    return Predictions(ids, eras, folds, columns, where, left_out)


def _era_numbers(column: pa.ChunkedArray, form: EraFormat, where: str) -> npt.NDArray[np.int32]:
    try:
        return eras_of_predictions(column, form, where)
    except DataError as error:
        raise RunError(
            f"column 'era' holds a value that is no era number ({error.what})",
            where=where,
            fix="correct it, or leave the column out: the data know the era of every id",
        ) from None


def _whole_numbers(table: pa.Table, key: str, where: str) -> npt.NDArray[np.int32] | None:
    """Read a column of numbers, such as 575 or the text 0575; None if it is not there."""
    if key not in table.column_names:
        return None
    column = table[key]
    try:
        if not pa.types.is_floating(column.type):
            column = column.cast(pa.string())
        return np.asarray(column.cast(pa.int32()).to_numpy())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RunError(
            f"column '{key}' holds a value that is no {key} number ({error})", where=where
        ) from None


def _is_number(kind: pa.DataType) -> bool:
    plain = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal)
    return any(is_kind(kind) for is_kind in plain)
