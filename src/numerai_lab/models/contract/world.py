"""The workers that fit one model together, each on eras of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.errors import ModelError


class World:
    """All who fit one model together. This one is alone: nothing is sent anywhere.

    Whatever a model computes over all training rows it computes over its own part and asks the
    world for the whole. Every worker must ask the same questions in the same order.

    Attributes
    ----------
    rank : number of this worker, 0 .. size - 1.
    size : number of workers.
    host : address under which the others reach this worker.
    """

    rank = 0
    size = 1
    host = "127.0.0.1"

    def from_all(self, value: Any) -> list[Any]:
        """Return every worker's value, by rank. It must pickle, and be small."""
        return [value]

    def total(self, values: Any) -> npt.NDArray[Any]:
        """Return the sum of all workers' arrays of one shape, added in the order of ranks."""
        parts: npt.NDArray[Any] = np.sum([np.asarray(part) for part in self.from_all(values)], 0)
        return parts

    def agree(self, problem: ModelError | None) -> None:
        """Raise the first worker's problem on every worker, so that none waits for another."""
        for found in self.from_all(problem):
            if found is not None:
                raise found


class Collective(World):
    """The workers of the collective that `xgboost.dask.CommunicatorContext` has opened.

    Parameters
    ----------
    host : address under which the others reach this worker.
    """

    def __init__(self, host: str) -> None:
        import xgboost.collective

        self._collective = xgboost.collective
        self.rank = self._collective.get_rank()
        self.size = self._collective.get_world_size()
        self.host = host

    def from_all(self, value: Any) -> list[Any]:
        """Return every worker's value, by rank."""
        # XGBoost sends no None, so every value travels in a tuple.
        return [self._collective.broadcast((value,), root)[0] for root in range(self.size)]
