"""`xgb`: gradient boosted trees by XGBoost."""

from numerai_lab.models.xgb.model import XGB
from numerai_lab.models.xgb.params import EraBoosting, XGBParams

__all__ = ["XGB", "EraBoosting", "XGBParams"]
