"""`random_forest` and `extra_trees`: averages of LightGBM trees that each see some eras."""

from numerai_lab.models.trees.forests.model import ExtraTrees, RandomForest
from numerai_lab.models.trees.forests.params import ForestParams

__all__ = ["ExtraTrees", "ForestParams", "RandomForest"]
