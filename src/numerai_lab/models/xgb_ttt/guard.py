"""The guard: adaptation is switched on only where held-out training eras gain from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.config import Bootstrap
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.base import FitContext, Float32
from numerai_lab.models.xgb import XGB, XGBParams
from numerai_lab.models.xgb_ttt.adaptation import Adaptation
from numerai_lab.models.xgb_ttt.params import Adapt
from numerai_lab.models.xgb_ttt.tasks import MIN_ERAS
from numerai_lab.scoring import corr_per_era, long_run_std, paired
from numerai_lab.seeds import child_seed
from numerai_lab.splits import purge_for

Float64 = npt.NDArray[np.float64]

GRID = (0.25, 0.5, 1.0)
"""Strengths tried; 0 is the frozen model and needs no trial."""
TREES_ON_ERAS = 40
"""The frozen trees of a trial learn from every 4th era (as labels overlap, little is lost), or
more where this many would not remain."""


@dataclass(frozen=True)
class Block:
    """One trial: trained on the first eras, judged on later ones.

    Attributes
    ----------
    train, judged : first and last era. eras : judged era numbers.
    gains : float64 [n_eras, len(GRID)], corr minus the frozen trees'; NaN without a score.
    note : why there were no gains, or empty.
    """

    train: tuple[int, int]
    judged: tuple[int, int]
    eras: npt.NDArray[np.int32]
    gains: Float64
    note: str = ""


@dataclass(frozen=True)
class Decision:
    """The strength chosen, why in a sentence, and the gains by block and strength."""

    strength: float
    reason: str
    blocks: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return asdict(self)


def trial_blocks(train: EraFrame, purge_eras: int) -> list[tuple[EraFrame, EraFrame]]:
    """Cut training eras into two trials, in order of time and purged.

    The third quarter of the eras is judged by a model of the first half, the last quarter by
    one of the first three quarters. Empty when fewer than `MIN_ERAS` eras are left anywhere.
    """
    n = train.n_eras
    trials = []
    for start, stop in ((n // 2, 3 * n // 4), (3 * n // 4, n)):
        judged = train.select_eras(train.eras[start:stop])
        if judged.n_eras < MIN_ERAS:
            return []
        past = train.between(int(train.eras[0]), int(judged.eras[0]) - purge_eras - 1)
        if past.n_eras < MIN_ERAS:
            return []
        trials.append((past, judged))
    return trials


def run_trial(
    past: EraFrame,
    judged: EraFrame,
    ctx: FitContext,
    frozen_params: XGBParams,
    params: Adapt,
    grown: Callable[[], None],
) -> Block:
    """Fit frozen trees and adaptation on past eras and score every strength on judged ones."""
    spans = (
        (int(past.eras[0]), int(past.eras[-1])),
        (int(judged.eras[0]), int(judged.eras[-1])),
    )
    quiet = replace(ctx, stop=None, stop_rounds=0, progress=lambda *_: grown(), say=lambda _: None)
    weights = None if ctx.weights is None else ctx.weights[: past.n_rows]
    adaptation, _ = Adaptation.fit(past, replace(quiet, weights=weights), params, grown)
    if isinstance(adaptation, str):
        nothing = np.zeros((judged.n_eras, len(GRID)))
        return Block(*spans, judged.eras, nothing, adaptation)
    step = max(1, min(4, past.n_eras // TREES_ON_ERAS))
    chosen = np.repeat(np.arange(past.n_eras) % step == 0, np.diff(past.offsets))
    base = XGB(frozen_params)
    base.fit(
        past.take(np.flatnonzero(chosen)) if step > 1 else past,
        replace(quiet, weights=None if weights is None else weights[chosen]),
    )
    frozen = base.predict(judged)
    gains = np.empty((judged.n_eras, len(GRID)))
    labels = judged.target(ctx.target)
    seen = 0
    for i, (era, rows) in enumerate(judged.iter_eras()):
        while adaptation.method.online and judged.eras[seen] < era - ctx.purge_eras:
            known = slice(int(judged.offsets[seen]), int(judged.offsets[seen + 1]))
            adaptation.observe(judged.features[known], labels[known])
            seen += 1
        gains[i] = era_gains(adaptation, judged.features[rows], frozen[rows], labels[rows])
    return Block(*spans, judged.eras, gains)


def era_gains(adaptation: Adaptation, features: Any, frozen: Float32, labels: Float32) -> Float64:
    """Return the corr of every strength of `GRID` minus the frozen trees', float64 [n_grid]."""
    reading = adaptation.read(features, frozen)
    if isinstance(reading, str):
        return np.zeros(len(GRID))
    change = reading.change()
    columns = [frozen, *(frozen + np.float32(strength) * change for strength in GRID)]
    offsets = np.array([0, len(frozen)], dtype=np.int64)
    scores = corr_per_era(np.column_stack(columns), labels, offsets)[0]
    return np.asarray(scores[1:] - scores[0])


