"""`epochs: auto`: how long to train, found on early training eras that are held out.

The number of epochs is what keeps a net from learning the noise by heart. Held out are the
earliest eras, not the newest: they lie as far from the eras trained on as judged ones do, and
the newest, which are most like those to come, still teach.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from numerai_lab.arrays import Eras

FIRST, MOST = 2, 32
FALL_BACK = 6
"""Epochs, where there are too few eras to choose on."""
_HELD_OUT = 0.2
_FEWEST = 8
"""Eras that must be left on either side."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Training eras as a trial uses them."""

    train: Eras
    judged: Eras


def held_out(eras: Eras, purge_eras: int) -> HeldOut | None:
    """Hold out the first fifth of the training eras, and purge after it.

    Parameters
    ----------
    eras : int32, sorted training eras. purge_eras : era numbers left out after the held-out ones.

    Returns
    -------
    None where fewer than 8 eras are left on either side.
    """
    judged = eras[: max(1, round(_HELD_OUT * len(eras)))]
    train = eras[eras > judged[-1] + purge_eras]
    return HeldOut(train, judged) if min(len(train), len(judged)) >= _FEWEST else None


def doubled(trial: Callable[[int], float]) -> tuple[int, list[dict[str, Any]]]:
    """Double the epochs from 2 on as long as the corr of the held-out eras rises.

    Parameters
    ----------
    trial : trains a net for so many epochs and returns its mean corr on them.

    Returns
    -------
    The epochs of the best trial, and each trial's epochs and corr, in order. The best is 0 where
    no trial has a corr.
    """
    best, best_corr, tried = 0, -np.inf, []
    epochs = FIRST
    while epochs <= MOST:
        corr = trial(epochs)
        tried.append({"epochs": epochs, "corr": None if np.isnan(corr) else corr})
        if not corr > best_corr:
            break
        best, best_corr = epochs, corr
        epochs *= 2
    return best, tried
