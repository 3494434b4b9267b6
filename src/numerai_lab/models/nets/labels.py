"""What a net's outputs mean: standardised targets, or classes; one head a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.contract import FitContext, Said
from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.params import NetParams
from numerai_lab.models.nets.processes import Processes

_MOST_CLASSES = 10


@dataclass(frozen=True)
class Labels:
    """Targets as a net learns them, from the training rows.

    Attributes
    ----------
    targets : the main one first, then the auxiliary ones. shares : weight of each one's loss.
    mean, std : of each over the training rows: a net learns (target - mean) / std.
    classes : of each, its values ascending; None for losses that learn numbers.
    class_weights : of each, one number a class, with mean 1 over the rows.
    loss : `mse`, `corr` or `cross_entropy`.
    """

    targets: tuple[str, ...]
    shares: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[tuple[float, ...], ...] | None
    class_weights: tuple[tuple[float, ...], ...] | None
    loss: str

    @classmethod
    def of(
        cls,
        train: EraFrame,
        ctx: FitContext,
        params: NetParams,
        said: Said,
        processes: Processes,
    ) -> Self:
        """Learn means, deviations and classes of the targets from the rows of all processes.

        Raises
        ------
        ModelError : a target is not loaded, has one value only, or no classes.
        """
        weights = {ctx.target: 1.0, **(params.auxiliary_targets or {})}
        ctx.need_targets(weights, "model.params.auxiliary_targets")
        found = []
        for name in weights:
            values, counts = _values(train.target(name), processes)
            n = int(counts.sum())
            absent = sum(processes.gathered(train.n_rows)) - n
            if absent:
                said.note(f"{absent} of {n + absent} training rows lack {name}, and do not teach")
            if len(values) < 2:
                raise ModelError(
                    f"target '{name}' has fewer than two values in the {n + absent} training "
                    "rows: there is nothing to learn",
                    fix="choose another target, or more eras",
                )
            if params.loss == "cross_entropy" and len(values) > _MOST_CLASSES:
                raise ModelError(
                    f"target '{name}' has {len(values)} values in the training rows, and "
                    f"cross_entropy learns at most {_MOST_CLASSES} classes",
                    where="model.params.loss",
                    fix="write loss: mse, or choose a target in bins",
                )
            found.append((values, counts))
        means = [float(np.average(values, weights=counts)) for values, counts in found]
        variances = [
            float(np.average((values - mean) ** 2, weights=counts))
            for (values, counts), mean in zip(found, means, strict=True)
        ]
        in_classes = params.loss == "cross_entropy"
        power = params.class_weight_power
        return cls(
            targets=tuple(weights),
            shares=tuple(weights.values()),
            mean=tuple(means),
            std=tuple(float(np.sqrt(variance)) for variance in variances),
            classes=tuple(tuple(v.tolist()) for v, _ in found) if in_classes else None,
            class_weights=tuple(_weights_of(c, power) for _, c in found) if in_classes else None,
            loss=params.loss,
        )

    @property
    def n_outputs(self) -> int:
        """Numbers that a net gives for a row: one a target, or one a class of each."""
        return len(self.targets) if self.classes is None else sum(map(len, self.classes))

    @property
    def facts(self) -> dict[str, Any]:
        """JSON values, from which `from_facts` makes the same; `runtime.main_target` reads them."""
        told = vars(self)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in told.items()} | {
            name: None if told[name] is None else [list(values) for values in told[name]]
            for name in ("classes", "class_weights")
        }

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Self:
        """Make what `facts` tells of."""

        def plain(value: Any) -> Any:
            return tuple(map(plain, value)) if isinstance(value, list) else value

        return cls(**{name: plain(value) for name, value in facts.items()})

    def columns(self, frame: EraFrame) -> Float32:
        """Return what the rows are to be learnt as, float32 [n_rows, n_targets], NaN: nothing.

        Standardised values, or numbers of classes.

        Raises
        ------
        ModelError : a label is none of the classes of the fit.
        """
        columns = []
        for i, name in enumerate(self.targets):
            column = frame.target(name)
            if self.classes is None:
                columns.append((column - self.mean[i]) / self.std[i])
            else:
                columns.append(_positions(name, column, np.array(self.classes[i], np.float32)))
        return np.ascontiguousarray(np.stack(columns, axis=1), dtype=np.float32)

    def losses(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the loss in each part of an era, float32 [n_parts].

        The weighted mean over the targets; over the rows of a part by their weights, those
        without a label left out; over members, if the outputs have an axis of them.

        Parameters
        ----------
        outputs : [n_rows, n_outputs] or [n_rows, n_members, n_outputs].
        """
        outputs = outputs.float() if outputs.dim() == 3 else outputs.float()[:, None]
        labels = batch.labels
        total = torch.zeros(batch.n_parts, device=outputs.device)
        start = 0
        for i, share in enumerate(self.shares):
            n = 1 if self.classes is None else len(self.classes[i])
            own = outputs[:, :, start : start + n]
            start += n
            known = ~torch.isnan(labels[:, i])
            label = torch.where(known, labels[:, i], 0.0)
            weight = batch.weights * known
            if self.loss == "corr":
                total = total + share * _decorrelation(own[:, :, 0], label, weight, batch)
            else:
                if self.classes is None:
                    errors = (own[:, :, 0] - label[:, None]).square().mean(dim=1)
                else:
                    assert self.class_weights is not None
                    weight = weight * weight.new_tensor(self.class_weights[i])[label.long()]
                    errors = _cross_entropy(own, label.long())
                sums, norm = batch.sums(weight * errors), batch.sums(weight)
                total = total + share * sums / norm.clamp_min(1e-12)
        return total / sum(self.shares)


