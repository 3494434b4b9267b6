"""`xgb_ttt`: XGBoost that adapts itself to each era's unlabelled rows, or leaves it be."""

from numerai_lab.models.trees.xgb_ttt.adapted_trees import FROZEN, JOINT, SHUFFLED
from numerai_lab.models.trees.xgb_ttt.model import XGBTTT
from numerai_lab.models.trees.xgb_ttt.params import Adapt, AdapterTrees, Auxiliary, XGBTTTParams

__all__ = [
    "FROZEN",
    "JOINT",
    "SHUFFLED",
    "XGBTTT",
    "Adapt",
    "AdapterTrees",
    "Auxiliary",
    "XGBTTTParams",
]
