"""What `era_rnn` stands on: models that predict every era alike, components, and the past."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError, SplitError
from numerai_lab.models.combined import coefficient, per_era, predict_blocks
from numerai_lab.models.contract import FitContext, Model
from numerai_lab.models.nets.era_rnn.params import EraRNNParams
from numerai_lab.models.nets.era_rnn.past import Past, find_components, scores_of
from numerai_lab.splits import inner_blocks

_LEAST = 0.01
"""Of the scale that a net begins with: at 0 its head would learn nothing."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What is learnt before a net, and stays.

    Attributes
    ----------
    params : of the model. target : whose labels are read. purge_eras, seed : as in `FitContext`.
    components : float32 [n_features, n]. usual : as `Past.usual` of the training eras.
    past : the training eras, and those since.
    models : fitted on all training rows, by name. scale : deviations of the target for one of the
        first model's predictions.
    """

    params: EraRNNParams
    target: str
    purge_eras: int
    seed: int
    components: Float32
    usual: Float64
    past: Past
    models: Mapping[str, Model]
    scale: float

    @classmethod
    def fit(cls, train: EraFrame, ctx: FitContext, params: EraRNNParams) -> tuple[Self, Float64]:
        """Fit the models, on all rows and on those outside of each block.

        Returns
        -------
        The ground, and what each model predicts of training eras that it has not seen,
        standardised within the era, float64 [n_rows, n_models].

        Raises
        ------
        ModelError : the training eras are too few, or a model cannot be fitted.
        """
        try:
            blocks = inner_blocks(train.eras, params.folds, ctx.purge_eras)
        except SplitError as error:
            raise ModelError(error.what, where="model.params.folds", fix=error.fix) from None
        quiet = replace(ctx, progress=_nothing)
        models, columns = {}, []
        for name, choice in params.models.items():

            def fitted(
                number: int,
                rows: EraFrame,
                mine: npt.NDArray[np.bool_],
                name: str = name,
                new: Callable[[], Model] = choice.new,
            ) -> Model:
                model = new()
                weights = None if ctx.weights is None else ctx.weights[mine]
                told = replace(quiet.part(f"{name}_block_{number}"), weights=weights, say=_nothing)
                model.fit(rows, told)
                return model

            columns.append(predict_blocks(train, blocks, fitted))
            models[name] = choice.new()
            models[name].fit(train, quiet.part(name))
        label = train.target(ctx.target)
        slope = np.mean([coefficient(train, one, label) for one in columns]) / np.nanstd(label)
        components = find_components(train, min(params.components, train.n_features))
        past = Past.of(train, components, ctx.target)
        ground = cls(
            params=params,
            target=ctx.target,
            purge_eras=ctx.purge_eras,
            seed=ctx.seed,
            components=components,
            usual=past.usual(),
            past=past,
            models=models,
            scale=max(_LEAST, float(slope)),
        )
        return ground, np.column_stack(columns)

    def predicted(self, frame: EraFrame) -> Float64:
        """Return what the models predict of rows, standardised, float64 [n_rows, n_models]."""
        blind = frame.without_targets()
        every = [per_era(frame, model.predict(blind)) for model in self.models.values()]
        return np.column_stack(every)

    def columns(self, frame: EraFrame, rows: slice, predicted: Float64) -> Float64:
        """Return the columns that weights are for, of the rows of one era, [n, n_columns]."""
        if self.params.form == "gate":
            return predicted[rows]
        scores, _ = scores_of(frame.features[rows], self.components)
        return np.column_stack([predicted[rows], scores])

    def knowing(self, more: EraFrame, *, labelled: bool = True) -> Ground:
        """Return the ground with more eras in its past."""
        target = self.target if labelled else None
        past = self.past.with_more(Past.of(more, self.components, target))
        return replace(self, past=past)

    def windows(self, eras: npt.NDArray[Any]) -> Float32:
        """Return what is known of the past when each of some eras is predicted."""
        params = self.params
        return self.past.windows(
            eras.tolist(), self.usual, params.steps, params.step, self.purge_eras
        )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything but the models as arrays."""
        return {"components": self.components, "usual": self.usual, **self.past.arrays()}

    def facts(self) -> dict[str, Any]:
        """Return what is neither an array nor a model, ready for JSON."""
        names = ("target", "purge_eras", "seed", "scale")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def restored(
        cls,
        params: EraRNNParams,
        arrays: Mapping[str, npt.NDArray[Any]],
        facts: Mapping[str, Any],
        models: Mapping[str, Model],
    ) -> Self:
        """Make what `arrays` and `facts` were taken of."""
        past = Past(arrays["numbers"], arrays["earned"], arrays["spread"])
        return cls(
            params=params,
            components=arrays["components"],
            usual=arrays["usual"],
            past=past,
            models=models,
            **facts,
        )


def _nothing(*_: object) -> None:
    return None
