"""`era_rnn`: what past eras were like changes what a model predicts of the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

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
    SizedModel,
    Variant,
    load_meta,
)
from numerai_lab.models.contract import Params as AnyParams
from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.device import computing
from numerai_lab.models.nets.era_rnn.ground import Ground
from numerai_lab.models.nets.era_rnn.module import EraBatch, EraNet, losses
from numerai_lab.models.nets.era_rnn.params import EraRNNParams
from numerai_lab.models.nets.era_rnn.series import EraSeries
from numerai_lab.models.nets.kept import read_arrays
from numerai_lab.models.nets.labels import Labels
from numerai_lab.models.nets.loop import Batches
from numerai_lab.models.nets.net import CPU, WEIGHTS, NetModel
from numerai_lab.models.nets.processes import Processes
from numerai_lab.models.nets.training import Fitting
from numerai_lab.models.registry import get_model
from numerai_lab.seeds import child_seed

SHUFFLED = "shuffled"
"""The control: weights that follow from the past of another era."""
_GROUND = "ground/"
_NOT_EXPORTED = (
    "era_rnn reads what past eras earned, up to the newest whose labels are known, and where "
    "Numerai runs a bundle there are live rows alone, without the number of their era"
)


class EraRNN(NetModel):
    """A model, and changes of it that follow from past eras.

    Of each era that is over it is kept what a few components of the features earned, and how far
    apart rows lay along them. A recurrent net, or TSMixer along time, reads a window of that and
    says with which weights this era's columns are added: those of a linear model on the
    components beside the first model (form: coefficients), or of two models (form: gate).
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="a model, and coefficients or a gate that follow from past eras, by torch",
        unit="epochs",
        transductive=True,
        tolerance=1e-4,
        not_finite_hint="a smaller learning_rate is the usual way out",
    )
    Params: ClassVar[type[EraRNNParams]] = EraRNNParams
    name: ClassVar[str] = "era_rnn"
    row_by_row: ClassVar[bool] = False

    params: EraRNNParams

    def __init__(self, params: EraRNNParams) -> None:
        super().__init__(params)
        self._ground: Ground | None = None
        self._begun: dict[bytes, tuple[Ground, Float64]] = {}

    @classmethod
    def info_for(cls, params: EraRNNParams) -> ModelInfo:
        """Its models are shown beside it; the other traits follow from theirs."""
        infos = [choice.info for choice in params.models.values()]
        alone = tuple(
            Variant(name, f"its {name} model ({choice.type}) alone")
            for name, choice in params.models.items()
        )
        control = Variant(
            SHUFFLED,
            "control: the past of other eras",
            compared_with=("first",),
            control=True,
            reading="what an era's own past gains is prediction - shuffled",
        )
        return replace(
            cls.info,
            multi_target=any(info.multi_target for info in infos),
            stateful=any(info.stateful for info in infos),
            needs_entity=any(info.needs_entity for info in infos),
            variants=(*alone, control),
        )

    @classmethod
    def twin_of_variant(cls, params: EraRNNParams) -> tuple[str, str, AnyParams]:
        """Name the first model, with its parameters."""
        own = params.first.params
        assert isinstance(own, AnyParams)
        return "first", params.first.type, own

    @property
    def history_eras(self) -> int:
        """How many era numbers before the one predicted it looks back."""
        return self.params.history_eras

    def new_net(self, n_features: int, n_outputs: int) -> EraNet:  # noqa: ARG002
        """Make a net with random weights."""
        n = min(self.params.components, n_features)
        return EraNet(2 * n + 2, n, self.params)

    def prepare(self, train: EraFrame, ctx: FitContext, said: Said) -> None:  # noqa: ARG002
        """Refuse to share eras out: each looks back on the others."""
        if Processes().size > 1:
            raise ModelError(
                "era_rnn looks back on all eras, and each process has only some of them",
                fix="fit it in one process: it learns from numbers of eras, in seconds",
            )

    def start(self, net: nn.Module, train: EraFrame, ctx: FitContext, said: Said) -> None:  # noqa: ARG002
        """Fit the models, and let the net begin with what the first one is worth."""
        assert isinstance(net, EraNet)
        if _key(train) not in self._begun:
            self._begun[_key(train)] = Ground.fit(train, ctx, self.params)
        with torch.no_grad():
            net.scale.fill_(self._begun[_key(train)][0].scale)

    def batches(
        self, fitting: Fitting, frame: EraFrame, labels: Labels, seed: int
    ) -> Batches[Batch]:
        """Return the eras as data points; the models have seen none of the new ones."""
        begun = self._begun.get(_key(frame))
        if begun is None:
            assert self._ground is not None
            begun = self._ground.knowing(frame), self._ground.predicted(frame)
        ground, predicted = begun
        return EraSeries(
            frame,
            ground,
            predicted,
            labels.columns(frame)[:, 0],
            fitting.ctx.weights,
            eras_per_batch=self.params.eras_per_batch,
            seed=seed,
            device=fitting.device,
        )

    def loss(self, net: nn.Module, batch: Batch, labels: Labels) -> Tensor:
        """Return the loss in each era."""
        assert isinstance(batch, EraBatch)
        return losses(net(batch.windows), batch, labels.loss)

    def values(
        self, net: nn.Module, frame: EraFrame, labels: Labels, learnt: EraFrame, fitting: Fitting
    ) -> Float32:
        """Predict eras of whose past the training eras are known, and their own as time goes by."""
        ground = self._begun[_key(learnt)][0].knowing(frame)
        weights = _weights([net], ground.windows(frame.eras), fitting.device)
        return _summed(frame, ground, ground.predicted(frame), weights, labels)

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Fit the models in blocks and on all rows, and the net on what they predict out of fold.

        Raises
        ------
        ModelError : as every net; the training eras are too few for the blocks.
        """
        self._ground, self._begun = None, {}
        report = super().fit(train, ctx)
        self._ground = self._begun[_key(train)][0]
        self._begun = {}
        return self._with_weights(report, train)

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Train the net on later eras, too; its models and components stay as they were fitted.

        Raises
        ------
        ModelError : as every net.
        """
        report = super().fit_more(new, ctx, amount)
        assert self._ground is not None
        self._ground = self._ground.knowing(new)
        return self._with_weights(report, new)

    def remember(self, history: EraFrame) -> None:
        """Keep what these eras earned and how they spread."""
        assert self._ground is not None
        self._ground = self._ground.knowing(history)

    def predict(self, frame: EraFrame, history: EraFrame | None = None) -> Float32:
        """Predict float32 [n_rows]; an era depends on its own rows and the eras before it.

        Raises
        ------
        ModelError : the features are not those trained on, or no history is given.
        """
        ground = self._after(frame, history)
        weights = _weights(self.nets, ground.windows(frame.eras), CPU)
        assert self._labels is not None
        return _summed(frame, ground, ground.predicted(frame), weights, self._labels)

    def predict_in_detail(self, frame: EraFrame, history: EraFrame | None = None) -> Detailed:
        """Predict, beside its models alone and the control with the past of a training era."""
        ground = self._after(frame, history)
        weights = _weights(self.nets, ground.windows(frame.eras), CPU)
        predicted, labels = ground.predicted(frame), self._labels
        assert labels is not None
        others = _weights(self.nets, ground.windows(self._others(frame)), CPU)
        blind = frame.without_targets()
        variants = {name: model.predict(blind) for name, model in ground.models.items()}
        control = _summed(frame, ground, predicted, others, labels)
        return Detailed(
            _summed(frame, ground, predicted, weights, labels),
            {**variants, SHUFFLED: control},
            {name: list(values) for name, values in self._moves(weights).items()},
        )

    def save(self, folder: Path) -> None:
        """Write what every net does, and each of its models into a folder of its name."""
        assert self._ground is not None
        self.own["ground"] = self._ground.facts()
        super().save(folder)
        for name, model in self._ground.models.items():
            (folder / name).mkdir()
            model.save(folder / name)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises as every net."""
        model = super().load(folder)
        params, _ = load_meta(folder, cls.Params)
        arrays, _ = read_arrays(folder / WEIGHTS)
        own = {k.removeprefix(_GROUND): v for k, v in arrays.items() if k.startswith(_GROUND)}
        models = {
            name: get_model(choice.type).load(folder / name)
            for name, choice in params.models.items()
        }
        model._ground = Ground.restored(params, own, model.own["ground"], models)
        return model

    def export(self) -> Exported:
        """Raise ModelError: a bundle cannot know the past."""
        raise ModelError(_NOT_EXPORTED, fix="submit its predictions with `numerai-lab submit`")

    def memory_needed(self, shape: Shape) -> Needs:
        """Return the bytes of correlations and an era as numbers, or what its models take."""
        era = 6_000 * shape.n_features * 16
        own = (400 << 20) + 4 * 8 * shape.n_features**2 + era
        models = [choice.new() for choice in self.params.models.values()]
        needs = [one.memory_needed(shape) for one in models if isinstance(one, SizedModel)]
        return Needs(
            host=max([own, *(one.host for one in needs)]),
            device=max((one.device for one in needs), default=0),
        )

    def ways_to_take_less(self) -> tuple[str, ...]:
        """Name settings of its models that would take less."""
        return tuple(
            way.replace("model.params.", f"model.params.{name}.params.", 1)
            for name, choice in self.params.models.items()
            if isinstance(model := choice.new(), SizedModel)
            for way in model.ways_to_take_less()
        )

    def _arrays(self) -> dict[str, Any]:
        ground = {} if self._ground is None else self._ground.arrays()
        return super()._arrays() | {_GROUND + name: array for name, array in ground.items()}

    def _after(self, frame: EraFrame, history: EraFrame | None) -> Ground:
        """Return the ground as it is when these eras are predicted."""
        self._trained.check(frame)
        if history is None:
            raise ModelError(f"era_rnn looks back on {self.history_eras} eras; none were given")
        assert self._ground is not None
        first = int(frame.eras[0]) - self.history_eras
        known = self._ground.knowing(history.between(first, int(frame.eras[-1]) - 1))
        return known.knowing(frame.without_targets(), labelled=False)

    def _others(self, frame: EraFrame) -> Any:
        """Draw a training era for each era of a frame, for the control."""
        assert self._ground is not None
        numbers = self._ground.past.numbers
        drawn = []
        for era in frame.eras.tolist():
            there = numbers[numbers != era]
            rng = np.random.default_rng(child_seed(self._ground.seed, self.name, SHUFFLED, era))
            drawn.append(int(rng.choice(there)) if len(there) else era)
        return np.array(drawn)

    def _moves(self, weights: Float64) -> Mapping[str, Any]:
        """Return what weights say of each era: how large the changes are, or the second's share."""
        if self.params.form == "gate":
            return {"share": (weights[:, 1] / weights.sum(axis=1)).tolist()}
        return {"change": (np.linalg.norm(weights[:, 1:], axis=1) / weights[:, 0]).tolist()}

    def _with_weights(self, report: FitReport, rows: EraFrame) -> FitReport:
        """Add to a report how far weights move over the eras learnt from."""
        assert self._ground is not None
        told = self._moves(_weights(self.nets, self._ground.windows(rows.eras), CPU))
        ((name, values),) = told.items()
        what = "share of the second" if name == "share" else "change beside the first, of its size"
        note = f"{what}: {min(values):.3f} to {max(values):.3f} in the training eras"
        return replace(
            report,
            notes=(*report.notes, note),
            details={**report.details, "weights": {name: [min(values), max(values)]}},
        )


def _weights(nets: Any, windows: Float32, device: torch.device) -> Float64:
    """Return the weights of the columns, their mean over the nets, float64 [n_eras, n_columns]."""
    found = []
    with computing(0, device), torch.inference_mode():
        for net in nets:
            net.eval()
            found.append(net(torch.from_numpy(windows).to(device)).cpu().numpy().astype(np.float64))
    return np.asarray(np.mean(found, axis=0))


def _summed(
    frame: EraFrame, ground: Ground, predicted: Float64, weights: Float64, labels: Labels
) -> Float32:
    """Return the sum of an era's columns by its weights, on the scale of the target."""
    values = np.empty(frame.n_rows, dtype=np.float32)
    for (_, rows), own in zip(frame.iter_eras(), weights, strict=True):
        total = ground.columns(frame, rows, predicted) @ own
        values[rows] = total * labels.std[0] + labels.mean[0]
    return values


def _key(rows: EraFrame) -> bytes:
    return rows.eras.tobytes()
