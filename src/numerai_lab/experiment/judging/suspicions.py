"""Which judged predictions are suspicious, held against every benchmark there is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from numerai_lab.data import References
from numerai_lab.eraframe import EraFrame
from numerai_lab.scoring import Suspicion, corr_per_era, suspect

_AT_ONCE = 4
"""Benchmark columns read at a time: Numerai has dozens, of millions of rows each."""


def suspicions(
    per_era: pd.DataFrame,
    rows: EraFrame,
    target: str,
    horizon_days: int,
    references: References,
    benchmark: str | None,
) -> dict[str, Suspicion]:
    """Hold every prediction's corr with one target against the benchmarks of the same eras.

    The benchmark judged beside the predictions is there already. The others are read only if a
    prediction would be suspicious without them, and only until none is.

    Parameters
    ----------
    per_era : the table of `Scored`. rows : the judged rows, with the target.
    benchmark : the prediction column of `per_era` that is the benchmark, or None.
    """
    corr = {
        str(name): part["corr"].to_numpy(dtype=np.float64)
        for name, part in per_era[per_era["target"] == target].groupby("prediction", sort=False)
    }
    known = {} if benchmark is None else {benchmark: corr[benchmark]}
    found: dict[str, Suspicion] = {}

    def look(names: Sequence[str]) -> list[str]:
        for name in names:
            one = suspect(corr[name], rows.eras, horizon_days, known)
            if one is not None:
                found[name] = one
        return [name for name in names if name in found and found[name].suspicious]

    accused = look(list(corr))
    others = [name for name in references.benchmarks if name != benchmark]
    while accused and others:
        batch, others = others[:_AT_ONCE], others[_AT_ONCE:]
        aligned = references.align(rows.ids, batch)
        scores = corr_per_era(_columns(aligned, batch), rows.target(target), rows.offsets)
        known |= dict(zip(batch, scores.T, strict=True))
        accused = look(accused)
    return found


def _columns(
    aligned: dict[str, npt.NDArray[np.float64]], names: Sequence[str]
) -> npt.NDArray[np.float64]:
    return np.column_stack([aligned[name] for name in names])
