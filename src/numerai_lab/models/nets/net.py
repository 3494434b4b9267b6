"""`NetModel`: what every net does alike, from its fit to its export."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.contract import (
    ClassProbabilities,
    Exported,
    FitContext,
    FitReport,
    ModelInfo,
    Needs,
    Said,
    Shape,
    TrainedFeatures,
    load_meta,
    save_meta,
)
from numerai_lab.models.nets.batches import WINDOW, Batch
from numerai_lab.models.nets.device import computing
from numerai_lab.models.nets.kept import read_arrays, write_arrays
from numerai_lab.models.nets.labels import Labels
from numerai_lab.models.nets.loop import Batches, Curves
from numerai_lab.models.nets.params import NetParams
from numerai_lab.models.nets.runtime import class_shares, era_bins
from numerai_lab.models.nets.training import Fitting, computed, predict

WEIGHTS = "weights.npz"
CPU = torch.device("cpu")


class NetModel(ABC):
    """A net, or the mean of several from other seeds, trained by the loop of `loop.train`.

    A net is an `nn.Module` that takes a `Batch` and returns outputs [n_rows, n_outputs], or
    [n_rows, n_members, n_outputs]; `labels.Labels` says what they mean. Training is deterministic
    on one machine with the same number of threads; predictions are made in float32 on the CPU,
    an era at a time.
    """

    info: ClassVar[ModelInfo]
    Params: ClassVar[type[NetParams]]
    name: ClassVar[str]
    row_by_row: ClassVar[bool] = True
    """Whether the prediction of a row depends on no other row of its era (but for float features,
    which are ranked within it)."""

    def __init__(self, params: Any) -> None:
        self.params = params
        self.own: dict[str, Any] = {}
        """JSON values that a subclass finds in `prepare`, and that are kept with the model."""
        self._nets: list[nn.Module] = []
        self._labels: Labels | None = None
        self._n_steps = 0
        self._trained = TrainedFeatures()

    @classmethod
    def info_for(cls, params: Any) -> ModelInfo:
        """Earlier eras are asked for, to be replayed beside new ones, as far as `params` say."""
        return replace(cls.info, replay=params.going_on.replay)

    @abstractmethod
    def new_net(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make a net with random weights (torch's seed is set), from `params` and `own` alone."""

    def prepare(self, train: EraFrame, ctx: FitContext, said: Said) -> None:  # noqa: B027
        """Find what the nets need to know of the rows, such as groups of features, into `own`."""

    def start(self, net: nn.Module, train: EraFrame, ctx: FitContext, said: Said) -> None:  # noqa: B027
        """Give a new net weights to begin with, such as pretrained ones.

        Called for trials of `epochs: auto`, too, with their rows and a context that has no
        unlabelled row of the eras they are judged on.
        """

    def batches(
        self, fitting: Fitting, frame: EraFrame, labels: Labels, seed: int
    ) -> Batches[Batch]:
        """Return what a net is trained on: by default batches of rows, as `params` size them."""
        return fitting.batches(frame, labels.columns(frame), seed)

    def loss(self, net: nn.Module, batch: Batch, labels: Labels) -> Tensor:
        """Return the loss in each part of a batch, float32 [n_parts]."""
        return labels.losses(net(batch), batch)

    def values(
        self,
        net: nn.Module,
        frame: EraFrame,
        labels: Labels,
        learnt: EraFrame,  # noqa: ARG002
        fitting: Fitting,
    ) -> Float32:
        """Predict rows while a fit is at work, float32 [n_rows].

        Parameters
        ----------
        frame : rows to be judged; their labels may be read only as history of later eras.
        learnt : the rows that this net was trained on.
        """
        return predict(net, frame, labels.facts, fitting.device, row_by_row=self.row_by_row)

    @property
    def nets(self) -> Sequence[nn.Module]:
        """The fitted nets, one a seed, in evaluation mode on the CPU."""
        return self._nets

    @property
    def labels(self) -> Labels:
        """What the outputs of the fitted nets mean."""
        assert self._labels is not None
        return self._labels

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Train on `ctx.target`, and on the auxiliary targets.

        Raises
        ------
        ModelError
            A target is not there or constant, training cannot be stopped early and choose its
            epochs by itself, the loss is not finite, or memory is short.
        """
        if ctx.stop is not None and self.params.epochs == "auto":
            raise ModelError(
                "epochs: auto chooses how long to train, and early_stopping does, too",
                where="model.params.epochs",
                fix="write the most epochs (epochs: 30), or leave early_stopping out",
            )
        start, said = time.perf_counter(), Said(ctx)
        self._trained = TrainedFeatures.of(train)
        if all((era_bins(train.features[rows]) < 0).all() for _, rows in train.iter_eras()):
            said.aloud(
                "every value of every feature is missing in the training rows: the net learns "
                "nothing but the mean of the target"
            )
        fitting = Fitting(self, ctx, said)
        trained: list[Curves] = []
        with computing(ctx.n_threads, fitting.device):
            self.prepare(train, ctx, said)
            epochs = fitting.epochs_for(train)
            self._nets = []
            total = fitting.done + self.params.seeds * epochs
            for seed in range(self.params.seeds):
                net, curves, self._labels = fitting.trained(
                    train, epochs, seed, f"net_{seed}", total=total, stop=ctx.stop
                )
                self._nets.append(net.cpu())
                trained.append(curves)
        self._n_steps = max(curves.kept for curves in trained)
        if ctx.stop is not None:
            kept = ", ".join(str(curves.kept) for curves in trained)
            said.note(f"early stopping kept {kept} of {len(trained[0].corr)} epochs")
        return self._told(said, trained, fitting, start)

    @property
    def n_steps(self) -> int:
        """Epochs learnt so far."""
        return self._n_steps

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Train `amount` epochs more on later labelled eras, at a lower rate (`going_on.rate`).

        Earlier eras that are replayed (`going_on.replay`) are among them. Targets keep the mean,
        deviation and classes that they had in the fit.

        Raises
        ------
        ModelError : the features are not those of the fit, or as `fit`.
        """
        self._trained.check(new)
        start, said = time.perf_counter(), Said(ctx)
        fitting = Fitting(self, ctx, said)
        trained: list[Curves] = []
        assert self._labels is not None
        if self.params.going_on.replay and not ctx.replayed:
            said.aloud(
                "going_on.replay: no earlier era is replayed, for none was handed over; a net "
                "within another model learns new eras alone"
            )
        with computing(ctx.n_threads, fitting.device):
            for seed, net in enumerate(self._nets):
                net.to(fitting.device).train()
                going_on = (net, self._labels, self.params.going_on.rate)
                _, curves, _ = fitting.trained(
                    new,
                    amount,
                    seed,
                    f"more_{seed}",
                    total=len(self._nets) * amount,
                    going_on=going_on,
                )
                net.cpu().eval()
                trained.append(curves)
        self._n_steps += amount
        return self._told(said, trained, fitting, start, size=0)

    def predict(self, frame: EraFrame) -> Float32:
        """Predict float32 [n_rows], the mean over the nets.

        Raises
        ------
        ModelError
            The features are not those trained on.
        """
        self._trained.check(frame)
        assert self._labels is not None
        total = np.zeros(frame.n_rows)
        with computing(0, CPU):
            for net in self._nets:
                facts = self._labels.facts
                total += predict(net, frame, facts, CPU, row_by_row=self.row_by_row)
        return (total / len(self._nets)).astype(np.float32)

    def predict_classes(self, frame: EraFrame, target: str) -> ClassProbabilities:  # noqa: ARG002
        """Return the shares of the main target's classes, their mean over the nets.

        Raises
        ------
        ModelError
            The features are not those trained on, or a number was learnt.
        """
        self._trained.check(frame)
        assert self._labels is not None
        learnt = self._labels.facts["classes"]
        if learnt is None:
            raise ModelError(
                "the net learnt the target as a number, and gives no probabilities of classes",
                fix="train it with loss: cross_entropy",
            )
        total = np.zeros((frame.n_rows, len(learnt[0])))
        with computing(0, CPU):
            for net in self._nets:
                for rows, outputs in computed(net.eval(), frame, CPU, row_by_row=self.row_by_row):
                    total[rows] += class_shares(outputs, len(learnt[0]))
        shares: Float32 = (total / len(self._nets)).astype(np.float32)
        return ClassProbabilities(tuple(learnt[0]), shares)

    def save(self, folder: Path) -> None:
        """Write `weights.npz`, arrays by name with their SHA-256, and `meta.json`."""
        assert self._labels is not None
        facts = {
            "net": self.name,
            "own": self.own,
            "labels": self._labels.facts,
            "n_steps": self._n_steps,
            **self._trained.facts(),
        }
        write_arrays(folder / WEIGHTS, self._arrays(), {"net": self.name})
        save_meta(folder, self.params, facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        ModelError : a file is gone, damaged, or of another net.
        """
        params, meta = load_meta(folder, cls.Params)
        model = cls(params)
        arrays, told = read_arrays(folder / WEIGHTS)
        if told["net"] != cls.name:
            raise ModelError(
                f"has the weights of a '{told['net']}', not of a '{cls.name}'",
                where=str(folder / WEIGHTS),
                fix="train the model again",
            )
        model.own, model._n_steps = meta["own"], meta["n_steps"]
        model._labels = Labels.from_facts(meta["labels"])
        model._trained = TrainedFeatures.from_facts(meta)
        for seed in range(params.seeds):
            net = model.new_net(len(model._trained.names), model._labels.n_outputs)
            prefix = f"{seed}/"
            mine = {
                name.removeprefix(prefix): torch.from_numpy(array)
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
            try:
                net.load_state_dict(mine)
            except RuntimeError as error:
                raise ModelError(
                    "has weights that do not fit this net: "
                    + str(error).splitlines()[-1].strip().rstrip("."),
                    where=str(folder / WEIGHTS),
                    fix="train the model again",
                ) from None
            model._nets.append(net.eval())
        return model

    def export(self) -> Exported:
        """Return weights as arrays, for the net's own `runtime.py`."""
        assert self._labels is not None
        settings = {
            "params": self.params.model_dump(mode="json", by_alias=True),
            "own": self.own,
            "labels": self._labels.facts,
            "n_nets": len(self._nets),
        }
        return Exported(
            kind=self.name,
            settings=settings,
            arrays=self._arrays(),
            **self._trained.facts(),
        )

    def memory_needed(self, shape: Shape) -> Needs:
        """Return the bytes that training takes beside the rows: torch, and a batch as numbers."""
        parts = self.params.eras_per_batch / self.params.accumulate
        rows = 6_000 if self.params.rows_per_era == "all" else self.params.rows_per_era
        batch = int(parts * rows) * shape.n_features * 16
        window = 2 * WINDOW * 6_000 * shape.n_features if shape.device == "cuda" else 0
        return Needs(host=(400 << 20) + batch + min(window, shape.n_rows * shape.n_features))

    def ways_to_take_less(self) -> tuple[str, ...]:
        """Smaller pieces of a batch."""
        most = self.params.eras_per_batch
        less = self.params.accumulate < most
        return (f"model.params.accumulate: {most}",) if less else ()

    def _arrays(self) -> dict[str, Any]:
        return {
            f"{seed}/{name}": weight.detach().numpy()
            for seed, net in enumerate(self._nets)
            for name, weight in net.state_dict().items()
        }

    def _told(
        self,
        said: Said,
        trained: Sequence[Curves],
        fitting: Fitting,
        start: float,
        size: int | None = None,
    ) -> FitReport:
        rate = float(np.mean([curves.rows_per_second for curves in trained]))
        if rate:  # nothing is known of one that was complete before the fit was stopped
            said.note(f"trained on {rate:,.0f} rows a second")
        nets = [
            {"seed": seed, "kept": curves.kept, "loss": curves.loss, "corr": curves.corr}
            for seed, curves in enumerate(trained)
        ]
        told = {**fitting.details, "rows_per_second": rate or None, "nets": nets}
        n = sum(weight.numel() for net in self._nets for weight in net.parameters())
        return FitReport(
            size=n if size is None else size,
            unit="parameters",
            library_seconds=time.perf_counter() - start,
            notes=tuple(said.notes),
            details={"training": told},
        )
