"""Test-time training of `mtm`: a few steps on an era's masked loss, before it is predicted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models.adapting import Adapted, State, Support
from numerai_lab.models.contract import Variant
from numerai_lab.models.nets.batches import Batch, unlabelled_batch
from numerai_lab.models.nets.device import computing
from numerai_lab.models.nets.fine_tuning import Base
from numerai_lab.models.nets.kept import read_arrays, write_arrays
from numerai_lab.models.nets.mtm.masks import draw
from numerai_lab.models.nets.mtm.module import MaskedNet
from numerai_lab.models.nets.mtm.params import MTMParams
from numerai_lab.models.nets.runtime import era_bins, main_target
from numerai_lab.seeds import child_seed

FROZEN, SHUFFLED = "frozen", "shuffled"
VARIANTS = (
    Variant(FROZEN, "same net, not adapted"),
    Variant(
        SHUFFLED,
        "control: adapted to other eras",
        compared_with=(FROZEN,),
        control=True,
        reading="what the era's own rows gain is prediction - shuffled",
    ),
)
"""What a net that adapts itself is judged beside."""
_ROWS, _PARTS = 512, 4
"""Rows of an era that a step looks at, and parts of them, each behind a mask of its own."""
_FEWEST = 20
_STATE_BYTES = 64 << 20
"""States of all training eras are kept, or of as many, drawn at random, as this is enough for."""
_DIRECTIONS = 2
"""Numbers of an era's code beside its masked loss: along which weights move most differently."""
_HEADS = ("head.", "rebuilt", "frequency")
_FILE = "states.npz"
_CPU = torch.device("cpu")


