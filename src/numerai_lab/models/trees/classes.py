"""`head: classes`: trees learn the classes of a target, and predict the expected value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from scipy.special import softmax

from numerai_lab.arrays import Float32
from numerai_lab.errors import ModelError
from numerai_lab.models.contract import (
    ClassProbabilities,
    Exported,
    Params,
    TrainedFeatures,
    World,
)
from numerai_lab.models.trees.arrays import IDENTITY, Trees
from numerai_lab.models.trees.runtime import expected_value
from numerai_lab.models.trees.values import pieces

_PIECE_BYTES = 64 << 20
_MOST = 10
"""Of classes: each takes a tree a round."""


class HeadParams(Params):
    """Parameters of trees that learn a target as a number or as classes."""

    head: Literal["regression", "classes"] = Field(
        "regression",
        description="classes: the values of the target (five in Numerai's) are classes, a tree a "
        "round for each, and the prediction is the expected value",
    )
    class_weight_power: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        description="head classes: a row weighs the frequency of its class to the power of minus "
        "this; 0: all alike, 1: all classes alike",
    )

    @model_validator(mode="after")
    def _power_is_of_classes(self) -> Self:
        if self.class_weight_power and self.head != "classes":
            raise ValueError("class_weight_power weighs classes: write head: classes, too")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_younger(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the head out where it is regression: older configs keep their hash."""
        written: dict[str, Any] = handler(self)
        if self.head == "regression":
            written.pop("head", None)
            written.pop("class_weight_power", None)
        return written


@dataclass(frozen=True)
class Classes:
    """The classes of a target.

    Attributes
    ----------
    values : of the target, ascending; a class is the position of its value.
    """

    values: tuple[float, ...]

    @classmethod
    def of(cls, label: Float32, target: str, world: World | None = None) -> Self:
        """Find the classes of a training label, float32 with NaN where there is none.

        Parameters
        ----------
        world : workers that hold the other rows; None: these are all rows.

        Raises
        ------
        ModelError : the label has one value only, or too many.
        """
        parts = (world or World()).from_all(np.unique(label[~np.isnan(label)])[: _MOST + 1])
        values = np.unique(np.concatenate(parts))
        if not 2 <= len(values) <= _MOST:
            many = f"more than {_MOST} values" if len(values) > _MOST else f"{len(values)} value(s)"
            raise ModelError(
                f"target '{target}' has {many} in the training rows, which are no classes",
                where="model.params.head",
                fix="write head: regression, or choose a target in bins",
            )
        return cls(tuple(float(value) for value in values))

    def positions(self, label: Float32) -> Float32:
        """Return each row's class, float32, NaN where there is no label.

        Raises
        ------
        ModelError : a label is none of the classes.
        """
        values = np.array(self.values, dtype=np.float32)
        known = ~np.isnan(label)
        found = np.full(len(label), np.nan, dtype=np.float32)
        found[known] = np.searchsorted(values, label[known]).clip(max=len(values) - 1)
        strange = known.copy()
        strange[known] = values[found[known].astype(np.int64)] != label[known]
        if strange.any():
            raise ModelError(
                f"the label {label[strange][0]:g} is none of the classes that the model was fitted "
                f"on ({', '.join(f'{value:g}' for value in self.values)})",
                fix="train the model again, with all eras",
            )
        return found

    def weights(
        self,
        positions: Float32,
        power: float,
        given: Float32 | None = None,
        world: World | None = None,
    ) -> Float32 | None:
        """Weigh rows by the frequency of their class to the power of minus `power`, mean 1.

        Parameters
        ----------
        positions : as `positions` returns them, of rows with a label.
        given : weights that these are multiplied by.

        Returns
        -------
        float32 [n_rows]; `given` where the power is 0.
        """
        if power == 0:
            return given
        place = positions.astype(np.int64)
        counts = np.bincount(place, minlength=len(self.values))
        counts = (world or World()).total(counts)
        share = np.maximum(counts, 1) / counts.sum()
        each = share**-power
        each /= (share * each).sum()
        weights: Float32 = each[place].astype(np.float32)
        return weights if given is None else weights * given

    @property
    def settings(self) -> dict[str, Any]:
        """What an exported model of these classes is told beside its trees."""
        return {"link": IDENTITY, "classes": list(self.values)}

    def expected(self, sums: npt.NDArray[np.floating[Any]]) -> Float32:
        """Return the expected value from the trees' sums [n_rows, n_classes], float32 [n_rows]."""
        values: Float32 = expected_value(sums, self.values)
        return values


def classes_of(
    classes: Classes | None, sums: Callable[[slice], npt.NDArray[Any]], n_rows: int, row_bytes: int
) -> ClassProbabilities:
    """Return the probabilities of classes from the trees' sums.

    Parameters
    ----------
    sums : gives the sums of some rows, [n_rows, n_classes]. row_bytes : of a row's features.

    Raises
    ------
    ModelError : no classes were learnt.
    """
    if classes is None:
        raise ModelError(
            "the trees learnt the target as a number, and give no probabilities of classes",
            fix="train them with head: classes",
        )
    probabilities = np.empty((n_rows, len(classes.values)), dtype=np.float32)
    for piece in pieces(n_rows, row_bytes, _PIECE_BYTES):
        probabilities[piece] = softmax(sums(piece).astype(np.float64), axis=1)
    return ClassProbabilities(classes.values, probabilities)


def check_contributions(*classes: Classes | None) -> None:
    """Raise ModelError where an expected value is predicted: it has no contributions."""
    if any(classes):
        raise ModelError(
            "head: classes predicts an expected value, which is no sum of trees: there are no "
            "contributions"
        )


def exported_trees(
    trees: Trees, trained: TrainedFeatures, classes: Classes | None, link: str = IDENTITY
) -> Exported:
    """Return trees as plain values; with classes their sums become an expected value."""
    settings = {"link": link} if classes is None else classes.settings
    return Exported("trees", settings, trees.arrays("trees"), **trained.facts())


def classes_from(values: Sequence[float] | None) -> Classes | None:
    """Read the classes from a saved model's facts; None: it predicts a number."""
    return None if values is None else Classes(tuple(values))
