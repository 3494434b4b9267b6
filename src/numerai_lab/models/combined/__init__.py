"""Several models as one: out-of-fold predictions, weights found on them, and the blend."""

from numerai_lab.models.combined.blend import NonNegativeFit, blend
from numerai_lab.models.combined.out_of_fold import PredictPart, fit_weights

__all__ = ["NonNegativeFit", "PredictPart", "blend", "fit_weights"]
