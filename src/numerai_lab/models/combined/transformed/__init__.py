"""`transformed`: any model on features and columns made of them; `transforms:` in a config."""

from numerai_lab.models.combined.transformed.model import Transformed
from numerai_lab.models.combined.transformed.params import TransformedParams

__all__ = ["Transformed", "TransformedParams"]
