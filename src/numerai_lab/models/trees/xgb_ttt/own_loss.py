"""The code that minimises the auxiliary loss of trees whose leaves vary with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.models.contract import Float32
from numerai_lab.models.trees.xgb_ttt.principal import minimise


@dataclass(frozen=True)
class OwnLoss:
    """Least squares of an era's auxiliary residuals r on the trees' slopes G.

        s = argmin |r - G s|^2 / g + ridge |s|^2

    over the rows and auxiliary targets of the era, divided by its standard deviation over the
    training eras and clipped.

    Attributes
    ----------
    size : g, the mean square of a column of G over the training eras.
    scale : float64 [n_codes]. ridge, clip, steps : as the parameters of `adapt`.
    """

    size: float
    scale: Float64
    ridge: float
    clip: float
    steps: int | None

    @classmethod
    def fit(
        cls,
        eras: Iterable[tuple[Float32, Float32]],
        ridge: float,
        clip: float,
        steps: int | None,
    ) -> OwnLoss | None:
        """Learn size and scale from training eras; None where slopes or codes are all zero.

        Parameters
        ----------
        eras : slopes and residuals of each, as for `code`.
        """
        sums = [_sums(slopes, residuals) for slopes, residuals in eras]
        size = float(np.mean([np.trace(gram) / len(gram) for gram, _ in sums]))
        if size <= 0:
            return None
        found = [minimise(g / size, r / size, ridge, np.zeros(len(r)), steps) for g, r in sums]
        codes = [code for code in found if code is not None]
        scale = np.std(codes, axis=0) if codes else np.zeros(1)
        if not np.all(scale > 0):
            return None
        return cls(size, scale, ridge, clip, steps)

    def code(self, slopes: Float32, residuals: Float32) -> Float64 | None:
        """Return the code, float64 [n_codes]; None where no slope differs from zero.

        Parameters
        ----------
        slopes : float32 [n_rows, n_targets, n_codes]. residuals : float32 [n_rows, n_targets].
        """
        gram, right = _sums(slopes, residuals)
        prior = np.zeros(len(right))
        raw = minimise(gram / self.size, right / self.size, self.ridge, prior, self.steps)
        if raw is None:
            return None
        return np.asarray(np.clip(raw / self.scale, -self.clip, self.clip))


def _sums(slopes: Float32, residuals: Float32) -> tuple[Float64, Float64]:
    """Return G'G, float64 [n_codes, n_codes], and G'r, [n_codes]."""
    flat = slopes.reshape(-1, slopes.shape[2]).astype(np.float64)
    return flat.T @ flat, flat.T @ residuals.ravel().astype(np.float64)
