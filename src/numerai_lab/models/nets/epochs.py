"""`epochs: auto`: how long to train, found on training eras that are held out.

The number of epochs is what keeps a net from learning the noise by heart. Held out are the
earliest eras, not the newest: they lie as far from the eras trained on as judged ones do, and
the newest, which are most like those to come, still teach.

A fifth of the training eras is held out at a time. Where that is few eras, their mean corr says
little: on real stocks that of 19 eras differed by .003 to .007 (a standard error) from one number
of epochs to the next, as much as the numbers are worth (docs/research/nets.md). So a second and a
third fifth are held out after it, each from a training of its own, and the number is that of a
smooth curve through all.
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
"""Held-out eras whose mean corr is to be trusted; a fifth more is held out until there are."""
_FEWEST = 8
"""Eras that must be left on either side."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Training eras as a trial uses them."""

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
    As many fifths as have 60 eras together, three at most; none where fewer than 8 eras are left
    on either side of the first.
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
