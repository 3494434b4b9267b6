"""Names of Numerai's files: versions, groups, and what an experiment needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from numerai_lab.config import Experiment
from numerai_lab.disclosure import without_controls
from numerai_lab.errors import UserError, did_you_mean
from numerai_lab.tournament.server import TournamentError

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
_VERSION = re.compile(r"v[0-9]{1,6}(\.[0-9]{1,6})*")
_PART = "[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9_-])?"
_SAFE = re.compile(f"{_PART}(/{_PART})+")
_LONGEST_NAME = 200


def is_version(text: str) -> bool:
    """Return whether a text is a data version, as `v5.3`."""
    return _VERSION.fullmatch(text) is not None


def is_safe(name: str) -> bool:
    """Return whether a server's name of a file is one below a folder: `v5.3/train.parquet`.

    Refused are `..`, a drive or a beginning slash, backslashes, `~`, control characters, and parts
    that begin with a dot, as our own files do.
    """
    return len(name) <= _LONGEST_NAME and _SAFE.fullmatch(name) is not None


def path_in(folder: Path, name: str) -> Path:
    """Return where a file of the server lies in a folder.

    Raises
    ------
    TournamentError : the name would lead out of the folder, or is none that a file may have.
    """
    if not is_safe(name):
        raise TournamentError(
            f"the name '{without_controls(name)[:80]}' is not one of a file in a data version, so "
            "nothing is written",
            fix="report it if it comes from Numerai",
        )
    return folder / name


def version_key(version: str) -> tuple[int, ...]:
    """Return what versions are ordered by: v5.10 is after v5.2."""
    return tuple(int(part) for part in version[1:].split("."))


def versions_of(names: Iterable[str]) -> list[str]:
    """Return the versions among file names like `v5.3/train.parquet`, oldest first."""
    found = {name.split("/")[0] for name in names if "/" in name and is_safe(name)}
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
    TournamentError : the server lists it, and it would be written outside the folder.
    """
    there = {name.split("/", 1)[1] for name in listed if name.startswith(f"{version}/")}
    for name in asked:
        if name in there:
            path_in(Path(), f"{version}/{name}")
    there = {name for name in there if is_safe(f"{version}/{name}")}
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
