"""Eras whose labels chose a config's values: scores there are no test of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numerai_lab.arrays import Eras
from numerai_lab.config import Tuned
from numerai_lab.splits import Fold


def n_seen(eras: Eras, tuned: Tuned | None, purge_eras: int) -> int:
    """Return how many of these eras a study has seen, as far as their labels reach.

    Parameters
    ----------
    eras : int32 era numbers. tuned : of the config; None: nothing was tuned.
    purge_eras : labels of as many eras after the study's last one overlap with labels in it.
    """
    if tuned is None:
        return 0
    last = tuned.last_era + purge_eras
    return int(np.count_nonzero((eras >= tuned.first_era) & (eras <= last)))


def said_of_tuning(folds: Sequence[Fold], tuned: Tuned | None) -> list[str]:
    """Say which folds were seen in tuning, and how to judge the eras that were not."""
    if tuned is None:
        return []
    seen = {fold.index: n_seen(fold.judged, tuned, fold.purge_eras) for fold in folds}
    where = [f"fold {i} ({n} of {_judged(folds, i)} eras)" for i, n in seen.items() if n]
    if not where:
        return []
    clean = max(tuned.last_era + fold.purge_eras for fold in folds) + 1
    later = any(int(fold.judged[-1]) >= clean for fold in folds)
    rest = f"; `numerai-lab evaluate RUN --from {clean}` judges the others" if later else ""
    said = [
        f"scores are optimistic, seen in tuning: {', '.join(where)}. The values are the best of "
        f"{tuned.trials} trials on eras {tuned.first_era}-{tuned.last_era} ({tuned.study}){rest}"
    ]
    tests = sum(n_seen(fold.test, tuned, fold.test_purge_eras) for fold in folds)
    if tests:
        said.append(f"seen in tuning: {tests} of the eras kept for a test, which they do not test")
    return said


def _judged(folds: Sequence[Fold], index: int) -> int:
    return next(len(fold.judged) for fold in folds if fold.index == index)
