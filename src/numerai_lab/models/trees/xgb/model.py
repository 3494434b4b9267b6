"""`xgb`: gradient boosted trees by XGBoost, the baseline of every experiment."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import xgboost

from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.errors import ModelError, did_you_mean
from numerai_lab.models.contract import (
    ClassProbabilities,
    Contributions,
    Exported,
    FitContext,
    FitReport,
    Float32,
    ModelInfo,
    Needs,
    Shape,
    TrainedFeatures,
    explained_rows,
    load_meta,
    save_meta,
)
from numerai_lab.models.trees.arrays import xgboost_trees
from numerai_lab.models.trees.classes import (
    Classes,
    check_contributions,
    classes_from,
    classes_of,
    exported_trees,
)
from numerai_lab.models.trees.contributions import xgboost_contributions
from numerai_lab.models.trees.run_settings import xgboost_run_settings
from numerai_lab.models.trees.values import pieces
from numerai_lab.models.trees.xgb.binning import missing_marker, takes_quantile_matrix
from numerai_lab.models.trees.xgb.boosting import cuda_problem, grow, grow_more
from numerai_lab.models.trees.xgb.params import XGBParams
from numerai_lab.models.trees.xgb.placement import memory_needed, pages_on_disk, trains_from_disk
from numerai_lab.seeds import child_seed

_PIECE_BYTES = 64 << 20


class XGB:
    """Gradient boosted trees by XGBoost on binned features.

    int8 features go to XGBoost as they are, for training and for prediction. Early stopping
    keeps the trees with the best mean per-era corr. With `booster: gblinear` the updater is
    `coord_descent` unless another is written, because XGBoost's default (shotgun) gives a
    different model each time.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="gradient boosted trees by XGBoost; early stopping on per-era corr, era boosting",
        unit="rounds",
        in_parts=True,
        exportable=True,
        not_finite_hint="a smaller learning rate (eta) is the usual way out",
    )
    Params: ClassVar[type[XGBParams]] = XGBParams

    def __init__(self, params: XGBParams) -> None:
        self.params = params
        self._booster: Any = None
        self._trained = TrainedFeatures()
        self._classes: Classes | None = None

    @property
    def booster(self) -> Any:
        """The fitted `xgboost.Booster`, for models that build on these trees."""
        return self._booster

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Train on `ctx.target` of the labelled rows.

        Raises
        ------
        ModelError
            XGBoost refuses the parameters or the rows, or a constraint names no feature.
        """
        notes: list[str] = []
        if self.params.head == "classes":
            self._classes = Classes.of(train.target(ctx.target), ctx.target, ctx.world)
            ctx = self._weighing_classes(train, ctx)
        params = self._library_params(train.feature_names, ctx)
        if ctx.device == "cuda":
            problem = cuda_problem()
            if problem is not None:
                notes.append(f"device cuda was asked for but {problem}: trained on the CPU")
                ctx.say(notes[-1])
                params["device"] = "cpu"
        if params.get("booster") == "gblinear" and ctx.stop is not None:
            raise ModelError(
                "early stopping needs trees to cut back to, booster gblinear has none",
                fix="leave early_stopping out",
            )
        if ctx.world.size > 1 and (
            params.get("booster") == "gblinear" or params.get("tree_method") == "exact"
        ):
            raise ModelError(
                "booster gblinear and tree_method exact do not learn from rows spread over workers",
                fix="train without --cluster",
            )
        from_disk = False
        if takes_quantile_matrix(params):
            from_disk, said = trains_from_disk(self.params.memory, train, ctx)
            if said is not None:
                notes.append(said)
                ctx.say(said)
            from_disk = any(ctx.world.from_all(from_disk))
        rounds, boosting = self.params.num_boost_round, self.params.era_boosting
        with pages_on_disk(train) if from_disk else contextlib.nullcontext() as prefix:
            growth = grow(train, ctx, params, rounds, boosting, prefix, self._classes)
        # Predicting on the CPU takes int8 rows as they are, and is the same on every machine.
        growth.booster.set_param({"device": "cpu"})
        self._booster = growth.booster
        self._trained = TrainedFeatures.of(train)
        self.predict_rows(train.features[:1])  # an objective with several values a row: now

        details: dict[str, Any] = {
            "binning_seconds": growth.binning_seconds,
            "library_cpu_seconds": growth.cpu_seconds,
            "device": params["device"],
        }
        if growth.stop_corr:
            best = int(np.argmax(growth.stop_corr))
            details["early_stopping"] = {
                "rounds_trained": len(growth.stop_corr),
                "best_round": best + 1,
                "best_corr": growth.stop_corr[best],
                "corr_by_round": growth.stop_corr,
            }
            notes.append(
                f"early stopping kept {best + 1} of {len(growth.stop_corr)} rounds "
                f"(corr {growth.stop_corr[best]:.4f})"
            )
        if growth.worst_eras:
            details["era_boosting"] = {"worst_eras": growth.worst_eras}
        rounds = growth.booster.num_boosted_rounds()
        return FitReport(
            size=rounds * self._trees_a_round,
            unit="trees",
            library_seconds=growth.train_seconds,
            importance=self._importance(),
            notes=tuple(notes),
            details=details,
        )

    @property
    def n_steps(self) -> int:
        """Boosting rounds grown so far."""
        return int(self._booster.num_boosted_rounds())

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Grow `amount` more boosting rounds on labelled eras; the trees there are stay.

        Raises
        ------
        ModelError
            The features are not those trained on, or XGBoost refuses the rows.
        """
        self._trained.check(new)
        ctx = self._weighing_classes(new, ctx)
        params = self._library_params(new.feature_names, ctx)
        # Columns are drawn anew: with the seed of the fit each tree would see those of a first one.
        params["seed"] = child_seed(ctx.seed, "xgb", "more", int(new.eras[-1]))
        growth = grow_more(self._booster, new, ctx, params, amount, self._classes)
        growth.booster.set_param({"device": "cpu"})
        self._booster = growth.booster
        return FitReport(
            size=amount * self._trees_a_round,
            unit="trees",
            library_seconds=growth.train_seconds,
            importance=self._importance(),
            details={"binning_seconds": growth.binning_seconds},
        )

    def memory_needed(self, shape: Shape) -> Needs:
        """Return the bytes of the host that training of this size takes; a GPU's are not known."""
        return Needs(memory_needed(self.params.memory, shape.n_rows, shape.n_features))

    def ways_to_take_less(self) -> tuple[str, ...]:
        """Training from disk, unless that is what is asked for."""
        return ("model.params.memory: external",) if self.params.memory == "in_core" else ()

    def predict(self, frame: EraFrame) -> Float32:
        """Predict float32 [n_rows].

        Raises
        ------
        ModelError
            The features are not those trained on, or the model gives more than one value a row.
        """
        self.check(frame)
        predictions = np.empty(frame.n_rows, dtype=np.float32)
        row_bytes = frame.n_features * frame.features.itemsize
        for piece in pieces(frame.n_rows, row_bytes, _PIECE_BYTES):
            predictions[piece] = self.predict_rows(frame.features[piece])
        return predictions

    def predict_classes(self, frame: EraFrame, target: str) -> ClassProbabilities:  # noqa: ARG002
        """Return the softmax of the margins. Raises ModelError where a number was learnt."""
        self.check(frame)
        row_bytes = frame.n_features * frame.features.itemsize
        return classes_of(
            self._classes, lambda rows: self._margins(frame.features[rows]), frame.n_rows, row_bytes
        )

    def check(self, frame: EraFrame) -> None:
        """Raise ModelError unless the features are those trained on, in order."""
        self._trained.check(frame)

    def save(self, folder: Path) -> None:
        """Write `booster.ubj`, XGBoost's own format, and `meta.json`."""
        self._booster.save_model(folder / "booster.ubj")
        facts: dict[str, Any] = self._trained.facts()
        if self._classes is not None:
            facts["classes"] = self._classes.values
        save_meta(folder, self.params, facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        params, meta = load_meta(folder, cls.Params)
        model = cls(params)
        model._booster = xgboost.Booster(model_file=folder / "booster.ubj")
        model._trained = TrainedFeatures.from_facts(meta)
        model._classes = classes_from(meta.get("classes"))
        return model

    def export(self) -> Exported:
        """Return the trees as arrays; raises ModelError for gblinear and unusual objectives."""
        trees, link = xgboost_trees(self._booster)
        return exported_trees(trees, self._trained, self._classes, link)

    def contributions(
        self, frame: EraFrame, rows: npt.NDArray[np.int64] | None = None
    ) -> tuple[Contributions, ...]:
        """Return what features add to the margin; a linear booster's count missing values as 0.

        Raises
        ------
        ModelError
            The features are not those trained on, or classes were learnt.
        """
        self.check(frame)
        check_contributions(self._classes)
        marker = missing_marker(self._trained.dtype)
        return (xgboost_contributions(self._booster, explained_rows(frame, rows), marker),)

    def interactions(self, frame: EraFrame, rows: npt.NDArray[np.int64]) -> Float32:
        """Return SHAP interaction values of pairs, float32 [n_rows, n_features, n_features].

        Raises
        ------
        ModelError
            The features are not those trained on, or classes were learnt.
        """
        self.check(frame)
        check_contributions(self._classes)
        matrix = xgboost.DMatrix(frame.features[rows], missing=missing_marker(self._trained.dtype))
        values: Float32 = self._booster.predict(matrix, pred_interactions=True)
        return values[:, :-1, :-1]

    def predict_rows(self, features: FeatureArray) -> Float32:
        """Predict rows that are known to have the right features, float32 [n_rows]."""
        missing = missing_marker(self._trained.dtype)
        if self._classes is not None:
            return self._classes.expected(self._margins(features))
        if self.params.booster == "gblinear":
            rows = xgboost.DMatrix(features, missing=missing)
            values: Float32 = self._booster.predict(rows)
        else:
            values = self._booster.inplace_predict(features, missing=missing)
        if values.ndim != 1:
            raise ModelError(
                f"objective '{self.params.objective}' gives {values.shape[1]} values a row, "
                "a prediction is one",
                fix="choose another objective",
            )
        return values

    def _margins(self, features: FeatureArray) -> Float32:
        missing = missing_marker(self._trained.dtype)
        margins: Float32 = self._booster.inplace_predict(
            features, missing=missing, predict_type="margin"
        )
        return margins

    @property
    def _trees_a_round(self) -> int:
        several = self._classes is not None and self.params.multi_strategy != "multi_output_tree"
        outputs = len(self._classes.values) if self._classes is not None and several else 1
        return outputs * (self.params.num_parallel_tree or 1)

    def _weighing_classes(self, rows: EraFrame, ctx: FitContext) -> FitContext:
        """Weigh rows by the frequency of their class, if that is asked for."""
        power = self.params.class_weight_power
        if self._classes is None or power == 0:
            return ctx
        positions = self._classes.positions(rows.target(ctx.target))
        return replace(ctx, weights=self._classes.weights(positions, power, ctx.weights, ctx.world))

    def _importance(self) -> dict[str, float]:
        if self.params.booster == "gblinear":
            return {}
        gains = self._booster.get_score(importance_type="total_gain")
        return {self._trained.names[int(key[1:])]: float(gain) for key, gain in gains.items()}

    def _library_params(self, feature_names: tuple[str, ...], ctx: FitContext) -> dict[str, Any]:
        params = {
            **self.params.library_params(),
            **xgboost_run_settings(ctx, child_seed(ctx.seed, "xgb")),
        }
        if self._classes is not None:
            params["num_class"] = len(self._classes.values)
        if params.get("booster") == "gblinear":
            params.setdefault("updater", "coord_descent")

        def position(name: str) -> int:
            if name not in feature_names:
                raise ModelError(
                    f"'{name}' is not a feature of the training rows"
                    + did_you_mean(name, feature_names),
                    where="model.params",
                )
            return feature_names.index(name)

        signs = self.params.monotone_constraints
        if isinstance(signs, dict):
            by_position = {position(name): sign for name, sign in signs.items()}
            signs = [by_position.get(i, 0) for i in range(len(feature_names))]
        if signs is not None and len(signs) != len(feature_names):
            raise ModelError(
                f"{len(signs)} constraints are given for {len(feature_names)} features",
                where="model.params.monotone_constraints",
                fix="give one for each feature, or name features: {feature: 1}",
            )
        if signs is not None:
            params["monotone_constraints"] = tuple(signs)
        groups = self.params.interaction_constraints
        if groups is not None:
            params["interaction_constraints"] = json.dumps(
                [[position(name) for name in group] for group in groups]
            )
        return params
