"""Several models as one: out-of-fold predictions, weights found on them, and the blend."""

from numerai_lab.models.combined.blend import WeightFit, blend
from numerai_lab.models.combined.out_of_fold import PredictPart, fit_weights

__all__ = ["PredictPart", "WeightFit", "blend", "fit_weights"]
