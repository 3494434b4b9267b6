"""`transformed`: steps that add columns, and any model on the features and these columns."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.features import (
    LARGE_BYTES,
    Columns,
    ExportedSteps,
    PastOf,
    Pipeline,
    StepContext,
    StepParams,
    get_transform,
)
from numerai_lab.models.combined.transformed.explaining import contributions_of
from numerai_lab.models.combined.transformed.params import TransformedParams
from numerai_lab.models.combined.transformed.past import earlier_eras, past_at_fit, past_later
from numerai_lab.models.combined.transformed.telling import told_with_columns
from numerai_lab.models.combined.transformed.twins import (
    WITHOUT,
    context_of,
    placebo_name,
    variants_for,
)
from numerai_lab.models.contract import (
    ContinuableModel,
    Contributions,
    Detailed,
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
    history_eras_of,
    load_meta,
    save_meta,
)
from numerai_lab.models.registry import get_model
from numerai_lab.seeds import child_seed

_MAIN = "model"


class Transformed:
    """A model that takes the data's own features, makes columns of them, and lets another learn.

    With a placebo the same model is fitted without the columns, and with each column permuted
    among the rows of its era: what the run shows of both says what the columns are worth.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="any model on the features and on columns made of them (transforms:)",
        unit="steps",
        exportable=True,
    )
    Params: ClassVar[type[TransformedParams]] = TransformedParams

    def __init__(self, params: TransformedParams) -> None:
        self.params = params
        self._pipeline = Pipeline(params.transforms)
        self._models: dict[str, Model] = {}
        self._trained = TrainedFeatures()
        self._told: dict[str, Any] = {}

    @classmethod
    def info_for(cls, params: TransformedParams) -> ModelInfo:
        """The traits of the model within; rows without labels where a step looks back."""
        own, steps = params.model.info, params.transforms
        looks_back = Pipeline(steps).history_eras > 0
        return replace(
            own,
            summary=cls.info.summary,
            transductive=True,  # a column depends on the rows of its era
            exportable=own.exportable,
            unlabelled=looks_back or own.unlabelled,
            needs_entity=own.needs_entity or any(map(_needs_entity, steps)),
            in_parts=False,
            variants=variants_for(params.placebo),
            twins=tuple(variant.name for variant in variants_for(params.placebo)),
        )

    @property
    def history_eras(self) -> int:
        """How many era numbers before an era some step looks at, and the model within before it."""
        return self._pipeline.history_eras + self._within

    @property
    def _within(self) -> int:
        """How many eras the model within looks back."""
        return history_eras_of(self.params.model.new())

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Fit the steps, then the model on what they make; then its twins.

        Raises
        ------
        ModelError : a step or the model cannot be fitted. MachineError : memory is short.
        """
        self._trained = TrainedFeatures.of(train)
        self._told = {"target": ctx.target, "purge_eras": ctx.purge_eras, "seed": ctx.seed}
        past = past_at_fit(train, ctx.unlabelled, ctx.purge_eras)
        made = self._pipeline.fit(
            train,
            StepContext(
                seed=child_seed(ctx.seed, "transforms"),
                target=ctx.target,
                purge_eras=ctx.purge_eras,
                feature_sets=ctx.feature_sets,
                n_threads=ctx.n_threads,
                say=ctx.say,
                past=past,
            ),
        )
        stop = None if ctx.stop is None else self._pipeline.columns(ctx.stop, past)
        blind = None
        if ctx.unlabelled is not None and self.params.model.info.unlabelled:
            mine = frozenset(train.eras.tolist())
            blind = self._pipeline.columns(ctx.unlabelled, past, training=mine)
        n_fits = 1 if ctx.alone else 1 + len(variants_for(self.params.placebo))
        reports: dict[str, FitReport] = {}

        def fit_one(name: str, rows: EraFrame, *beside: EraFrame | None) -> None:
            own = context_of(ctx, name, len(reports), n_fits)
            self._models[name] = self.params.model.new()
            told = replace(own, stop=beside[0], unlabelled=beside[1])
            reports[name] = self._models[name].fit(rows, told)

        def given(pipeline: Pipeline, one: Columns | None) -> EraFrame | None:
            return None if one is None else pipeline.frame(one)

        self._models = {}
        pipeline = self._pipeline
        fit_one(_MAIN, pipeline.frame(made), given(pipeline, stop), given(pipeline, blind))
        if n_fits > 1:
            fit_one(WITHOUT, train, ctx.stop, None if blind is None else ctx.unlabelled)
            for draw in range(1, self.params.placebo + 1):
                twin = pipeline.twin(draw)

                def shuffled(one: Columns, twin: Pipeline = twin, draw: int = draw) -> Columns:
                    return twin.shuffle(twin.remade(one, past), draw, ctx.seed)

                made = shuffled(made)
                stop = None if stop is None else shuffled(stop)
                blind = None if blind is None else shuffled(blind)
                fit_one(placebo_name(draw), twin.frame(made), given(twin, stop), given(twin, blind))
        return self._report(reports)

    def predict(self, frame: EraFrame, history: EraFrame | None = None) -> Float32:
        """Predict float32 [n_rows], an era at a time.

        Raises
        ------
        ModelError : the features are not those of the fit, or a step looks back and no earlier
            eras are given.
        """
        self._trained.check(frame)
        past, pipeline = self._past_of(history), self._pipeline
        found = np.empty(frame.n_rows, dtype=np.float32)

        def with_columns(rows: EraFrame) -> EraFrame:
            return pipeline.frame(pipeline.columns(rows, past))

        for era, rows in frame.iter_eras():
            own = frame.between(era, era).without_targets()
            earlier = earlier_eras(history, era, self._within, with_columns)
            given = with_columns(own)
            found[rows] = self._models[_MAIN].predict(given, **earlier)
        return found

    def predict_in_detail(self, frame: EraFrame, history: EraFrame | None = None) -> Detailed:
        """Predict, beside the same model without the columns, and with permuted ones."""
        self._trained.check(frame)
        past = self._past_of(history)
        found = {name: np.empty(frame.n_rows, dtype=np.float32) for name in self._models}
        draws = {placebo_name(draw): draw for draw in range(1, self.params.placebo + 1)}

        def as_given(name: str, rows: EraFrame, made: Columns | None = None) -> EraFrame:
            """Return rows as the model of a name takes them."""
            if name == WITHOUT:
                return rows
            made = made or self._pipeline.columns(rows, past)
            if name == _MAIN:
                return self._pipeline.frame(made)
            twin = self._pipeline.twin(draws[name])
            copied = Columns(rows, [block.copy() for block in made.blocks])
            told = draws[name], self._told["seed"]
            return twin.frame(twin.shuffle(twin.remade(copied, past), *told))

        for era, rows in frame.iter_eras():
            own = frame.between(era, era).without_targets()
            made = self._pipeline.columns(own, past)
            for name, model in self._models.items():
                earlier = earlier_eras(history, era, self._within, partial(as_given, name))
                found[name][rows] = model.predict(as_given(name, own, made), **earlier)
        return Detailed(found.pop(_MAIN), found)

    @classmethod
    def twin_of_variant(cls, params: TransformedParams) -> tuple[str, str, Any] | None:
        """Without columns it is the model within, by itself."""
        if not params.placebo:
            return None
        return WITHOUT, params.model.type, params.model.params

    @property
    def n_steps(self) -> int:
        """Steps of the model within."""
        return cast(ContinuableModel, self._models[_MAIN]).n_steps

    def cannot_go_on(self) -> str | None:
        """Say why the model within cannot go on; None: it can."""
        return cannot_go_on(self._models[_MAIN], self.params.model.type)

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Let the model go on, on columns of the new eras made by the steps as they were fitted.

        Twins are left out: nothing judges a model that goes on.

        Raises
        ------
        ModelError : the features are not those of the fit, or the model cannot go on like that.
        """
        self._trained.check(new)
        past = past_at_fit(new, ctx.unlabelled, ctx.purge_eras)
        made = self._pipeline.columns(new, past)
        self._models = {_MAIN: self._models[_MAIN]}
        model = cast(ContinuableModel, self._models[_MAIN])
        report = model.fit_more(self._pipeline.frame(made), replace(ctx, unlabelled=None), amount)
        return self._report({_MAIN: report})

    def save(self, folder: Path) -> None:
        """Write `steps/`, a folder for the model and for each twin, and `meta.json`."""
        (folder / "steps").mkdir()
        self._pipeline.save(folder / "steps")
        for name, model in self._models.items():
            (folder / name).mkdir()
            model.save(folder / name)
        facts = {"models": list(self._models), **self._told, **self._trained.facts()}
        save_meta(folder, self.params, facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        params, meta = load_meta(folder, cls.Params)
        model = cls(params)
        model._trained = TrainedFeatures.from_facts(meta)
        model._pipeline = Pipeline.load(folder / "steps", params.transforms, model._trained.names)
        kind = get_model(params.model.type)
        model._models = {name: kind.load(folder / name) for name in meta["models"]}
        model._told = {key: meta[key] for key in ("target", "purge_eras", "seed")}
        return model

    def export(self) -> Exported:
        """Return the steps and the model; raises ModelError where one has no such form."""
        return self._exported(self._pipeline.exported())

    def export_with(self, history: EraFrame, era: int) -> Exported:
        """Return the steps with what they need of the eras before `era`, and the model.

        Raises ModelError : as `export`, or the model within looks back itself.
        """
        return self._exported(self._pipeline.exported(self._past_of(history), era))

    def _exported(self, told: ExportedSteps) -> Exported:
        model, kind = self._models[_MAIN], self.params.model.type
        if not isinstance(model, ExportableModel) or self._within:
            why = " with earlier eras of its own" if self._within else ""
            raise ModelError(
                f"'{kind}'{why} cannot be bundled for model upload",
                fix="submit its predictions with `numerai-lab submit`",
            )
        return Exported(
            kind=f"transformed by {told.runtime}" if told.runtime else "transformed",
            settings={"steps": told.steps, "kept": self._pipeline.kept.tolist()},
            arrays=told.arrays,
            **self._trained.facts(),
            parts=(model.export(),),
            runtime=told.runtime,
            hands_on=self._pipeline.names,
            asks=told.asks,
        )

    def contributions(
        self, frame: EraFrame, rows: npt.NDArray[np.int64] | None = None
    ) -> tuple[Contributions, ...]:
        """Return what features and added columns add; see `contributions_of`.

        Raises
        ------
        ModelError : as `contributions_of`, or the features are not those of the fit.
        """
        self._trained.check(frame)
        return contributions_of(self._pipeline, self._models[_MAIN], frame, rows)

    def memory_needed(self, shape: Shape) -> Needs:
        """Return what the model within needs of the features with the columns, and these.

        Columns of more than `LARGE_BYTES` lie on disk.
        """
        model, n_given = self.params.model.new(), self._pipeline.n_given(shape.n_features)
        added = max(0, n_given - shape.n_features)
        own = Needs(0)
        if isinstance(model, SizedModel):
            own = model.memory_needed(replace(shape, n_features=n_given))
        return replace(own, host=own.host + min(added * shape.n_rows, LARGE_BYTES), columns=added)

    def ways_to_take_less(self) -> tuple[str, ...]:
        """Fewer columns, and those of the model within."""
        model = self.params.model.new()
        own = model.ways_to_take_less() if isinstance(model, SizedModel) else ()
        return ("fewer columns in transforms", *own)

    def _past_of(self, history: EraFrame | None) -> PastOf | None:
        """Return what the steps may know of earlier eras. Raises ModelError where none is given."""
        n_back = self._pipeline.history_eras
        if not n_back:
            return None
        return past_later(history, n_back, self._told["target"], self._told["purge_eras"])

    def _report(self, reports: dict[str, FitReport]) -> FitReport:
        labels = [step.label for step in self.params.transforms]
        main, names = reports.pop(_MAIN), self._pipeline.added
        return told_with_columns(reports, main, self._trained.names, names, labels)


def _needs_entity(step: StepParams) -> bool:
    return get_transform(step.type).info.needs_entity