def decide(blocks: Sequence[Block], purge_eras: int, seed: int) -> Decision:
    """Choose the strength that is surest to gain in both trials, or 0.

    A strength counts when the 95 % block-bootstrap interval of its mean gain lies above 0 in
    each trial; among those the one whose lower end is highest in its worse trial is taken.
    """
    if not blocks:
        least = f"{4 * MIN_ERAS} eras and the purge"
        return Decision(0.0, f"adaptation off: too few training eras to try it on ({least})")
    bootstrap = Bootstrap(samples=1000, block_eras=4 * label_overlap(purge_eras))
    table: list[dict[str, Any]] = []
    for block in blocks:
        by_strength = {}
        for j, strength in enumerate(GRID):
            gain = paired(
                block.gains[:, j],
                np.zeros(len(block.eras)),
                block.eras,
                20,
                bootstrap,
                child_seed(seed, "xgb_ttt", "guard"),
            )
            by_strength[str(strength)] = {
                "mean": gain.mean_difference,
                "low": gain.ci_low,
                "high": gain.ci_high,
            }
        table.append(
            {
                "train": block.train,
                "judged": block.judged,
                "gains": by_strength,
                "note": block.note,
            }
        )
    without = [block for block in blocks if block.note]
    if without:
        return Decision(
            0.0, f"adaptation off: {without[0].note}, in eras up to {without[0].train[1]}", table
        )
    worst = [min(row["gains"][str(a)]["low"] or 0.0 for row in table) for a in GRID]
    best = int(np.argmax(worst))
    strength = GRID[best] if worst[best] > 0 else 0.0
    shown = " and ".join(_shown(row, GRID[best]) for row in table)
    if strength == 0:
        reason = f"adaptation off: no strength gains for sure; {GRID[best]:g} on {shown}"
        return Decision(0.0, reason, table)
    return Decision(strength, f"strength {strength:g} chosen on {shown}", table)


def _shown(row: dict[str, Any], strength: float) -> str:
    gain = row["gains"][str(strength)]
    if gain["mean"] is None:
        return f"eras {row['judged'][0]}-{row['judged'][1]} without a score"
    low, high = gain["low"] or 0.0, gain["high"] or 0.0
    return (
        f"eras {row['judged'][0]}-{row['judged'][1]} (gain {gain['mean']:+.4f} "
        f"[{low:+.4f}, {high:+.4f}])"
    )


def label_overlap(purge_eras: int) -> int:
    """Return over how many eras labels overlap, at least 1: a purge is that and four more."""
    return max(1, purge_eras - purge_for(0))


def strength_from_history(
    eras: Sequence[int], gains: Sequence[Sequence[float]], purge_eras: int
) -> float:
    """Choose the strength with the highest mean gain minus one standard error, or 0.

    Parameters
    ----------
    eras : era numbers with known labels, increasing. gains : [n_eras, len(GRID)] there.
    purge_eras : tells the overlap of labels, for the long-run standard error.
    """
    numbers, table = np.asarray(eras, dtype=np.int32), np.asarray(gains, dtype=np.float64)
    if len(numbers) < MIN_ERAS:
        return 0.0
    known = np.isfinite(table).all(axis=1)
    numbers, table = numbers[known], table[known]
    bounds = []
    for column in table.T:
        std = long_run_std(column, numbers, 2 * label_overlap(purge_eras)) if len(column) else None
        bounds.append(column.mean() - std / np.sqrt(len(column)) if std else 0.0)
    best = int(np.argmax(bounds))
    return GRID[best] if bounds[best] > 0 else 0.0
