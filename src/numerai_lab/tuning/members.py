"""A study of a model made of members: of how they are weighed, on what their runs predicted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from numerai_lab.arrays import Eras
from numerai_lab.config import Key, Resolved, dotted
from numerai_lab.data import Dataset, References
from numerai_lab.errors import ConfigError, RunError, SplitError
from numerai_lab.experiment import (
    Prepared,
    Reporter,
    RunDir,
    ensure_members,
    judged_references,
    out_of_fold,
)
from numerai_lab.splits import Fold

_MEMBERS = ("model", "params", "members")


def check_members_stay(spaces: Iterable[Key], resolved: Resolved) -> None:
    """Refuse to search values of members, which are runs of their own. Raises ConfigError."""
    for key in spaces:
        if key[: len(_MEMBERS)] == _MEMBERS:
            raise ConfigError(
                f"{dotted(key)} is of a member, and members are not trained in trials",
                where=str(resolved.path),
                fix="tune the member's own config, and search here how members are weighed",
            )


def with_finished_members(
    prepared: Prepared, references: References, runs_dir: Path, reporter: Reporter
) -> Prepared:
    """Return a run with what its members' finished runs predicted.

    Raises
    ------
    RunError : a member has none on these rows and folds.
    """

    def refuse(
        other: Resolved,
        dataset: Dataset | None,  # noqa: ARG001
        run: RunDir | None = None,  # noqa: ARG001 - the signature is TrainOther's
        *,
        final: bool,  # noqa: ARG001
    ) -> RunDir:
        raise RunError(
            f"'{other.experiment.name}' has no finished run on these rows and folds, and trials "
            "train no members",
            where=str(runs_dir),
            fix="train the config first, with `numerai-lab train`",
        )

    runs = ensure_members(prepared, references, runs_dir, refuse, reporter, final=False)
    others = judged_references(prepared, references)
    known = out_of_fold(runs, prepared, others, reporter.warn)
    return replace(prepared, member_runs=runs, members=known)


def member_folds(prepared: Prepared, eras: Eras) -> tuple[Fold, ...]:
    """Return the run's own folds within a study's eras, but the first, which has equal weights.

    Raises
    ------
    SplitError : there are fewer than two.
    """
    first, last = int(eras[0]), int(eras[-1])
    inside = [f for f in prepared.plan.folds if f.judged[0] >= first and f.judged[-1] <= last]
    kept = [replace(fold, train=fold.train[fold.train >= first]) for fold in inside[1:]]
    if not kept or not all(len(fold.train) for fold in kept):
        raise SplitError(
            f"{len(inside)} folds of the split are judged within eras {first}-{last}, and weights "
            "need one before the first that trials are judged on",
            where="tune.eras",
            fix="choose a longer range, or shorter folds (split.chunk_eras)",
        )
    return tuple(kept)
