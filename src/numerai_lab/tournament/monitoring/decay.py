"""Has a model decayed? The mean live corr beside what means of the same length were in validation.

A round opens on five days a week and an era is a week, so 60 rounds are 12 eras: their mean varies
far more than the mean over all validation eras, whose interval would raise an alarm most of the
time. What is compared with is the spread of means over as many eras as the live rounds span.

Two stretches are looked at: the newest 60 rounds, which show a sudden end, and all rounds of the
last year, which show a small loss that lasts. Where neither proves anything and live corr is low
all the same, how many further rounds would prove it is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.config import Bootstrap
from numerai_lab.tournament.monitoring.expectation import Expectation

ROUNDS = 60
"""Resolved rounds that are the present: the newest."""
YEAR_ROUNDS = 250
"""Resolved rounds looked at, at most: 50 weeks."""
FEWEST_ROUNDS = 20
"""Fewer rounds, four weeks, say nothing."""
ROUNDS_PER_ERA = 5
"""A round opens Tuesday to Saturday. Source: Numerai's documentation, "Rounds"."""
LEVEL = 0.95
"""Share of models that hold and are left in peace."""
_LOW_LEVEL = 2 / 3
"""A mean below the middle two thirds of what is expected is called low: one in six is by chance."""

Rounds = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Verdict:
    """Live corr of resolved rounds beside the validation's.

    Attributes
    ----------
    standing : `decayed` and `above` are alarms: `mean` lies below `low` or above `high`. `low`: it
        is lower than validation leads one to expect, which is not proven. `holds`: none of these.
    n_rounds, first_round, last_round : the rounds judged; n_eras : weeks they span.
    mean : of the live corr.
    low, high : where a mean over `n_eras` eras lies if live is as validation, in 95 of 100 cases
        (97.5 where two stretches are looked at, so that both together keep 95).
    validation_mean, validation_eras : of the run's judged eras.
    newest_mean : of the newest `ROUNDS`, the present level; `mean`, unless a year is judged.
    more_rounds : with `low`, how many further rounds at the present level would prove it: the mean
        of the last year's rounds would then be below its interval. None where a year would not.
    """

    standing: Literal["decayed", "low", "holds", "above"]
    n_rounds: int
    first_round: int
    last_round: int
    n_eras: int
    mean: float
    low: float
    high: float
    validation_mean: float
    validation_eras: int
    newest_mean: float
    more_rounds: int | None = None

    def sentence(self) -> str:
        """Say it plainly."""
        weeks = f"{self.n_eras} week{'s' if self.n_eras > 1 else ''}"
        what = (
            f"live corr {self.mean:.4f} over {self.n_rounds} resolved rounds ({weeks}), validation "
            f"says {self.low:.4f} to {self.high:.4f} for as many weeks"
        )
        if self.standing == "decayed":
            return f"{what}: the model has decayed, or it was judged too well; train it again"
        if self.standing == "above":
            return f"{what}: better than it was judged; is this the model that was judged?"
        if self.standing == "holds":
            return f"{what}: as it was judged"
        year = self.n_rounds > ROUNDS
        level = f"the {self.newest_mean:.4f} of the newest {ROUNDS}" if year else "this level"
        proof = (
            f"about {self.more_rounds} more rounds at {level} would prove it"
            if self.more_rounds is not None
            else f"at {level} not even a year of rounds would prove it"
        )
        return (
            f"{what}, around {self.validation_mean:.4f}: below validation, not yet proven; {proof}"
        )


@dataclass(frozen=True)
class _Stretch:
    """Newest rounds: how many, the weeks they span, their mean, and the interval of such means."""

    first: int
    n_rounds: int
    n_eras: int
    mean: float
    low: float
    high: float


def weeks_of(rounds: Rounds) -> int:
    """Return how many weekly eras rounds span, gaps included; at least 1."""
    return max(1, round((rounds[-1][0] - rounds[0][0] + 1) / ROUNDS_PER_ERA))


