"""`residual`: any first model, and any second on what the first leaves of the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError, SplitError
from numerai_lab.models.combined.blocks import coefficient, per_era, predict_blocks
from numerai_lab.models.combined.residual.params import ResidualParams
from numerai_lab.models.combined.residual.runtime import total
from numerai_lab.models.combined.runtime import standardised
from numerai_lab.models.contract import (
    ContinuableModel,
    Contributions,
    ExplainedModel,
    ExportableModel,
    Exported,
    FitContext,
    FitReport,
    Model,
    ModelInfo,
    Needs,
    Shape,
    SizedModel,
    TrainedFeatures,
    cannot_go_on,
    load_meta,
    save_meta,
    steps_for,
)
from numerai_lab.models.nested import ModelChoice
from numerai_lab.models.registry import get_model
from numerai_lab.scoring import corr_per_era
from numerai_lab.seeds import child_seed
from numerai_lab.splits import inner_blocks

_ROUNDING = 1e-4
"""Of predictions around .5 in float32 that differ in the third digit; see `info.tolerance`."""
_ERAS_LOOKED_AT = 8


class Residual:
    """Two models in turn: prediction = b * first + second.

    The training eras are cut into blocks. A first model fitted on the eras outside a block, with
    the purge before and after it, predicts the block, so that what the second learns,
    y - b * first, is what a first model leaves of eras it has not seen. First predictions are
    standardised within their era; b is the slope of the target on them, over all blocks. The first
    model that predicts is fitted on all training eras.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="any model out of fold, and a second one on what it leaves",
        unit="steps",
        transductive=True,
        exportable=True,
        tolerance=_ROUNDING,
    )
    Params: ClassVar[type[ResidualParams]] = ResidualParams

    def __init__(self, params: ResidualParams) -> None:
        self.params = params
        self._first: Model = params.first.new()
        self._second: Model = params.second.new()
        self._coefficient = 0.0
        self._trained = TrainedFeatures()

    @classmethod
    def info_for(cls, params: ResidualParams) -> ModelInfo:
        """Steps are the second model's; the other traits follow from both."""
        first, second = params.first.info, params.second.info
        return replace(
            cls.info,
            unit=second.unit,
            multi_target=first.multi_target,
            stateful=first.stateful or second.stateful,
            exportable=first.exportable and second.exportable,
            needs_entity=first.needs_entity or second.needs_entity,
            tolerance=max(_ROUNDING, first.tolerance, second.tolerance),
            not_finite_hint=second.not_finite_hint or first.not_finite_hint,
        )

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Fit the first on each block's others and on all, and the second on what it leaves.

        Early-stopping eras serve both; the second is stopped on what the first leaves of them.

        Raises
        ------
        ModelError : the training eras are too few, or a part cannot be fitted.
        """
        self._trained = TrainedFeatures.of(train)
        try:
            blocks = inner_blocks(train.eras, self.params.folds, ctx.purge_eras)
        except SplitError as error:
            raise ModelError(error.what, where="model.params.folds", fix=error.fix) from None
        ctx = replace(ctx, say=_once(ctx.say))
        seconds = 0.0

        def fitted(number: int, rows: EraFrame, mine: npt.NDArray[np.bool_]) -> Model:
            nonlocal seconds
            model = self.params.first.new()
            told = self._first_context(ctx.part(f"block_{number}"), mine)
            report = model.fit(rows, told)
            seconds += report.library_seconds
            return model

        scaled = predict_blocks(train, blocks, fitted)
        target = train.target(ctx.target)
        self._coefficient = coefficient(train, scaled, target)
        corr = corr_per_era(scaled, target, train.offsets)
        known = corr[np.isfinite(corr)]
        out_of_fold = float(known.mean()) if len(known) else 0.0
        first = self._first.fit(train, self._first_context(ctx.part("first"), None))
        left = train.with_target(ctx.target, target - self._coefficient * scaled)
        stop = None if ctx.stop is None else self._what_is_left(ctx.stop, ctx.target)
        told = replace(self._second_context(ctx.part("second")), stop=stop)
        second = self._second.fit(left, told)
        notes = [
            f"first ({self.params.first.type}): corr {out_of_fold:.4f} on training eras it had not "
            f"seen, {self.params.folds} blocks purged by {ctx.purge_eras} eras on both sides"
        ]
        if self._coefficient == 0:
            notes.append(
                "the first is of no use on training eras it had not seen: its coefficient is 0"
            )
            ctx.say(notes[-1])
        return replace(
            self._report(train, first, second, tuple(notes)),
            library_seconds=seconds + first.library_seconds + second.library_seconds,
        )

    @property
    def n_steps(self) -> int:
        """Steps of the second model."""
        return cast(ContinuableModel, self._second).n_steps

    def cannot_go_on(self) -> str | None:
        """Say which part cannot go on; None: both can."""
        for name, (choice, model) in zip(("first", "second"), self._parts(), strict=True):
            problem = cannot_go_on(model, choice.type)
            if problem is not None:
                return f"{name}: {problem}"
        return None

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Let the second learn what the first leaves of new eras, and then the first go on.

        The first has not seen the new eras when it predicts them. The coefficient stays. The first
        goes on by as large a share of its steps, or by each new era where its steps are eras.

        Raises
        ------
        ModelError : the features are not those of the fit, or a part cannot go on like that.
        """
        first, second = cast(ContinuableModel, self._first), cast(ContinuableModel, self._second)
        self._trained.check(new)
        share = amount / max(1, second.n_steps)
        left = self._what_is_left(new, ctx.target)
        later = second.fit_more(left, self._second_context(ctx.part("second")), amount)
        steps = steps_for(first, self.params.first.info.unit, new.n_eras, share)
        earlier = first.fit_more(new, self._first_context(ctx.part("first"), None), steps)
        return self._report(new, earlier, later, ())

    def predict(self, frame: EraFrame) -> Float32:
        """Predict float32 [n_rows] on the scale of the target.

        Raises
        ------
        ModelError : the features are not those trained on.
        """
        self._trained.check(frame)
        first, second = self._first.predict(frame), self._second.predict(frame)
        predictions = np.empty(frame.n_rows, dtype=np.float32)
        for _, rows in frame.iter_eras():
            predictions[rows] = total(first[rows], second[rows], self._coefficient)
        return predictions

    def contributions(
        self, frame: EraFrame, rows: npt.NDArray[np.int64] | None = None
    ) -> tuple[Contributions, ...]:
        """Return what features add to the sum of both parts.

        The first part is standardised within the era, which only scales its contributions and
        moves its base: what the base moves by in an era stands beside (`first, era's level`).

        Raises
        ------
        ModelError : the features are not those trained on, or a part predicts something else than
            the sum of its contributions.
        """
        self._trained.check(frame)
        chosen = np.arange(frame.n_rows) if rows is None else rows
        whole = self._first.predict(frame).astype(np.float64)
        first, second = (_own_sum(choice, model, frame, chosen) for choice, model in self._parts())
        scale, level = np.zeros(frame.n_rows), np.zeros(frame.n_rows)
        for _, own in frame.iter_eras():
            scaled = self._coefficient * standardised(whole[own])
            spread = whole[own].std()
            scale[own] = self._coefficient / spread if scaled.any() else 0.0
            level[own] = -scale[own] * whole[own].mean()
        scale, level = scale[chosen], level[chosen] + scale[chosen] * first.base
        values = scale[:, None] * first.values + second.values
        raw = self.predict(frame)[chosen].astype(np.float64)
        beside = {"first, era's level": level}
        for one, factor in ((first, scale), (second, np.ones(len(chosen)))):
            for name, more in one.beside.items():
                beside[name] = beside.get(name, np.zeros(len(chosen))) + factor * more
        return (Contributions(values, second.base, raw, beside=beside),)

    def save(self, folder: Path) -> None:
        """Write `first/` and `second/` as the parts do, and `meta.json` with the coefficient."""
        for name, model in (("first", self._first), ("second", self._second)):
            (folder / name).mkdir()
            model.save(folder / name)
        facts = {
            "coefficient": self._coefficient,
            **self._trained.facts(),
        }
        save_meta(folder, self.params, facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        params, meta = load_meta(folder, cls.Params)
        model = cls(params)
        model._first = get_model(params.first.type).load(folder / "first")
        model._second = get_model(params.second.type).load(folder / "second")
        model._coefficient = meta["coefficient"]
        model._trained = TrainedFeatures.from_facts(meta)
        return model

    def export(self) -> Exported:
        """Return the sum of both parts; raises ModelError where a part has no such form."""
        parts = []
        for choice, model in self._parts():
            if not isinstance(model, ExportableModel):
                raise ModelError(
                    f"'{choice.type}' cannot be bundled for model upload",
                    fix="submit its predictions with `numerai-lab submit`",
                )
            parts.append(model.export())
        return Exported(
            kind="residual",
            settings={"coefficient": self._coefficient},
            arrays={},
            **self._trained.facts(),
            parts=tuple(parts),
        )

    def memory_needed(self, shape: Shape) -> Needs:
        """Return what the part that takes more needs: they are fitted one after the other."""
        needs = [m.memory_needed(shape) for _, m in self._parts() if isinstance(m, SizedModel)]
        return Needs(
            max((one.host for one in needs), default=0),
            max((one.device for one in needs), default=0),
        )

    def ways_to_take_less(self) -> tuple[str, ...]:
        """Name settings of the parts that would take less."""
        return tuple(
            way.replace("model.params.", f"model.params.{name}.params.", 1)
            for name, (_, model) in zip(("first", "second"), self._parts(), strict=True)
            if isinstance(model, SizedModel)
            for way in model.ways_to_take_less()
        )

    def _parts(self) -> tuple[tuple[ModelChoice, Model], tuple[ModelChoice, Model]]:
        return (self.params.first, self._first), (self.params.second, self._second)

    def _first_context(self, ctx: FitContext, mine: npt.NDArray[np.bool_] | None) -> FitContext:
        """Tell the first model of all training rows, or of those of some eras."""
        weights = ctx.weights if ctx.weights is None or mine is None else ctx.weights[mine]
        seed = child_seed(ctx.seed, "residual", "first")
        return replace(ctx, seed=seed, weights=weights)

    def _second_context(self, ctx: FitContext) -> FitContext:
        seed = child_seed(ctx.seed, "residual", "second")
        return replace(ctx, seed=seed, targets=(ctx.target,))

    def _scaled(self, frame: EraFrame) -> Float64:
        return per_era(frame, self._first.predict(frame.without_targets()))

    def _what_is_left(self, frame: EraFrame, target: str) -> EraFrame:
        """Return rows that the first has not seen, with what it leaves of their target."""
        left = frame.target(target) - self._coefficient * self._scaled(frame)
        return frame.with_target(target, left)

    def _report(
        self, rows: EraFrame, first: FitReport, second: FitReport, notes: tuple[str, ...]
    ) -> FitReport:
        """Tell of both parts; features count by what a part's predictions spread in some eras."""
        some = rows.eras[:: max(1, rows.n_eras // _ERAS_LOOKED_AT)]
        frame = rows.select_eras(some).without_targets()
        spread = {"first": self._coefficient, "second": _spread(frame, self._second.predict(frame))}
        importance = dict.fromkeys(frame.feature_names, 0.0)
        for name, report in (("first", first), ("second", second)):
            whole = sum(report.importance.values()) or 1.0
            for feature, value in report.importance.items():
                importance[feature] += spread[name] * value / whole
        return FitReport(
            size=second.size,
            unit=second.unit,
            library_seconds=first.library_seconds + second.library_seconds,
            importance={name: value for name, value in importance.items() if value > 0},
            notes=(*notes, *first.notes, *second.notes),
            details={
                "coefficient": self._coefficient,
                "spread": spread,
                "first": {"size": first.size, "unit": first.unit, **first.details},
                "second": {"size": second.size, "unit": second.unit, **second.details},
            },
        )


def _own_sum(
    choice: ModelChoice, model: Model, frame: EraFrame, rows: npt.NDArray[np.int64]
) -> Contributions:
    """Return the contributions of a part whose prediction is their sum. Raises ModelError."""
    if isinstance(model, ExplainedModel):
        found = model.contributions(frame, rows)
        predicted = model.predict(frame)[rows]
        if len(found) == 1 and np.allclose(found[0].raw, predicted, rtol=1e-4, atol=1e-5):
            return found[0]
    raise ModelError(f"part '{choice.type}' predicts no sum of contributions of its features")


def _spread(frame: EraFrame, predictions: Float32) -> float:
    return float(np.mean([predictions[rows].std() for _, rows in frame.iter_eras()]))


def _once(say: Callable[[str], None]) -> Callable[[str], None]:
    """Say each sentence once, however many fits of the same kind have it to say."""
    said: set[str] = set()

    def say_once(sentence: str) -> None:
        if sentence not in said:
            said.add(sentence)
            say(sentence)

    return say_once
