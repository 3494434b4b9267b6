"""Examples for the layers: graphs of some training eras, and what the eras in between earned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow.compute as pc

from numerai_lab.eraframe import EraFrame
from numerai_lab.features.momentum.graph import scale_for_degree, squared_distances
from numerai_lab.features.momentum.signals import DAYS_A_WEEK, make_window, standardised
from numerai_lab.features.momentum.training import Example


def make_examples(
    train: EraFrame,
    rows_before: Callable[[int], EraFrame],
    *,
    label: str,
    signals: Sequence[str],
    lookbacks_days: Sequence[int],
    degree: int,
    rebuild_eras: int,
    most: int,
) -> list[Example]:
    """Make an example of each graph of the training eras, or of `most` of them, evenly spread.

    Parameters
    ----------
    train : labelled training eras. rows_before : era -> the rows of the eras before it.
    label : the target that is earned. Others as of `network_momentum`.
    """
    built: dict[int, list[int]] = {}
    for era in train.eras.tolist():
        built.setdefault(era - era % rebuild_eras, []).append(era)
    found = []
    longest = max(lookbacks_days) // DAYS_A_WEEK
    for built_at in _spread(sorted(built), most):
        eras = built[built_at]
        rows = rows_before(eras[0]).between(built_at - longest, built_at - 1)
        if rows.n_eras == 0:
            continue
        window = make_window(rows, signals)
        graphs = []
        for days in lookbacks_days:
            part = window.of_days(days, built_at)
            if part is None or len(part[0]) < 3:
                continue
            distances = squared_distances(part[1])
            graphs.append((part[0], distances * scale_for_degree(distances, degree)))
        if not graphs:
            continue
        n = len(window.nodes)
        own, labels = [], []
        for era in eras:
            one = train.between(era, era)
            assert one.entity is not None
            place = pc.fill_null(pc.index_in(one.entity, value_set=window.nodes), -1).to_numpy()
            known = np.flatnonzero((place >= 0) & np.isfinite(one.target(label)))
            values, earned = np.zeros((n, len(signals))), np.zeros(n)
            if len(known) == 0:
                continue
            values[place[known]] = np.nan_to_num(standardised(one, signals)[known])
            target = one.target(label)[known].astype(np.float64)
            earned[place[known]] = target - target.mean()
            own.append(values)
            labels.append(earned)
        if own:
            found.append(Example(tuple(graphs), n, tuple(own), tuple(labels)))
    return found


def _spread(eras: Sequence[int], most: int) -> list[int]:
    """Return some of the eras, evenly spread, the last one among them."""
    if len(eras) <= most:
        return list(eras)
    places = np.linspace(0, len(eras) - 1, most).round().astype(int)
    return [eras[i] for i in places.tolist()]
