"""Rows of real eras in pretraining: points that functions are drawn on, and labels that choose.

Points are scores of rows without labels, so that columns vary together as in the eras that the net
will read. `classes: auto` chooses the mixture by what nets of each, pretrained for a few steps, are
worth on labelled eras by being shown others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.arrays import Float32
from numerai_lab.config import Data
from numerai_lab.data import load_data
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError, ModelError, UserError
from numerai_lab.models.contract import FitContext
from numerai_lab.models.nets.in_context.contexts import fit_projection
from numerai_lab.models.nets.in_context.model import ICL
from numerai_lab.models.nets.in_context.params import ICLParams
from numerai_lab.models.nets.in_context.runtime import projected
from numerai_lab.models.nets.in_context.settings import RowSettings
from numerai_lab.models.nets.kept import Arrays
from numerai_lab.models.nets.runtime import era_bins
from numerai_lab.scoring import corr_per_era
from numerai_lab.splits import purge_for

_SHARDS, _SHARD_ROWS = 4, 512
"""A draw reads so many eras, and of each so many neighbouring rows at most."""
_LEARNT = 0.6
"""Share of the eras that are shown where a mixture is chosen; later ones are judged."""
_EVERY = 4
"""Of the judged eras one in so many is, since labels of neighbours overlap."""


@dataclass(frozen=True, eq=False)
class RealRows:
    """Rows of eras up to one that the config names, read an era at a time when they are drawn.

    Eras are the shards: of features that the era store keeps on disk, only those rows are read
    that a draw asks for.

    Attributes
    ----------
    frame : labelled. wanted : how it is read again. purge_eras : of the target's horizon.
    projection : what turns rows into scores, each of variance 1 (`contexts.fit_projection`).
    """

    frame: EraFrame
    wanted: RowSettings
    projection: Arrays
    purge_eras: int

    @property
    def last_era(self) -> int:
        """The last era that is there."""
        return int(self.frame.eras[-1])

    def draw(self, rng: np.random.Generator, n_tasks: int, n_points: int, n_dims: int) -> Float32:
        """Draw rows of one era for each task, and some columns of their scores in any order."""
        shards = [self._shard(rng) for _ in range(min(_SHARDS, n_tasks))]
        points = np.empty((n_tasks, n_points, n_dims), dtype=np.float32)
        for task in range(n_tasks):
            scores = shards[task % len(shards)]
            columns = rng.permutation(scores.shape[1])[:n_dims]
            points[task] = scores[rng.integers(0, len(scores), n_points)[:, None], columns]
        return points

    def _shard(self, rng: np.random.Generator) -> Float32:
        """Read some neighbouring rows of an era as scores, float32 [n_rows, n_scores]."""
        offsets = self.frame.offsets
        place = int(rng.integers(self.frame.n_eras))
        first, stop = int(offsets[place]), int(offsets[place + 1])
        first = int(rng.integers(first, max(first, stop - _SHARD_ROWS) + 1))
        bins = era_bins(self.frame.features[first : min(stop, first + _SHARD_ROWS)])
        return np.asarray(projected(bins, self.projection), dtype=np.float32)

    def reopened(self) -> Callable[[], RealRows]:
        """Return what opens the same rows in another process; it pickles."""
        eras = [int(era) for era in self.frame.eras]
        return partial(_reopened, self.wanted, eras, self.projection, self.purge_eras)


def _reopened(
    wanted: RowSettings, eras: list[int], projection: Arrays, purge_eras: int
) -> RealRows:
    frame = load_data(_section(wanted), say=lambda _: None).frame
    return RealRows(frame.select_eras(np.array(eras)), wanted, projection, purge_eras)


def read_rows(
    wanted: RowSettings, n_scores: int, seed: int, say: Callable[[str], None]
) -> RealRows:
    """Read the eras that a config names, and fit what turns their rows into scores.

    Raises
    ------
    DataError : the files are not what they should be. ModelError : there is no such era.
    """
    try:
        found = load_data(_section(wanted), say=say)
    except UserError as error:
        raise DataError(
            error.what,
            where=f"rows: {error.where}",
            fix="mend rows.dir, rows.feature_set or rows.target, which mean what they mean in an "
            "experiment's data section",
        ) from None
    frame = found.frame.between(0, wanted.to_era)
    if frame.n_eras < 2 or frame.n_features < n_scores:
        raise ModelError(
            f"{frame.n_eras} era(s) with {frame.n_features} features are too few for {n_scores} "
            "scores",
            where="rows",
            fix="write a later rows.to_era, a larger rows.feature_set or a smaller net.n_scores",
        )
    if frame.eras[-1] < wanted.to_era:
        say(f"rows.to_era: {wanted.to_era}, and the last era with a label is {frame.eras[-1]}")
    purge_eras = purge_for(found.horizons[wanted.target])
    return RealRows(frame, wanted, fit_projection(frame, n_scores, ICLParams(), seed), purge_eras)


def _section(wanted: RowSettings) -> Data:
    return Data.model_validate(
        {
            "source": "numerai",
            "dir": str(wanted.dir),
            "feature_set": wanted.feature_set,
            "targets": [wanted.target],
            "eras": {"to": wanted.to_era},
        }
    )


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
    n_scores = rows.projection["projection"].shape[1]
    own = fit_projection(train, n_scores, ICLParams(), seed)  # of no judged row
    earlier = replace(rows, frame=train, projection=own)
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
