"""Tasks drawn from a mixture of classes: points, noisy labels, and what lies under the noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32
from numerai_lab.errors import ModelError, did_you_mean
from numerai_lab.models.nets.in_context.priors import PRIORS

BIN_SHARES = (0.05, 0.2, 0.5, 0.2, 0.05)
"""Of a label in five bins, as those of Numerai's main target."""
FEWEST_POINTS = 64
"""That a function is applied to; its values are brought to mean 0 and variance 1 over them."""
_MOST_MASKED = 0.3


Points = Callable[[np.random.Generator, int, int, int], Float32]
"""Draws points, float32 [n_tasks, n_points, n_dims]."""


@dataclass(frozen=True, eq=False)
class Tasks:
    """Tasks of one size.

    Attributes
    ----------
    x : float32 [n_tasks, n_points, n_scores], columns beyond a task's dimensions 0; the first
        `n_context` points are the context.
    y : float32 [n_tasks, n_points], labels with noise, of variance near 1.
    truth : float32 [n_tasks, n_points], labels without noise on the same scale; where labels are
        bins, y itself.
    classes : by task, the name of its class.
    """

    x: Float32
    y: Float32
    truth: Float32
    n_context: int
    classes: npt.NDArray[np.str_]


@dataclass(frozen=True)
class Mixture:
    """What tasks are drawn from.

    Attributes
    ----------
    classes : weight of each class of `PRIORS`; they sum to 1.
    kinds : weights of a class's kinds, of any sum; equal for those not named.
    n_scores : columns of x.
    noise : least and greatest variance of the noise, as a multiple of the function's; drawn for
        each task, its logarithm uniform.
    binned : share of tasks whose labels are five bins. masked : share of tasks in which up to 30 %
        of the values of x are 0, as if they were missing.

    Raises
    ------
    ModelError : weights do not sum to 1, or name no class or kind.
    """

    classes: Mapping[str, float]
    kinds: Mapping[str, Mapping[str, float]]
    n_scores: int
    noise: tuple[float, float]
    binned: float = 0.0
    masked: float = 0.0

    def __post_init__(self) -> None:
        check_weights(self.classes, self.kinds)

    def draw(
        self,
        rng: np.random.Generator,
        n_tasks: int,
        n_context: int,
        n_queries: int,
        n_dims: int,
        points_of: Points | None = None,
        share: float = 0.0,
    ) -> Tasks:
        """Draw tasks with `n_dims` dimensions; the same generator gives the same tasks.

        Parameters
        ----------
        points_of : draws points that are not normal numbers, for this share of the classes.
        """
        n_points = n_context + n_queries
        n_drawn = max(n_points, FEWEST_POINTS)
        x = np.zeros((n_tasks, n_points, self.n_scores), dtype=np.float32)
        values = np.empty((n_tasks, n_points), dtype=np.float32)
        names = np.empty(n_tasks, dtype=f"<U{max(map(len, PRIORS))}")
        first = 0
        for name, kind, n in self._dealt(rng, n_tasks):
            some = slice(first, first + n)
            first += n
            if points_of is not None and rng.random() < share:
                points = points_of(rng, n, n_drawn, n_dims)
            else:
                points = rng.standard_normal((n, n_drawn, n_dims), dtype=np.float32)
            points, of = PRIORS[name].draw(rng, points, kind)
            x[some, :, :n_dims] = points[:, -n_points:]
            values[some] = _standardised(of)[:, -n_points:]
            names[some] = name
        y, truth = self._labels(rng, values)
        self._mask(rng, x)
        return Tasks(x, y, truth, n_context, names)

    def _dealt(self, rng: np.random.Generator, n_tasks: int) -> list[tuple[str, str, int]]:
        """Deal tasks to classes and kinds by their weights; (class, kind, tasks), none of 0."""
        shares = []
        for name, weight in self.classes.items():
            given = self.kinds.get(name) or dict.fromkeys(PRIORS[name].kinds, 1.0)
            total = sum(given.values())
            shares += [(name, kind, weight * of / total) for kind, of in given.items()]
        chances = np.array([share for _, _, share in shares])
        counts = rng.multinomial(n_tasks, chances / chances.sum())
        return [(a, b, int(n)) for (a, b, _), n in zip(shares, counts, strict=True) if n]

    def _labels(self, rng: np.random.Generator, values: Float32) -> tuple[Float32, Float32]:
        """Add noise, bring the sum to variance 1, and put some tasks' labels in bins."""
        low, high = self.noise
        if high > 0:
            variance = np.exp(rng.uniform(np.log(max(low, 1e-9)), np.log(high), len(values)))
        else:
            variance = np.zeros(len(values))
        scale = np.sqrt(1 / (1 + variance))[:, None].astype(np.float32)
        truth = values * scale
        noise = rng.standard_normal(values.shape, dtype=np.float32)
        y = truth + noise * np.sqrt(variance)[:, None].astype(np.float32) * scale
        binned = rng.random(len(values)) < self.binned
        if binned.any():
            y[binned] = truth[binned] = in_bins(y[binned])
        return y, truth

    def _mask(self, rng: np.random.Generator, x: Float32) -> None:
        hit = rng.random(len(x)) < self.masked
        if hit.any():
            share = rng.uniform(0, _MOST_MASKED, (int(hit.sum()), 1, 1))
            x[hit] = np.where(rng.random(x[hit].shape, dtype=np.float32) < share, 0, x[hit])


