"""What a model declares about itself."""

from __future__ import annotations

from dataclasses import dataclass

from numerai_lab.errors import ModelError


@dataclass(frozen=True)
class ModelInfo:
    """What a model declares about itself.

    Attributes
    ----------
    summary : one line for `numerai-lab models`.
    unit : the plural word for the steps in which the model learns: "rounds" of boosting, "epochs",
        "fits" where it learns at once. `ctx.progress` and `ctx.stop_patience` count them.
    multi_target : trains on every loaded target, not on the main one only; the purge then
        follows the longest horizon among all of them.
    transductive : reads the whole unlabelled era at prediction.
    stateful : a prediction may depend on eras predicted before it.
    exportable : can be bundled for Numerai's model upload.
    in_parts : several workers can fit it together, each on some of the eras (`ctx.world`).
    not_finite_hint : the way out when a prediction is NaN or infinite, as a user reads it.

    Raises
    ------
    ModelError : `unit` is missing, as in classes written for the contract before it had one.
    """

    summary: str
    unit: str = ""
    multi_target: bool = False
    transductive: bool = False
    stateful: bool = False
    exportable: bool = False
    in_parts: bool = False
    not_finite_hint: str = ""

    def __post_init__(self) -> None:
        if not self.unit:
            raise ModelError(
                "ModelInfo needs `unit`, the word for the model's steps (such as 'epochs'), since "
                "FitReport(size, unit) took the place of FitReport(n_trees) and ctx.stop_patience "
                "that of ctx.stop_rounds",
                fix="see CHANGELOG.md, and change all three in the class of the model",
            )
