"""`icl`: a pretrained transformer that is shown labelled rows of other eras."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.contract import (
    Detailed,
    Exported,
    FitContext,
    FitReport,
    ModelInfo,
    Needs,
    Said,
    Shape,
    TrainedFeatures,
    Variant,
    load_meta,
    save_meta,
)
from numerai_lab.models.nets.in_context.checkpoint import (
    read_checkpoint,
    settings_of,
    shipped_checkpoint,
)
from numerai_lab.models.nets.in_context.contexts import (
    check_context,
    fit_projection,
    newest,
    pool_of,
    shown_eras,
    shuffled,
)
from numerai_lab.models.nets.in_context.fine_tuning import fine_tuned
from numerai_lab.models.nets.in_context.params import UNUSED, ICLParams
from numerai_lab.models.nets.in_context.runtime import (
    NUMBERS_AT_ONCE,
    chosen_eras,
    contexts,
    predicted,
    projected,
)
from numerai_lab.models.nets.kept import Arrays, read_arrays, write_arrays
from numerai_lab.models.nets.runtime import era_bins
from numerai_lab.scoring import corr_per_era
from numerai_lab.seeds import child_seed

_FILE = "context.npz"
PRETRAINED = Variant("pretrained", "same context, not fine-tuned")
SHUFFLED = Variant(
    "shuffled_context",
    "context with labels shuffled within eras",
    control=True,
    reading="what lies above it was learnt from the context's labels",
)
ANCIENT = Variant(
    "ancient_context",
    "context of the oldest eras",
    control=True,
    reading="what lies above it is worth of newer eras",
)


class ICL:
    """A transformer pretrained on drawn functions, shown labelled rows, asked for others.

    A row is a few scores of an unsupervised projection, fitted on the training eras. Nothing is
    learnt from labels but by showing them (`fine_tune_epochs: 0`): a fit chooses and keeps rows.
    Predictions are made in NumPy, in a bundle too.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="a transformer pretrained on drawn functions, shown labelled rows of other eras",
        unit="epochs",
        transductive=True,
        exportable=True,
        tolerance=1e-4,
        variants=(PRETRAINED, SHUFFLED, ANCIENT),
        not_finite_hint="the checkpoint may be of a training that did not learn",
    )
    Params: ClassVar[type[ICLParams]] = ICLParams

    def __init__(self, params: ICLParams) -> None:
        self.params = params
        self._arrays: Arrays = {}
        self._facts: dict[str, Any] = {}
        self._trained = TrainedFeatures()

    @classmethod
    def info_for(cls, params: ICLParams) -> ModelInfo:
        """Name the variants that there are; only codes of eras need an era whole."""
        tuned, controls = params.fine_tune_epochs > 0, params.controls
        variants = (*(PRETRAINED,) * tuned, *(SHUFFLED, ANCIENT) * controls)
        return replace(cls.info, variants=variants, transductive=params.context == "nearest")

    @classmethod
    def twin_of_variant(cls, params: ICLParams) -> tuple[str, str, ICLParams] | None:
        """Name the model that the variant `pretrained` is."""
        if not params.fine_tune_epochs:
            return None
        return PRETRAINED.name, "icl", params.model_copy(update={"fine_tune_epochs": 0})

    @property
    def history_eras(self) -> int:
        """Era numbers that `context: resolved` looks back; else none."""
        return self.params.history_eras if self.params.context == "resolved" else 0

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Fit the projection, choose the rows to show, and fine-tune if that is asked for.

        Raises
        ------
        ModelError : the checkpoint cannot be read or saw rows that are judged; the context has one
            row, or one class of label.
        """
        start, said, params = time.perf_counter(), Said(ctx), self.params
        place = params.checkpoint or shipped_checkpoint()
        pretrained = read_checkpoint(place)
        self._check_seen(pretrained.facts, train)
        self._trained = TrainedFeatures.of(train)
        cuda = ctx.device == "cuda" or None
        for what, given in (("weights", ctx.weights), ("stop", ctx.stop), ("cuda", cuda)):
            if given is not None:
                said.aloud(UNUSED[what].format("icl"))
        size = pretrained.net.size
        projection = fit_projection(train, size.n_scores, params, ctx.seed)
        if (n := int(projection["projection"].any(axis=0).sum())) < size.n_scores:
            said.note(f"rows vary in {n} of the net's {size.n_scores} scores; the others are 0")
        label = train.target(ctx.target).astype(np.float64)
        facts: dict[str, Any] = {
            "size": asdict(size),
            "mean": float(label.mean()),
            "std": float(label.std()) or 1.0,
            "target": ctx.target,
            "seed": ctx.seed,
            "checkpoint": pretrained.facts["sha256"],
        }
        self._facts, self._arrays = facts, dict(projection)
        self._arrays |= self._pool(train)
        n_eras = train.n_eras if params.context == "nearest" else params.context_eras
        for sentence in check_context(self._arrays, params, min(n_eras, train.n_eras)):
            said.aloud(sentence)
        if params.controls:
            oldest = train.eras[: params.context_eras]
            self._arrays |= self._some(train, oldest, "ancient")
        net, tuned = pretrained.net, None
        told: dict[str, Any] = {}
        if params.fine_tune_epochs:
            settings = settings_of(pretrained.facts)
            tuned, told = fine_tuned(
                net, train, projection, settings, params, ctx, said, self._score
            )
        weights = {k: w.numpy() for k, w in net.state_dict().items()}
        if tuned is not None:
            self._arrays |= {f"pretrained/{name}": weight for name, weight in weights.items()}
            weights = {k: w.detach().numpy() for k, w in tuned.state_dict().items()}
        self._arrays |= {f"net/{name}": weight for name, weight in weights.items()}
        eras = self._arrays["pool_eras"]
        said.note(
            f"shown {len(self._arrays['pool_y']):,} rows of {len(eras)} eras, {eras[0]}-{eras[-1]} "
            f"({params.context}), by {pretrained.facts['title']} of "
            f"{pretrained.facts['tasks']:,} tasks"
        )
        details = {"context_eras": eras.tolist(), "checkpoint": facts["checkpoint"]}
        if told:
            details["fine_tuning"] = told
        ctx.progress(1, 1)
        return FitReport(
            size=len(self._arrays["pool_y"]),
            unit="rows",
            library_seconds=time.perf_counter() - start,
            notes=tuple(said.notes),
            details={"icl": details},
        )

    def predict(self, frame: EraFrame, history: EraFrame | None = None) -> Float32:
        """Predict float32 [n_rows], an era at a time.

        Raises
        ------
        ModelError : the features are not those trained on, or `context: resolved` is given no
            history.
        """
        return self._predicted(frame, history, ()).predictions

    def predict_in_detail(self, frame: EraFrame, history: EraFrame | None = None) -> Detailed:
        """Predict, and beside it what the variants predict; raises as `predict`."""
        wanted = tuple(variant.name for variant in self.info_for(self.params).variants)
        return self._predicted(frame, history, wanted)

    def _predicted(
        self, frame: EraFrame, history: EraFrame | None, wanted: tuple[str, ...]
    ) -> Detailed:
        self._trained.check(frame)
        if self.history_eras and history is None:
            raise ModelError(
                "context: resolved reads the labels of earlier eras, and no history was given",
                where="model.params.context",
                fix="predict by the commands, which hand it over, or write context: newest",
            )
        found = {name: np.empty(frame.n_rows, dtype=np.float32) for name in ("", *wanted)}
        remarks: list[str | None] = []
        read: dict[str, dict[int, Any]] = {name: {} for name in found}
        for era, rows in frame.iter_eras():
            scores = projected(era_bins(frame.features[rows]), self._arrays)
            pool, remark = self._arrays, None
            if history is not None and self.history_eras:
                pool, remark = self._resolved(history, era)
            remarks.append(remark)
            for name, values in found.items():
                values[rows] = self._one(name, scores, pool, read[name])
        own = found.pop("")
        told = remarks if any(remarks) else []
        return Detailed(own, found, remarks=told)

    def _one(self, variant: str, scores: Float32, pool: Arrays, read: dict[int, Any]) -> Float64:
        """Predict the rows of one era as the model or one of its variants does.

        read : what it has read of its contexts in eras before.
        """
        settings, n = self._settings(), self.params.contexts
        eras = chosen_eras(scores, settings, pool)
        net, given = "net", pool
        if variant == PRETRAINED.name and "pretrained/head.weight" in self._arrays:
            net = "pretrained"
        elif variant == SHUFFLED.name:
            given = shuffled(pool, self._facts["seed"])
        shown: Iterator[tuple[Any, Any]]
        if variant == ANCIENT.name:
            every = np.arange(len(self._arrays["ancient_eras"]))
            shown = contexts(self._arrays, every, n, "ancient")
        else:
            shown = contexts(given, eras, n)
        values: Float64 = predicted(scores, shown, settings, self._arrays, net, read)
        return values

    def _resolved(self, history: EraFrame, era: int) -> tuple[Arrays, str | None]:
        """Return what is kept, with the eras of the history whose labels are known."""
        params = self.params
        within = history.between(era - self.history_eras, era - 1)
        target = self._facts["target"]
        labelled = within.row_eras[~np.isnan(within.target(target))]
        eras = np.unique(labelled)[-params.context_eras :]
        if not len(eras):
            if self._facts.get("remembered"):
                return self._arrays, None
            words = "had no resolved era in the history: predicted from the training eras' rows"
            return self._arrays, words
        pool = self._some(within, eras, "pool")
        return {**self._arrays, **newest([self._arrays, pool], params.context_eras)}, None

    def remember(self, history: EraFrame) -> None:
        """Keep rows of the newest labelled eras, as the context of later eras."""
        if not self.history_eras or not history.n_rows:
            return
        labelled = history.row_eras[~np.isnan(history.target(self._facts["target"]))]
        eras = np.unique(labelled)[-self.params.context_eras :]
        pool = self._some(history, eras, "pool")
        self._arrays |= newest([self._arrays, pool], self.params.context_eras)
        self._facts["remembered"] = True

    def save(self, folder: Path) -> None:
        """Write `context.npz`, weights and context by name with their SHA-256, and `meta.json`."""
        write_arrays(folder / _FILE, self._arrays, {"net": "icl"})
        save_meta(folder, self.params, {"facts": self._facts, **self._trained.facts()})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises ModelError where a file is gone or damaged."""
        params, meta = load_meta(folder, ICLParams)
        model = cls(params)
        model._arrays, _ = read_arrays(folder / _FILE)
        model._facts, model._trained = meta["facts"], TrainedFeatures.from_facts(meta)
        return model

    def export(self) -> Exported:
        """Return weights and context as arrays, for `runtime.py`.

        Raises
        ------
        ModelError : with `context: resolved` before `remember`, as a fold's model is.
        """
        if self.history_eras and not self._facts.get("remembered"):
            raise ModelError(
                "context: resolved is exported with the eras that are known at the end",
                where="model.params.context",
                fix="export a run with a final model (train --final)",
            )
        kept = ("net/", "pool_", "centre", "projection")
        arrays = {key: array for key, array in self._arrays.items() if key.startswith(kept)}
        return Exported(
            kind="icl", settings=self._settings(), arrays=arrays, **self._trained.facts()
        )

    def memory_needed(self, shape: Shape) -> Needs:
        """Return the bytes beside the rows: torch, products of features, attention."""
        attention = 16 * min(4 * self.params.context_rows**2, NUMBERS_AT_ONCE)
        return Needs(host=(400 << 20) + 24 * shape.n_features**2 + attention)

    def ways_to_take_less(self) -> tuple[str, ...]:
        """Fewer features."""
        return ("data.feature_set with fewer features",)

    def _settings(self) -> dict[str, Any]:
        params = self.params
        asked = {"contexts": params.contexts, "context_eras": params.context_eras}
        told = {key: self._facts[key] for key in ("size", "mean", "std")}
        return {**told, **asked, "context": params.context}

    def _pool(self, train: EraFrame) -> Arrays:
        """Keep the rows to show of training eras."""
        return self._some(train, shown_eras(train.eras, self.params), "pool")

    def _some(self, frame: EraFrame, eras: Any, name: str) -> Arrays:
        facts = self._facts
        return pool_of(frame, eras, facts["target"], self.params, self._arrays, facts["seed"], name)

    def _score(self, net: Mapping[str, Any], shown: EraFrame, judged: EraFrame) -> Float64:
        """Return the corr by era of weights that are shown rows spread over some eras."""
        params = self.params.model_copy(update={"context": "spread", "contexts": 1})
        one = type(self)(params)
        seed = child_seed(self._facts["seed"], "icl", "score")
        one._facts, one._trained = {**self._facts, "seed": seed}, self._trained
        one._arrays = {key: self._arrays[key] for key in ("centre", "projection")}
        one._arrays |= one._pool(shown)
        one._arrays |= {f"net/{name}": weight for name, weight in net.items()}
        values = one.predict(judged.without_targets())
        scores = corr_per_era(values, judged.target(self._facts["target"]), judged.offsets)
        return np.asarray(scores.reshape(-1), dtype=np.float64)

    def _check_seen(self, facts: Mapping[str, Any], train: EraFrame) -> None:
        """Refuse a checkpoint that saw features or labels after the training eras."""
        last = int(train.eras[-1])
        for key, what in (("features_to", "features"), ("labels_to", "labels")):
            if facts[key] is not None and facts[key] > last:
                raise ModelError(
                    f"the checkpoint has seen {what} up to era {facts[key]}, and training ends "
                    f"with era {last}",
                    where="model.params.checkpoint",
                    fix="use one that was pretrained on drawn tasks or earlier eras",
                )
