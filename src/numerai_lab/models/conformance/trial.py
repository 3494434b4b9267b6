"""One model under trial: its frames, contexts, fits and predictions."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.conformance.past import (
    PURGE_ERAS,
    questions,
)
from numerai_lab.models.conformance.toy import (
    TARGETS,
    judged_frame,
    known_frame,
    toy_frame,
    toy_out_of_fold,
)
from numerai_lab.models.contract import (
    Artefacts,
    FitContext,
    Float32,
    Model,
    ModelInfo,
    info_of,
    members_of,
)

LAST_TOY_ERA = 59
"""No frame that a model is fitted on has a later one."""
TINY_ERAS = np.array([40, 1, 40, 2, 40, 1] * 8, dtype=np.int64)


class Broken(Exception):
    """A promise is broken; the text says how."""


def _silent(_: str) -> None:
    return None


@dataclass
class ModelTrial:
    """A model that is tried out.

    Attributes
    ----------
    params : as written in an experiment. seed : of the frames and of the fits.
    folder : where it may keep artefacts.
    """

    model_type: type[Model]
    params: dict[str, Any]
    seed: int
    folder: Path

    def new_model(self) -> Model:
        """Make the model, not fitted."""
        return self.model_type(self.model_type.Params.model_validate(self.params))

    @property
    def info(self) -> ModelInfo:
        """What it declares with its parameters."""
        return info_of(self.model_type, self.model_type.Params.model_validate(self.params))

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the members whose predictions the model is given."""
        params = self.model_type.Params.model_validate(self.params)
        return tuple(members_of(self.model_type, params))

    def questions(
        self, model: Model, frame: EraFrame, known: EraFrame | None = None
    ) -> Iterator[tuple[EraFrame, dict[str, Any]]]:
        """Yield the rows that the model is asked for at once, and what it is given besides.

        `known` are eras that history is taken from, by default those of `known_frame`.
        """
        return questions(model, frame, self.known if known is None else known, self.members)

    def frame(self, step: int = 0, **how: Any) -> EraFrame:
        """Make rows as of `toy_frame`, with entities where the model needs them."""
        return toy_frame(self.seed + step, entities=self.info.needs_entity, **how)

    def context(self, **changes: Any) -> FitContext:
        """Return what a run would tell it besides its training rows, with `changes`."""
        targets = TARGETS if self.info.multi_target else TARGETS[:1]
        context = FitContext(
            seed=self.seed, target=TARGETS[0], targets=targets, purge_eras=PURGE_ERAS, n_threads=1
        )
        if self.info.unlabelled:
            # the training eras and some after them, as in a fold with a purge
            later = self.frame(rows_per_era=np.full(34, 44, dtype=np.int64))
            context = replace(context, unlabelled=later.without_targets())
        if self.info.artefacts:
            last = LAST_TOY_ERA
            place = Artefacts(self.folder, "toy", self.seed, {}, last + 1, last, say=_silent)
            context = replace(context, artefacts=place)
        if self.members:
            context = replace(context, members=toy_out_of_fold(self.members, self.frame()))
        return replace(context, **changes)

    def fit_once(self) -> None:
        """Fit the model and predict; raises Broken when it changes its training rows."""
        self.train = self.frame()
        labelled = judged_frame(self.seed, entities=self.info.needs_entity)
        self.labelled, self.judged = labelled, labelled.without_targets()
        self.known = known_frame(self.seed, entities=self.info.needs_entity)
        before = copy.deepcopy(self.train)
        self.model = self.new_model()
        self.report = self.model.fit(self.train, self.context())
        for name in ("features", "targets"):
            if not np.array_equal(getattr(before, name), getattr(self.train, name), equal_nan=True):
                raise Broken(f"fit changes the {name} of the training rows")
        self.predictions = self.predict(self.model, self.judged)

    def predict(self, model: Model, frame: EraFrame, known: EraFrame | None = None) -> Float32:
        """Predict as a run asks it to; raises Broken for what is no prediction."""
        asked = self.questions(model, frame, known)
        return np.concatenate([self._predict(model, part, given) for part, given in asked])

    def _predict(self, model: Model, frame: EraFrame, given: Mapping[str, Any]) -> Float32:
        predictions = model.predict(frame, **given)
        if not isinstance(predictions, np.ndarray) or predictions.dtype != np.float32:
            kind = getattr(predictions, "dtype", type(predictions).__name__)
            raise Broken(f"predictions are {kind}, not a float32 array")
        if predictions.shape != (frame.n_rows,):
            raise Broken(f"predictions have shape {predictions.shape}, not {(frame.n_rows,)}")
        if not np.isfinite(predictions).all():
            raise Broken(f"{np.count_nonzero(~np.isfinite(predictions))} predictions not finite")
        return predictions

    def refit(self, train: EraFrame, **changes: Any) -> Model:
        """Fit another one of the same parameters."""
        model = self.new_model()
        model.fit(train, self.context(**changes))
        return model

    def reloaded(self) -> Model:
        """Save the fitted model and load it again."""
        with tempfile.TemporaryDirectory() as folder:
            self.model.save(Path(folder))
            return self.model_type.load(Path(folder))

    def ready_model(self) -> Model:
        """Return the fitted model as it was before its first prediction."""
        return self.reloaded() if self.info.stateful else self.model

    def same(self, predictions: Float32, expected: Float32) -> bool:
        """Whether predictions of other batches are the same, as closely as the model declares."""
        if self.info.tolerance:
            most = self.info.tolerance * float(np.std(self.predictions))
            return np.allclose(predictions, expected, rtol=0, atol=most)
        if self.info.transductive:  # sums over the era's rows may be rounded otherwise
            return np.allclose(predictions, expected, rtol=1e-4, atol=1e-6)
        return np.array_equal(predictions, expected)
