"""The era store: rows converted once from parquet, sorted by era, mapped when they are read."""

from numerai_lab.data.store.prune import StoreFound, list_stores, remove_store
from numerai_lab.data.store.use import known_files, read_from_store, wants_store

__all__ = [
    "StoreFound",
    "known_files",
    "list_stores",
    "read_from_store",
    "remove_store",
    "wants_store",
]
