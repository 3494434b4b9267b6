"""The era store: rows converted once from parquet, sorted by era, mapped when they are read."""

from numerai_lab.data.store.manifest import known_files
from numerai_lab.data.store.use import read_from_store, wants_store

__all__ = ["known_files", "read_from_store", "wants_store"]
