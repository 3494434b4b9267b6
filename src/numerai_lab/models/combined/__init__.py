"""Several models as one: out-of-fold predictions, weights found on them, and the blend."""

from numerai_lab.models.combined.blend import WeightFit, blend
from numerai_lab.models.combined.blocks import coefficient, per_era, predict_blocks
from numerai_lab.models.combined.out_of_fold import PredictPart, fit_weights
from numerai_lab.models.combined.runtime import standardised

__all__ = [
    "PredictPart",
    "WeightFit",
    "blend",
    "coefficient",
    "fit_weights",
    "per_era",
    "predict_blocks",
    "standardised",
]
