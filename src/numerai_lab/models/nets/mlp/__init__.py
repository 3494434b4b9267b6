"""`mlp`: a net that reads one row at a time."""

from numerai_lab.models.nets.mlp.model import MLP
from numerai_lab.models.nets.mlp.params import MLPParams

__all__ = ["MLP", "MLPParams"]
