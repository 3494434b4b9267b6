"""From a data section to labelled rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from numerai_lab.config import Columns, Data, Missing
from numerai_lab.data.averages import parts_of, with_averages
from numerai_lab.data.dataset import Dataset, SourceFile, horizon_days
from numerai_lab.data.download_lock import locked_file
from numerai_lab.data.reading import (
    Beside,
    Encoding,
    EraFilter,
    RowFilter,
    Sources,
    apply_missing,
    by_number,
    check_entities,
    check_unique,
    id_column,
    need_columns,
    read_beside,
    read_features,
    read_heads,
    read_ids,
    read_targets,
    slices,
    source_file,
    told_paths,
)
from numerai_lab.data.reading import columns as columns_
from numerai_lab.data.source import find_source
from numerai_lab.data.store import known_files, read_from_store, wants_store
from numerai_lab.data.synthetic import is_cache
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError


def _silent(*_: object) -> None:
    return None


def load_data(
    config: Data,
    *,
    say: Callable[[str], None],
    eras: Sequence[int] | None = None,
    features: Literal["configured", "checked", "none"] | list[str] = "configured",
    targets: Sequence[str] | None = None,
    require_label: bool = True,
    keep_unlabelled: bool = False,
    progress: Callable[[int, int], None] = _silent,
) -> Dataset:
    """Read the rows that a data section describes.

    Parameters
    ----------
    say : called with every sentence the user must see: the source chosen, what was dropped.
    eras : era numbers to read, within those of `config.eras`; None: all of these.
    features : names to read instead of the configured ones, or "none" for no features; "checked"
        looks whether the configured ones are in the files, and reads none either.
    targets : more targets to read besides those trained on; they must be in the files.
    require_label : drop rows without the main target.
    keep_unlabelled : keep them in `Dataset.known`, beside the labelled ones; where eras have rows
        of both kinds, the labelled ones are a copy. The missing policy then looks at all rows.
    progress : called with (bytes converted to a store, bytes in all) while that is done.

    Raises
    ------
    DataError : whatever is wrong with files, columns, rows or values.
    MachineError : not enough memory or disk.
    """
    source = find_source(config, say)
    for sentence in (source.notice, *source.notices):
        if sentence:
            say(sentence)
    names = source.columns
    paths = source.files
    heads = read_heads(paths)
    schemas = [head.schema for head in heads]
    where = told_paths(paths)

    beside = Beside.of(config)
    there = columns_.feature_columns(schemas[0].names, names)
    of_all = there
    if not isinstance(names.features, list):  # what is listed in both places is refused below
        of_all = tuple(name for name in there if name not in beside.columns)
    sets = columns_.known_sets(config, source.folder, of_all)
    chosen: tuple[str, ...] = ()
    if features != "none":
        asked = features if isinstance(features, list) else None
        chosen = columns_.choose_features(config, sets, there, where=where, asked=asked)
    train_targets, wanted_targets = columns_.choose_targets(
        config, names, schemas, targets or (), say
    )
    averages = {name: config.averages[name] for name in wanted_targets if name in config.averages}
    parts = parts_of(averages, [*schemas[0].names, *names.targets], where)
    from_files = dict.fromkeys([*(t for t in wanted_targets if t not in averages), *parts])
    target_columns = {name: names.targets.get(name, name) for name in from_files}
    columns_.check_roles(names, chosen, target_columns, beside, where)
    beside.check_there(heads)
    for path, schema in zip(paths, schemas, strict=True):
        typed = [names.data_type] if names.data_type else []
        if source.kind not in ("parquet", "prices"):  # Numerai's training files have none
            typed = [name for name in typed if name in schema.names]
        keys = [names.era_column.column, id_column(schema, names.id)]
        needed = [*keys, *typed, *target_columns.values(), *chosen]
        need_columns(schema, path, needed)
    if features == "checked":
        chosen = ()
    horizons = {name: horizon_days(name, config) for name in [*target_columns, *averages]}

    main = train_targets[0]
    drop_unlabelled = require_label and not keep_unlabelled
    label = target_columns.get(main) if drop_unlabelled else None  # an average is not there yet
    stored = Sources(heads, _rule(names, wanted=_all_eras, label=None))
    described: tuple[SourceFile, ...] | None = None
    if wants_store(config, stored, chosen, list(target_columns.values()), say):
        described = known_files(heads, config.store.dir, say)
        frame, counts, dates = read_from_store(
            config.store,
            stored,
            described,
            chosen,
            target_columns,
            beside,
            _wanted(config, eras),
            label,
            say,
            progress,
        )
    else:
        rule = _rule(names, wanted=_wanted(config, eras), label=label)
        rows = Sources(heads, rule)
        frame, counts = _read_into_memory(rows, chosen, target_columns, beside, config.missing, say)
        dates = by_number(rows.plan.eras, rows.plan.dates)
    frame = with_averages(frame, averages, say)
    if drop_unlabelled and main in averages:
        counts["rows_without_target"] = int(np.count_nonzero(np.isnan(frame.target(main))))
        frame = _labelled(frame, frame.target(main))
        counts["rows"] = frame.n_rows
    all_rows: EraFrame | None = None
    if keep_unlabelled:
        all_rows = frame
        frame = _labelled(frame, frame.target(main))
        if frame.n_rows < all_rows.n_rows:
            counts["rows_without_target_kept"] = all_rows.n_rows - frame.n_rows
            say(
                f"{counts['rows_without_target_kept']:,} of {all_rows.n_rows:,} rows have no "
                f"'{main}': only their features are learnt from"
            )
    if counts["rows_without_target"]:
        say(
            f"dropped {counts['rows_without_target']:,} of {counts['rows_in_files']:,} "
            f"rows: no '{main}'"
        )
    if require_label:
        _check_targets(frame.targets, frame.target_names, where)
    known = set(of_all)
    read = described or tuple(source_file(head.path, head.schema, head.n_rows) for head in heads)
    for file_read in read:
        if file_read.downloaded is None and locked_file(file_read.path) is not None:
            say(
                f"{file_read.path} has other bytes than were downloaded: run `numerai-lab data "
                f"verify`; this run is recorded with what was read"
            )
    made_up = None if source.kind == "synthetic" else _made_up_notice(read)
    if made_up and source.kind == "prices":
        made_up = source.notice  # said already
    elif made_up:
        say(made_up)
    return Dataset(
        frame=frame,
        source="synthetic" if made_up else source.kind,
        folder=source.folder,
        notice=made_up or source.notice,
        files=read,
        counts=dict(counts),
        feature_sets={key: tuple(f for f in listed if f in known) for key, listed in sets.items()},
        train_targets=train_targets,
        horizons=horizons,
        known=all_rows,
        store=None if isinstance(frame.features, np.ndarray) else frame.features.folder.parent,
        era_dates={era: dates[era] for era in frame.eras.tolist() if era in dates},
    )


def _labelled(frame: EraFrame, target: npt.NDArray[np.float32]) -> EraFrame:
    """Return the rows that have a target: a view where whole eras before the others have one."""
    has = ~np.isnan(target)
    whole = np.logical_and.reduceat(has, frame.offsets[:-1]) if frame.n_rows else has
    eras = frame.eras[whole]
    if int(np.diff(frame.offsets)[whole].sum()) == int(has.sum()):
        return frame.select_eras(eras)
    return frame.take(np.flatnonzero(has))


def _read_into_memory(
    sources: Sources,
    features: tuple[str, ...],
    targets: Mapping[str, str],
    beside: Beside,
    missing: Missing,
    say: Callable[[str], None],
) -> tuple[EraFrame, Counter[str]]:
    """Read rows, features and targets into arrays, and treat what is missing."""
    plan, files = sources.plan, sources.files
    for note in plan.notes:
        say(note)
    ids = read_ids(files, plan, sources.rule.id)
    check_unique(slices(ids), len(ids), sources.where)
    # What decoding the ids took would otherwise stay beside the features.
    pa.default_memory_pool().release_unused()
    values = read_targets(files, plan, list(targets.values()))
    more = read_beside(files, plan, beside)
    check_entities(more.entity, plan.eras, plan.offsets, sources.where)
    matrix, encoding = read_features(files, plan, features)
    if encoding is Encoding.QUARTERS:
        say("features stored as 0, .25, .5, .75, 1 were multiplied by four to int8 bins")
    elif encoding is Encoding.FLOATS:
        say("the features are not five bins: kept as float32, which takes four times the memory")
    frame = EraFrame(
        features=matrix,
        eras=plan.eras,
        offsets=plan.offsets,
        ids=ids,
        targets=values,
        feature_names=features,
        target_names=tuple(targets),
        entity=more.entity,
        side=more.side,
    )
    counts = plan.counts
    if features:
        frame, of_missing = apply_missing(frame, missing, plan.training, say)
        counts |= of_missing
        counts["rows"] = frame.n_rows
    return frame, counts


def _made_up_notice(files: Sequence[SourceFile]) -> str | None:
    """Say that rows are not Numerai's, whatever folder they lie in."""
    for file in files:
        if file.downloaded is not None and file.downloaded.stand_in:
            origin = (
                f"was downloaded from a stand-in on this machine ({file.downloaded.server}), not "
                f"from Numerai"
            )
        elif file.made_up or is_cache(file.path.parent):
            origin = "was made by the synthetic tournament"
        else:
            continue
        return f"SYNTHETIC DATA: {file.path} {origin}. Its scores say nothing about Numerai."
    return None


def _rule(names: Columns, wanted: EraFilter, label: str | None) -> RowFilter:
    kept = names.keep_data_types
    return RowFilter(names.era_column, names.id, names.data_type, kept, wanted, label)


def _all_eras(numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    return np.ones(len(numbers), dtype=bool)


def _wanted(config: Data, eras: Sequence[int] | None) -> EraFilter:
    choice = config.eras

    def wanted(numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        keep = (numbers - 1) % choice.step == choice.offset
        if choice.from_ is not None:
            keep &= numbers >= choice.from_
        if choice.to is not None:
            keep &= numbers <= choice.to
        if eras is not None:
            keep &= np.isin(numbers, np.asarray(eras, dtype=np.int32))
        return np.asarray(keep)

    return wanted


def _check_targets(values: npt.NDArray[np.float32], names: tuple[str, ...], where: str) -> None:
    for name, column in zip(names, values.T, strict=True):
        if np.isnan(column).all():
            raise DataError(
                f"target '{name}' has no value on any of the {len(column):,} rows kept",
                where=where,
                fix="choose another target or other eras",
            )
