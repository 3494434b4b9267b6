"""What a model that looks back is shown of earlier eras: the one place that masks their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from numerai_lab.eraframe import EraFrame


def history_before(
    known: EraFrame,
    era: int,
    history_eras: int,
    purge_eras: int,
    targets: Sequence[str] | None = None,
) -> EraFrame:
    """Return what may be known of earlier eras when era `era` is predicted.

    Parameters
    ----------
    known : rows of any eras, labelled or not; `era` and later ones may be among them.
    history_eras : how many era numbers before `era` are wanted.
    purge_eras : eras before `era` whose labels are not known yet.
    targets : which targets to give, those that `purge_eras` is long enough for; None: all.

    Returns
    -------
    Rows of eras `era - history_eras` to `era - 1`, as far as they are there, all with features, and
    targets up to era `era - purge_eras - 1` only: the others are NaN.
    """
    rows = known.between(era - history_eras, era - 1)
    names = rows.target_names if targets is None else tuple(targets)
    values = rows.targets[:, [rows.target_names.index(name) for name in names]]
    n_resolved = known.between(era - history_eras, era - purge_eras - 1).n_rows
    values[n_resolved:] = np.nan
    return replace(rows, targets=values, target_names=names)
