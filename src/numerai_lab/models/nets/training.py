"""One fit of a net: how long, each of its seeds, where it computes, what it tells."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.contract import FitContext, Said
from numerai_lab.models.nets.batches import Batch, EraBatches, unlabelled_batch
from numerai_lab.models.nets.checkpoints import Checkpoint
from numerai_lab.models.nets.device import device_of, precision_of
from numerai_lab.models.nets.epochs import FALL_BACK, find_epochs, held_out_parts
from numerai_lab.models.nets.labels import Labels
from numerai_lab.models.nets.loop import Batches, Course, Curves, Loss, train
from numerai_lab.models.nets.params import NetParams
from numerai_lab.models.nets.processes import Processes
from numerai_lab.models.nets.runtime import era_bins, main_target
from numerai_lab.scoring import corr_per_era
from numerai_lab.seeds import child_seed

_ROWS_AT_ONCE = 8192
"""That a net of single rows predicts."""


class Teachable(Protocol):
    """What a fit asks of a model; `net.NetModel` says more of each."""

    params: Any
    name: ClassVar[str]

    def new_net(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make a net with random weights."""
        ...

    def start(self, net: nn.Module, train: EraFrame, ctx: FitContext, said: Said) -> None:
        """Give a new net weights to begin with."""
        ...

    def batches(
        self, fitting: Fitting, frame: EraFrame, labels: Labels, seed: int
    ) -> Batches[Batch]:
        """Return what a net is trained on."""
        ...

    def loss(self, net: nn.Module, batch: Batch, labels: Labels) -> Tensor:
        """Return the loss in each part of a batch."""
        ...

    def values(
        self, net: nn.Module, frame: EraFrame, labels: Labels, learnt: EraFrame, fitting: Fitting
    ) -> Float32:
        """Return what a net that has learnt from some rows predicts of others."""
        ...


@dataclass
class Fitting:
    """A fit at work.

    Attributes
    ----------
    details : what fit.json tells of it under `training`. done : epochs trained so far.
    """

    model: Teachable
    ctx: FitContext
    said: Said
    details: dict[str, Any] = field(default_factory=dict)
    done: int = 0

    def __post_init__(self) -> None:
        params: NetParams = self.model.params
        self.device = device_of(self.ctx, self.said)
        self.precision = precision_of(params.precision, self.device, self.said)
        self.processes = Processes()
        self.details |= {"device": self.device.type, "precision": str(self.precision)[6:]}

    def epochs_for(self, frame: EraFrame) -> int:
        """Return the epochs as they are written, or as trials on held-out eras find them."""
        params: NetParams = self.model.params
        written = params.epochs
        if written != "auto":
            return written
        if self.processes.size > 1:
            raise ModelError(
                "epochs: auto holds out eras, and each process has only some of them",
                where="model.params.epochs",
                fix="write a number, such as one that a fit in one process has found",
            )
        parts = held_out_parts(frame.eras, self.ctx.purge_eras)
        if not parts:
            return self._fall_back(
                f"{frame.n_eras} training eras are too few to hold some out (a purge of "
                f"{self.ctx.purge_eras} is left out beside them)"
            )

        def trial(epochs: int) -> Float64:
            scores = []
            for number, part in enumerate(parts, start=1):
                rows, judged = frame.select_eras(part.train), frame.select_eras(part.judged)
                inner = copy(self)
                inner.ctx = _without(self.ctx, frame, rows, judged).part(f"held_out_{number}")
                total = self.done + (len(parts) - number + 1 + params.seeds) * epochs
                net, _, labels = inner.trained(rows, epochs, 0, f"trial_{epochs}", total=total)
                self.done = inner.done
                scores.append(self.scores(net, labels, judged, rows))
            return np.concatenate(scores)

        epochs, tried = find_epochs(trial)
        self.details["trials"] = tried
        span = "eras " + ", ".join(f"{part.judged[0]}-{part.judged[-1]}" for part in parts)
        if not epochs:
            return self._fall_back(f"no corr is known in held-out {span}")
        told = ", ".join(f"{t['epochs']}: {t['corr']:.4f}" for t in tried)
        self.said.note(
            f"{epochs} epochs were chosen by a smooth curve of the corr in held-out {span} ({told})"
        )
        return epochs

    def _fall_back(self, reason: str) -> int:
        """Take a usual number of epochs, and say why."""
        words = f"epochs: {FALL_BACK} are taken, since {reason}"
        self.said.aloud(words)
        self.details["not_chosen"] = words
        return FALL_BACK

    def trained(
        self,
        frame: EraFrame,
        epochs: int,
        seed: int,
        name: str,
        *,
        total: int,
        stop: EraFrame | None = None,
        going_on: tuple[nn.Module, Labels, float] | None = None,
    ) -> tuple[nn.Module, Curves, Labels]:
        """Train one net.

        Parameters
        ----------
        seed : number of the net. name : of its checkpoint. total : epochs in all, for the progress.
        stop : eras on which it is stopped early.
        going_on : a trained net to go on from, its labels, and the rate as a share of the fit's.
        """
        params: NetParams = self.model.params
        ctx = self.ctx
        seeds = {use: child_seed(ctx.seed, self.model.name, use, seed) for use in _USES}
        if going_on is None:
            said = self.said if name == "net_0" else Said(ctx)
            labels = Labels.of(frame, ctx, params, said, self.processes)
            torch.manual_seed(seeds["weights"])
            net = self.model.new_net(frame.n_features, labels.n_outputs).to(self.device)
            self.model.start(net, frame, ctx, self.said)
            rate = params.learning_rate
        else:
            net, labels, share = going_on
            rate = share * params.learning_rate
        course = Course(
            epochs=epochs,
            rate=rate,
            decay=params.weight_decay,
            ema=params.ema,
            precision=self.precision,
            seed=seeds["steps"],
            accumulate=params.accumulate,
            patience=ctx.stop_patience if stop is not None else 0,
        )
        batches = self.model.batches(self, frame, labels, seeds["order"])

        def loss(net: nn.Module, batch: Batch) -> Tensor:
            return self.model.loss(net, batch, labels)

        judge = None if stop is None else lambda net: self.corr(net, labels, stop, frame)
        curves = self.run(net, batches, loss, course, frame, name, total=total, judge=judge)
        return net, curves, labels

    def batches(self, frame: EraFrame, labels: Float32 | None, seed: int) -> EraBatches:
        """Return batches of rows as the parameters size them; labels None: without any."""
        params: NetParams = self.model.params
        return EraBatches(
            frame,
            labels,
            self.ctx.weights if labels is not None else None,
            eras_per_batch=params.eras_per_batch,
            rows_per_era=None if params.rows_per_era == "all" else params.rows_per_era,
            seed=seed,
            device=self.device,
            processes=self.processes,
        )

    def run(
        self,
        net: nn.Module,
        batches: Batches[Batch],
        loss: Loss[Batch],
        course: Course,
        frame: EraFrame,
        name: str,
        *,
        total: int,
        judge: Callable[[nn.Module], float] | None = None,
    ) -> Curves:
        """Run the loop, with a checkpoint of that name, and tell how far it is."""
        before = self.done
        place = self.ctx.unfinished
        together = self.processes.size > 1  # a shard's checkpoint is no use to the others
        path = None if place is None or together else place / f"{name}.npz"
        curves = train(
            net,
            batches,
            loss,
            course,
            Checkpoint(path, self._made_for(frame, course, name), self.ctx.say),
            self.processes,
            judge,
            progress=lambda done: self.ctx.progress(before + done, max(total, before + done)),
            pace=self.ctx.pace,
        )
        self.done = before + course.epochs
        return curves

    def corr(self, net: nn.Module, labels: Labels, frame: EraFrame, learnt: EraFrame) -> float:
        """Return the mean corr per era of the main target, NaN where no era has one."""
        scores = self.scores(net, labels, frame, learnt)
        known = scores[np.isfinite(scores)]
        return float(known.mean()) if len(known) else float("nan")

    def scores(self, net: nn.Module, labels: Labels, frame: EraFrame, learnt: EraFrame) -> Float64:
        """Return the corr of each era with the main target, float64 [n_eras]."""
        values = self.model.values(net, frame, labels, learnt, self)
        scores: Float64 = corr_per_era(values, frame.target(self.ctx.target), frame.offsets)
        return scores.reshape(-1)

    def _made_for(self, frame: EraFrame, course: Course, name: str) -> dict[str, Any]:
        """Return what a checkpoint must have been made for, to go on from it."""

        def digest(*values: Any) -> str:
            return hashlib.sha256("/".join(map(str, values)).encode()).hexdigest()[:16]

        params: NetParams = self.model.params
        targets = [self.ctx.target, *(params.auxiliary_targets or {})]
        labels = hashlib.sha256()
        for column in (*map(frame.target, targets), self.ctx.weights):
            labels.update(b"none" if column is None else np.ascontiguousarray(column).data)
        return {
            "net": self.model.name,
            "parameters": digest(params.model_dump_json(by_alias=True)),
            "features": digest(*frame.feature_names),
            "eras": digest(frame.eras.tolist(), frame.offsets.tolist()),
            "labels": labels.hexdigest()[:16],
            "training": f"{name}, {course.epochs} epochs, seed {course.seed}",
            "version of torch": torch.__version__,
        }


