"""What the fits of earlier folds tell the guard of a later one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numerai_lab.models.adapting.history import GainHistory
from numerai_lab.models.contract import EarlierFit

NOTHING: tuple[GainHistory, float | None] = GainHistory(), None


def told_by(earlier: Sequence[EarlierFit]) -> tuple[GainHistory, float | None]:
    """Return what the fits of earlier folds gained since, and the strength decided last.

    For models with one guarded adaptation, `guarded`. The newest one's history has the eras that
    were known at its fit; those that became known since are found by going through them again with
    the model that predicted them. Nothing is fitted for it.
    """
    history, before = GainHistory(), None
    for one in reversed(earlier):
        if before is not None and set(one.rows.eras.tolist()) <= set(history.eras):
            continue
        model: Any = one.load()
        model.replay(one.rows)
        if before is None:
            before = float(model.guarded.strength)
        history.add_all(model.guarded.history)
    return history, before
