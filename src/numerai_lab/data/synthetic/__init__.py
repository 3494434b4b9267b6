"""The synthetic tournament: a market with a planted signal, written as Numerai's files."""

from numerai_lab.data.synthetic.tournament import cached_tournament, generate_tournament, is_cache

__all__ = ["cached_tournament", "generate_tournament", "is_cache"]
