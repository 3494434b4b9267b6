"""`estimator`: any object with `fit(X, y)` and `predict(X)`, handed over from Python.

`numerai_lab.train(config, model=...)` offers the object; a config then names it by the hash of its
pickle. A fit needs the object, so it happens in the process that offered it; what was fitted is
saved with the run, and predicts anywhere.
"""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any, ClassVar, Self

import cloudpickle
import numpy as np
from pydantic import Field

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import MISSING_INT8, EraFrame
from numerai_lab.errors import ModelError, in_one_line
from numerai_lab.models.contract import (
    FitContext,
    FitReport,
    ModelInfo,
    Params,
    TrainedFeatures,
    load_meta,
    save_meta,
)
from numerai_lab.seeds import child_seed

_FILE = "estimator.pkl"
_LONGEST = 200
"""Characters of a setting that are kept."""
_offered: dict[str, bytes] = {}


class EstimatorParams(Params):
    """What is known of the object; `offer_estimator` writes it."""

    of: str = Field(description="module and class of the object")
    settings: dict[str, str] = Field(
        default_factory=dict, description="what its get_params() tells, as Python writes it"
    )
    given: str = Field(description="SHA-256 of the object's pickle, by which a fit finds it")


def offer_estimator(estimator: Any) -> dict[str, Any]:
    """Keep an object for fits in this process and return the parameters that name it.

    Parameters
    ----------
    estimator : has `fit(X, y)` and `predict(X)`, as scikit-learn's regressors. It is pickled here,
        and every fit begins with a copy of what it is now.

    Raises
    ------
    ModelError : it lacks one of the two methods, or cannot be pickled.
    """
    kind = type(estimator)
    name = f"{kind.__module__}.{kind.__qualname__}"
    lacks = [method for method in ("fit", "predict") if not hasattr(estimator, method)]
    if isinstance(estimator, type) or lacks:
        is_class = isinstance(estimator, type)
        raise ModelError(
            f"{estimator.__name__ if is_class else name} "
            + ("is a class, not an object of it" if is_class else f"has no {lacks[0]}()"),
            where="model",
            fix="give an object with fit(X, y) and predict(X), such as Ridge(alpha=1.0)",
        )
    try:
        packed: bytes = cloudpickle.dumps(estimator)
    except Exception as error:
        raise ModelError(
            f"{name} cannot be pickled ({in_one_line(error)})",
            where="model",
            fix="give an object without open files, locks or devices in it",
        ) from error
    given = f"sha256:{hashlib.sha256(packed).hexdigest()}"
    _offered[given] = packed
    told = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    settings = {str(key): repr(value)[:_LONGEST] for key, value in told.items()}
    return {"of": name, "settings": settings, "given": given}


class Estimator:
    """An object of another library, fitted on float32 features (NaN: missing) and the target.

    Where it has a parameter `random_state` that is None, that becomes a child of the run's seed.
    `sample_weight` is passed to its `fit` where the experiment has weights.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="an object with fit and predict, handed over from Python", unit="fits"
    )
    Params: ClassVar[type[EstimatorParams]] = EstimatorParams

    def __init__(self, params: EstimatorParams) -> None:
        self.params = params
        self.estimator: Any = None
        self.trained = TrainedFeatures()

    @classmethod
    def info_for(cls, params: EstimatorParams) -> ModelInfo:
        """Return the traits, with where the object came from."""
        return ModelInfo(
            summary=cls.info.summary,
            unit="fits",
            origin=f"the model is a {params.of} that was handed over from Python: no YAML file "
            "makes this run again",
        )

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Fit a copy of the object.

        Raises
        ------
        ModelError : this process was not given the object, or its own fit fails.
        """
        packed = _offered.get(self.params.given)
        if packed is None:
            raise ModelError(
                f"the {self.params.of} of this run is not in this process",
                where="model.type estimator",
                fix="fit it from Python: numerai_lab.train(config, model=...) with the same object",
            )
        estimator = pickle.loads(packed)
        notes = []
        settings = estimator.get_params() if hasattr(estimator, "get_params") else {}
        if "random_state" in settings and settings["random_state"] is None:
            seed = child_seed(ctx.seed, "estimator")
            estimator.set_params(random_state=seed)
            notes.append(f"random_state is None, and set to {seed} from the run's seed")
        more = {} if ctx.weights is None else {"sample_weight": ctx.weights}
        try:
            estimator.fit(_matrix(train), np.ascontiguousarray(train.target(ctx.target)), **more)
        except Exception as error:
            raise ModelError(f"{self.params.of}.fit failed: {in_one_line(error)}") from error
        self.estimator = estimator
        self.trained = TrainedFeatures.of(train)
        size = train.n_features
        return FitReport(size=size, unit="features", library_seconds=0.0, notes=tuple(notes))

    def predict(self, frame: EraFrame) -> Float32:
        """Predict float32 [n_rows]; the object may return [n_rows] or [n_rows, 1].

        Raises
        ------
        ModelError : other features than those of the fit, or its own predict fails.
        """
        self.trained.check(frame)
        try:
            values = np.asarray(self.estimator.predict(_matrix(frame)), dtype=np.float32)
        except Exception as error:
            raise ModelError(f"{self.params.of}.predict failed: {in_one_line(error)}") from error
        return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values

    def save(self, folder: Path) -> None:
        """Write the fitted object and the features it was fitted on."""
        save_meta(folder, self.params, self.trained.facts())
        (folder / _FILE).write_bytes(cloudpickle.dumps(self.estimator))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises ModelError where the object's library is not here."""
        params, state = load_meta(folder, EstimatorParams)
        model = cls(params)
        model.trained = TrainedFeatures.from_facts(state)
        try:
            model.estimator = pickle.loads((folder / _FILE).read_bytes())
        except Exception as error:
            raise ModelError(
                f"the fitted {params.of} cannot be read here ({in_one_line(error)})",
                where=str(folder / _FILE),
                fix="install the libraries that the run was made with (versions in manifest.json)",
            ) from error
        return model


def _matrix(frame: EraFrame) -> Float32:
    """Return the features as float32 [n_rows, n_features], C-order, NaN where missing."""
    values = frame.features_in_memory()
    if values.dtype == np.float32:
        return np.asarray(values, dtype=np.float32)
    matrix = values.astype(np.float32)
    matrix[values == MISSING_INT8] = np.nan
    return matrix
