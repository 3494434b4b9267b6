"""What moves in the synthetic market: loadings and signal coefficients, week by week.

- `drift`: both drift through `n_regimes` regimes as time goes by.
- the regime worlds: the regime, a noisy half-yearly cycle in -1..1, may move how strongly features
  go with each factor (`features`) and the coefficients of the signal (`signal`):

  | world           | features | signal        |
  |-----------------|----------|---------------|
  | static          | -        | -             |
  | linked_weak     | regime   | regime, some  |
  | linked_strong   | regime   | regime, most  |
  | covariate_shift | regime   | -             |
  | unlinked        | -        | regime, most  |

Only in the linked worlds do the features of an era tell anything about that era's signal. For
that to be exact, half the features of a regime world go with factors and the other half carry
the signal: a signal in features whose correlations move would be best predicted with moving
coefficients even if it were fixed itself. Stocks also persist less there, because the sample
correlations of the same few stocks week after week look like a slow regime where there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from numerai_lab.arrays import Float64
from numerai_lab.config import Synthetic
from numerai_lab.seeds import child_seed

N_FACTORS = 6
COMMON_SHARE = 0.85
"""Share of the signal's coefficient variance that all regimes of `drift` have in common."""
SIGNAL_RETURN = 0.047
"""Weekly return of one standard deviation of signal at `signal: 1` in `drift`; calibrated so that
400 XGBoost trees (depth 5, eta .05, colsample .1, eras 1-304) reach a mean corr of about .03 on
eras 313-468."""
WORLD_SIGNAL_RETURN = 0.15
"""The same in the regime worlds: strong, so that a few hundred small eras show what adapts."""
WORLD_PERSISTENCE = 0.5
"""Weekly, of exposures and of the features' noise."""
REGIME_PERSISTENCE = 0.97
"""Weekly, of the cycle's size and phase."""
REGIME_WEEKS = 26
"""Length of the cycle: short, so that a year of eras sees both sides of it."""
REGIME_CONTRAST = 0.8
"""At the ends of the regime a factor's share of a feature's variance is up or down by this."""
MOVING_SHARE = {"linked_weak": 0.3, "linked_strong": 0.7, "unlinked": 0.7}
"""Share of the signal's coefficient variance that the regime moves."""
MOVES_FEATURES = ("linked_weak", "linked_strong", "covariate_shift")


@dataclass(frozen=True, slots=True)
class World:
    """What drives the market.

    Attributes
    ----------
    loadings : week -> float64 [n_features, N_FACTORS].
    linear : week -> float64 [n_features], coefficients of the bins.
    products : week -> float64 [n_pairs], coefficients of products of two bins.
    pairs : intp [2, n_pairs], the features multiplied.
    regime : float64 [n_weeks] in -1..1 with variance 1/3; None in `drift` and `static`.
    signal_return : weekly return of one standard deviation of signal at `signal: 1`.
    persistence : weekly autocorrelation of exposures and of the features' noise.
    """

    loadings: Callable[[int], Float64]
    linear: Callable[[int], Float64]
    products: Callable[[int], Float64]
    pairs: npt.NDArray[np.intp]
    regime: Float64 | None
    signal_return: float
    persistence: tuple[float, float]


def make_world(config: Synthetic, n_weeks: int) -> World:
    """Return what moves in `n_weeks` weeks of the configured world."""
    return _drift(config) if config.world == "drift" else _regime_world(config, n_weeks)


def _drift(config: Synthetic) -> World:
    draw = np.random.default_rng(child_seed(config.seed, "synthetic", "structure"))
    n_features, n_regimes = config.n_features, config.n_regimes
    loadings = _unit_loadings(draw, (n_regimes, n_features))

    def coefficients(n: int) -> Float64:
        common = draw.standard_normal(n)
        own = draw.standard_normal((n_regimes, n))
        return np.asarray(np.sqrt(COMMON_SHARE) * common + np.sqrt(1 - COMMON_SHARE) * own)

    active = draw.permutation(n_features)[: _n_active(n_features)]
    linear = np.zeros((n_regimes, n_features))
    linear[:, active] = coefficients(len(active))
    products = coefficients(len(active))

    def drifting(anchors: Float64) -> Callable[[int], Float64]:
        return lambda week: _between_regimes(anchors, week / config.n_eras)

    return World(
        loadings=drifting(loadings),
        linear=drifting(linear),
        products=drifting(products),
        pairs=_pairs(active),
        regime=None,
        signal_return=SIGNAL_RETURN,
        persistence=(0.97, 0.9),
    )


