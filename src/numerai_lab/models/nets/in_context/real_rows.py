"""Rows of real eras in pretraining: points that functions are drawn on, and labels that choose.

Points are scores of rows without labels, so that columns vary together as in the eras that the net
will read. `classes: auto` chooses the mixture by what nets of each, pretrained for a few steps, are
worth on labelled eras by being shown others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.arrays import Float32
from numerai_lab.config import Data
from numerai_lab.data import load_data
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.contract import FitContext
from numerai_lab.models.nets.in_context.contexts import fit_projection
from numerai_lab.models.nets.in_context.model import ICL
from numerai_lab.models.nets.in_context.params import ICLParams
from numerai_lab.models.nets.in_context.runtime import projected
from numerai_lab.models.nets.in_context.settings import RowSettings
from numerai_lab.models.nets.runtime import era_bins
from numerai_lab.scoring import corr_per_era
from numerai_lab.seeds import child_seed
from numerai_lab.splits import purge_for

_MOST_ROWS = 512
"""Of an era, that are kept as points."""
_LEARNT = 0.6
"""Share of the eras that are shown where a mixture is chosen; later ones are judged."""
_EVERY = 4
"""Of the judged eras one in so many is, since labels of neighbours overlap."""


@dataclass(frozen=True, eq=False)
class RealRows:
    """Rows of eras up to one that the config names.

    Attributes
    ----------
    frame : labelled. scores : for each era float32 [n_rows, n_scores], each column of variance 1.
    purge_eras : of the target's horizon.
    """

    frame: EraFrame
    scores: list[Float32]
    purge_eras: int

    @property
    def last_era(self) -> int:
        """The last era that is there."""
        return int(self.frame.eras[-1])

    def draw(self, rng: np.random.Generator, n_tasks: int, n_points: int, n_dims: int) -> Float32:
        """Draw rows of one era for each task, and some columns of their scores in any order."""
        points = np.empty((n_tasks, n_points, n_dims), dtype=np.float32)
        for task in range(n_tasks):
            era = self.scores[int(rng.integers(len(self.scores)))]
            columns = rng.permutation(era.shape[1])[:n_dims]
            points[task] = era[rng.integers(0, len(era), n_points)[:, None], columns]
        return points


def read_rows(
    wanted: RowSettings, n_scores: int, seed: int, say: Callable[[str], None]
) -> RealRows:
    """Read the eras that a config names, and turn their rows into scores.

    Raises
    ------
    DataError : the files are not what they should be. ModelError : there is no such era.
    """
    section = Data.model_validate(
        {
            "source": "numerai",
            "dir": str(wanted.dir),
            "feature_set": wanted.feature_set,
            "targets": [wanted.target],
            "eras": {"to": wanted.to_era},
        }
    )
    found = load_data(section, say=say)
    frame = found.frame.between(0, wanted.to_era)
    if frame.n_eras < 2 or frame.n_features < n_scores:
        raise ModelError(
            f"{frame.n_eras} eras with {frame.n_features} features are too few for {n_scores} "
            "scores",
            where="rows",
            fix="name later eras, or more features",
        )
    return _scored(frame, n_scores, seed, purge_for(found.horizons[wanted.target]))


def _scored(frame: EraFrame, n_scores: int, seed: int, purge_eras: int) -> RealRows:
    """Turn some rows of each era into scores, by a projection that is fitted on these eras."""
    projection = fit_projection(frame, n_scores, ICLParams(), seed)
    scores = []
    for era, rows in frame.iter_eras():
        n = rows.stop - rows.start
        drawn = np.random.default_rng(child_seed(seed, "icl", "points", era)).permutation(n)
        bins = era_bins(frame.features[rows])[np.sort(drawn[:_MOST_ROWS])]
        scores.append(projected(bins, projection).astype(np.float32))
    return RealRows(frame, scores, purge_eras)


def chosen_mixture(
    rows: RealRows,
    target: str,
    mixtures: Sequence[Mapping[str, float]],
    pretrained: Callable[[int, RealRows], Path],
    seed: int,
) -> tuple[int, list[dict[str, Any]]]:
    """Choose the mixture whose net is worth most on later eras by being shown earlier ones.

    Parameters
    ----------
    pretrained : returns the checkpoint of a mixture by its number, which may see the rows that
        it is given: those of the eras that are shown.

    Returns
    -------
    The number of the best, and `classes` and mean `corr` of each.
    """
    eras = rows.frame.eras
    shown = eras[: max(1, round(_LEARNT * len(eras)))]
    judged = eras[eras > shown[-1] + rows.purge_eras][::_EVERY]
    if not len(judged):
        raise ModelError(
            f"{len(eras)} eras are too few to choose a mixture on: none is left after those that "
            f"are shown and a purge of {rows.purge_eras}",
            where="classes",
            fix="write rows.to_era: with a later era, or the classes' shares",
        )
    train, later = rows.frame.select_eras(shown), rows.frame.select_eras(judged)
    earlier = _scored(train, rows.scores[0].shape[1], seed, rows.purge_eras)
    told: list[dict[str, Any]] = []
    for number, mixture in enumerate(mixtures):
        params = ICLParams(checkpoint=pretrained(number, earlier), controls=False)
        model = ICL(params)
        ctx = FitContext(seed=seed, target=target, targets=(target,), purge_eras=rows.purge_eras)
        model.fit(train, ctx)
        values = model.predict(later.without_targets())
        scores = corr_per_era(values, later.target(target), later.offsets)
        told.append({"classes": dict(mixture), "corr": float(np.nanmean(scores))})
    best = max(range(len(told)), key=lambda i: told[i]["corr"])
    return best, told
