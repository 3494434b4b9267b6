"""study.json: whose trials a folder holds, so that no other config goes on with them."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numerai_lab.checksums import NotAsWritten, read_sealed, write_sealed
from numerai_lab.config import dotted
from numerai_lab.disclosure import for_others
from numerai_lab.errors import RunError
from numerai_lab.experiment import git_state, machine, versions
from numerai_lab.tuning.plan import StudyPlan
from numerai_lab.tuning.storage import DATABASE, PRUNER, SAMPLER

FORMAT = 1
_WORDS = {
    "config": "another value",
    "space": "another space",
    "eras": "other eras",
    "folds": "other inner folds",
    "score": "another score",
    "aim": "another aim",
    "beside": "another benchmark",
    "prune": "another tune.prune",
    "data": "other data",
    "members": "other runs of members",
}
"""Parts of a study's identity, as the sentence about another study names them."""


def open_record(
    folder: Path, plan: StudyPlan, command: str, warn: Callable[[str], None]
) -> dict[str, Any]:
    """Read study.json of the study that goes on, or write it for a new one.

    Call it with the folder's lock.

    Raises
    ------
    RunError : the folder holds a study of another config, or study.json is damaged.
    """
    path = folder / "study.json"
    fix = f"remove {shlex.quote(str(folder))} to begin anew, or name another --studies-dir"
    identity = plan.identity()
    libraries = (*plan.study.libraries, "optuna")
    try:
        found: dict[str, Any] = read_sealed(path)
    except FileNotFoundError:
        if (folder / DATABASE).exists():
            raise RunError(
                f"is gone, and {DATABASE} does not say whose trials it holds",
                where=str(path),
                fix=fix,
            ) from None
        record = {
            "format": FORMAT,
            "experiment": plan.experiment.name,
            "created_utc": datetime.now(UTC).isoformat(timespec="microseconds"),
            "command": command,
            "identity": identity,
            "seed": plan.experiment.seed,
            "sampler": SAMPLER,
            "pruner": PRUNER if plan.how.prune else None,
            "space_of": "model" if plan.own else "config",
            "default": {dotted(key): value for key, value in plan.default.items()},
            "versions": versions(libraries),
            "git": git_state(),
            "machine": machine(),
        }
        write_sealed(path, for_others(record))
        return record
    except NotAsWritten as error:
        raise RunError(str(error), where=str(path), fix=fix) from None
    theirs = found.get("identity", {})
    other = [word for part, word in _WORDS.items() if theirs.get(part) != identity.get(part)]
    if other:
        raise RunError(
            f"holds a study of another config ({', '.join(other)})", where=str(folder), fix=fix
        )
    now = versions(libraries)
    for name, then in found["versions"].items():
        if now.get(name) != then:
            warn(f"going on with {name} {now.get(name)}, the study began with {then}")
    if not (folder / DATABASE).exists() and (folder / "running").exists():
        warn(f"{folder / DATABASE} is gone: every trial of the study is made anew")
    return found
