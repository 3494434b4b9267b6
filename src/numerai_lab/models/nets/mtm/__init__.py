"""`mtm`: a transformer over groups of features, pretrained by masking them."""

from numerai_lab.models.nets.mtm.model import MTM
from numerai_lab.models.nets.mtm.params import MTMParams

__all__ = ["MTM", "MTMParams"]
