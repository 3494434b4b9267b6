"""What each feature adds to an adapted prediction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.adapting import Guarded
from numerai_lab.models.contract import Contributions, Float32
from numerai_lab.models.trees.xgb_ttt.adaptation import TreeAdaptation

ADAPTATION = "adaptation"
"""What adapting to an era adds, beside the contributions of features."""


def adapted_contributions(
    guarded: Guarded[TreeAdaptation],
    adaptation: TreeAdaptation,
    own: Contributions,
    frame: EraFrame,
    unadapted: Float32,
    rows: npt.NDArray[np.int64] | None,
) -> Contributions:
    """Add what features add to the change of each era to those of the trees, `own`.

    Parameters and errors as of `XGBTTT.contributions`; `unadapted` are the trees' predictions.
    """
    chosen = np.arange(frame.n_rows) if rows is None else rows
    values = own.values.astype(np.float64)
    change, alike = np.zeros(len(chosen)), np.zeros(len(chosen))
    for number, part, adapted in guarded.adapted(frame, unadapted):
        here = np.flatnonzero((chosen >= part.start) & (chosen < part.stop))
        if isinstance(adapted, str) or not len(here):
            continue
        mine = chosen[here] - part.start
        strength = guarded.strength_at(number)
        faded = strength * adapted.facts.get("support", 1.0)
        added, to_all = adaptation.contributions(
            number, frame.features[part], unadapted[part], adapted.state, mine
        )
        values[here] += faded * added
        alike[here] = faded * to_all
        change[here] = strength * adapted.change[mine]
    return replace(own, values=values, raw=own.raw + change, beside={ADAPTATION: alike})
