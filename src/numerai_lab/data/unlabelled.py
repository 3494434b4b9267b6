"""Rows to predict: any parquet files with the features a model was trained on, targets or not."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from numerai_lab.config import Columns, Missing
from numerai_lab.data.dataset import SourceFile
from numerai_lab.data.reading import (
    NOTHING_BESIDE,
    Beside,
    Encoding,
    Head,
    Piece,
    RowGroups,
    RowPlan,
    apply_missing,
    check_entities,
    check_unique,
    feature_columns,
    file_ids,
    id_column,
    is_missing,
    need_columns,
    number_kind,
    open_each,
    order_eras,
    part_files,
    read_beside,
    read_features,
    read_heads,
    slices,
    source_file,
    told_paths,
)
from numerai_lab.eraframe import MISSING_INT8, EraFrame, FeatureArray
from numerai_lab.errors import DataError, did_you_mean


@dataclass(frozen=True, slots=True, eq=False)
class Unlabelled:
    """Rows to predict, sorted by era, and the files they come from.

    `frame` numbers the eras 1, 2, ... in their order: what the files call them does not matter.
    `era_numbers` has the number of each, as in the rows a model is trained on, None if it has none.
    """

    frame: EraFrame
    files: tuple[SourceFile, ...]
    era_numbers: tuple[int | None, ...]

    @property
    def sha256(self) -> str:
        """What was read: the hash of the file; of several, that of what each of them is."""
        if len(self.files) == 1:
            return self.files[0].sha256
        told = "\n".join(file.identity for file in self.files)
        return hashlib.sha256(told.encode()).hexdigest()


def load_unlabelled(
    path: Path,
    *,
    features: Sequence[str],
    dtype: str,
    columns: Columns,
    missing: Missing,
    say: Callable[[str], None],
    beside: Beside = NOTHING_BESIDE,
) -> Unlabelled:
    """Read rows to predict, as the rows that a model was trained on were read.

    Columns are taken by name: their order in a file does not matter, and others are ignored. Eras
    may be numbers, dates, text ("0575", "X"), or absent (then all rows are one era). No row is
    dropped.

    Parameters
    ----------
    path : a file, a folder of part files, a glob, or hive folders; see `part_files`.
    features, dtype : the features trained on, in order, and `int8` or `float32`.
    columns : names of the id and era columns and the prefix of features.
    missing : the missing policy of the training; its limits dropped features and rows then, here
        they drop nothing.
    say : called with every sentence the user must see.
    beside : columns that the training rows had beside the features; these must have them, too.

    Raises
    ------
    DataError : a damaged file, or none; features that are not there; ids that are missing or there
        twice; an era column in some of the files only; values of another kind than those trained
        on.
    """
    heads = read_heads(part_files([path], say))
    name = path.name if len(heads) == 1 else f"{path} ({len(heads):,} files)"
    era = _era_column(heads, columns)
    _check_columns(heads, features, columns, beside, era, name, say)
    files = open_each(heads, [columns.era_column.column])
    where = told_paths([head.path for head in heads])
    if era is None:
        n_rows = sum(head.n_rows for head in heads)
        column = columns.era_column.column
        say(f"{name} has no column '{column}': its {n_rows:,} rows are taken as one era")
    plan, ids, numbers = _plan(files, columns, era, where)
    matrix, encoding = read_features(files, plan, features)
    matrix = as_trained(matrix, encoding, dtype, files, features, where)
    more = read_beside(files, plan, beside)
    check_entities(more.entity, plan.eras, plan.offsets, where)
    frame = EraFrame(
        features=matrix,
        eras=plan.eras,
        offsets=plan.offsets,
        ids=ids,
        targets=np.empty((len(ids), 0), dtype=np.float32),
        feature_names=tuple(features),
        target_names=(),
        entity=more.entity,
        side=more.side,
    )
    if missing.max_row_missing is not None:
        thin = int((is_missing(matrix).mean(axis=1) > missing.max_row_missing).sum())
        if thin:
            say(f"{name}: {thin:,} rows would have been dropped in training, predicted here")
    policy = missing.model_copy(update={"max_feature_missing": None, "max_row_missing": None})
    frame, _ = apply_missing(frame, policy, None, say)
    described = tuple(source_file(head.path, head.schema, head.n_rows) for head in heads)
    made_up = [file.path for file in described if file.made_up]
    if made_up:
        were = "was" if len(made_up) == 1 else "were"
        mine = "it is not" if len(made_up) == 1 else "they are not"
        say(
            f"SYNTHETIC DATA: {told_paths(made_up)} {were} made by the synthetic tournament, "
            f"{mine} Numerai's"
        )
    return Unlabelled(frame, described, numbers)


def _era_column(heads: Sequence[Head], columns: Columns) -> str | None:
    """Return the era column, None where no file has one. Raises DataError where only some do."""
    name = columns.era_column.column
    without = [head.path for head in heads if name not in head.schema.names]
    if without and len(without) < len(heads):
        raise DataError(
            f"has no column '{name}', which the other files of the table have",
            where=told_paths(without),
            fix="give all files the column, or none",
        )
    return None if without else name


def _check_columns(
    heads: Sequence[Head],
    features: Sequence[str],
    columns: Columns,
    beside: Beside,
    era: str | None,
    name: str,
    say: Callable[[str], None],
) -> None:
    """Check that every file has what is read of it; say what is ignored or in another order."""
    wanted, there = set(features), set[str]()
    in_order = True
    checked: pa.Schema | None = None
    for head in heads:
        if head.schema is checked:  # as `read_heads` shares it
            continue
        checked = head.schema
        _check_features(features, head)
        keys = [id_column(head.schema, columns.id), *([era] if era else [])]
        need_columns(head.schema, head.path, [*keys, *features, *beside.columns])
        found = feature_columns(head.schema.names, columns)
        listed = [name for name in found if name not in beside.columns]
        there.update(listed)
        known = set(listed)
        in_order &= [n for n in listed if n in wanted] == [n for n in features if n in known]
    if extra := len(there - wanted):
        say(f"{name}: {extra:,} features that the model was not trained on are ignored")
    if not in_order:
        say(f"{name}: the features are in another order than in training: taken by name")


def _check_features(features: Sequence[str], head: Head) -> None:
    there = set(head.schema.names)
    absent = [name for name in features if name not in there]
    if not absent:
        return
    shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
    raise DataError(
        f"lacks {len(absent)} of the {len(features)} features the model was trained on: {shown}"
        + did_you_mean(absent[0], there),
        where=str(head.path),
        fix="use a file of the data version and feature set that the run was trained on",
    )


def _plan(
    files: Sequence[RowGroups], columns: Columns, era: str | None, where: str
) -> tuple[RowPlan, pa.Array, tuple[int | None, ...]]:
    """Plan where every row goes: sorted by era, inside an era in the order of the files.

    The ids come with it, in the final order, and the numbers of the eras.
    """
    groups = [(i, group) for i, file in enumerate(files) for group in range(len(file.group_rows))]
    counts = [files[i].group_rows[group] for i, group in groups]
    n = sum(counts)
    if n == 0:
        raise DataError("there are no rows", where=where, fix="download it again")
    ids = pa.concat_arrays([ids for file in files for ids in file_ids(file, columns.id)])
    check_unique(slices(ids), n, where)
    if era is None:
        row_eras = np.ones(n, dtype=np.int32)
        numbers: tuple[int | None, ...] = (None,)
    else:
        parts = (files[i].read(group, [era])[era] for i, group in groups)
        row_eras, numbers = order_eras(parts, columns.era_column, f"{where} column '{era}'")
    order = np.argsort(row_eras, kind="stable")
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    starts = np.concatenate([[0], np.cumsum(counts)])
    pieces = [
        Piece(i, group, None, place[starts[at] : starts[at + 1]])
        for at, (i, group) in enumerate(groups)
        if counts[at]
    ]
    eras, first = np.unique(row_eras[order], return_index=True)
    plan = RowPlan(
        pieces=tuple(pieces),
        eras=eras.astype(np.int32),
        offsets=np.append(first, n).astype(np.int64),
        training=None,
        counts=Counter(rows=n),
    )
    return plan, ids.take(pa.array(order)), numbers


def as_trained(
    matrix: FeatureArray,
    encoding: Encoding,
    dtype: str,
    files: Sequence[RowGroups],
    features: Sequence[str],
    where: str,
) -> FeatureArray:
    """Bring features to the kind trained on. Raises DataError for what would mean something else.

    Parameters
    ----------
    matrix, encoding : what `read_features` read of these files. dtype : as in `load_unlabelled`.
    """
    floats = any(
        number_kind(file.schema.field(name).type) == "real" for file in files for name in features
    )
    if dtype == "int8" and encoding is Encoding.FLOATS:
        raise DataError(
            "the features are not five bins, the model was trained on int8 bins",
            where=where,
            fix="use a file of the data version that the run was trained on",
        )
    if dtype == "int8" or encoding is Encoding.FLOATS:
        return matrix
    if not floats:
        raise DataError(
            "the features are whole numbers, the model was trained on float features",
            where=where,
            fix="use a file of the data version that the run was trained on",
        )
    # A few rows of real-valued features can look like bins by chance.
    values = matrix.astype(np.float32)
    if encoding is Encoding.QUARTERS:
        values /= 4
    values[matrix == MISSING_INT8] = np.nan
    return values
