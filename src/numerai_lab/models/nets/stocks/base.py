"""What `stock_rnn` and `stock_transformer` do alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from numerai_lab.arrays import Float32, Float64, Int64
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
)
from numerai_lab.models.nets.batches import Batch, tensor_of
from numerai_lab.models.nets.device import computing
from numerai_lab.models.nets.labels import Labels
from numerai_lab.models.nets.loop import Batches
from numerai_lab.models.nets.net import CPU, NetModel
from numerai_lab.models.nets.processes import Processes
from numerai_lab.models.nets.runtime import era_bins, main_target
from numerai_lab.models.nets.stocks.batches import StockBatches, assembled
from numerai_lab.models.nets.stocks.params import FEWEST_ERAS, StockParams
from numerai_lab.models.nets.stocks.past import (
    ABSENT,
    ERAS,
    Known,
    each_era,
    entities_of,
    shuffled,
    too_short,
)
from numerai_lab.models.nets.stocks.sharpe import sharpe_losses
from numerai_lab.models.nets.training import Fitting


class StockNet(NetModel):
    """A net that reads a row with the rows of the same stock in the eras before.

    In training, as at prediction, an era is read with earlier eras alone, labels never: what stocks
    were until the era before is looked up by name, and where one was not there it is masked.
    """

    row_by_row: ClassVar[bool] = False

    params: StockParams

    def __init__(self, params: Any) -> None:
        super().__init__(params)

    @classmethod
    def info_for(cls, params: Any) -> ModelInfo:
        """With a target of its own it is given all, and the purge of the longest of them."""
        return replace(super().info_for(params), multi_target=params.target is not None)

    @property
    def history_eras(self) -> int:
        """How many era numbers before the one predicted it looks back."""
        return self.params.window - 1

    def market(self, frame: EraFrame) -> Float32:
        """Return numbers that tell of each era as a whole, [n_eras, n]; none by default."""
        return np.empty((frame.n_eras, 0), dtype=np.float32)

    def prepare(self, train: EraFrame, ctx: FitContext, said: Said) -> None:
        """Count what stocks lack of their past, and refuse what cannot be learnt over time.

        Raises ModelError : there is nothing to look back on, or too little.
        """
        self._check_past(train, ctx, said)
        self.own["seed"] = ctx.seed

    def batches(
        self, fitting: Fitting, frame: EraFrame, labels: Labels, seed: int
    ) -> Batches[Batch]:
        """Return the rows with their past, as far as it is known when the eras are trained on."""
        params, known = self.params, self._known(fitting.ctx, frame)
        columns, places = labels.columns(frame), known.before(frame, self.history_eras)
        if params.short_history == "neutral":
            columns[too_short(places, params.min_history)] = np.nan
        return StockBatches(
            frame,
            columns,
            fitting.ctx.weights,
            known,
            self._read_with(places, frame, fitting.ctx.seed),
            self.market(frame),
            eras_per_batch=params.eras_per_batch,
            rows_per_era=None if params.rows_per_era == "all" else params.rows_per_era,
            seed=seed,
            device=fitting.device,
        )

    def loss(self, net: nn.Module, batch: Batch, labels: Labels) -> Tensor:
        """Return the loss in each part of a batch; `sharpe` is one number of all."""
        if labels.loss == "sharpe":
            return sharpe_losses(net(batch), batch)
        return super().loss(net, batch, labels)

    def values(
        self,
        net: nn.Module,
        frame: EraFrame,
        labels: Labels,
        learnt: EraFrame,
        fitting: Fitting,
    ) -> Float32:
        """Predict rows while a fit is at work; eras before, among them too, are their past."""
        known = self._known(fitting.ctx, learnt, frame)
        return self._predicted([net], frame, known, labels, fitting.device, fitting.ctx.seed)

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Train on the target, or on the one that `target` names.

        Raises
        ------
        ModelError : as every net; the rows do not say what they are about, or there is no past.
        """
        if Processes().size > 1:
            raise ModelError(
                f"{self.name} looks back on all eras, and each process has only some of them",
                fix="fit it in one process",
            )
        return super().fit(train, self._with_target(train, ctx))

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Train on later eras, which are read with those before them.

        Raises
        ------
        ModelError : as `fit`.
        """
        return super().fit_more(new, self._with_target(new, ctx), amount)

    def predict(self, frame: EraFrame, history: EraFrame | None = None) -> Float32:
        """Predict float32 [n_rows]; an era depends on its own rows and those of the eras before it.

        Raises
        ------
        ModelError : the features are not those trained on, no history is given, or the rows do not
            say what they are about.
        """
        return self._after(frame, history)[0]

    def predict_in_detail(self, frame: EraFrame, history: EraFrame | None = None) -> Detailed:
        """Predict, and tell of eras in which stocks are there too shortly."""
        values, known = self._after(frame, history)
        params = self.params
        short = too_short(known.before(frame, self.history_eras), params.min_history)
        what = (
            "predicted as the mean of the others"
            if params.short_history == "neutral"
            else "predicted with what there is"
        )
        told = (
            f"have stocks that are there for fewer than {params.min_history} of {params.window} "
            f"eras: they are {what}"
        )
        each = [told if short[rows].any() else None for _, rows in frame.iter_eras()]
        return Detailed(values, remarks=each if any(each) else [])

    @classmethod
    def twin_of_variant(cls, params: Any) -> tuple[str, str, Any] | None:  # noqa: ARG003
        """Return None: it shows no other prediction."""
        return None

    def _after(self, frame: EraFrame, history: EraFrame | None) -> tuple[Float32, Known]:
        """Return predictions, and what was known for them. Raises ModelError as `predict`."""
        self._trained.check(frame)
        if history is None and self.history_eras:
            raise ModelError(
                f"{self.name} looks back on {self.history_eras} eras; none were given",
                fix="predict with the run, which finds them, as numerai-lab predict does",
            )
        parts = [frame]
        if history is not None and history.n_eras:
            parts.append(history.with_features(frame.feature_names))
        assert self._labels is not None
        known = Known.of(*parts)
        values = self._predicted(self.nets, frame, known, self._labels, CPU, self.own["seed"])
        return values, known

    def export(self) -> Exported:
        """Return weights as arrays, for `runtime`; raises ModelError where it looks back."""
        if self.history_eras:
            raise ModelError(
                f"{self.name} looks back on {self.history_eras} eras, which have to go along",
                fix="export the final model of a run, which keeps them",
            )
        return self._exported(None)

    def export_with(self, history: EraFrame, era: int) -> Exported:
        """Return weights, and the rows of the eras before `era`, by the stocks' names.

        Raises ModelError where it is a control.
        """
        return self._exported(history.between(era - self.history_eras, era - 1))

    def _exported(self, history: EraFrame | None) -> Exported:
        if self.params.past == "shuffled":
            raise ModelError(
                "past: shuffled is a control, which nothing is exported of",
                where="model.params.past",
                fix="train it with past: own",
            )
        assert self._labels is not None
        columns = self.own.get("market", [])
        settings: dict[str, Any] = {
            "net": self.name,
            "params": self.params.model_dump(mode="json", by_alias=True),
            "labels": self._labels.facts,
            "n_nets": len(self._nets),
            "market": columns,
            "stocks": [],
        }
        arrays, asks = self._arrays(), tuple(f"side:{name}" for name in columns)
        if history is not None:
            known = Known.of(history)
            settings["stocks"] = known.stocks.to_pylist()
            arrays |= {
                "known_bins": known.bins[known.rows],
                "known_stocks": (known.keys // ERAS).astype(np.int32),
                "known_eras": (known.keys % ERAS).astype(np.int32),
            }
            asks = ("number", "entity", *asks)
        return Exported(
            kind=self.name, settings=settings, arrays=arrays, **self._trained.facts(), asks=asks
        )

    def memory_needed(self, shape: Shape) -> Needs:
        """Return the bytes of a batch with its past, of all rows once more, and where they lie."""
        parts = self.params.eras_per_batch / self.params.accumulate
        rows = 6_000 if self.params.rows_per_era == "all" else self.params.rows_per_era
        per_row = self.params.window * (shape.n_features + 8 * self.params.width) * 4
        known = shape.n_rows * (2 * shape.n_features + 24 + 8 * self.history_eras)
        return Needs(host=(400 << 20) + known + int(min(parts * rows, shape.n_rows)) * per_row)

    def _with_target(self, rows: EraFrame, ctx: FitContext) -> FitContext:
        """Return the context with the target that is learnt. Raises ModelError as `fit`."""
        entities_of(rows)
        target = self.params.target
        if target is None:
            return ctx
        ctx.need_targets([target], "model.params.target")
        return replace(ctx, target=target)

    def _known(self, ctx: FitContext, *rows: EraFrame) -> Known:
        """Return what is known of stocks in a fit: all rows without labels, and those in hand."""
        return Known.of(*([] if ctx.unlabelled is None else [ctx.unlabelled]), *rows)

    def _read_with(self, places: Int64, frame: EraFrame, seed: int) -> Int64:
        return places if self.params.past == "own" else shuffled(places, frame, seed)

    def _check_past(self, train: EraFrame, ctx: FitContext, said: Said) -> None:
        params = self.params
        if params.loss == "sharpe" and train.n_eras < FEWEST_ERAS:
            raise ModelError(
                f"loss: sharpe needs {FEWEST_ERAS} training eras, and there are {train.n_eras}",
                where="model.params.loss",
                fix="train on more eras, or write loss: corr",
            )
        if not self.history_eras:
            return
        places = self._known(ctx, train).before(train, self.history_eras)
        there = places != ABSENT
        if not there.any():
            n = f"{train.n_eras} training era{'' if train.n_eras == 1 else 's'}"
            raise ModelError(
                f"no row of the {n} has a row of the same stock in the {self.history_eras} eras "
                "before it: there is no past to learn from",
                where="model.params.window",
                fix="train on more eras one after another, or write window: 1",
            )
        short = too_short(places, params.min_history)
        if short.all():
            raise ModelError(
                f"no stock is there for {params.min_history} of {params.window} eras in the "
                "training rows",
                where="model.params.min_history",
                fix="write fewer, or train on more eras",
            )
        said.note(
            f"{100 * (1 - there.mean()):.1f} % of the {there.size:,} rows of earlier eras that "
            f"{train.n_rows:,} training rows are read with are not there, and masked"
        )
        if short.any():
            what = "teach nothing" if params.short_history == "neutral" else "are learnt from so"
            said.aloud(
                f"{short.sum():,} of {train.n_rows:,} training rows are of stocks that are there "
                f"for fewer than {params.min_history} of {params.window} eras: they {what}"
            )

    def _predicted(
        self,
        nets: Any,
        frame: EraFrame,
        known: Known,
        labels: Labels,
        device: torch.device,
        seed: int,
    ) -> Float32:
        """Predict whole eras, the mean over nets, float32 [n_rows]."""
        found = np.empty(frame.n_rows, dtype=np.float32)
        pool, market = tensor_of(known.bins), self.market(frame)
        with computing(0, device), torch.inference_mode():
            for i, (era, rows) in enumerate(each_era(frame)):
                places = known.before(era, self.history_eras)
                batch = assembled(
                    tensor_of(era_bins(era.features_in_memory())),
                    [era.n_rows],
                    pool,
                    tensor_of(self._read_with(places, era, seed)),
                    tensor_of(market[i : i + 1]),
                    device,
                )
                total = np.zeros(era.n_rows)
                for net in nets:
                    outputs = net.eval()(batch).float().cpu().numpy()
                    total += main_target(outputs, labels.facts)
                found[rows] = self._with_neutral(total / len(nets), places, labels)
        return found

    def _with_neutral(self, values: Float64, places: Int64, labels: Labels) -> Float64:
        """Return the values, those with too short a past as the mean of the others."""
        if self.params.short_history == "masked":
            return values
        short: npt.NDArray[np.bool_] = too_short(places, self.params.min_history)
        mean = labels.mean[0] if short.all() else values[~short].mean()
        return np.where(short, mean, values)