def judge_live(
    rounds: Rounds,
    eras: npt.NDArray[np.int32],
    corr: Float64,
    horizon_days: int,
    bootstrap: Bootstrap,
) -> Verdict | str:
    """Compare live corr with a run's per-era corr.

    Parameters
    ----------
    rounds : (number, corr) of resolved rounds, in any order.
    eras, corr : int32 and float64 [n_eras], the run's judged eras in order, no NaN.
    horizon_days : of the target scored. bootstrap : the run's own setting of the blocks.

    Returns
    -------
    The verdict, or the reason why there is none.
    """
    known = sorted(rounds)[-YEAR_ROUNDS:]
    newest = known[-ROUNDS:]
    if len(newest) < FEWEST_ROUNDS:
        told = f"{len(newest)} resolved round{'' if len(newest) == 1 else 's'}"
        return f"{told}, live corr is judged from {FEWEST_ROUNDS} on"
    expected = Expectation(eras, corr, horizon_days, bootstrap)
    if not expected.knows(weeks_of(newest)):
        return (
            f"the run judged {len(corr)} eras, too few to say how means of {weeks_of(newest)} "
            "weeks vary; judge more eras"
        )
    while len(known) > len(newest) and not expected.knows(weeks_of(known)):
        known = known[1:]  # validation is too short for a whole year
    both = len(known) > len(newest)
    stretches = [_stretch(part, expected, both) for part in ([newest, known] if both else [newest])]
    present, whole = stretches[0], stretches[-1]
    more = None
    standing: Literal["decayed", "low", "holds", "above"] = "holds"
    shown = present
    for one in stretches:
        if not one.low <= one.mean <= one.high:
            standing, shown = ("decayed" if one.mean < one.low else "above"), one
            break
    else:
        for one in stretches:
            if _is_low(one, expected):
                standing, shown = "low", one
                more = _more_rounds(present, whole, expected)
                break
    return Verdict(
        standing=standing,
        n_rounds=shown.n_rounds,
        first_round=shown.first,
        last_round=newest[-1][0],
        n_eras=shown.n_eras,
        mean=shown.mean,
        low=shown.low,
        high=shown.high,
        validation_mean=float(corr.mean()),
        validation_eras=len(corr),
        newest_mean=present.mean,
        more_rounds=more,
    )


def _level(two_stretches: bool) -> float:
    return 1 - (1 - LEVEL) / 2 if two_stretches else LEVEL


def _stretch(rounds: Rounds, expected: Expectation, two: bool) -> _Stretch:
    weeks = weeks_of(rounds)
    low, high = expected.interval(weeks, _level(two))
    mean = float(np.mean([value for _, value in rounds]))
    return _Stretch(rounds[0][0], len(rounds), weeks, mean, low, high)


def _is_low(stretch: _Stretch, expected: Expectation) -> bool:
    if stretch.mean <= 0 < expected.mean:
        return True
    return stretch.mean < expected.interval(stretch.n_eras, _LOW_LEVEL)[0]


def _more_rounds(present: _Stretch, whole: _Stretch, expected: Expectation) -> int | None:
    """Return after how many further rounds as low as the present ones the year's mean is too low.

    Weeks are added to the rounds known one by one; the interval of so many weeks shrinks as means
    of the validation's own overlapping eras say. Live corr varies from week to week, so chances
    are even that it takes fewer rounds or more.
    """
    for weeks in range(whole.n_eras + 1, YEAR_ROUNDS // ROUNDS_PER_ERA + 1):
        if not expected.knows(weeks):
            return None
        added = weeks - whole.n_eras
        mean = (whole.mean * whole.n_eras + present.mean * added) / weeks
        two = weeks * ROUNDS_PER_ERA > ROUNDS
        if mean < expected.interval(weeks, _level(two))[0]:
            return added * ROUNDS_PER_ERA
    return None
