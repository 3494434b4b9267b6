"""What a model declares about itself."""

from __future__ import annotations

from dataclasses import dataclass

from numerai_lab.errors import ModelError

MAX_TOLERANCE = 1e-3
"""A model that differs by more depends on what else it predicts."""
PREDICTION = "prediction"
"""Name of a model's own prediction beside those of its variants."""


@dataclass(frozen=True)
class Variant:
    """A prediction that a model shows beside its own (`DetailedModel`), to be judged with it.

    Attributes
    ----------
    name : of its column in tables and files.
    label : what it is, for a reader: "same trees, not adapted".
    compared_with : variants declared before it that its scores are compared with, era by era.
    control : it shows what would be gained by chance: it lies above or below another
        prediction, and is never called better or worse.
    reading : for a control, how to read its comparison, as the end of a sentence.
    """

    name: str
    label: str
    compared_with: tuple[str, ...] = ()
    control: bool = False
    reading: str = ""


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
    unlabelled : asks for `ctx.unlabelled`, the rows that may be seen without labels.
    artefacts : asks for `ctx.artefacts`, where what is expensive is made once.
    needs_members : is made of what other runs predict (`StackingModel`): asks for `ctx.members`,
        and for the members' predictions of the rows that it predicts.
    earlier_fits : asks for `ctx.earlier`, what the models of earlier folds were worth since; its
        folds are then fitted one after another, in this process.
    offline : with these parameters it asks for no labels as they become known, though its class may
        (`OnlineModel`).
    references : what it cannot learn without beside its members' predictions, keys of
        `Members.references`; refused where the data have too little of them.
    needs_entity : follows what rows are about over time (`EraFrame.entity`), which Numerai's rows
        do not tell; refused on data without it.
    replay : share of the eras given to `fit_more` that are to be earlier ones, which a run draws
        anew each time (`ctx.replayed`); 0: new eras alone.
    in_parts : several workers can fit it together, each on some of the eras (`ctx.world`).
    tolerance : how far a prediction may differ with the rows and eras that are predicted at once,
        as a share of the standard deviation of predictions; 0: not by a bit. Matrix products
        need it: a library sums in another order for another shape. At most `MAX_TOLERANCE`.
    variants : every prediction the model may show beside its own, the one that differs most first;
        the model's own prediction is compared with each.
    twins : those of the variants that are fits of their own in each fold; a plan tells of them.
    origin : where its predictions come from, as a sentence that stands wherever a run is shown, if
        a config does not tell it all; "": from this config and these rows alone.
    made_elsewhere : it learns nothing and predicts what a file holds, NaN for rows that are not in
        it: a run fits nothing, leaves those rows out, and has no final model.
    not_finite_hint : the way out when a prediction is NaN or infinite, as a user reads it.

    Raises
    ------
    ModelError : `unit` is missing, as in classes written for the contract before it had one; the
        tolerance is out of bounds; two variants have one name, or one is compared with what is not
        declared before it.
    """

    summary: str
    unit: str = ""
    multi_target: bool = False
    transductive: bool = False
    stateful: bool = False
    exportable: bool = False
    unlabelled: bool = False
    artefacts: bool = False
    needs_members: bool = False
    earlier_fits: bool = False
    offline: bool = False
    references: tuple[str, ...] = ()
    needs_entity: bool = False
    replay: float = 0.0
    in_parts: bool = False
    tolerance: float = 0.0
    variants: tuple[Variant, ...] = ()
    twins: tuple[str, ...] = ()
    origin: str = ""
    made_elsewhere: bool = False
    not_finite_hint: str = ""

    @property
    def control(self) -> str | None:
        """Name of the first variant that is a control."""
        return next((variant.name for variant in self.variants if variant.control), None)

    def __post_init__(self) -> None:
        if not self.unit:
            raise ModelError(
                "ModelInfo needs `unit`, the word for the model's steps (such as 'epochs'), since "
                "FitReport(size, unit) took the place of FitReport(n_trees) and ctx.stop_patience "
                "that of ctx.stop_rounds",
                fix="see CHANGELOG.md, and change all three in the class of the model",
            )
        if not 0 <= self.replay < 1:
            raise ModelError(f"replay is {self.replay:g}, not a share from 0 to below 1")
        if not 0 <= self.tolerance <= MAX_TOLERANCE:
            raise ModelError(f"tolerance is {self.tolerance:g}, not from 0 to {MAX_TOLERANCE:g}")
        before: list[str] = []
        for variant in self.variants:
            if variant.name in (PREDICTION, *before):
                raise ModelError(f"the name of variant '{variant.name}' is taken already")
            unknown = [name for name in variant.compared_with if name not in before]
            if unknown:
                raise ModelError(
                    f"variant '{variant.name}' is compared with '{unknown[0]}', and no variant of "
                    "that name is declared before it"
                )
            before.append(variant.name)