def _regime_world(config: Synthetic, n_weeks: int) -> World:
    draw = np.random.default_rng(child_seed(config.seed, "synthetic", "structure"))
    n_features = config.n_features
    shuffled = draw.permutation(n_features)
    with_factors, free = np.split(shuffled, [n_features // 2])
    loadings = np.zeros((n_features, N_FACTORS))
    loadings[with_factors] = _unit_loadings(draw, (len(with_factors),))
    active = free[: _n_active(n_features)]
    moving_share = MOVING_SHARE.get(config.world, 0.0)

    def coefficients() -> tuple[Float64, Float64]:
        """Return the fixed part and what one standard deviation of the regime adds."""
        fixed, moving = draw.standard_normal((2, len(active)))
        fixed /= np.linalg.norm(fixed)
        moving -= (fixed @ moving) * fixed
        moving /= np.linalg.norm(moving)
        return np.sqrt(1 - moving_share) * fixed, np.sqrt(moving_share) * moving

    active_linear, products = coefficients(), coefficients()
    linear = np.zeros((2, n_features))
    linear[:, active] = active_linear
    regime = None if config.world == "static" else _regime(config, n_weeks)
    up_or_down = np.where(np.arange(N_FACTORS) % 2 == 0, 1.0, -1.0)

    def loadings_of(week: int) -> Float64:
        if regime is None or config.world not in MOVES_FEATURES:
            return loadings
        # Correlations are products of two loadings: the root makes them linear in the regime.
        return np.asarray(loadings * np.sqrt(1 + REGIME_CONTRAST * regime[week] * up_or_down))

    def moved(parts: tuple[Float64, Float64]) -> Callable[[int], Float64]:
        fixed, moving = parts
        if regime is None:
            return lambda _week: fixed
        return lambda week: np.asarray(fixed + np.sqrt(3) * regime[week] * moving)

    return World(
        loadings=loadings_of,
        linear=moved((linear[0], linear[1])),
        products=moved(products),
        pairs=_pairs(active),
        regime=regime,
        signal_return=WORLD_SIGNAL_RETURN,
        persistence=(WORLD_PERSISTENCE, WORLD_PERSISTENCE),
    )


def _regime(config: Synthetic, n_weeks: int) -> Float64:
    """A noisy cycle whose values are spread evenly over -1..1: float64 [n_weeks]."""
    draw = np.random.default_rng(child_seed(config.seed, "synthetic", "regime"))
    shocks = draw.standard_normal((n_weeks, 2)) @ [1, 1j]
    turn = REGIME_PERSISTENCE * np.exp(2j * np.pi / REGIME_WEEKS)
    state = np.empty(n_weeks, dtype=np.complex128)
    state[0] = shocks[0]
    for week in range(1, n_weeks):
        state[week] = turn * state[week - 1] + np.sqrt(1 - REGIME_PERSISTENCE**2) * shocks[week]
    return np.asarray(2 * ndtr(state.real) - 1)


def _unit_loadings(draw: np.random.Generator, shape: tuple[int, ...]) -> Float64:
    loadings = draw.standard_normal((*shape, N_FACTORS))
    return np.asarray(loadings / np.linalg.norm(loadings, axis=-1, keepdims=True))


def _n_active(n_features: int) -> int:
    return max(4, n_features // 4)


def _pairs(active: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    # Every other product is a square: bent in one feature, the rest in two.
    partner = np.where(np.arange(len(active)) % 2 == 0, active, np.roll(active, 1))
    return np.stack([active, partner])


def _between_regimes(anchors: Float64, time: float) -> Float64:
    """Mix neighbouring regimes: time 0..1 is cut into regimes, with a passage between two."""
    n_regimes = len(anchors)
    position = np.clip(time * n_regimes - 0.5, 0, n_regimes - 1)
    first = min(int(position), max(n_regimes - 2, 0))
    second = min(first + 1, n_regimes - 1)
    # The passage takes the middle half of the way from one regime's centre to the next.
    share = np.clip((position - first - 0.25) / 0.5, 0, 1)
    return np.asarray((1 - share) * anchors[first] + share * anchors[second])
