"""`mixer`: subsets of a row's features, mixed by TSMixer's blocks."""

from numerai_lab.models.nets.mixer.model import Mixer
from numerai_lab.models.nets.mixer.params import MixerParams

__all__ = ["Mixer", "MixerParams"]
