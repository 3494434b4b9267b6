"""Network momentum: a graph learned from momentum signals, and what neighbours did by it."""

from numerai_lab.features.momentum.network import NetworkMomentum

__all__ = ["NetworkMomentum"]
