"""Whether a data section's features are read from a store, and reading them from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from numerai_lab.config import Data, Missing, Store
from numerai_lab.data.dataset import SourceFile
from numerai_lab.data.reading import (
    Beside,
    BesideColumns,
    Head,
    Sources,
    apply_missing,
    by_number,
    check_entities,
    number_kind,
    read_beside,
    source_file,
)
from numerai_lab.data.store.convert import Progress
from numerai_lab.data.store.hashes import all_hashed, known_hashes
from numerai_lab.data.store.opening import Opening, holds
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError

LARGE_BYTES = 1 << 29
"""Features that take less are read into memory anew each time: it takes seconds.

Of 800 MiB in memory, and their bins in LightGBM, 2 GB would be taken; from the store 1.1."""


def wants_store(
    config: Data,
    sources: Sources,
    features: Sequence[str],
    targets: Sequence[str],
    say: Callable[[str], None],
) -> bool:
    """Tell whether features are to be read from a store, as `data.store.use` says.

    Raises
    ------
    DataError : `use: always`, and they cannot be stored.
    """
    use = config.store.use
    if use == "never" or not features:
        return False
    size = sum(head.n_rows for head in sources.heads) * len(features)
    small = size < LARGE_BYTES
    if use == "auto" and small and not _prepared(config, sources, features, targets, say):
        return False
    obstacle = _obstacle(config.missing, sources, features)
    if obstacle is None:
        return True
    if use == "always":
        raise DataError(
            f"these features cannot be kept in a store: {obstacle}",
            where="data.store.use",
            fix="write auto or never",
        )
    say(f"the features are read into memory, not from a store: {obstacle}")
    return False


def _prepared(
    config: Data,
    sources: Sources,
    features: Sequence[str],
    targets: Sequence[str],
    say: Callable[[str], None],
) -> bool:
    """Tell, without hashing a file, whether a store has all of it already."""
    folder = config.store.dir
    if not all_hashed([head.path for head in sources.heads], folder):
        return False
    return holds(folder, sources, known_files(sources.heads, folder, say), features, targets, say)


def known_files(
    heads: Sequence[Head], folder: Path, say: Callable[[str], None]
) -> tuple[SourceFile, ...]:
    """Describe source files, hashing only those that are not known in the folder of all stores."""
    hashes = known_hashes([head.path for head in heads], folder, say=say)
    return tuple(
        source_file(head.path, head.schema, head.n_rows, sha256)
        for head, sha256 in zip(heads, hashes, strict=True)
    )


def _obstacle(missing: Missing, sources: Sources, features: Sequence[str]) -> str | None:
    if missing != Missing(value=missing.value):
        return "data.missing changes features or rows, and a store has them as they are"
    for head in sources.heads:
        types = dict(zip(head.schema.names, head.schema.types, strict=True))
        for name in features:
            if number_kind(types[name]) != "whole":
                return f"'{name}' in {head.path} is {types[name]}, a store holds int8"
    return None


def read_from_store(
    config: Store,
    sources: Sources,
    described: Sequence[SourceFile],
    features: Sequence[str],
    targets: Mapping[str, str],
    beside: Beside,
    wanted: Callable[[npt.NDArray[np.int32]], npt.NDArray[np.bool_]],
    label: str | None,
    say: Callable[[str], None],
    progress: Progress,
) -> tuple[EraFrame, Counter[str], dict[int, date]]:
    """Return rows whose features stay in the store, which is made, completed or mended first.

    With them come counts of rows by what became of them, and the dates of eras that are dates.

    Parameters
    ----------
    config : where stores are, and how they are checked. described : the sources with their hashes.
    targets : name -> column. label : the column that rows must have.
    beside : columns that are read from the sources, and not kept in the store.

    Raises
    ------
    DataError : whatever is wrong with files, columns or rows. MachineError : a full disk.
    """
    columns = list(targets.values())
    opening = Opening(config.dir, sources, described, config.verify, say, progress)
    store = opening.complete(features, columns)
    chosen = store.choose(wanted, label)
    rows = opening.checked(store, features, chosen.runs).rows(
        chosen, features, columns, config.verify
    )
    for note in chosen.notes:
        say(note)
    more = BesideColumns(None, {})
    if beside.columns:
        more = read_beside(sources.files, sources.plan, beside).filtered(pa.array(chosen.keep))
        check_entities(more.entity, chosen.eras, chosen.offsets, sources.where)
    frame = EraFrame(
        features=rows.features,
        eras=chosen.eras,
        offsets=chosen.offsets,
        ids=rows.ids,
        targets=rows.targets,
        feature_names=tuple(features),
        target_names=tuple(targets),
        entity=more.entity,
        side=more.side,
    )
    counts = chosen.counts
    if rows.n_missing:
        frame, of_missing = apply_missing(frame, Missing(), None, say)
        counts |= of_missing
    return frame, counts, by_number(chosen.eras, chosen.dates)