def _cross_entropy(outputs: Tensor, label: Tensor) -> Tensor:
    """Return that of each row, mean over members; outputs [n_rows, n_members, n_classes]."""
    logs = functional.log_softmax(outputs, dim=2)
    place = label[:, None, None].expand(-1, logs.shape[1], 1)
    return -logs.gather(2, place)[:, :, 0].mean(dim=1)


def _decorrelation(values: Tensor, label: Tensor, weight: Tensor, batch: Batch) -> Tensor:
    """Return 1 - the correlation of values and label in each part, mean over members.

    values [n_rows, n_members]; 1 where either is constant.
    """
    norm = batch.sums(weight).clamp_min(1e-12)[:, None]

    def centred(column: Tensor) -> Tensor:
        return column - (batch.sums(weight[:, None] * column) / norm)[batch.part]

    mine, wanted = centred(values), centred(label[:, None].expand_as(values))
    both = batch.sums(weight[:, None] * mine * wanted) / norm
    variances = [batch.sums(weight[:, None] * x.square()) / norm for x in (mine, wanted)]
    corr = both / (variances[0] * variances[1] + 1e-8).sqrt()
    return (1 - corr).mean(dim=1)


def _values(column: Float32, processes: Processes) -> tuple[Float64, Float64]:
    """Return the values of a target, ascending, and how many rows of all processes have each."""
    mine = np.unique(column[~np.isnan(column)], return_counts=True)
    parts = processes.gathered(mine)
    values, place = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
    counts = np.bincount(place, weights=np.concatenate([part[1] for part in parts]))
    return values.astype(np.float64), counts.astype(np.float64)


def _weights_of(counts: Any, power: float) -> tuple[float, ...]:
    """Weigh classes by their frequency to the power of minus `power`, with mean 1 over rows."""
    share = counts / counts.sum()
    weights = share**-power
    return tuple(float(w) for w in weights / (share @ weights))


def _positions(name: str, column: Float32, values: Float32) -> Float32:
    known = ~np.isnan(column)
    place = np.searchsorted(values, column[known]).clip(max=len(values) - 1)
    strange = values[place] != column[known]
    if strange.any():
        raise ModelError(
            f"'{name}' is {column[known][strange][0]:g} in a row, which is none of the classes of "
            f"the fit ({', '.join(f'{value:g}' for value in values)})",
            fix="train the model again, with all eras",
        )
    positions = np.full(len(column), np.nan, dtype=np.float32)
    positions[known] = place
    return positions
