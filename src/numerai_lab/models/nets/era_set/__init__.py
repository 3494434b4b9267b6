"""`era_set`: a net to which an era is one data point, a set of rows."""

from numerai_lab.models.nets.era_set.model import EraSet
from numerai_lab.models.nets.era_set.params import EraSetParams

__all__ = ["EraSet", "EraSetParams"]