_USES = ("weights", "order", "steps")


def predict(
    net: nn.Module,
    frame: EraFrame,
    facts: dict[str, Any],
    device: torch.device,
    *,
    row_by_row: bool,
) -> Float32:
    """Predict the main target, float32 [n_rows], an era at a time in float32.

    Parameters
    ----------
    facts : of the labels. row_by_row : whether rows can be predicted apart, some at a time.
    """
    net.eval()
    values = np.empty(frame.n_rows, dtype=np.float32)
    for rows, outputs in computed(net, frame, device, row_by_row=row_by_row):
        values[rows] = main_target(outputs, facts)
    return values


def computed(
    compute: Callable[[Batch], Tensor], frame: EraFrame, device: torch.device, *, row_by_row: bool
) -> Iterator[tuple[slice, Float32]]:
    """Yield what is computed of the rows, float32 [n_rows, ...], an era or less at a time."""
    for _, rows in frame.iter_eras():
        bins = era_bins(frame.features[rows])
        step = _ROWS_AT_ONCE if row_by_row else len(bins)
        for start in range(0, len(bins), step):
            some = bins[start : start + step]
            with torch.inference_mode():
                outputs = compute(unlabelled_batch(some, (0, len(some)), device)).float().cpu()
            begin = rows.start + start
            yield slice(begin, begin + len(some)), outputs.numpy()


def _without(ctx: FitContext, frame: EraFrame, rows: EraFrame, judged: EraFrame) -> FitContext:
    """Return the context of a trial on some of the rows, which sees nothing of the judged ones."""
    weights = ctx.weights
    if weights is not None:
        kept = np.isin(frame.eras, rows.eras)
        weights = weights[np.repeat(kept, np.diff(frame.offsets))]
    unlabelled = ctx.unlabelled
    if unlabelled is not None:
        seen = (unlabelled.eras < judged.eras[0]) | (unlabelled.eras > judged.eras[-1])
        unlabelled = unlabelled.select_eras(unlabelled.eras[seen])
    return replace(ctx, weights=weights, unlabelled=unlabelled)
