"""The parquet file of contributions: a row for each explained row and member."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from numerai_lab.explain.sample import EraRows
from numerai_lab.models import Contributions


class ContributionTable:
    """Takes eras one after another and writes them: base + features + beside is `raw`.

    Columns are id, era, member (empty where there is one output), raw, base, `beside:NAME`, and
    the features, float32.
    """

    def __init__(self, features: Sequence[str]) -> None:
        self._features, self._parts = tuple(features), list[pa.Table]()

    def add(self, rows: EraRows, members: Sequence[Contributions]) -> None:
        """Add the rows of an era."""
        n = len(rows.ids)
        for member in members:
            columns = {
                "id": pa.array(rows.ids, pa.string()),
                "era": pa.array(np.full(n, rows.era, dtype=np.int32)),
                "member": pa.array([member.name] * n, pa.string()),
                "raw": pa.array(member.raw, pa.float64()),
                "base": pa.array(np.full(n, member.base), pa.float64()),
            }
            for name, more in member.beside.items():
                columns[f"beside:{name}"] = pa.array(more, pa.float64())
            values = np.ascontiguousarray(member.values.T, dtype=np.float32)
            columns |= {
                name: pa.array(column) for name, column in zip(self._features, values, strict=True)
            }
            self._parts.append(pa.table(columns))

    def write(self, path: Path) -> None:
        """Write all that was added."""
        table = pa.concat_tables(self._parts) if self._parts else pa.table({})
        with path.open("wb") as file:
            pq.write_table(table, file)
