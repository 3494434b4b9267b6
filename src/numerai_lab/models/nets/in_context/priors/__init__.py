"""Classes of functions that tasks are drawn from: a literal table."""

from numerai_lab.models.nets.in_context.priors.linear import Linear, SparseLinear
from numerai_lab.models.nets.in_context.priors.network import ReluNetwork
from numerai_lab.models.nets.in_context.priors.protocol import Prior
from numerai_lab.models.nets.in_context.priors.series import TimeSeries
from numerai_lab.models.nets.in_context.priors.trees import Trees

PRIORS: dict[str, Prior] = {
    "linear": Linear(),
    "sparse": SparseLinear(),
    "network": ReluNetwork(),
    "trees": Trees(),
    "time_series": TimeSeries(),
}
"""What a pretraining config names in `classes`. A new class is a module here and a line above."""

WEIGHTS = {"linear": 0.2, "sparse": 0.3, "network": 0.2, "trees": 0.2, "time_series": 0.1}
"""How often each is drawn where a config does not say."""

__all__ = ["PRIORS", "WEIGHTS", "Prior"]
