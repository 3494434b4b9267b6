"""Bands for the monitor's charts: what validation leads one to expect, round by round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from numerai_lab.config import Bootstrap
from numerai_lab.tournament.monitoring.decay import LEVEL, Rounds, weeks_of
from numerai_lab.tournament.monitoring.expectation import Expectation


@dataclass(frozen=True)
class Bands:
    """Where 95 of 100 values lie if live corr is as validation's was.

    Attributes
    ----------
    round : low and high end of one round's corr; None where too few eras were judged to say.
    cumulative : (round number, low, mean, high) of the sum of corr up to that round, at the end of
        each week of rounds, as far as the judged eras can say.
    """

    round: tuple[float, float] | None
    cumulative: tuple[tuple[int, float, float, float], ...]


def bands(
    rounds: Rounds,
    eras: npt.NDArray[np.int32],
    corr: npt.NDArray[np.float64],
    horizon_days: int,
    bootstrap: Bootstrap,
) -> Bands:
    """Return the bands for rounds in order; parameters as of `judge_live`."""
    expected = Expectation(eras, corr, horizon_days, bootstrap)
    if not rounds or not expected.knows(1):
        return Bands(None, ())
    cumulative = []
    for n, (number, _) in enumerate(rounds, start=1):
        weeks = weeks_of(rounds[:n])
        if not expected.knows(weeks):
            break
        if n == len(rounds) or weeks_of(rounds[: n + 1]) > weeks:
            low, high = expected.interval(weeks, LEVEL)
            cumulative.append((number, n * low, n * expected.mean, n * high))
    return Bands(expected.interval(1, LEVEL), tuple(cumulative))
