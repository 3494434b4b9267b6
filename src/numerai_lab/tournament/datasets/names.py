"""Names of Numerai's files: versions, groups, and what an experiment needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from numerai_lab.config import Experiment
from numerai_lab.errors import UserError, did_you_mean

GROUPS: dict[str, tuple[str, ...]] = {
    "features": ("features.json",),
    "train": ("train.parquet",),
    "validation": ("validation.parquet",),
    "live": ("live.parquet", "live_benchmark_models.parquet"),
    "benchmarks": ("train_benchmark_models.parquet", "validation_benchmark_models.parquet"),
    "meta": ("meta_model.parquet",),
    "example": ("live_example_preds.parquet",),
}
"""What `--files` takes -> names inside a version. Source: Numerai's documentation, "Data"."""

ALWAYS = ("features", "train", "validation")
_VERSION = re.compile(r"v\d+(\.\d+)*")


def is_version(text: str) -> bool:
    """Return whether a text is a data version, as `v5.3`."""
    return _VERSION.fullmatch(text) is not None


def version_key(version: str) -> tuple[int, ...]:
    """Return what versions are ordered by: v5.10 is after v5.2."""
    return tuple(int(part) for part in version[1:].split("."))


def versions_of(names: Iterable[str]) -> list[str]:
    """Return the versions among file names like `v5.3/train.parquet`, oldest first."""
    found = {name.split("/")[0] for name in names if "/" in name}
    return sorted(filter(is_version, found), key=version_key)


def choose_version(asked: str | None, listed: Sequence[str]) -> str:
    """Return the version asked for, or the newest that the server lists.

    Raises
    ------
    UserError : the server has no such version; the nearest is named.
    """
    known = versions_of(listed)
    if asked is None:
        if not known:
            raise UserError("the server lists no data version", fix="give one with --version")
        return known[-1]
    if asked not in known:
        raise UserError(
            f"the server has no data version '{asked}'{did_you_mean(asked, known)} "
            f"(it has: {', '.join(known) or 'none'})",
            where="--version",
            fix="choose one of these",
        )
    return asked


def choose_files(asked: Sequence[str], version: str, listed: Sequence[str]) -> list[str]:
    """Return the server's names of the groups or file names asked for, each once.

    A file of a group that this version does not have is left out if the group has others.

    Raises
    ------
    UserError : a name that is neither a group nor a file of this version; the nearest is named.
    """
    there = {name.split("/", 1)[1] for name in listed if name.startswith(f"{version}/")}
    chosen: dict[str, None] = {}
    for name in asked:
        found = [file for file in GROUPS.get(name, (name,)) if file in there]
        if not found:
            raise UserError(
                f"'{name}' is not among the files of {version}"
                + did_you_mean(name, [*GROUPS, *there])
                + f" (groups: {', '.join(GROUPS)}; files: {', '.join(sorted(there)) or 'none'})",
                where="--files",
                fix="choose among these",
            )
        chosen.update(dict.fromkeys(f"{version}/{file}" for file in found))
    return list(chosen)


def needed_groups(experiment: Experiment | None) -> list[str]:
    """Return the groups that an experiment reads: rows always, references where it scores by them.

    Without an experiment: rows and features.json.
    """
    groups = list(ALWAYS)
    if experiment is not None:
        groups.append("meta")
        by_benchmark = experiment.neutralize is not None and (
            experiment.neutralize.against == "benchmark"
        )
        if experiment.scoring.benchmark != "none" or by_benchmark:
            groups.append("benchmarks")
    return groups


def place_of(folder: Path) -> tuple[Path, str | None]:
    """Split a data folder into the one with the vX.Y folders and, if it is one itself, its version.

    `data` -> (`data`, None); `data/v5.3` -> (`data`, "v5.3").
    """
    if is_version(folder.name):
        return folder.parent, folder.name
    return folder, None
