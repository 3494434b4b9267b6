"""Where rows come from: Numerai's files, any parquet, the synthetic tournament."""

from numerai_lab.data.dataset import Dataset, SourceFile, chosen_features, horizon_days
from numerai_lab.data.download_lock import (
    LOCK_NAME,
    LockedFile,
    locked_file,
    read_lock,
    write_lock,
)
from numerai_lab.data.earlier import EarlierRows
from numerai_lab.data.load import load_data
from numerai_lab.data.prices import (
    PriceFolder,
    PricesFound,
    WeeklyReturns,
    holds_prices,
    is_made_of_prices,
    list_price_folders,
    made_up_prices,
    price_folder,
    remove_price_folder,
    told_counts,
    weekly_returns_of,
)
from numerai_lab.data.reading import (
    Beside,
    eras_of_predictions,
    ids_in,
    read_id_table,
    same_number,
    table_name,
    table_path,
)
from numerai_lab.data.references import (
    META_MODEL,
    References,
    choose_benchmark,
    load_benchmarks,
    load_references,
)
from numerai_lab.data.source import columns_of
from numerai_lab.data.store import StoreFound, list_stores, remove_store
from numerai_lab.data.synthetic import cached_tournament, generate_tournament, is_cache
from numerai_lab.data.unlabelled import Unlabelled, load_unlabelled

__all__ = [
    "LOCK_NAME",
    "META_MODEL",
    "Beside",
    "Dataset",
    "EarlierRows",
    "LockedFile",
    "PriceFolder",
    "PricesFound",
    "References",
    "SourceFile",
    "StoreFound",
    "Unlabelled",
    "WeeklyReturns",
    "cached_tournament",
    "choose_benchmark",
    "chosen_features",
    "columns_of",
    "eras_of_predictions",
    "generate_tournament",
    "holds_prices",
    "horizon_days",
    "ids_in",
    "is_cache",
    "is_made_of_prices",
    "list_price_folders",
    "list_stores",
    "load_benchmarks",
    "load_data",
    "load_references",
    "load_unlabelled",
    "locked_file",
    "made_up_prices",
    "price_folder",
    "read_id_table",
    "read_lock",
    "remove_price_folder",
    "remove_store",
    "same_number",
    "table_name",
    "table_path",
    "told_counts",
    "weekly_returns_of",
    "write_lock",
]
