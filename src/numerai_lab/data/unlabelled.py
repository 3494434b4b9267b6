"""Rows to predict: any parquet file with the features a model was trained on, targets or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from numerai_lab.config import Columns, Missing
from numerai_lab.data.dataset import SourceFile
from numerai_lab.data.reading import (
    Encoding,
    Piece,
    RowGroups,
    RowPlan,
    apply_missing,
    check_unique,
    feature_columns,
    file_ids,
    id_column,
    is_missing,
    need_columns,
    number_kind,
    open_parquet,
    order_eras,
    read_features,
    slices,
    source_file,
)
from numerai_lab.eraframe import MISSING_INT8, EraFrame, FeatureArray
from numerai_lab.errors import DataError, did_you_mean


@dataclass(frozen=True, slots=True, eq=False)
class Unlabelled:
    """Rows to predict, sorted by era, and the file they come from.

    `frame` numbers the eras 1, 2, ... in their order: what the file calls them does not matter.
    `era_numbers` are those of its eras that have one, as in the rows a model is trained on.
    """

    frame: EraFrame
    file: SourceFile
    era_numbers: frozenset[int]


def load_unlabelled(
    path: Path,
    *,
    features: Sequence[str],
    dtype: str,
    columns: Columns,
    missing: Missing,
    say: Callable[[str], None],
) -> Unlabelled:
    """Read rows to predict, as the rows that a model was trained on were read.

    Columns are taken by name: their order in the file does not matter, and others are ignored. Eras
    may be numbers, dates, text ("0575", "X"), or absent (then the file is one era). No row is
    dropped.

    Parameters
    ----------
    features, dtype : the features trained on, in order, and `int8` or `float32`.
    columns : names of the id and era columns and the prefix of features.
    missing : the missing policy of the training; its limits dropped features and rows then, here
        they drop nothing.
    say : called with every sentence the user must see.

    Raises
    ------
    DataError : a damaged file; features that are not there; ids that are missing or there twice;
        values of another kind than those trained on.
    """
    file = open_parquet(path, dictionary=[columns.era_column.column])
    there = feature_columns(file.schema.names, columns)
    _check_features(features, file, path)
    era = [name for name in [columns.era_column.column] if name in file.schema.names]
    need_columns(file.schema, path, [id_column(file.schema, columns.id), *era, *features])
    wanted = set(features)
    if extra := [name for name in there if name not in wanted]:
        say(f"{path.name}: {len(extra):,} features that the model was not trained on are ignored")
    if [name for name in there if name in wanted] != [n for n in features if n in set(there)]:
        say(f"{path.name}: the features are in another order than in training: taken by name")
    plan, ids, numbers = _plan(file, path, columns, say)
    matrix, encoding = read_features([file], plan, features)
    matrix = _as_trained(matrix, encoding, dtype, file, features, path)
    frame = EraFrame(
        features=matrix,
        eras=plan.eras,
        offsets=plan.offsets,
        ids=ids,
        targets=np.empty((len(ids), 0), dtype=np.float32),
        feature_names=tuple(features),
        target_names=(),
    )
    if missing.max_row_missing is not None:
        thin = int((is_missing(matrix).mean(axis=1) > missing.max_row_missing).sum())
        if thin:
            say(f"{path.name}: {thin:,} rows would have been dropped in training, predicted here")
    policy = missing.model_copy(update={"max_feature_missing": None, "max_row_missing": None})
    frame, _ = apply_missing(frame, policy, None, say)
    described = source_file(path, file.schema, file.n_rows)
    if described.made_up:
        say(f"SYNTHETIC DATA: {path} was made by the synthetic tournament, it is not Numerai's")
    return Unlabelled(frame, described, numbers)


def _check_features(features: Sequence[str], file: RowGroups, path: Path) -> None:
    there = set(file.schema.names)
    absent = [name for name in features if name not in there]
    if not absent:
        return
    shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
    raise DataError(
        f"lacks {len(absent)} of the {len(features)} features the model was trained on: {shown}"
        + did_you_mean(absent[0], there),
        where=str(path),
        fix="use a file of the data version and feature set that the run was trained on",
    )


def _plan(
    file: RowGroups, path: Path, columns: Columns, say: Callable[[str], None]
) -> tuple[RowPlan, pa.Array, frozenset[int]]:
    """Plan where every row goes: sorted by era, inside an era in the order of the file.

    Its ids come with it, in the final order, and the numbers of its eras.
    """
    era = columns.era_column
    has_era = era.column in file.schema.names
    counts = list(file.group_rows)
    n = sum(counts)
    if n == 0:
        raise DataError("there are no rows", where=str(path), fix="download it again")
    ids = pa.concat_arrays(list(file_ids(file, columns.id)))
    check_unique(slices(ids), n, str(path))
    if has_era:
        tables = [file.read(group, [era.column]) for group in range(len(counts))]
        labels = pa.concat_tables([table.select([era.column]) for table in tables])[era.column]
        row_eras, numbers = order_eras(labels, era, f"{path} column '{era.column}'")
    else:
        say(f"{path.name} has no column '{era.column}': its {n:,} rows are taken as one era")
        row_eras, numbers = np.ones(n, dtype=np.int32), set()
    order = np.argsort(row_eras, kind="stable")
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    starts = np.concatenate([[0], np.cumsum(counts)])
    pieces = [
        Piece(0, group, None, place[starts[group] : starts[group + 1]])
        for group in range(len(counts))
        if counts[group]
    ]
    eras, first = np.unique(row_eras[order], return_index=True)
    plan = RowPlan(
        pieces=tuple(pieces),
        eras=eras.astype(np.int32),
        offsets=np.append(first, n).astype(np.int64),
        training=None,
        counts=Counter(rows=n),
    )
    return plan, ids.take(pa.array(order)), frozenset(numbers)


def _as_trained(
    matrix: FeatureArray,
    encoding: Encoding,
    dtype: str,
    file: RowGroups,
    features: Sequence[str],
    path: Path,
) -> FeatureArray:
    """Bring the features to the kind trained on; refuse what would mean something else."""
    schema = file.schema
    floats = any(number_kind(schema.field(name).type) == "real" for name in features)
    if dtype == "int8" and encoding is Encoding.FLOATS:
        raise DataError(
            "the features are not five bins, the model was trained on int8 bins",
            where=str(path),
            fix="use a file of the data version that the run was trained on",
        )
    if dtype == "int8" or encoding is Encoding.FLOATS:
        return matrix
    if not floats:
        raise DataError(
            "the features are whole numbers, the model was trained on float features",
            where=str(path),
            fix="use a file of the data version that the run was trained on",
        )
    # A few rows of real-valued features can look like bins by chance.
    values = matrix.astype(np.float32)
    if encoding is Encoding.QUARTERS:
        values /= 4
    values[matrix == MISSING_INT8] = np.nan
    return values