def in_bins(values: Float32) -> Float32:
    """Put each task's values in five bins by their rank, with mean 0 and variance 1 overall."""
    edges = np.cumsum(BIN_SHARES)[:-1]
    n = values.shape[1]
    place = (values.argsort(axis=1).argsort(axis=1) + 0.5) / n
    bins = (np.searchsorted(edges, place, side="right") - 2).astype(np.float32)
    scale = float(np.sqrt(np.dot(BIN_SHARES, np.square(np.arange(5) - 2.0))))
    return np.asarray(bins / np.float32(scale), dtype=np.float32)


def check_weights(
    classes: Mapping[str, float],
    kinds: Mapping[str, Mapping[str, float]] | None = None,
    where: str = "classes",
) -> None:
    """Refuse weights of classes that do not sum to 1, or that name no class or kind."""
    for name in [*classes, *(kinds or {})]:
        if name not in PRIORS:
            raise ModelError(
                f"there is no class of functions '{name}'" + did_you_mean(name, PRIORS),
                where=where if name in classes else "kinds",
                fix=f"name some of {', '.join(PRIORS)}",
            )
    wrong = next((w for w in classes.values() if w < 0), None)
    if wrong is not None or abs(sum(classes.values()) - 1) > 1e-6:
        told = "one is negative" if wrong is not None else f"they sum to {sum(classes.values()):g}"
        raise ModelError(
            f"weights of classes must be shares that sum to 1, and {told}",
            where=where,
            fix="write shares, such as {linear: 0.5, trees: 0.5}",
        )
    for name, given in (kinds or {}).items():
        for kind in given:
            if kind not in PRIORS[name].kinds:
                raise ModelError(
                    f"'{name}' has no kind '{kind}'" + did_you_mean(kind, PRIORS[name].kinds),
                    where=f"kinds.{name}",
                    fix=f"name some of {', '.join(PRIORS[name].kinds)}",
                )
        if min(given.values(), default=0) < 0 or not sum(given.values()) > 0:
            raise ModelError(
                "weights of kinds must be 0 or more, and one of them above 0",
                where=f"kinds.{name}",
                fix="leave it out for equal weights",
            )


def _standardised(values: Float32) -> Float32:
    """Bring each task's values to mean 0 and variance 1; a constant becomes 0."""
    centred = values - values.mean(axis=1, keepdims=True)
    deviation = centred.std(axis=1, keepdims=True)
    return np.asarray(centred / np.where(deviation > 1e-6, deviation, 1.0), dtype=np.float32)
