"""How a feature's contribution depends on its value: bin by bin."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.explain.over_eras import Intervals, without_gaps

MISSING = "missing"
_MOST_BINS = 15


class Dependence:
    """Collects contributions of some features with their values, over eras.

    Parameters
    ----------
    eras : int32 [n_eras]. x, phi : float64 [n_rows] of each era, values (NaN where missing) and
        contributions.
    """

    def __init__(self, eras: npt.NDArray[np.int32], x: list[Float64], phi: list[Float64]) -> None:
        self._eras, self._x, self._phi = eras, x, phi

    def facts(self, intervals: Intervals) -> list[dict[str, Any]]:
        """Return for each bin its `rows` and the mean contribution over eras with its interval.

        Bins are the values there are, or fifths of the rows where there are more than 15 values;
        rows that lack the feature come last.
        """
        values = np.concatenate(self._x)
        known = np.unique(values[~np.isnan(values)])
        edges = known
        if len(known) > _MOST_BINS:
            edges = np.unique(np.nanquantile(values, [0.0, 0.2, 0.4, 0.6, 0.8]))
        said = "{:.4g}" if len(known) <= _MOST_BINS else "from {:.3g}"
        names = [said.format(edge) for edge in edges]
        found = []
        for i, name in enumerate([*names, MISSING]):
            series, n = np.full(len(self._eras), np.nan), 0
            for k, (x, phi) in enumerate(zip(self._x, self._phi, strict=True)):
                if name == MISSING:
                    there = np.isnan(x)
                else:
                    there = (x >= edges[i]) & (x < (edges[i + 1] if i + 1 < len(edges) else np.inf))
                n += int(there.sum())
                if there.any():
                    series[k] = phi[there].mean()
            if n:
                found.append({"bin": name, "rows": n, **intervals.of(series, self._eras, "mean")})
        return found


def column_values(features: Any, column: int) -> Float64:
    """Return one feature as float64, NaN where it is missing."""
    x, gaps = without_gaps(features[:, [column]])
    x[gaps] = np.nan
    return x[:, 0]
