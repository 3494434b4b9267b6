"""Weights of an ensemble's members: those that are written, and the parts to find others on."""

from __future__ import annotations

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError, SplitError
from numerai_lab.models.contract import FitContext
from numerai_lab.models.trees.lgbm_ensemble.members import Member
from numerai_lab.models.trees.lgbm_ensemble.params import Weights
from numerai_lab.splits import InnerPart, inner_parts


def given_weights(written: Weights, members: list[Member]) -> Float64 | None:
    """Return weights that need no fit, float64 [n_members] with sum 1, or None for nnls.

    Parameters
    ----------
    written : one for each member, or each target, whose members share it; or a method's name.

    Raises
    ------
    ModelError : weights are written that do not fit the members.
    """
    if len(members) == 1 or written == "equal":
        return np.full(len(members), 1 / len(members))
    if isinstance(written, str):
        return None
    if isinstance(written, dict):
        targets = [member.target for member in members]
        wrong = set(targets) ^ set(written)
        if wrong:
            raise ModelError(
                f"weights name the targets {sorted(written)}, members learn {sorted(set(targets))}",
                where="model.params.weights",
                fix=f"mend '{min(wrong)}'",
            )
        written = [written[target] / targets.count(target) for target in targets]
    if len(written) != len(members):
        raise ModelError(
            f"{len(written)} weights are given for {len(members)} members: "
            + ", ".join(map(str, members)),
            where="model.params.weights",
        )
    return np.array(written) / sum(written)


def parts_to_weigh_on(train: EraFrame, ctx: FitContext, n_folds: int) -> list[InnerPart]:
    """Cut the training eras of all workers into the parts that weights are found on.

    Raises
    ------
    ModelError : the training eras are too few.
    """
    eras = np.sort(np.concatenate(ctx.world.from_all(train.eras)))
    try:
        return inner_parts(eras, n_folds, ctx.purge_eras)
    except SplitError as error:
        raise ModelError(
            f"weights: nnls needs out-of-fold predictions, and {error.what}",
            where="model.params.weights",
            fix="give more training eras, or write weights: equal",
        ) from None
