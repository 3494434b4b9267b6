"""`transformed`: steps that add columns, and any model on the features and these columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
    Past,
    Pipeline,
    StepContext,
    StepParams,
    get_transform,
)
from numerai_lab.models.combined.transformed.explaining import contributions_of
from numerai_lab.models.combined.transformed.params import TransformedParams
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
            unlabelled=looks_back,
            needs_entity=own.needs_entity or any(map(_needs_entity, steps)),
            in_parts=False,
            variants=variants_for(params.placebo),
            twins=tuple(variant.name for variant in variants_for(params.placebo)),
        )

    @property
    def history_eras(self) -> int:
        """How many era numbers before an era some step looks at."""
        return self._pipeline.history_eras

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Fit the steps, then the model on what they make; then its twins.

        Raises
        ------
        ModelError : a step or the model cannot be fitted. MachineError : memory is short.
        """
        self._trained = TrainedFeatures.of(train)
        known = ctx.unlabelled
        self._told = {"target": ctx.target, "purge_eras": ctx.purge_eras, "seed": ctx.seed}

        def past(era: int, n: int) -> Past:
            assert known is not None
            rows = known.between(era - n, era - 1)
            return Past(rows, train.between(era - n, era - ctx.purge_eras - 1))

        made = self._pipeline.fit(
            train,
            StepContext(
                seed=child_seed(ctx.seed, "transforms"),
                target=ctx.target,
                purge_eras=ctx.purge_eras,
                feature_sets=ctx.feature_sets,
                n_threads=ctx.n_threads,
                say=ctx.say,
                past=past if known is not None else None,
            ),
        )
        stop = None if ctx.stop is None else self._pipeline.columns(ctx.stop, past)
        n_fits = 1 if ctx.alone else 1 + len(variants_for(self.params.placebo))
        reports: dict[str, FitReport] = {}

        def fit_one(name: str, rows: EraFrame, stop: EraFrame | None) -> None:
            own = context_of(ctx, name, len(reports), n_fits)
            self._models[name] = self.params.model.new()
            reports[name] = self._models[name].fit(rows, replace(own, stop=stop))

        self._models = {}
        pipeline = self._pipeline
        fit_one(_MAIN, pipeline.frame(made), None if stop is None else pipeline.frame(stop))
        if n_fits > 1:
            fit_one(WITHOUT, train, ctx.stop)
            for draw in range(1, self.params.placebo + 1):
                twin = pipeline.twin(draw)
                made = twin.shuffle(twin.remade(made, past), draw, ctx.seed)
                if stop is not None:
                    stop = twin.shuffle(twin.remade(stop, past), draw, ctx.seed)
                shuffled = None if stop is None else twin.frame(stop)
                fit_one(placebo_name(draw), twin.frame(made), shuffled)
        return self._report(reports)

    def predict(self, frame: EraFrame, history: EraFrame | None = None) -> Float32:
        """Predict float32 [n_rows], an era at a time.

        Raises
        ------
        ModelError : the features are not those of the fit, or a step looks back and no earlier
            eras are given.
        """
        self._trained.check(frame)
        past = self._past_of(history)
        return self._each_era(frame, lambda era: self._predict_main(era, past))

    def predict_in_detail(self, frame: EraFrame, history: EraFrame | None = None) -> Detailed:
        """Predict, beside the same model without the columns, and with permuted ones."""
        self._trained.check(frame)
        past = self._past_of(history)
        found = {name: np.empty(frame.n_rows, dtype=np.float32) for name in self._models}
        twins = {
            placebo_name(draw): (draw, self._pipeline.twin(draw))
            for draw in range(1, self.params.placebo + 1)
        }
        for era, rows in frame.iter_eras():
            own = frame.between(era, era).without_targets()
            made = self._pipeline.columns(own, past)
            for name, model in self._models.items():
                given = own if name == WITHOUT else self._pipeline.frame(made)
                if name in twins:
                    draw, twin = twins[name]
                    copied = Columns(own, [block.copy() for block in made.blocks])
                    told = twin.shuffle(twin.remade(copied, past), draw, self._told["seed"])
                    given = twin.frame(told)
                found[name][rows] = model.predict(given)
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
        known = ctx.unlabelled

        def past(era: int, n: int) -> Past:
            assert known is not None
            rows = known.between(era - n, era - 1)
            return Past(rows, new.between(era - n, era - ctx.purge_eras - 1))

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
        model = self._models[_MAIN]
        if not isinstance(model, ExportableModel):
            raise ModelError(
                f"'{self.params.model.type}' cannot be bundled for model upload",
                fix="submit its predictions with `numerai-lab submit`",
            )
        steps, arrays, runtime = self._pipeline.exported()
        return Exported(
            kind=f"transformed by {runtime}" if runtime else "transformed",
            settings={"steps": steps, "kept": self._pipeline.kept.tolist()},
            arrays=arrays,
            **self._trained.facts(),
            parts=(model.export(),),
            runtime=runtime,
            hands_on=self._pipeline.names,
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

    def _predict_main(self, era: EraFrame, past: Callable[[int, int], Past] | None) -> Float32:
        made = self._pipeline.columns(era, past)
        return self._models[_MAIN].predict(self._pipeline.frame(made))

    def _each_era(self, frame: EraFrame, predict: Callable[[EraFrame], Float32]) -> Float32:
        found = np.empty(frame.n_rows, dtype=np.float32)
        for era, rows in frame.iter_eras():
            found[rows] = predict(frame.between(era, era).without_targets())
        return found

    def _past_of(self, history: EraFrame | None) -> Callable[[int, int], Past] | None:
        """Return what the steps may know of earlier eras. Raises ModelError where none is given."""
        if not self.history_eras:
            return None
        if history is None:
            raise ModelError(
                f"a transform looks back {self.history_eras} eras, and no earlier eras were given"
            )

        def past(era: int, n: int) -> Past:
            rows = history.between(era - n, era - 1)
            target = self._told["target"]
            if target not in rows.target_names:
                return Past(rows.without_targets(), rows.between(0, -1))
            label = rows.target(target)
            known = [one for one, mine in rows.iter_eras() if not bool(np.isnan(label[mine]).all())]
            last = max(known, default=-1)
            return Past(rows.without_targets(), rows.between(era - n, last))

        return past

    def _report(self, reports: dict[str, FitReport]) -> FitReport:
        """Tell of the model; what the added columns count for stands beside the features."""
        main = reports[_MAIN]
        raw = set(self._trained.names)
        added = {name: gain for name, gain in main.importance.items() if name not in raw}
        whole = sum(main.importance.values()) or 1.0
        share = sum(added.values()) / whole
        names = self._pipeline.added
        said = f"{len(names)} columns added by {', '.join(s.label for s in self.params.transforms)}"
        if names and main.importance:
            said += f": {100 * share:.1f} % of the model's importance"
        kept = {name: value for name, value in main.importance.items() if name in raw}
        twins = {name: {"size": r.size} for name, r in reports.items() if name != _MAIN}
        return replace(
            main,
            importance=kept,
            library_seconds=sum(report.library_seconds for report in reports.values()),
            notes=(said, *main.notes),
            details={
                **main.details,
                "transforms": {"columns": list(names), "importance": added, "twins": twins},
            },
        )


def _needs_entity(step: StepParams) -> bool:
    return get_transform(step.type).info.needs_entity
