"""How well training eras support an adaptation in an era, and how its strength falls with age."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
"""A bundle takes this file along, so it imports nothing of this package."""

BLOCK_ERAS = 26
"""Codes of neighbouring eras are alike: what was seen is counted in half years, not in eras."""
_FEWEST_BLOCKS = 8
_NEAREST = 3
"""A code is as far away as the third nearest half year: what was seen once may not come back."""
PIECE = 64
"""Codes whose distances are looked at together."""
_USUAL = 0.9
"""The share of training eras whose own distance is taken as near."""


class Support:
    """Measures how far a code lies from those of training eras, and fades the change with it.

    The distance of a code is the one to the third nearest block of 26 eras (fewer, where there are
    not 8 such blocks): within a block the nearest era counts. `limit` is the distance that 90 % of
    the training eras have from the blocks that they are not in. A change keeps its size up to
    `limit`, and is gone at twice of it. So nothing is extrapolated: what lies at the edge of the
    codes seen, or was seen in one half year only, is predicted without a change.

    Parameters
    ----------
    eras : int32 [n], numbers of training eras, increasing.
    codes : float64 [n, n_codes], in units of their standard deviation over training eras.

    Examples
    --------
    >>> support = Support(np.arange(8, dtype=np.int32), np.linspace(-1, 1, 8)[:, None])
    >>> support.factor(np.array([0.0])), support.factor(np.array([9.0]))
    (1.0, 0.0)
    """

    def __init__(self, eras: Array, codes: Array, limit: float | None = None) -> None:
        self.eras, self.codes = np.asarray(eras), np.asarray(codes, dtype=np.float64)
        self._block = self._blocks()
        self._nearest: Array = None if limit is not None else self._distances()
        self.limit = self._usual_distance() if limit is None else limit

    def _blocks(self) -> Array:
        """Return to which block each training era belongs, counted from 0 without gaps."""
        if not len(self.eras):
            return np.zeros(0, dtype=np.int64)
        span = int(self.eras[-1] - self.eras[0]) + 1
        length = max(1, min(BLOCK_ERAS, span // _FEWEST_BLOCKS))
        found = (self.eras.astype(np.int64) - int(self.eras[0])) // length
        return np.unique(found, return_inverse=True)[1]

    def _distances(self) -> Array:
        """Return each training era's distance from each block, [n, n_blocks]; its own: infinite."""
        n_blocks = int(self._block.max(initial=-1)) + 1
        first = np.searchsorted(self._block, np.arange(n_blocks))
        nearest = np.empty((len(self.codes), n_blocks))
        for start in range(0, len(nearest), PIECE):
            codes = self.codes[start : start + PIECE]
            apart = np.linalg.norm(self.codes[None] - codes[:, None], axis=2)
            nearest[start : start + PIECE] = np.minimum.reduceat(apart, first, axis=1)
        nearest[np.arange(len(nearest)), self._block] = np.inf
        return nearest

    def _usual_distance(self) -> float:
        """Return the distance that 90 % of the training eras have from blocks but their own."""
        n_blocks = self._nearest.shape[1]
        if n_blocks < 2:
            return 0.0
        rank = min(_NEAREST, n_blocks - 1) - 1
        own = np.partition(self._nearest, rank, axis=1)[:, rank]
        return float(np.quantile(own, _USUAL))

    def with_era(self, era: int, code: Array) -> Support:
        """Return the support with one more era, after all others."""
        eras = np.append(self.eras, np.int32(era))
        more = Support(eras, np.vstack([self.codes, code]), self.limit)
        known = self._distances() if self._nearest is None else self._nearest
        if not np.array_equal(more._block[:-1], self._block):  # blocks grow while eras are few
            more._nearest = more._distances()
        else:
            apart = np.linalg.norm(self.codes - code, axis=1)
            own = int(more._block[-1])
            n_blocks = own + 1
            nearest = np.full((len(eras), n_blocks), np.inf)
            nearest[:-1, : known.shape[1]] = known
            others = self._block != own
            nearest[:-1, own][others] = np.minimum(nearest[:-1, own], apart)[others]
            np.minimum.at(nearest[-1], self._block[others], apart[others])
            more._nearest = nearest
        more.limit = more._usual_distance()
        return more

    def distance(self, code: Array) -> float:
        """Return how far a code lies from training eras; infinite where there are none."""
        nearest = np.full(int(self._block.max(initial=-1)) + 1, np.inf)
        np.minimum.at(nearest, self._block, np.linalg.norm(self.codes - code, axis=1))
        return float(np.sort(nearest)[min(_NEAREST, len(nearest)) - 1]) if len(nearest) else np.inf

    def factor(self, code: Array) -> float:
        """Return by what the change of an era with this code is multiplied, 0 to 1."""
        distance = self.distance(code)
        if distance <= self.limit:
            return 1.0
        return max(0.0, 2.0 - distance / self.limit) if self.limit > 0 else 0.0

    def arrays(self) -> dict[str, Array]:
        """Return what `from_arrays` makes it again from, for a file."""
        return {"eras": self.eras, "codes": self.codes, "limit": np.array([self.limit])}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> Support:
        """Make it again."""
        return cls(arrays["eras"], arrays["codes"], float(arrays["limit"][0]))


def strength_now(model: dict[str, Any], seconds: float) -> float:
    """Return the strength at a time, in seconds since 1970: it falls with the model's age.

    Without the day on which its run began, it is the strength of a model that was just fitted.
    """
    if "fitted_day" not in model or not model.get("by_age"):
        return float(model["strength"])
    weeks = max(0.0, seconds / 86400 - model["fitted_day"]) // 7
    age = model["first_age"] + weeks
    return next((float(strength) for last, strength in model["by_age"] if age <= last), 0.0)
