"""A made-up live era, as Numerai stores one, to run a bundle on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from numerai_lab.data import Beside
from numerai_lab.experiment import FinalModel, NextEra
from numerai_lab.seeds import child_seed


def beside_of(final: FinalModel) -> Beside:
    """Return the columns that the rows of a run have beside the features."""
    data = final.experiment.data
    return Beside.of(data) if data.source in ("parquet", "prices") else Beside()


def write_live(
    folder: Path,
    final: FinalModel,
    n_rows: int,
    n_features: int,
    following: NextEra | None = None,
) -> tuple[Path, Path | None]:
    """Write a made-up live era as Numerai stores one, and its benchmark if the run needs one.

    Features share a common factor, so that an adaptation has something to read; one in twenty is
    2 on the whole era, as Numerai stores a feature that is missing (floats: one value in fifty
    is NaN). More features than the model's own are columns that it has to ignore. Where the model
    carries its past, it is the era that follows (`following`), of entities that it knows.
    """
    rng = np.random.default_rng(child_seed(0, "live", n_rows, n_features))
    extra = max(0, n_features - len(final.feature_names))
    names = [*final.feature_names, *(f"feature_unknown_to_the_model_{i}" for i in range(extra))]
    factor = rng.normal(size=(n_rows, 1)).astype(np.float32)
    values = rng.normal(size=(n_rows, len(names))).astype(np.float32)
    values += factor * rng.normal(scale=0.5, size=len(names)).astype(np.float32)
    table = pd.DataFrame(index=pd.Index([f"n{i:015x}" for i in range(n_rows)], name="id"))
    if final.feature_dtype == "int8":
        values = np.clip(np.rint(values + 2), 0, 4)
        values[:, ::20] = 2
        values = values.astype(np.int8)
    else:
        values[rng.random(values.shape) < 0.02] = np.nan
    order = rng.permutation(len(names))
    features = pd.DataFrame(values[:, order], columns=[names[i] for i in order], index=table.index)
    live = folder / "live.parquet"
    era = "X" if following is None else f"{following.number:04d}"
    beside = pd.DataFrame({"era": era, **_made_up_beside(final, n_rows, rng)}, index=table.index)
    pd.concat([beside, features], axis=1).to_parquet(live)
    how = final.experiment.neutralize
    if how is None or how.against != "benchmark":
        return live, None
    path = folder / "live_benchmark_models.parquet"
    benchmark = pd.DataFrame({"era": "X", final.neutralizers[0]: rng.random(n_rows)}, table.index)
    benchmark.to_parquet(path)
    return live, path


def _made_up_beside(final: FinalModel, n_rows: int, rng: np.random.Generator) -> dict[str, Any]:
    """Make columns beside the features: values that the kept history has, and others."""
    told, kept = beside_of(final), final.history
    rows = None if kept is None else kept.rows
    found: dict[str, Any] = {}
    if told.entity is not None:
        names = [] if rows is None or rows.entity is None else rows.entity.unique().to_pylist()
        some = names[: n_rows // 2]
        others = [f"unknown {i}" for i in range(n_rows - len(some))]
        found[told.entity] = rng.permutation(np.array([*some, *others], dtype=object))
    for name in told.side:
        known = None if rows is None else rows.side.get(name)
        values = ["a", "b", "c", None] if known is None else known.unique().to_pylist()
        found[name] = [values[i] for i in rng.integers(0, max(len(values), 1), n_rows)]
    return found
