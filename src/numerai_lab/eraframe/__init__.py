"""EraFrame: the one data structure that flows through the lab."""

from numerai_lab.eraframe.features import MISSING_INT8, FeatureArray, Features, StoredFeatures
from numerai_lab.eraframe.frame import EraFrame, end_to_end, era_label

__all__ = [
    "MISSING_INT8",
    "EraFrame",
    "FeatureArray",
    "Features",
    "StoredFeatures",
    "end_to_end",
    "era_label",
]
