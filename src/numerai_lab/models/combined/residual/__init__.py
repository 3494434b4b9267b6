"""`residual`: any model, and a second one on what it leaves."""

from numerai_lab.models.combined.residual.model import Residual
from numerai_lab.models.combined.residual.params import ResidualParams

__all__ = ["Residual", "ResidualParams"]
