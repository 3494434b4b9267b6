"""Where rows come from: Numerai's files, any parquet, the synthetic tournament."""

from numerai_lab.data.dataset import Dataset, SourceFile, horizon_days
from numerai_lab.data.load import load_data
from numerai_lab.data.references import META_MODEL, References, load_references
from numerai_lab.data.store import StoreFound, list_stores, remove_store
from numerai_lab.data.tournament import generate_tournament

__all__ = [
    "META_MODEL",
    "Dataset",
    "References",
    "SourceFile",
    "StoreFound",
    "generate_tournament",
    "horizon_days",
    "list_stores",
    "load_data",
    "load_references",
    "remove_store",
]