@dataclass
class NetAdaptation:
    """Adam's steps on an era's masked loss, over norms or over the encoder, of each net.

    The state of an era is how far the weights have moved, float32 [n_nets x n_weights]. It does
    not depend on the order of the rows, which are sorted by their bins first. Its code is the
    masked loss before the first step, and where its state lies along the directions in which those
    of training eras differ most, each in standard deviations over training eras.

    Attributes
    ----------
    nets : in evaluation mode on the CPU; they are never changed. labels : facts of the targets.
    states : of training eras. usual : mean and deviation of their masked loss, before.
    mean, axes : of the states, float32 [n_weights] and [n_weights, n]: a state's code is
        (state - mean) @ axes. support : the codes of training eras.
    controlled : whether `adapt` gives a control, with the state of a training era.
    """

    nets: Sequence[MaskedNet]
    labels: dict[str, Any]
    params: MTMParams
    seed: int
    states: list[State] = field(default_factory=list)
    usual: tuple[float, float] = (0.0, 1.0)
    mean: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))
    axes: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    support: Support | None = None
    controlled: bool = False
    online: bool = False

    def fit(self, train: EraFrame) -> None:
        """Adapt to the training eras: what the control draws from, and which codes are usual."""
        places = np.flatnonzero(np.diff(train.offsets) >= _FEWEST)
        n = len(places)
        if n:
            each = 4 * sum(w.numel() for net in self.nets for w in self._moved(net))
            n = min(n, max(_DIRECTIONS, _STATE_BYTES // each))
            rng = np.random.default_rng(child_seed(self.seed, "mtm", "states"))
            places = np.sort(rng.choice(places, n, replace=False))
        self.states, losses = self._read_all(train, places)
        if not losses:
            return
        self.usual = float(np.mean(losses)), float(np.std(losses)) or 1.0
        self.mean, self.axes = _directions(np.stack(self.states))
        codes = [self._code(state, loss) for state, loss in zip(self.states, losses, strict=True)]
        self.support = Support(train.eras[places], np.stack(codes))

    def go_on_from(self, base: Base, new: EraFrame) -> None:
        """Begin again from nets that have learnt on, slowly: what is usual stays, new eras join."""
        self.nets = [cast(MaskedNet, net) for net in base.nets]
        if self.support is None:
            self.fit(new)
            return
        places = np.flatnonzero(np.diff(new.offsets) >= _FEWEST)
        states, losses = self._read_all(new, places)
        codes = [self._code(state, loss) for state, loss in zip(states, losses, strict=True)]
        if codes:
            eras = np.concatenate([self.support.eras, new.eras[places]])
            self.support = Support(eras, np.vstack([self.support.codes, *codes]))
            self.states = [*self.states, *states]

    def _read_all(self, frame: EraFrame, places: Any) -> tuple[list[State], list[float]]:
        """Return states and masked losses of some eras, by their places."""
        states, losses = [], []
        for place in places.tolist():
            rows = slice(int(frame.offsets[place]), int(frame.offsets[place + 1]))
            state, loss = self._read(int(frame.eras[place]), era_bins(frame.features[rows]))
            states.append(state)
            losses.append(loss)
        return states, losses

    def _moved(self, net: MaskedNet) -> list[nn.Parameter]:
        assert self.params.adapt is not None
        return weights_moved(net, self.params.adapt.what)

    def _code(self, state: State, loss: float) -> Float64:
        """Return where an era lies among training eras, float64 [1 + directions]."""
        along = (state - self.mean).astype(np.float64) @ self.axes
        return np.concatenate([[(loss - self.usual[0]) / self.usual[1]], along])

    def adapt(self, number: int, features: FeatureArray, predictions: Float32) -> Adapted | str:
        """Adapt to one era without labels; a text is the reason why it stays unadapted."""
        start = time.perf_counter()
        if len(features) < _FEWEST:
            return f"fewer than {_FEWEST} rows"
        bins = era_bins(features)
        state, loss = self._read(number, bins)
        if not np.isfinite(state).all():
            return "the masked loss is not finite"
        change = self._predicted(bins, state) - predictions
        control = None
        if self.controlled and self.states:
            rng = np.random.default_rng(child_seed(self.seed, "mtm", "control", number))
            other = self.states[int(rng.integers(len(self.states)))]
            control = self._predicted(bins, other) - predictions
        code = self._code(state, loss) if self.support is not None else None
        facts = {"masked_loss": loss}
        if code is not None:
            facts |= {f"code_{i + 1}": float(number) for i, number in enumerate(code)}
        seconds = time.perf_counter() - start
        return Adapted(change, state, seconds, facts, control=control, code=code)

    def change(
        self,
        number: int,  # noqa: ARG002
        features: FeatureArray,
        predictions: Float32,
        state: State,
    ) -> Float32:
        """Return what strength 1 adds to an era with the state of another, float32 [n_rows]."""
        return self._predicted(era_bins(features), state) - predictions

    def observe(
        self, number: int, features: FeatureArray, predictions: Float32, labels: Float32
    ) -> None:
        """Learn nothing from labels."""

    def save(self, folder: Path) -> None:
        """Write the states and what is usual."""
        arrays: dict[str, Any] = {f"state_{i:05d}": state for i, state in enumerate(self.states)}
        if self.support is not None:
            arrays |= {f"support_{name}": array for name, array in self.support.arrays().items()}
            arrays |= {"mean": self.mean, "axes": self.axes}
        facts = {"usual": self.usual, "seed": self.seed, "controlled": self.controlled}
        write_arrays(folder / _FILE, arrays, facts)

    @classmethod
    def load(
        cls, folder: Path, nets: Sequence[MaskedNet], labels: dict[str, Any], params: MTMParams
    ) -> NetAdaptation:
        """Read what `save` wrote."""
        arrays, facts = read_arrays(folder / _FILE)
        states = [arrays[name] for name in sorted(arrays) if name.startswith("state_")]
        found = cls(nets, labels, params, facts["seed"], states, tuple(facts["usual"]))
        found.controlled = facts["controlled"]
        if "mean" in arrays:
            found.mean, found.axes = arrays["mean"], arrays["axes"]
            names = ("eras", "codes", "limit")
            found.support = Support.from_arrays({n: arrays[f"support_{n}"] for n in names})
        return found

    def _read(self, number: int, bins: Any) -> tuple[State, float]:
        """Take the steps; return the state, and the masked loss before the first, over the nets."""
        assert self.params.adapt is not None
        order = np.argsort(np.ascontiguousarray(bins).view(f"V{bins.shape[1]}")[:, 0])
        bins, moves, losses = bins[order], [], []
        with computing(1, _CPU):  # so that every machine takes the same steps, and every worker
            torch.manual_seed(child_seed(self.seed, "mtm", "adapt", number))
            for net in self.nets:
                own = deepcopy(net).requires_grad_(False)
                moved = self._moved(own)
                before = [weight.detach().clone() for weight in moved]
                for weight in moved:
                    weight.requires_grad_(True)
                optimizer = torch.optim.Adam(moved, lr=self.params.adapt.rate)
                for step in range(self.params.adapt.steps):
                    optimizer.zero_grad()
                    batch = _some(bins)
                    mask = draw(batch, own.n_groups, own.n_targets, self.params)
                    loss = own.masked(batch, mask)[1].mean()
                    loss.backward()
                    optimizer.step()
                    if step == 0:
                        losses.append(float(loss.detach()))
                moves += [
                    (w.detach() - b).flatten().numpy() for w, b in zip(moved, before, strict=True)
                ]
        return np.concatenate(moves).astype(np.float32), float(np.mean(losses))

    def _predicted(self, bins: Any, state: State) -> Float32:
        """Predict an era by nets whose weights have moved, as `NetModel.predict` does."""
        assert self.params.adapt is not None
        total, start = np.zeros(len(bins)), 0
        batch = unlabelled_batch(bins, (0, len(bins)), _CPU)
        with computing(0, _CPU), torch.inference_mode():
            for net in self.nets:
                own = deepcopy(net)
                for weight in self._moved(own):
                    moved = torch.from_numpy(state[start : start + weight.numel()])
                    weight += moved.view_as(weight)
                    start += weight.numel()
                total += main_target(own(batch).float().numpy(), self.labels)
        return np.asarray(total / len(self.nets), dtype=np.float32)


def weights_moved(net: MaskedNet, what: str) -> list[nn.Parameter]:
    """Return the weights that adapting moves: scale and shift of norms, or all but the heads."""
    if what == "norms":
        norms = [module for module in net.modules() if isinstance(module, nn.LayerNorm)]
        return [weight for norm in norms for weight in norm.parameters()]
    return [weight for name, weight in net.named_parameters() if not name.startswith(_HEADS)]


def _some(bins: Any) -> Batch:
    """Draw rows of an era in a few parts, by torch's random numbers."""
    n = min(len(bins), _ROWS)
    rows = torch.randperm(len(bins))[:n].numpy()
    n_parts = max(1, min(_PARTS, n // _FEWEST))
    offsets = np.linspace(0, n, n_parts + 1).astype(int)
    return unlabelled_batch(bins[rows], offsets.tolist(), _CPU)


def _directions(states: Float32) -> tuple[Float32, Float32]:
    """Return the mean of states [n, n_weights], and directions in which they differ most.

    Scaled so that states have a standard deviation of 1 along each; fewer where they do not differ.
    """
    mean = states.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviations = states - mean
    gram = (deviations @ deviations.T).astype(np.float64) / len(states)
    values, vectors = np.linalg.eigh(gram)
    order = np.argsort(values)[::-1][:_DIRECTIONS]
    kept = [i for i in order if values[i] > 1e-12 * max(values.max(), 1e-30)]
    axes = deviations.T @ vectors[:, kept] / (values[kept] * np.sqrt(len(states)))
    # the sign of an eigenvector means nothing
    axes *= np.where(axes.sum(axis=0) < 0, -1, 1)
    return mean, axes.astype(np.float32)
