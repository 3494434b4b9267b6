"""Many runs held beside each other: every pair on common eras, settings, alike predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from numerai_lab.arrays import Float64
from numerai_lab.config import Bootstrap
from numerai_lab.errors import RunError
from numerai_lab.experiment.judging.compare import p_values_together
from numerai_lab.experiment.judging.files import with_main
from numerai_lab.experiment.judging.listing import differences, settings_of
from numerai_lab.experiment.judging.series import Series, wanted
from numerai_lab.experiment.judging.summaries import MAIN
from numerai_lab.experiment.records import read_predictions
from numerai_lab.scoring import paired_by, statistic_of, verdict
from numerai_lab.seeds import child_seed

MOST_ERAS = 100
"""Eras, evenly chosen, that predictions are correlated in: of more, the mean hardly moves."""


@dataclass(frozen=True)
class Pair:
    """The first of two sides minus the second, by the statistic that was asked for.

    `p_among` is its p-value among all pairs, and the verdict follows both.
    """

    first: int
    second: int
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    p_among: float
    verdict: str


@dataclass(frozen=True)
class SideBySide:
    """Several sides of a comparison on the eras that all have.

    Attributes
    ----------
    labels : of the sides. values : the statistic of each on the common eras.
    scores : one column a side, in their order, indexed by era: common eras only.
    pairs : each two sides once. settings : of each what differs between them, None without a run.
    correlations : float64 [n_sides, n_sides], mean rank correlation within eras of what they
        predict, NaN where two share too few rows; `n_correlated` eras of theirs were taken.
    """

    labels: tuple[str, ...]
    metric: str
    values: tuple[float | None, ...]
    scores: pd.DataFrame
    pairs: tuple[Pair, ...]
    settings: tuple[dict[str, Any] | None, ...]
    correlations: Float64 | None = None
    n_correlated: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return what --json shows."""
        eras = self.scores.index
        return {
            "runs": list(self.labels),
            "values": list(self.values),
            "first_era": int(eras[0]),
            "last_era": int(eras[-1]),
            "n_eras": len(eras),
            "pairs": [
                {
                    **vars(pair),
                    "first": self.labels[pair.first],
                    "second": self.labels[pair.second],
                }
                for pair in self.pairs
            ],
        }


def side_by_side(
    sides: Sequence[Series], metric: str, say: Callable[[str], None], *, samples: int = 2000
) -> SideBySide:
    """Hold several sides beside each other, on the eras that all have.

    Whether they may be compared at all is `compare_series`'s to say.

    Raises
    ------
    RunError : all sides together have fewer than two eras in common.
    """
    _, statistic = wanted(metric)
    table = pd.concat([side.scores for side in sides], axis=1, join="inner").dropna().sort_index()
    table.columns = pd.RangeIndex(len(sides))
    if len(table) < 2:
        raise RunError(
            "all runs together have fewer than two eras in common", fix="compare fewer at a time"
        )
    left_out = max(len(side.scores) for side in sides) - len(table)
    if left_out:
        say(f"beside each other all are on their {len(table)} common eras")
    eras = table.index.to_numpy(dtype=np.int32)
    horizon, how = sides[0].horizon_days, Bootstrap(samples=samples)
    both = list(combinations(range(len(sides)), 2))
    p_values = p_values_together([table[[a, b]] for a, b in both], statistic, horizon, how)
    pairs = []
    for (a, b), p in zip(both, p_values, strict=True):
        one, two = (table[i].to_numpy(dtype=np.float64) for i in (a, b))
        found = paired_by(statistic, one, two, eras, horizon, how, child_seed(0, "paired"))
        thirds = [period.mean for period in found.thirds]
        way = verdict(found.ci_low, found.ci_high, thirds, p)
        ends = found.mean_difference, found.ci_low, found.ci_high
        pairs.append(Pair(a, b, *ends, p, way))
    values = (
        statistic_of(statistic, table[i].to_numpy(dtype=np.float64), eras, horizon)
        for i in table.columns
    )
    known = [side.run for side in sides if side.run is not None]
    told = iter(differences(settings_of(known)))
    settings = tuple(None if side.run is None else next(told) for side in sides)
    labels = tuple(side.label for side in sides)
    return SideBySide(labels, metric, tuple(values), table, tuple(pairs), settings)


def correlations(
    sides: Sequence[Series], eras: npt.NDArray[np.int32], say: Callable[[str], None]
) -> tuple[Float64, int]:
    """Correlate what sides predict: Spearman's within an era, averaged over at most `MOST_ERAS`.

    Returns
    -------
    float64 [n_sides, n_sides], and how many eras were taken.

    Raises
    ------
    RunError : predictions that are damaged or cannot be read.
    """
    step = max(1, -(-len(eras) // MOST_ERAS))
    columns: list[pd.DataFrame] = []
    era_of: pd.Series[Any] | None = None
    for i, side in enumerate(sides):
        path = Path(side.place)
        if side.run is not None:
            path = side.run.checked(side.run.predictions_path)
        found = with_main(read_predictions(path), say)
        table = pd.DataFrame({i: found.columns[MAIN]}, index=found.ids.to_pandas())
        if found.eras is not None:
            kept = np.isin(found.eras, eras[::step])
            table = table[kept]
            if era_of is None:
                era_of = pd.Series(found.eras[kept], index=table.index)
        columns.append(table)
    if era_of is None:
        return np.full((len(sides), len(sides)), np.nan), 0
    wide = pd.concat(columns, axis=1, join="outer")
    by_era = [
        part.corr("spearman", min_periods=3).to_numpy()
        for _, part in wide.groupby(era_of.reindex(wide.index))
    ]
    return np.nanmean(np.stack(by_era), axis=0), len(by_era)
