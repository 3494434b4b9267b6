"""Which columns are read: feature sets, explicit lists, targets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from numerai_lab.config import Columns, Data
from numerai_lab.data.reading.beside import Beside
from numerai_lab.errors import DataError, did_you_mean


def feature_columns(names: Sequence[str], columns: Columns) -> tuple[str, ...]:
    """Return the feature columns among a file's columns, in the file's order (or as listed)."""
    if isinstance(columns.features, list):
        return tuple(columns.features)
    other = {columns.era_column.column, columns.id, columns.data_type, *columns.targets.values()}
    # Once each: of a column that is there twice, whoever reads it says so.
    return tuple(
        n for n in dict.fromkeys(names) if n.startswith(columns.features) and n not in other
    )


def known_sets(
    config: Data, folder: Path | None, there: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return every feature set by name, as written: features.json, then data.feature_sets.

    `all` is what the files have, whatever features.json calls so.

    Raises
    ------
    DataError : features.json cannot be read.
    """
    sets: dict[str, tuple[str, ...]] = {}
    path = folder / "features.json" if folder else None
    if path is not None and path.is_file():
        try:
            # Numerai's file holds bare NaN, which json accepts and the JSON standard does not.
            text = path.read_text("utf-8")
            read = json.loads(text, object_pairs_hook=_each_key_once)["feature_sets"]
            for name, features in read.items():
                if not (isinstance(features, list) and all(isinstance(f, str) for f in features)):
                    raise TypeError(f"set '{name}' is no list of names")
                sets[name] = tuple(features)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"the feature sets cannot be read ({type(error).__name__}: {error})",
                where=str(path),
                fix="download it again, or remove it and use feature_set: all",
            ) from None
    sets["all"] = tuple(there)
    for name, listed in config.feature_sets.items():
        sets[name] = tuple(there) if listed == "all" else tuple(listed)
    return sets


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"'{twice}' is there twice")
    return found


def check_roles(
    columns: Columns,
    features: Sequence[str],
    targets: dict[str, str],
    beside: Beside,
    where: str,
) -> None:
    """Refuse columns that are something else, too: a target among the features would be a leak.

    Parameters
    ----------
    targets : name -> column of the targets that are loaded.

    Raises
    ------
    DataError : a feature that is the era, the id, the data type, a target, the entity or among
        `data.side`; one of the latter two that is a target.
    """
    named = {columns.era_column.column: "era", columns.id: "id", columns.data_type: "data type"}
    roles = {column: f"the {role}" for column, role in named.items()}
    roles |= {column: f"the target '{name}'" for name, column in targets.items()}
    for name in beside.columns:
        if name in [*targets.values(), *columns.targets.values()]:
            raise DataError(
                f"column '{name}' is a target and in data.entity or data.side, which models are "
                "shown at prediction",
                where=where,
                fix="take it out of data.side",
            )
    roles |= dict.fromkeys(beside.side, "in data.side")
    roles |= {} if beside.entity is None else {beside.entity: "the entity"}
    for name in features:
        if name in roles:
            raise DataError(
                f"column '{name}' is {roles[name]} and among the features",
                where=where,
                fix="take it out of data.features, data.columns.features or the feature set",
            )


def choose_features(
    config: Data,
    sets: dict[str, tuple[str, ...]],
    there: Sequence[str],
    *,
    where: str,
    asked: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """Return the features to load: `asked`, else data.features, else data.feature_set.

    Parameters
    ----------
    there : feature columns of the files.
    where : the files, for messages.

    Raises
    ------
    DataError : an unknown set; features that are not in the files; a feature listed twice.
    """
    listed = list(asked) if asked is not None else config.features
    if listed is not None:
        chosen, what, place = tuple(listed), "the list of features", "data.features"
    else:
        place = "data.feature_set"
        if config.feature_set not in sets:
            raise DataError(
                f"unknown feature set '{config.feature_set}'"
                + did_you_mean(config.feature_set, sets)
                + f" (known: {', '.join(sorted(sets))})",
                where=place,
                fix="choose one of these, or define it in data.feature_sets",
            )
        chosen, what = sets[config.feature_set], f"feature set '{config.feature_set}'"
    if not chosen:
        raise DataError(
            f"{what} is empty (no feature column)",
            where=where if chosen == tuple(there) else place,
            fix="check data.columns.features" if chosen == tuple(there) else "list features in it",
        )
    known = set(there)
    absent = [name for name in chosen if name not in known]
    if absent:
        raise DataError(
            f"{what} has {len(absent)} features that are not in the files, first '{absent[0]}'"
            + did_you_mean(absent[0], there),
            where=f"{place} ({where})",
            fix="correct the names, or use feature_set: all",
        )
    if len(set(chosen)) < len(chosen):
        twice = next(name for name in chosen if chosen.count(name) > 1)
        raise DataError(f"{what} has '{twice}' twice", where=place, fix="remove one of them")
    return chosen


def choose_targets(
    config: Data,
    columns: Columns,
    schemas: Iterable[pa.Schema],
    extra: Sequence[str],
    say: Callable[[str], None],
) -> tuple[tuple[str, ...], list[str]]:
    """Return the targets to train on, and the names of all targets to load.

    Optional targets that a file lacks are left out, and said. The others are checked with the
    rest of the columns, when the files are read.
    """
    names = [set(schema.names) for schema in schemas]
    train = list(dict.fromkeys(config.targets))
    absent = []
    for name in config.optional_targets:
        made = name in config.averages
        if made or all(columns.targets.get(name, name) in there for there in names):
            train.append(name)
        else:
            absent.append(name)
    if absent:
        say(f"optional targets that the data does not have are left out: {', '.join(absent)}")
    train = list(dict.fromkeys(train))
    return tuple(train), list(dict.fromkeys([*train, *extra]))
