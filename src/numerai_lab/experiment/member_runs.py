"""Members' runs: their out-of-fold predictions on a run's rows, and their final models beside its.

final/members/NAME/{model/, fit.json}     a copy of final/ of the member's run
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import RunError
from numerai_lab.experiment.plan import Prepared, purge_eras
from numerai_lab.experiment.records import DONE, RunDir, read_predictions
from numerai_lab.files import sha256_of, write_errors
from numerai_lab.models import Members
from numerai_lab.scoring import payout_rule

FOLDER = "members"


def judged_rows(prepared: Prepared) -> EraFrame:
    """Return every judged row of a run, whatever fold it is in."""
    folds = prepared.plan.folds
    return prepared.dataset.frame.select_eras(np.concatenate([fold.judged for fold in folds]))


def out_of_fold(
    runs: Mapping[str, RunDir],
    prepared: Prepared,
    references: Mapping[str, Float64],
    say: Callable[[str], None],
) -> Members:
    """Line up what members predicted with every judged row of a run, whatever fold it is in.

    Parameters
    ----------
    references : as of `member_references`. say : told of rows for which a member has no prediction.

    Raises
    ------
    RunError : a member whose predictions are damaged, of other eras, or of none of these rows.
    """
    fold_of = {era: f.index for f in prepared.plan.folds for era in f.judged.tolist()}
    rows = judged_rows(prepared)
    found: dict[str, Float32] = {}
    for name, run in runs.items():
        predictions = read_predictions(run.checked(run.predictions_path))
        values = predictions.values_for(rows)
        absent = np.isnan(values)
        if absent.all():
            raise RunError(
                f"member {name} predicts none of the {rows.n_rows:,} judged rows",
                where=str(run.path),
                fix="give it a target that is known there",
            )
        if absent.any():
            eras = len(np.unique(rows.row_eras[absent]))
            say(
                f"member {name} has no prediction for {int(absent.sum()):,} of {rows.n_rows:,} "
                f"judged rows, in {eras} of {rows.n_eras} eras"
            )
        found[name] = values.astype(np.float32)
    order = np.array([fold_of[era] for era in rows.eras.tolist()], dtype=np.int32)
    return members_given(rows, order, found, references, prepared)


def members_given(
    rows: EraFrame,
    folds: npt.NDArray[np.int32],
    predictions: Mapping[str, Float32],
    references: Mapping[str, Float64],
    prepared: Prepared,
) -> Members:
    """Put together what a run's model is given of its members; see `Members`."""
    scoring, target = prepared.experiment.scoring, prepared.target
    rule = payout_rule(scoring.payout, prepared.dataset.horizons[target])
    return Members(rows, folds, predictions, purge_eras(prepared), references, rule)


def member_facts(run: RunDir, members: Mapping[str, RunDir]) -> dict[str, Any]:
    """Return what a run's manifest tells of its members: where they are, and what they said."""
    return {
        name: {
            "run": os.path.relpath(member.path, run.path),
            "config_hash": member.manifest()["config_hash"],
            "predictions": sha256_of(member.predictions_path),
        }
        for name, member in members.items()
    }


def changed_member(run: RunDir, members: Mapping[str, RunDir]) -> str | None:
    """Say which member predicts otherwise than when a run began; None when all are the same."""
    before = run.manifest().get("members", {})
    for name, facts in member_facts(run, members).items():
        if before.get(name, {}).get("predictions") != facts["predictions"]:
            return f"was made with other predictions of member {name} than {members[name].path} has"
    return None


def check_same_members(run: RunDir, members: Mapping[str, RunDir]) -> None:
    """Refuse to go on with a run when members predict otherwise. Raises RunError."""
    changed = changed_member(run, members)
    if changed is not None:
        raise RunError(changed, where=str(run.path), fix="begin a new run")


def keep_final_members(
    folder: Path, members: Mapping[str, RunDir], features: tuple[str, ...]
) -> dict[str, Any]:
    """Copy members' final models into the folder of a final model, so that it needs no other run.

    Parameters
    ----------
    folder : where the final model is being written. features : those that its rows come with.

    Returns
    -------
    What fit.json tells of each: its model's type, its run, the eras it was fitted on.

    Raises
    ------
    RunError : one is damaged, or has features that the rows do not come with.
    """
    kept = {}
    for name, run in members.items():
        run.check_part(run.final_dir)
        facts = json.loads((run.final_dir / "fit.json").read_text(encoding="utf-8"))
        absent = sorted(set(facts["feature_names"]) - set(features))
        if absent:
            raise RunError(
                f"member {name} was fitted on {len(absent)} features that this run does not load, "
                f"first '{absent[0]}'",
                where=str(run.path),
                fix="choose a data.feature_set that has those of every member",
            )
        with write_errors(folder, only_full_disk=True):
            shutil.copytree(
                run.final_dir, folder / FOLDER / name, ignore=shutil.ignore_patterns(DONE, ".*")
            )
        kept[name] = {
            "type": run.experiment().model.type,
            "run": str(run.path.resolve()),
            "config_hash": run.manifest()["config_hash"],
            "first_era": facts["first_era"],
            "last_era": facts["last_era"],
        }
    return kept
