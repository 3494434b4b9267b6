"""How probable the classes of a target are, as a model says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame


@dataclass(frozen=True, eq=False)
class ClassProbabilities:
    """How probable each class is, row by row.

    Attributes
    ----------
    values : the target's value of each class, ascending.
    probabilities : float32 [n_rows, n_classes]; each row sums to 1.
    """

    values: tuple[float, ...]
    probabilities: Float32


@runtime_checkable
class ClassModel(Protocol):
    """A model that can say how probable the classes of its target are. Optional.

    `evaluate --extra log_loss` asks for it; nothing else does, so no run keeps probabilities.
    """

    def predict_classes(self, frame: EraFrame, target: str) -> ClassProbabilities:
        """Return the probabilities behind `predict`, for whole eras without targets.

        Parameters
        ----------
        target : the main one of its fit (`FitContext.target`).

        Raises
        ------
        ModelError : the features are not those trained on, or the model learns no classes of that
            target; `what` says which in one sentence.
        """
        ...
