"""What a class of functions promises."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from numerai_lab.arrays import Float32


class Prior(Protocol):
    """A distribution of functions, drawn and applied for many tasks at once.

    Attributes
    ----------
    kinds : its sub-kinds, each drawn equally often where a config gives them no weights.
    """

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of its sub-kinds."""
        ...

    def draw(self, rng: np.random.Generator, x: Float32, kind: str) -> tuple[Float32, Float32]:
        """Draw a function for each task, and apply it.

        Parameters
        ----------
        x : float32 [n_tasks, n_points, n_dims], with mean 0 and variance 1 in each column; points
            are in order of time, where time matters.

        Returns
        -------
        The points, x itself but where a class needs points of its own (lags of a series), and the
        functions' values, float32 [n_tasks, n_points], without noise and of any scale.
        """
        ...
