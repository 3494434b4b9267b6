"""`era_rnn`: how past eras went decides what the next one's coefficients, or gate, are."""

from numerai_lab.models.nets.era_rnn.model import EraRNN
from numerai_lab.models.nets.era_rnn.params import EraRNNParams

__all__ = ["EraRNN", "EraRNNParams"]
