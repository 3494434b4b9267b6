"""Models that learn nothing here: an object handed over from Python, predictions from a file."""

from numerai_lab.models.given.estimator import Estimator, offer_estimator
from numerai_lab.models.given.imported import Imported

__all__ = ["Estimator", "Imported", "offer_estimator"]
