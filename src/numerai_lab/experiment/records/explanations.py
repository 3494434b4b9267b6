"""What `explain` has found out about the models of a run, kept with it.

explain/fold_01.parquet     contributions of features to the rows that were explained
explain/fold_01.json        all that is shown, and the record of both
explain/final.*             the same of the final model, whose number is 0
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numerai_lab.checksums import NotAsWritten, damage_of, marks_of, read_sealed, write_sealed
from numerai_lab.experiment.records.part_records import (
    DONE,
    RECORD,
    Damaged,
    check_owner,
    fold_name,
    record,
)
from numerai_lab.experiment.records.rundir import RunDir
from numerai_lab.files import sha256_of, write_aside

_MODEL = "model_record"
"""Key of the hash of the fold's DONE: an explanation is of that model and no other."""


def write_explanation(
    run: RunDir, fold: int, facts: Mapping[str, Any], write_table: Callable[[Path], None]
) -> Path:
    """Write an explanation of a fold's model; an earlier one is replaced.

    Parameters
    ----------
    facts : JSON values by name. write_table : writes the parquet file of contributions.

    Returns
    -------
    The path of the table.
    """
    table = _table(run, fold)
    with write_aside(table) as part:
        write_table(part)
    own = record(run.owner(), _part(fold), marks_of(table.parent, [table.name]))
    whole = {**facts, _MODEL: sha256_of(_model_dir(run, fold) / DONE), RECORD: own}
    write_sealed(run.explanation_path(fold), whole)
    return table


def read_explanations(run: RunDir, damaged: Callable[[str], None]) -> dict[int, dict[str, Any]]:
    """Read what was explained of a run, by fold; 0 is the final model.

    Parameters
    ----------
    damaged : told of each explanation that is damaged, or of an earlier model than the fold has
        now; these are left out.
    """
    found = {}
    paths = sorted(run.explanation_path(1).parent.glob("fold_[0-9]*.json"))
    folds = [int(path.stem.removeprefix("fold_")) for path in paths]
    for fold in [*folds, 0] if run.explanation_path(0).exists() else folds:
        try:
            found[fold] = read_explanation(run, fold)
        except Damaged as error:
            damaged(str(error))
    return found


def read_explanation(run: RunDir, fold: int) -> dict[str, Any]:
    """Read the explanation of one fold, once it and its table are checked. Raises Damaged."""
    path = run.explanation_path(fold)
    which = f"--fold {fold}" if fold else "--final"
    fix = f"`numerai-lab explain {run.path} {which}` writes it anew"
    try:
        facts: dict[str, Any] = read_sealed(path)
        own, model = facts.pop(RECORD, None), facts.pop(_MODEL, None)
        check_owner(own, run.owner(), _part(fold))
    except FileNotFoundError:
        raise Damaged("is not there", where=str(path), fix=fix) from None
    except NotAsWritten as error:
        raise Damaged(str(error), where=str(path), fix=fix) from None
    problem = damage_of(path.parent, own["files"])
    if problem is not None:
        raise Damaged(problem, where=str(path.parent), fix=fix)
    done = _model_dir(run, fold) / DONE
    if done.exists() and sha256_of(done) != model:
        whose = "fold" if fold else "run"
        raise Damaged(f"explains another model than the {whose} has now", where=str(path), fix=fix)
    return facts


def _table(run: RunDir, fold: int) -> Path:
    return run.explanation_path(fold).with_suffix(".parquet")


def _model_dir(run: RunDir, fold: int) -> Path:
    return run.fold_dir(fold) if fold else run.final_dir


def _part(fold: int) -> str:
    return f"explanation of {fold_name(fold) if fold else 'the final model'}"
