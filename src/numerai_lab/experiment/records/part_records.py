"""Records: what a run and its parts were when they were whole, each written after all it speaks of.

    manifest.json        the run began: config.yaml, resolved.yaml
    folds/NN/DONE        a fold is whole: every file of its folder
    final/DONE           the same of the final model
    scores.json          the run was judged: scores_per_era.parquet, exposure.json
    DONE                 the run is finished: predictions.parquet, and the manifest once more
    test_looks.json      every look at the test eras of its split, each before it was taken
    test_scores.json     the last look: test_scores_per_era.parquet
    explain/fold_NN.json what features do in a fold's model: explain/fold_NN.parquet
    seeds.json           what runs of the same experiment with other seeds scored

Each carries its own checksum, those of the files it speaks of, and whose it is, so that a file of
another run or fold is noticed as well as one that was changed. log.jsonl and report.html stand in
none: no number comes from them, and each report is written anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from numerai_lab.checksums import (
    FileMark,
    NotAsWritten,
    damage_of,
    files_in,
    marks_of,
    read_sealed,
    write_sealed,
)
from numerai_lab.errors import RunError
from numerai_lab.files import sync_folder

DONE = "DONE"
MANIFEST_FORMAT = 2
"""Of runs that keep records. Older manifests have no format, and their DONE files are empty."""
RECORD = "record"
"""Key of scores.json under which its record stands, beside the scores."""
RUN, FINAL, SCORES = "run", "final model", "scores"
LOOKS, TEST_SCORES = "looks at the test", "test scores"
SEEDS, LABELS = "seeds", "labels"
Owner = dict[str, str]
"""Which run a record is of: when it began, to the microsecond, and the hash of its config."""


class Damaged(RunError):
    """A file of a run that is not what was written, or not this run's."""


def owner_of(manifest: Mapping[str, Any]) -> Owner:
    """Return which run a manifest is of. Raises NotAsWritten when it does not tell."""
    try:
        return {key: str(manifest[key]) for key in ("created_utc", "config_hash")}
    except (KeyError, TypeError):
        raise NotAsWritten("does not tell when its run began, or its config's hash") from None


def fold_name(fold: int) -> str:
    """Return what the record of a fold calls it."""
    return f"fold {fold}"


def record(
    owner: Owner, part: str, files: Mapping[str, FileMark], trusted: str | None = None
) -> dict[str, Any]:
    """Return a record; `trusted` is when a person vouched for files that had none."""
    said = {} if trusted is None else {"trusted_utc": trusted}
    return {"run": owner, "part": part, "files": dict(files), **said}


def complete(folder: Path, owner: Owner, part: str, trusted: str | None = None) -> None:
    """Write DONE into the folder of a fold or final model, once all else in it is on the disk."""
    sync_folder(folder)
    names = [name for name in files_in(folder) if name != DONE]
    write_sealed(folder / DONE, record(owner, part, marks_of(folder, names), trusted))


def read_record(path: Path, owner: Owner, part: str) -> dict[str, Any] | None:
    """Read a DONE; None for the empty one of an older version.

    Raises
    ------
    FileNotFoundError : there is none.
    NotAsWritten : it is damaged, or of another run or part; the text goes after the file's name.
    """
    if path.stat().st_size == 0:
        return None
    value = read_sealed(path)
    check_owner(value, owner, part)
    found: dict[str, Any] = value
    return found


def manifest_in_done(run: Path) -> dict[str, Any] | None:
    """Return the manifest that DONE of a run's folder holds; None without a whole DONE."""
    try:
        done = read_sealed(run / DONE)
        check_owner(done, owner_of(done["manifest"]), RUN)
    except (OSError, NotAsWritten, KeyError, TypeError):
        return None
    found: dict[str, Any] = done["manifest"]
    return found


def is_majority(run: Path, owner: Owner) -> bool:
    """Whether most folds are of this run: they tell which is right, manifest.json or DONE."""
    owners: Counter[bool] = Counter()
    for path in run.glob(f"folds/*/{DONE}"):
        try:
            owners[read_sealed(path)["run"] == owner] += 1
        except (OSError, NotAsWritten, KeyError, TypeError):
            continue
    return owners[True] > owners[False]


def check_owner(value: Any, owner: Owner, part: str) -> None:
    """Check whose a record is. Raises NotAsWritten."""
    try:
        run, its_part, files = value["run"], value["part"], value["files"]
        began, digest = run["created_utc"], run["config_hash"]
    except (KeyError, TypeError):
        raise NotAsWritten("is no record of a run") from None
    if run != owner:
        raise NotAsWritten(
            f"is of another run than manifest.json (begun {began}, config {digest}, not "
            f"{owner['created_utc']}, config {owner['config_hash']})"
        )
    if its_part != part or not isinstance(files, dict):
        raise NotAsWritten(f"is of another part of the run ({its_part}, not {part})")


def check_files(
    folder: Path,
    marks: Mapping[str, FileMark],
    names: Iterable[str] | None,
    fix: Callable[[], str],
) -> None:
    """Check files against their marks; without `names` all of them, and that there are no others.

    Raises
    ------
    Damaged : the first that differs, with the way out.
    """
    problem = damage_of(folder, marks, names)
    if problem is None and names is None:
        strangers = sorted(set(files_in(folder)) - set(marks) - {DONE})
        if strangers:
            problem = f"{strangers[0]} is not among the files that were written"
    if problem is not None:
        raise Damaged(problem, where=str(folder), fix=fix())
