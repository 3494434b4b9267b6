"""Models that no config describes: an object handed over from Python."""

from numerai_lab.models.given.estimator import Estimator, offer_estimator

__all__ = ["Estimator", "offer_estimator"]
