"""What `load_data` returns: labelled rows, and what happened on the way to them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from numerai_lab.config import Data, Prices
from numerai_lab.data.download_lock import LockedFile
from numerai_lab.data.hive import partitions_of
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError, did_you_mean

SourceKind = Literal["numerai", "parquet", "prices", "synthetic"]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was read; `rows` counts all of its rows, `bytes` its size on disk.

    `downloaded` is its entry in the lock file of downloads, while its bytes are still those.
    `made_up` tells that it bears the mark of the synthetic tournament.
    """

    path: Path
    bytes: int
    rows: int
    sha256: str
    downloaded: LockedFile | None = None
    made_up: bool = False

    @property
    def identity(self) -> str:
        """What its rows are: its bytes, and the columns that hive folders add to them."""
        folders = partitions_of(self.path)
        return self.sha256 if not folders else json.dumps([self.sha256, folders])

    @property
    def kept_path(self) -> Path:
        """Its absolute path, through links, unless that would lose what hive folders tell."""
        resolved = self.path.resolve()
        same = partitions_of(resolved) == partitions_of(self.path)
        return resolved if same else self.path.absolute()


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Labelled rows with their origin.

    Attributes
    ----------
    frame : the rows, sorted by era; inside an era in the order of the files.
    source : what the rows are; `synthetic` scores say nothing about Numerai.
    folder : the folder in Numerai's layout, None for source: parquet.
    notice : what the user must not miss about the choice of the source, or None.
    files : the files that were read, in reading order.
    counts : number of rows, features or values by what happened to them (`rows_in_files`,
        `rows_without_target`, `features_missing_dropped`, ...); only what did happen is there,
        except for `rows_in_files` and `rows`.
    feature_sets : every known set, cut to the features that the files have.
    train_targets : the targets to train on, the main one first.
    horizons : horizon in trading days of every loaded target.
    store : the store that the features are read from, None when they are in memory.
    known : every row that was read, labelled or not, NaN where it has no target; None unless asked
        for.
    era_dates : the date of each era by its number, where eras are dates; else empty.
    """

    frame: EraFrame
    source: SourceKind
    folder: Path | None
    notice: str | None
    files: tuple[SourceFile, ...]
    counts: dict[str, int]
    feature_sets: dict[str, tuple[str, ...]]
    train_targets: tuple[str, ...]
    horizons: dict[str, int] = field(default_factory=dict)
    store: Path | None = None
    known: EraFrame | None = None
    era_dates: dict[int, date] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """Hash of the bytes of all files read, and of the features chosen from them."""
        facts = [sorted(file.identity for file in self.files), self.frame.feature_names]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def chosen_features(config: Data, dataset: Dataset) -> tuple[str, ...]:
    """Return the features that a data section chooses from files that are read already.

    Parameters
    ----------
    dataset : of the same files; it knows the feature sets.

    Raises
    ------
    DataError : there is no such set.
    """
    if config.features is not None:
        return tuple(config.features)
    if config.feature_set not in dataset.feature_sets:
        raise DataError(
            f"unknown feature set '{config.feature_set}'"
            + did_you_mean(config.feature_set, dataset.feature_sets),
            where="feature_set",
        )
    return dataset.feature_sets[config.feature_set]


def horizon_days(target: str, config: Data) -> int:
    """Return how many trading days ahead a target looks; an average as far as the longest.

    `data.horizons` wins, then the suffix `_20` or `_60` of Numerai's names; plain
    `target` is the alias of a 20-day target. Of prices any suffix is a number of days.

    Raises
    ------
    DataError : the name tells nothing and `data.horizons` does not have it.
    """
    if target in config.averages:
        return max(horizon_days(part, config) for part in config.averages[target])
    if target in config.horizons:
        return config.horizons[target]
    if config.source == "prices":
        return _of_prices(target, config)
    if target == "target":
        return 20
    suffix = re.search(r"_(20|60)$", target)
    if suffix is None:
        raise DataError(
            f"the horizon of target '{target}' is not known (its name does not end in _20 or _60)",
            where=f"data.horizons.{target}",
            fix=f"give it in trading days, as in horizons: {{{target}: 20}}",
        )
    return int(suffix[1])


def _of_prices(target: str, config: Data) -> int:
    days = (config.prices or Prices()).targets.horizons_days
    if target == "target":
        return 20 if 20 in days else days[0]
    suffix = re.fullmatch(r"(?:target|scaled)_(\d+)", target)
    if suffix is None or int(suffix[1]) not in days:
        known = ["target", *(f"{kind}_{h}" for h in days for kind in ("target", "scaled"))]
        raise DataError(
            f"'{target}' is no target made of prices" + did_you_mean(target, known),
            where="data.targets",
            fix=f"name some of {', '.join(known)}, or add its days to data.prices.targets",
        )
    return int(suffix[1])
