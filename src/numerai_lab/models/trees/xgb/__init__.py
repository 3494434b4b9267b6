"""`xgb`: gradient boosted trees by XGBoost."""

from numerai_lab.models.trees.xgb.model import XGB
from numerai_lab.models.trees.xgb.params import EraBoosting, XGBParams

__all__ = ["XGB", "EraBoosting", "XGBParams"]
