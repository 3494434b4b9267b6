"""`neutralize` and `blend`: predictions made of predictions, era by era."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from numerai_lab.api.given import PredictionsLike, by_id, predicted_rows
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import UserError
from numerai_lab.experiment import without
from numerai_lab.scoring import gaussian_rank_per_era, rank_per_era


def neutralize(
    predictions: PredictionsLike,
    rows: EraFrame,
    *,
    features: Sequence[str] | None = None,
    proportion: float = 0.5,
) -> pd.Series[float]:
    """Take a proportion of what features explain linearly out of predictions, era by era.

    As `neutralize:` of a config does it: gaussian ranks, least squares within the era, ranks.

    Parameters
    ----------
    predictions : a Series or table by id, an array [n] or [n, 1] in the order of `rows`, a file.
    rows : the rows that were predicted, and others.
    features : what to take out; None: all features of `rows`.
    proportion : 0 takes nothing out, 1 all.

    Returns
    -------
    float64 by id, strictly between 0 and 1; only rows that have a prediction.

    Raises
    ------
    UserError : a proportion outside 0..1, an array of the wrong length. DataError : a feature that
        is not in `rows`, predictions of ids that are not, NaN.
    """
    if not 0 <= proportion <= 1:
        raise UserError(f"proportion is {proportion:g}, not from 0 to 1", where="neutralize")
    kept, columns = predicted_rows({"predictions": predictions}, rows)
    taken = (kept if features is None else kept.with_features(features)).features
    values = columns["predictions"].astype(np.float32)
    return by_id(without(values, taken, kept.offsets, proportion), kept)


def blend(
    predictions: Mapping[str, PredictionsLike] | Sequence[PredictionsLike],
    rows: EraFrame,
    *,
    weights: Mapping[str, float] | Sequence[float] | None = None,
) -> pd.Series[float]:
    """Weigh predictions: the rank within the era of the weighted sum of their gaussian ranks.

    Parameters
    ----------
    predictions : of the same rows each, as in `neutralize`. weights : one each; None: all equal.

    Returns
    -------
    float64 by id, strictly between 0 and 1.

    Raises
    ------
    UserError : no predictions, or weights that are not theirs. DataError : as `neutralize`, and
        predictions of other rows than the first.
    """
    named = predictions if isinstance(predictions, Mapping) else _numbered(predictions)
    given = weights if isinstance(weights, Mapping) or weights is None else _numbered(weights)
    if given is not None and given.keys() != named.keys():
        raise UserError(
            f"weights of {', '.join(given)} for predictions {', '.join(named)}",
            where="blend",
            fix="give every prediction one weight",
        )
    kept, columns = predicted_rows(named, rows)
    ranks = gaussian_rank_per_era(np.column_stack([*columns.values()]), kept.offsets)
    factors = np.array([1.0 if given is None else float(given[name]) for name in columns])
    return by_id(rank_per_era(ranks @ factors, kept.offsets), kept)


def _numbered(items: Sequence[Any]) -> dict[str, Any]:
    return {str(i): item for i, item in enumerate(items, start=1)}
