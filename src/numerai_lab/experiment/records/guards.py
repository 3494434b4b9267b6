"""What keeps runs apart: the lock, and the checks before a run is continued or judged again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from numerai_lab.data import Dataset, References
from numerai_lab.errors import RunError
from numerai_lab.experiment.records.provenance import versions
from numerai_lab.experiment.records.rundir import RunDir
from numerai_lab.files import exclusive_lock

BEFORE_MANIFEST = ("config.yaml", "resolved.yaml", "test_looks.json", ".lock")
"""Files of a run that was stopped before its manifest was written: it never began."""


@contextlib.contextmanager
def locked(run: RunDir) -> Iterator[None]:
    """Hold the run's lock; a directory whose run never began is left as it was found."""
    with exclusive_lock(run.path / ".lock", "another process is working in this run directory"):
        try:
            yield
        finally:
            if not run.manifest_path.exists():
                for path in [*run.path.glob(".*.part"), *map(run.path.joinpath, BEFORE_MANIFEST)]:
                    path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # not empty: it was not ours to begin with
                    run.path.rmdir()


def fingerprint(
    dataset: Dataset, references: References, features: Sequence[str] | None = None
) -> str:
    """Hash what a run's numbers depend on: bytes of all files read, and the features chosen.

    The features are not settled by the files of rows: a set is what features.json says it is.

    Parameters
    ----------
    features : names to take for those of the dataset, for a run on the same files.
    """
    facts = {
        "files": sorted(file.identity for file in dataset.files),
        "references": sorted(file.sha256 for file in references.files),
        "features": dataset.frame.feature_names if features is None else tuple(features),
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def same_data(
    run: RunDir,
    dataset: Dataset,
    references: References,
    features: Sequence[str] | None = None,
) -> bool:
    """Whether a run was made from the same bytes and features (`features` as in `fingerprint`)."""
    mine = fingerprint(dataset, references, features)
    return bool(run.manifest()["data"]["fingerprint"] == mine)


def check_same_config(run: RunDir, digest: str) -> None:
    """Refuse to resume a run that was made from another config."""
    theirs = run.manifest().get("config_hash")
    if theirs != digest:
        raise RunError(
            f"was made from another config (hash {theirs}, this one is {digest})",
            where=str(run.path),
            fix="compare its resolved.yaml with `numerai-lab config show`, or begin a new run",
        )


def changed_data(run: RunDir, dataset: Dataset, references: References) -> str | None:
    """Say which data are not those a run was made from; None when all are."""
    if same_data(run, dataset, references):
        return None
    before = run.manifest()["data"]
    known = {f["sha256"] for f in [*before["files"], *before["references"]]}
    changed = [str(f.path) for f in [*dataset.files, *references.files] if f.sha256 not in known]
    what = ", ".join(changed) or "the choice of features, or a file that is gone,"
    return f"was made on other data ({what} differs)"


def check_same_data(run: RunDir, dataset: Dataset, references: References, fix: str) -> None:
    """Refuse to go on with a run when its data is not what it was made from."""
    changed = changed_data(run, dataset, references)
    if changed is not None:
        raise RunError(changed, where=str(run.path), fix=fix)


def changed_files(run: RunDir, made_with: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Say which file that the model's parameters name is not what a run was made with.

    Parameters
    ----------
    made_with : by parameter, as `file_identities` tells now. None when all are the same.
    """
    before = run.manifest().get("made_with", {})
    for key, facts in made_with.items():
        if before.get(key, {}).get("sha256") != facts["sha256"]:
            return f"was made with another file than {facts['path']} is now ({key})"
    return None


def check_same_files(run: RunDir, made_with: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse to go on with a run when a file that its model is made with has changed."""
    changed = changed_files(run, made_with)
    if changed is not None:
        raise RunError(changed, where=str(run.path), fix="bring it back, or begin a new run")


def other_versions(run: RunDir) -> dict[str, tuple[str | None, str]]:
    """Return what is installed in another version than a run began with: (then, now) by name."""
    before = run.manifest()["versions"]
    now = versions(tuple(before))
    return {name: (before.get(name), v) for name, v in now.items() if before.get(name) != v}


def warn_other_versions(run: RunDir, warn: Callable[[str], None]) -> None:
    """Say so when a run is resumed with other library versions."""
    for name, (then, now) in other_versions(run).items():
        warn(f"resuming with {name} {now}, the run began with {then}")


def remove_contents(run: RunDir) -> None:
    """Remove all of a run but its lock, the manifest first: from then on it never began."""
    run.manifest_path.unlink(missing_ok=True)
    for path in run.path.iterdir():
        if path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def remove_leftovers(run: RunDir) -> None:
    """Remove what a killed process wrote aside and never renamed."""
    for part in [*run.path.glob(".*.part"), *(run.path / "folds").glob(".*.part")]:
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink()


def remove_unfinished(run: RunDir, fold: int | None) -> None:
    """Remove what would have let a fit go on: its model is kept (None: the final one)."""
    folder = run.unfinished_dir(fold)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()
