"""The synthetic market: persistent stocks, drifting factors, a weak planted signal.

A fixed universe of stocks lives through `n_eras` weekly eras and a little beyond. Every week

- latent exposures z (6 a stock) and feature noise u move as AR(1) processes, so a stock looks
  next week much as it does today;
- features are binned into quintiles of `loadings @ z + u`;
- returns are `signal + z @ factor returns + own noise`; the signal is a sum of feature bins and of
  products of two, made neutral to z;
- labels add up the next 4 (`_20`) or 12 (`_60`) weekly returns, so neighbouring eras' labels
  share returns as Numerai's do; `ender` labels are made neutral to z, `rowan` ones are not.

Which loadings and signal coefficients move in time is the choice of a world: `synthetic_worlds`.

With `signal: 0` labels overlap and features persist, but nothing can be predicted: a score
above zero is a leak.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.config import Synthetic
from numerai_lab.data.synthetic.worlds import N_FACTORS, make_world
from numerai_lab.seeds import child_seed

GENERATOR_VERSION = 2
"""Raised when the same settings give other files, so that cached tournaments are made anew."""

HORIZON_WEEKS = {20: 4, 60: 12}
FACTOR_SHARE = 0.4
"""Share of a feature's variance that comes from the latent exposures."""
FACTOR_RETURN = 0.15
"""Weekly standard deviation of each factor's return; a stock's own return has 1."""
LINEAR_SHARE = 0.6
"""Share of the signal's variance that is linear in the bins."""
BIN_EDGES = (0.05, 0.25, 0.75, 0.95)
"""Targets are five bins with 5, 20, 50, 20 and 5 % of an era's rows (Numerai's documentation)."""


@dataclass(frozen=True, slots=True)
class Market:
    """What was simulated; eras are 1..n_eras and then the live era.

    Attributes
    ----------
    bins : int8 [n_eras + 1, n_rows, n_features], 0..4.
    targets : {name: float32 [n_eras + 1, n_rows]} in {0, .25, .5, .75, 1}.
    planted : float64 [n_eras + 1, n_rows], the signal with mean 0 and variance 1 in every era.
    """

    bins: npt.NDArray[np.int8]
    targets: dict[str, npt.NDArray[np.float32]]
    planted: Float64


def simulate(config: Synthetic) -> Market:
    """Simulate the market; the same config gives the same market."""
    n_eras, n_rows, n_features = config.n_eras + 1, config.rows_per_era, config.n_features
    n_weeks = n_eras + max(HORIZON_WEEKS.values())
    draw = np.random.default_rng(child_seed(config.seed, "synthetic", "weeks"))
    world = make_world(config, n_weeks)

    exposures = draw.standard_normal((n_rows, N_FACTORS))
    noise = draw.standard_normal((n_rows, n_features))
    bins = np.empty((n_eras, n_rows, n_features), dtype=np.int8)
    planted = np.empty((n_eras, n_rows))
    # Row t holds what is earned from week t to week t + 1.
    returns = np.empty((n_weeks, n_rows))
    factors = np.empty((n_eras, n_rows, N_FACTORS))
    for week in range(n_weeks):
        if week:
            exposures = _step(exposures, world.persistence[0], draw)
            noise = _step(noise, world.persistence[1], draw)
        common = np.sqrt(FACTOR_SHARE) * exposures @ world.loadings(week).T
        binned = _quintiles(common + np.sqrt(1 - FACTOR_SHARE) * noise)
        signal = _signal(binned, world.linear(week), world.products(week), world.pairs, exposures)
        factor_returns = FACTOR_RETURN * draw.standard_normal(N_FACTORS)
        # Student's t with 5 degrees of freedom, scaled to variance 1: fat tails as in returns.
        own = draw.standard_t(5, n_rows) / np.sqrt(5 / 3)
        returns[week] = (
            config.signal * world.signal_return * signal + exposures @ factor_returns + own
        )
        if week < n_eras:
            bins[week], planted[week], factors[week] = binned, signal, exposures
    return Market(bins, _targets(returns, factors), planted)


def _step(state: Float64, persistence: float, draw: np.random.Generator) -> Float64:
    """One week of a stationary AR(1) process with variance 1."""
    shocks = draw.standard_normal(state.shape)
    return np.asarray(persistence * state + np.sqrt(1 - persistence**2) * shocks)


def _quintiles(values: Float64) -> npt.NDArray[np.int8]:
    """Bin each column [n_rows, n_columns] into five equal bins 0..4."""
    n_rows = len(values)
    order = np.argsort(values, axis=0)
    bins = np.empty(values.shape, dtype=np.int8)
    labels = np.broadcast_to((np.arange(n_rows) * 5 // n_rows).astype(np.int8)[:, None], bins.shape)
    np.put_along_axis(bins, order, labels, axis=0)
    return bins


def _signal(
    bins: npt.NDArray[np.int8],
    linear: Float64,
    products: Float64,
    pairs: npt.NDArray[np.intp],
    exposures: Float64,
) -> Float64:
    values = (bins - 2.0) / np.sqrt(2)
    straight = values @ linear / np.linalg.norm(linear)
    bent = (values[:, pairs[0]] * values[:, pairs[1]]) @ products / np.linalg.norm(products)
    signal = _residual(
        np.sqrt(LINEAR_SHARE) * straight + np.sqrt(1 - LINEAR_SHARE) * bent, exposures
    )
    return np.asarray(signal / signal.std())


def _residual(values: Float64, exposures: Float64) -> Float64:
    """Take the mean and the linear part in `exposures` out of values [n_rows]."""
    design = np.column_stack([np.ones(len(values)), exposures])
    return np.asarray(values - design @ np.linalg.lstsq(design, values, rcond=None)[0])


def _targets(returns: Float64, factors: Float64) -> dict[str, npt.NDArray[np.float32]]:
    n_eras, n_rows, _ = factors.shape
    ranks = (np.arange(n_rows) + 0.5) / n_rows
    low = np.searchsorted(BIN_EDGES, ranks)
    # A rank on an edge goes outwards on both sides.
    levels = (np.where(ranks < 0.5, low, 4 - low[::-1]) / 4).astype(np.float32)
    total = np.concatenate([np.zeros((1, n_rows)), np.cumsum(returns, axis=0)])
    targets = {}
    for days, weeks in HORIZON_WEEKS.items():
        for name in ("ender", "rowan"):
            target = np.empty((n_eras, n_rows), dtype=np.float32)
            for era in range(n_eras):
                earned = total[era + weeks] - total[era]
                if name == "ender":
                    earned = _residual(earned, factors[era])
                target[era, np.argsort(earned)] = levels
            targets[f"target_{name}_{days}"] = target
    return {"target": targets["target_ender_20"], **targets}
