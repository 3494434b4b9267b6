"""`embedding`: what a net makes of a row, out of fold, as columns for another model."""

from numerai_lab.models.nets.embedding.step import Embedding, EmbeddingParams

__all__ = ["Embedding", "EmbeddingParams"]
