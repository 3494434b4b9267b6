"""The code that minimises the auxiliary loss of trees whose leaves vary with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.models.contract import Float32
from numerai_lab.models.trees.xgb_ttt.codes.runtime import AUTO, minimise, own_sums

_Sums = tuple[Float64, Float64]
"""G'G and G'r of some rows."""


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
    steps: int | Literal["auto"] | None

    @classmethod
    def fit(
        cls,
        eras: Iterable[tuple[Float32, Float32, npt.NDArray[np.bool_]]],
        ridge: float,
        clip: float,
        steps: int | Literal["auto"] | None,
    ) -> OwnLoss | None:
        """Learn size and scale from training eras; None where slopes or codes are all zero.

        Parameters
        ----------
        eras : slopes, residuals and first half of each, as for `code`.
        """
        sums = [_of_all_and_halves(*era, steps) for era in eras]
        size = float(np.mean([np.trace(gram) / len(gram) for (gram, _), *_ in sums]))
        if size <= 0:
            return None
        own = cls(size, np.zeros(0), ridge, clip, steps)
        found = [own._raw(whole, halves) for whole, *halves in sums]
        codes = [code for code in found if code is not None]
        scale = np.std(codes, axis=0) if codes else np.zeros(1)
        if not np.all(scale > 0):
            return None
        return cls(size, scale, ridge, clip, steps)

    def code(
        self, slopes: Float32, residuals: Float32, first: npt.NDArray[np.bool_]
    ) -> Float64 | None:
        """Return the code, float64 [n_codes]; None where no slope differs from zero.

        Parameters
        ----------
        slopes : float32 [n_rows, n_targets, n_codes]. residuals : float32 [n_rows, n_targets].
        first : bool [n_rows], the half of the rows that `steps: auto` holds against the other.
        """
        whole, *halves = _of_all_and_halves(slopes, residuals, first, self.steps)
        raw = self._raw(whole, halves)
        if raw is None:
            return None
        return np.asarray(np.clip(raw / self.scale, -self.clip, self.clip))

    def _raw(self, whole: _Sums, halves: Sequence[_Sums]) -> Float64 | None:
        gram, right = (part / self.size for part in whole)
        scaled = [(own / self.size, its / self.size) for own, its in halves]
        prior = np.zeros(len(right))
        found: Float64 | None = minimise(gram, right, self.ridge, prior, self.steps, scaled)
        return found


def _of_all_and_halves(
    slopes: Float32,
    residuals: Float32,
    first: npt.NDArray[np.bool_],
    steps: int | str | None,
) -> list[_Sums]:
    """Return G'G and G'r of all rows, and where `steps` wants them of either half."""
    rows = [slice(None), *((first, ~first) if steps == AUTO else ())]
    return [own_sums(slopes[some], residuals[some], 1.0) for some in rows]
