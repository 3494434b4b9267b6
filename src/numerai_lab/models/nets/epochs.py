"""`epochs: auto`: how long to train, found on training eras that are held out.

More epochs than needed overfit. The earliest eras are held out, not the newest: they are as far
from the eras trained on as judged eras are, and the newest, which are most like those to come, are
still trained on.

A fifth of the training eras is held out at a time. The mean corr of few eras says little: on real
stocks its standard error over 19 eras was .003 to .007, as large as the differences between numbers
of epochs (docs/research/nets.md). So the second and the third fifth are held out as well if they
are needed, each with a training of its own, and the number of epochs is the highest point of a
smooth curve through the results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from numerai_lab.arrays import Eras, Float64

TRIED = (2, 4, 8, 16)
MOST = 32
"""Tried as well where the last of these is the best."""
FALL_BACK = 6
"""Epochs, where there are too few eras to choose on."""
_SHARE, _MOST_PARTS = 0.2, 3
_ENOUGH = 60
"""Held-out eras that are enough; as long as there are fewer, another fifth is held out."""
_FEWEST = 8
"""Eras that are needed to train on, and to judge."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Training eras of which a trial trains on one part and is judged on the other."""

    train: Eras
    judged: Eras


def held_out(eras: Eras, purge_eras: int) -> HeldOut | None:
    """Hold out the first fifth of the training eras; see `held_out_parts`."""
    return next(iter(held_out_parts(eras, purge_eras)), None)


def held_out_parts(eras: Eras, purge_eras: int) -> list[HeldOut]:
    """Hold out fifths of the training eras, the earliest first, purged on both sides.

    Parameters
    ----------
    eras : int32, sorted training eras. purge_eras : era numbers left out beside the held-out ones.

    Returns
    -------
    As many fifths as it takes to hold out 60 eras, three at most; none if fewer than 8 eras would
    be held out, or trained on.
    """
    found: list[HeldOut] = []
    ends = [round(part * _SHARE * len(eras)) for part in range(_MOST_PARTS + 1)]
    for first, stop in pairwise(ends):
        judged = eras[first:stop]
        if sum(len(part.judged) for part in found) >= _ENOUGH or len(judged) < _FEWEST:
            break
        near = (eras >= judged[0] - purge_eras) & (eras <= judged[-1] + purge_eras)
        train = eras[~near]
        if len(train) < _FEWEST:
            break
        found.append(HeldOut(train, judged))
    return found


def find_epochs(trial: Callable[[int], Float64]) -> tuple[int, list[dict[str, Any]]]:
    """Try some numbers of epochs, and return the best by a smooth curve through their corr.

    The curve is a parabola over the logarithm of the epochs; where it has no highest point, the
    best of those tried is taken.

    Parameters
    ----------
    trial : trains for so many epochs, and returns the corr of each held-out era, float64 [n_eras],
        NaN where there is none.

    Returns
    -------
    The epochs, and of each trial its `epochs` and mean `corr`, in order. 0 epochs where no trial
    has a corr.
    """
    tried: list[dict[str, Any]] = []
    for epochs in (*TRIED, MOST):
        if epochs == MOST and tried[-1]["corr"] != max(one["corr"] for one in tried):
            break
        corr = trial(epochs)
        known = corr[np.isfinite(corr)]
        tried.append({"epochs": epochs, "corr": float(known.mean()) if len(known) else None})
        if not len(known):
            return 0, tried
    places = np.log2([one["epochs"] for one in tried])
    values = np.array([one["corr"] for one in tried])
    bent, slope, _ = np.polyfit(places, values, 2)
    best = places[int(values.argmax())]
    if bent < 0:
        best = np.clip(-slope / (2 * bent), places[0], places[-1])
    return round(2.0 ** float(best)), tried
