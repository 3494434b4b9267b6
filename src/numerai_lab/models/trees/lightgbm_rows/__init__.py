"""What models by LightGBM share: rows as it bins them, its errors, its trees on disk."""

from numerai_lab.models.trees.lightgbm_rows.binned import (
    BINNING,
    BinnedRows,
    as_float,
    binning_bytes,
)
from numerai_lab.models.trees.lightgbm_rows.boosters import (
    load_boosters,
    no_gpu,
    rounds_of,
    save_boosters,
)
from numerai_lab.models.trees.lightgbm_rows.distributed import network_params
from numerai_lab.models.trees.lightgbm_rows.errors import library_errors, one_sentence

__all__ = [
    "BINNING",
    "BinnedRows",
    "as_float",
    "binning_bytes",
    "library_errors",
    "load_boosters",
    "network_params",
    "no_gpu",
    "one_sentence",
    "rounds_of",
    "save_boosters",
]
