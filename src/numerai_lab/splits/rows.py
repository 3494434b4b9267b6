"""Which rows of the training eras are trained on, where not all of them are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from numerai_lab.config import Rows
from numerai_lab.eraframe import EraFrame
from numerai_lab.seeds import child_seed


def drawn_rows(frame: EraFrame, rows: Rows, target: str, seed: int) -> npt.NDArray[np.int64]:
    """Draw a share of the rows of each era.

    Each era is drawn for itself, so that a row is in or out whatever other eras are there: folds
    of one run, and workers that read some eras, have the same rows of an era. Every row is as
    likely as any other. With `stratify` the era's rows are ordered by their target, equal ones at
    random, and taken at equal distances from a random start (systematic sampling): of each value
    of the target there is its share, to within one row.

    Parameters
    ----------
    frame : labelled rows. target : the main target. seed : of the run.

    Returns
    -------
    int64, increasing row numbers; at least one of each era.
    """
    label = frame.target(target)
    chosen = [np.empty(0, dtype=np.int64)]
    for era, where in frame.iter_eras():
        rng = np.random.default_rng(child_seed(seed, "rows", era))
        n = where.stop - where.start
        n_drawn = max(1, round(rows.share * n))
        order = rng.permutation(n)
        if rows.stratify is not None:
            order = order[np.argsort(label[where][order], kind="stable")]
        places = np.floor((np.arange(n_drawn) + rng.random()) * n / n_drawn).astype(np.int64)
        chosen.append(np.sort(order[places.clip(max=n - 1)]) + where.start)
    return np.concatenate(chosen)
