"""Write the records of a run, each after the files it speaks of; `--trust` writes them late."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numerai_lab.checksums import marks_of, write_sealed
from numerai_lab.errors import RunError
from numerai_lab.experiment.records.guards import locked
from numerai_lab.experiment.records.part_records import (
    DONE,
    MANIFEST_FORMAT,
    RECORD,
    RUN,
    SCORES,
    complete,
    record,
)
from numerai_lab.experiment.records.rundir import CONFIGS, JUDGED, RunDir


def write_manifest(run: RunDir, manifest: Mapping[str, Any]) -> None:
    """Write manifest.json, with the marks of the configs that were written before it."""
    marks = marks_of(run.path, CONFIGS)
    write_sealed(run.manifest_path, {"format": MANIFEST_FORMAT, **manifest, "files": marks})


def write_scores(run: RunDir, summary: Mapping[str, Any], trusted: str | None = None) -> None:
    """Write scores.json, with the marks of the tables that were written before it."""
    there = [name for name in JUDGED if (run.path / name).exists()]  # an old run may lack one
    own = record(run.owner(), SCORES, marks_of(run.path, there), trusted)
    write_sealed(run.scores_path, {**summary, RECORD: own})


def write_done(
    run: RunDir, baselines: Mapping[str, RunDir] | None = None, trusted: str | None = None
) -> None:
    """Write DONE of a run, which then is finished: no other file of it is written after this one.

    It has what cannot be computed again if its file is damaged: the manifest, and which runs the
    scores compare with. A continued run has no folds of its own, but what those of its parent said.

    Parameters
    ----------
    baselines : by name; None leaves out which they are.
    """
    fits = [path for path in run.path.glob("folds/*/fit.json") if not (path.parent / DONE).exists()]
    names = [
        path.relative_to(run.path).as_posix() for path in (run.predictions_path, *sorted(fits))
    ]
    done = record(run.owner(), RUN, marks_of(run.path, names), trusted)
    if baselines is not None:
        done["baselines"] = relative_paths(run, baselines)
    write_sealed(run.path / DONE, {**done, "manifest": run.manifest()})


def relative_paths(run: RunDir, others: Mapping[str, RunDir]) -> dict[str, str]:
    """Return paths of other runs as seen from a run, so that a folder of runs may move."""
    return {name: os.path.relpath(other.path, run.path) for name, other in others.items()}


def check_verifiable(run: RunDir) -> None:
    """Refuse to stake on a run of which nobody can tell whether its files are unchanged.

    Raises
    ------
    RunError : a run of an older version that nobody has vouched for.
    """
    if not run.verifiable():
        raise RunError(
            "was made before runs kept checksums: whether its final model is still what was "
            "written is not verifiable",
            where=str(run.path),
            fix="look at its predictions (`numerai-lab predict`) and give --trust once, which "
            "writes checksums of its files as they are, or fit the final model again",
        )


def trust(run: RunDir, say: Callable[[str], None]) -> None:
    """Write the records that a run of an older version lacks, from its files as they are now.

    What has a record already keeps it, so nothing that is damaged is ever trusted.

    Raises
    ------
    RunError : a record is damaged, a file is not there, or another process works in the run.
    """
    if run.verifiable():
        return
    with locked(run):
        try:
            _seal_as_it_is(run, datetime.now(UTC).isoformat(timespec="seconds"))
        except FileNotFoundError as error:
            raise RunError(
                f"has no {Path(error.filename).name}, so it cannot be trusted as it is",
                where=str(run.path),
                fix=f"`{run.completing(final=True)}` makes it whole",
            ) from None
    say(
        f"{run.path}: trusted as it is now, and written down so (trusted_utc in its manifest): "
        "a file that changes from now on is noticed"
    )


def _seal_as_it_is(run: RunDir, now: str) -> None:
    manifest = run.manifest()
    if "files" not in manifest:  # it keeps having no format: other records may be missing still
        marks = marks_of(run.path, CONFIGS)
        write_sealed(run.manifest_path, {**manifest, "files": marks, "trusted_utc": now})
    for folder in (*sorted(run.path.glob("folds/*")), run.final_dir):
        if (folder / DONE).exists() and run.part_record(folder) is None:
            complete(folder, run.owner(), run.part_name(folder), now)
    if not run.finished:
        return
    if run.marks_of_judged() is None:
        write_scores(run, run.scores(), now)
    if run.record() is None:
        others = run.scores().get("baselines", {})
        write_done(run, {name: RunDir(run.path / path) for name, path in others.items()}, now)
