"""`runs remove`: a run goes only if nothing else needs it, and first aside, then from the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from numerai_lab.errors import LabError, RunError
from numerai_lab.experiment.judging import told_of_seeds
from numerai_lab.experiment.records import RunDir, iter_runs, locked
from numerai_lab.files import write_errors

ASIDE = ".removed"
"""Folder below `runs/` that a run is moved to before its files go; no command looks there."""


def named_run(spec: str, runs_dir: Path) -> RunDir:
    """Find the one run directory that a person wrote out, finished or not.

    Parameters
    ----------
    spec : its path, or the end of it: EXPERIMENT/FOLDER, or FOLDER. An experiment's name is not
        enough, as it means another run tomorrow.

    Raises
    ------
    RunError : there is no such run directory below `runs_dir`, or several end so.
    """
    below = runs_dir.resolve()
    written = Path(spec)
    folders = {path.resolve() for path in (written, runs_dir / written) if path.is_dir()}
    folders |= {path.resolve() for path in runs_dir.glob(f"*/{written.name}") if path.is_dir()}
    ends = tuple(part for part in written.parts if part not in (".", os.sep))[-2:]
    found = [
        path
        for path in sorted(folders)
        if path.parents[1] == below and ASIDE not in path.parts and path.parts[-len(ends) :] == ends
    ]
    if len(found) == 1:
        return RunDir(runs_dir / found[0].relative_to(below))
    if found:
        told = ", ".join(str(path.relative_to(below)) for path in found)
        raise RunError(f"several runs are called so: {told}", where=spec)
    raise RunError(
        f"is no run directory below {runs_dir}",
        where=spec,
        fix="`numerai-lab runs` lists them: write EXPERIMENT/FOLDER, as xgb/20260101T000000Z-1a2b",
    )


def needed_by(run: RunDir, runs_dir: Path) -> Iterator[tuple[RunDir, str]]:
    """Yield the other runs that refer to a run, each with what it is to them.

    A run that cannot be read refers to none that anybody could know of.
    """

    def is_it(path: str, seen_from: Path) -> bool:
        return Path(os.path.normpath(seen_from / path)).resolve() == run.path.resolve()

    for other in iter_runs(runs_dir, damaged=lambda *_: None):
        if other.path.resolve() == run.path.resolve():
            continue
        manifest = other.manifest()
        parent = (manifest.get("continued") or {}).get("parent")
        if parent is not None and Path(parent).parts[-2:] == run.path.resolve().parts[-2:]:
            yield other, "whose final model was grown from it"
        for name, told in (manifest.get("members") or {}).items():
            if is_it(told["run"], other.path):
                yield other, f"as its member {name}"
        for name, path in _baselines(other).items():
            if is_it(path, other.path):
                yield other, f"as its baseline {name}"
        for row in (told_of_seeds(other) or {}).get("runs", ()):
            if is_it(row["run"], other.path):
                yield other, "as one of its seeds"


def _baselines(run: RunDir) -> dict[str, str]:
    """Return paths of baselines, as seen from the run; none where they cannot be read."""
    try:
        found: dict[str, str] = ((run.record() or run.scores()) if run.finished else {}).get(
            "baselines", {}
        )
    except LabError:
        return {}
    return found


def check_unneeded(runs: Sequence[RunDir], runs_dir: Path) -> None:
    """Refuse to remove runs that a run which stays refers to.

    Raises
    ------
    RunError : with every such run, and what it is to it.
    """
    going = {run.path.resolve() for run in runs}
    for run in runs:
        kept = [
            f"{other.path} ({what})"
            for other, what in needed_by(run, runs_dir)
            if other.path.resolve() not in going
        ]
        if kept:
            raise RunError(
                f"is needed by {', '.join(dict.fromkeys(kept))}",
                where=str(run.path),
                fix="remove these with it, in one command, or keep it",
            )


def remove_run(run: RunDir, runs_dir: Path) -> None:
    """Remove a run: renamed into `ASIDE` first, so that no half of one is ever seen as a run.

    Raises
    ------
    RunError : another process works in it. MachineError : it cannot be moved or removed; moved it
        stays in `ASIDE`.
    """
    clear_aside(runs_dir)
    aside = runs_dir / ASIDE / run.path.parent.name / run.path.name
    with locked(run), write_errors(aside):
        aside.parent.mkdir(parents=True, exist_ok=True)
        run.path.rename(aside)
    clear_aside(runs_dir)
    if not any(run.path.parent.iterdir()):
        run.path.parent.rmdir()


def clear_aside(runs_dir: Path) -> None:
    """Remove what a removal that was killed left aside. Raises MachineError."""
    folder = runs_dir / ASIDE
    if folder.is_dir():
        with write_errors(folder):
            shutil.rmtree(folder)
