"""What features add to a prediction, checked: part of `check_model`."""

from __future__ import annotations

from collections import Counter

import numpy as np

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.contract import (
    CONTRIBUTION_TOLERANCE,
    Contributions,
    ExplainedModel,
    InteractingModel,
)

_ROUNDING = 1e-5


def problem_of_contributions(model: ExplainedModel, frame: EraFrame, predicted: Float32) -> str:
    """Say what is wrong with a model's contributions; nothing if all is well.

    Parameters
    ----------
    frame : eras without targets. predicted : what `predict` predicts for them.
    """
    try:
        members = model.contributions(frame)
    except ModelError:  # these parameters have none
        return ""
    if not members:
        return "there is no member"
    name, n = Counter(member.name for member in members).most_common(1)[0]
    if n > 1:
        return f"two members are named '{name}'"
    for member in members:
        problem = _problem_of(member, frame)
        if problem:
            return f"member '{member.name}': {problem}" if member.name else problem
    some = np.arange(0, frame.n_rows, 3)
    for member, part in zip(members, model.contributions(frame, some), strict=True):
        if not np.allclose(part.values, member.values[some], rtol=1e-4, atol=1e-6):
            return "those of some rows differ from those of all"
    if isinstance(model, InteractingModel):
        pairs = model.interactions(frame, some)
        if not np.allclose(pairs.sum(axis=2), members[0].values[some], rtol=1e-3, atol=1e-5):
            return "interactions do not sum to them"
    if len(members) == 1 and not _same_order(members[0], frame, predicted):
        return "the raw output orders rows otherwise than the prediction"
    return ""


def _problem_of(member: Contributions, frame: EraFrame) -> str:
    if member.values.shape != (frame.n_rows, frame.n_features):
        return f"values have shape {member.values.shape}, not {(frame.n_rows, frame.n_features)}"
    if not np.isfinite(member.values).all():
        return "values are not finite everywhere"
    gap = member.gap()
    if not gap <= CONTRIBUTION_TOLERANCE:
        return f"they sum to something else than the raw output, {gap:.1e} apart"
    return ""


def _same_order(member: Contributions, frame: EraFrame, predicted: Float32) -> bool:
    """Whether an era's predictions rise with the raw output, but for rounding."""
    for _, rows in frame.iter_eras():
        own = predicted[rows][np.argsort(member.raw[rows], kind="stable")]
        if (np.diff(own) < -_ROUNDING * max(1.0, float(np.abs(own).max()))).any():
            return False
    return True
