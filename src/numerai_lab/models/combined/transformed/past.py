"""What the steps of a model with transforms may know of earlier eras, and columns of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.features import Past, PastOf


def past_at_fit(train: EraFrame, known: EraFrame | None, purge_eras: int) -> PastOf | None:
    """Return what may be known before a training era; None where no other eras are given.

    Parameters
    ----------
    known : every era before the first judged one, without targets.
    """
    if known is None:
        return None

    def past(era: int, n: int) -> Past:
        rows = known.between(era - n, era - 1)
        return Past(rows, train.between(era - n, era - purge_eras - 1))

    return past


def past_later(history: EraFrame | None, n_back: int, target: str, purge_eras: int) -> PastOf:
    """Return what may be known before an era to predict, from the eras before it.

    Of an era in `history` itself no label counts that was not known by then, though it is now.

    Raises ModelError : no earlier eras are given.
    """
    if history is None:
        raise ModelError(f"a transform looks back {n_back} eras, and no earlier eras were given")

    def past(era: int, n: int) -> Past:
        rows = history.between(era - n, era - 1)
        if target not in rows.target_names:
            return Past(rows.without_targets(), rows.between(0, -1))
        label = rows.target(target)
        known = [one for one, mine in rows.iter_eras() if not bool(np.isnan(label[mine]).all())]
        last = min(max(known, default=-1), era - purge_eras - 1)
        return Past(rows.without_targets(), rows.between(era - n, last))

    return past


def earlier_eras(
    history: EraFrame | None, era: int, n: int, as_given: Callable[[EraFrame], EraFrame]
) -> dict[str, EraFrame]:
    """Return the `history` that a model within is given, which looks back n eras; {} for none.

    Parameters
    ----------
    as_given : rows of whole eras -> the same with the columns that the model takes.

    Raises ModelError : no earlier eras are given.
    """
    if not n:
        return {}
    if history is None:
        raise ModelError(f"the model looks back {n} eras, and no earlier eras were given")
    rows = history.between(era - n, era - 1)
    given = as_given(rows.without_targets())
    names = given.feature_names
    return {"history": replace(rows, features=given.features, feature_names=names)}
