"""`lgbm_ensemble`: LightGBM members blended by rank."""

from numerai_lab.models.trees.lgbm_ensemble.model import LGBMEnsemble
from numerai_lab.models.trees.lgbm_ensemble.params import LGBMEnsembleParams

__all__ = ["LGBMEnsemble", "LGBMEnsembleParams"]
