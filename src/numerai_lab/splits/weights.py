"""Sample weights of the training rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from numerai_lab.config import Weights
from numerai_lab.eraframe import EraFrame


def sample_weights(weights: Weights, frame: EraFrame) -> npt.NDArray[np.float32] | None:
    """Weigh the rows of a training frame.

    `era_equal`: the rows of each era sum to the same. `era_decay`: a row counts half as much
    as one `half_life_eras` era numbers younger. Both have mean 1 over the rows, so that
    parameters which add up weights (min_child_weight) keep their meaning.

    Returns
    -------
    float32 [n_rows], or None for equal weights.
    """
    if weights.type == "none" or frame.n_rows == 0:
        return None
    rows = np.diff(frame.offsets)
    if weights.type == "era_equal":
        per_era = frame.n_rows / (frame.n_eras * rows)
    else:
        age = (frame.eras[-1] - frame.eras).astype(np.float64)
        per_era = 0.5 ** (age / weights.half_life_eras)
        per_era *= frame.n_rows / float(per_era @ rows)
    return np.repeat(per_era, rows).astype(np.float32)
