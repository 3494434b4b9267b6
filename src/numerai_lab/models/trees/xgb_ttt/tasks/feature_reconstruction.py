"""`feature_reconstruction`: rebuild the era's feature correlations from a small code."""

from __future__ import annotations

import numpy as np

from numerai_lab.models.contract import Float32
from numerai_lab.models.trees.xgb_ttt.codes.runtime import pairs
from numerai_lab.models.trees.xgb_ttt.principal import Summary
from numerai_lab.models.trees.xgb_ttt.statistics import EraStatistics
from numerai_lab.models.trees.xgb_ttt.task import AuxiliaryTask


class FeatureReconstruction(AuxiliaryTask):
    """The era's statistics are the upper triangle of its correlation matrix.

    A row's targets are its own share in the code, sum over pairs i < j of D_ij z_i z_j: their
    mean over an era's rows is the code that rebuilds its correlations.
    """

    def summary(self, era: EraStatistics) -> Summary:
        """Return the correlations of all pairs; those of features that vary are seen."""
        upper = pairs(len(era.usable))
        seen = np.outer(era.usable, era.usable)[upper]
        return Summary(era.correlations()[upper], seen)

    def row_targets(self, era: EraStatistics) -> Float32:
        """Return each row's share in the code, float32 [n_rows, n_codes]."""
        upper = pairs(self.n_features)
        shares = []
        for axis in self.directions.T:
            weights = np.zeros((self.n_features, self.n_features), dtype=np.float32)
            weights[upper] = axis
            shares.append(np.einsum("ij,ij->i", era.values @ weights, era.values))
        return np.column_stack(shares)


TASK = FeatureReconstruction
