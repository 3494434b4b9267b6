"""Columns permuted among the rows of their era: what as many columns of no meaning would gain."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.arrays import Int8
from numerai_lab.seeds import child_seed


def permuted(columns: Int8, ids: pa.Array, era: int, seed: int) -> Int8:
    """Permute each column of an era by itself, int8 [n_rows, n_columns], a new array.

    Which row is given whose value follows from ids, era and seed, not from the order of rows.
    """
    by_id = pc.array_sort_indices(ids).to_numpy().astype(np.int64)
    rng = np.random.default_rng(child_seed(seed, "permuted", era))
    found = np.empty_like(columns)
    for column in range(columns.shape[1]):
        found[by_id, column] = columns[by_id[rng.permutation(len(by_id))], column]
    return found
