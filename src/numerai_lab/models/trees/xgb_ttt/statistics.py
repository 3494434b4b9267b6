"""What an era's unlabelled rows say: standardised features and their correlations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import FeatureArray
from numerai_lab.models.contract import Float32
from numerai_lab.models.trees.xgb_ttt.codes.runtime import FEWEST_ROWS as MIN_ROWS
from numerai_lab.models.trees.xgb_ttt.codes.runtime import correlations, first_half, standardise


@dataclass(frozen=True)
class EraStatistics:
    """One era, as an adaptation sees it.

    Attributes
    ----------
    values : float32 [n_rows, n_features], mean 0 and variance 1 over the era's known values;
        0 where a value is missing or the feature does not vary.
    usable : bool [n_features], features with `MIN_ROWS` known values that vary.
    """

    values: Float32
    usable: npt.NDArray[np.bool_]

    def correlations(self) -> Float32:
        """Return the correlation matrix, float32 [n_features, n_features]."""
        return np.asarray(correlations(self.values))

    def halves(self) -> tuple[EraStatistics, EraStatistics]:
        """Return either half of the rows, standardised as the whole; whatever their order is."""
        first = first_half(self.values)
        return EraStatistics(self.values[first], self.usable), EraStatistics(
            self.values[~first], self.usable
        )


def era_statistics(features: FeatureArray) -> EraStatistics | str:
    """Standardise the features of one era, or say why the era says too little.

    Parameters
    ----------
    features : int8 or float32 [n_rows, n_features]; missing values as in an EraFrame, and
        infinite ones count as missing.
    """
    if len(features) < MIN_ROWS:
        return f"fewer than {MIN_ROWS} rows"
    values, usable = standardise(features)
    if values is None:
        return "fewer than two features that vary"
    return EraStatistics(values, usable)
