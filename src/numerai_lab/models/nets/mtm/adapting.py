"""Test-time training of `mtm`: a few steps on an era's masked loss, before it is predicted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models.adapting import (
    Adapted,
    Candidate,
    Choices,
    Decision,
    FittedTrial,
    State,
    Trial,
    decide,
    run_trials,
)
from numerai_lab.models.contract import FitContext, Variant
from numerai_lab.models.nets.batches import Batch, unlabelled_batch
from numerai_lab.models.nets.device import computing
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
_STATES = 16
"""Training eras, evenly spread, that are adapted to for the control and for what is usual."""
_HEADS = ("head.", "rebuilt", "frequency")
_FILE = "states.npz"
_CPU = torch.device("cpu")


@dataclass
class NetAdaptation:
    """Adam's steps on an era's masked loss, over norms or over the encoder, of each net.

    The state of an era is how far the weights have moved, float32 [n_nets x n_weights]. It does
    not depend on the order of the rows, which are sorted by their bins first.

    Attributes
    ----------
    nets : in evaluation mode on the CPU; they are never changed. labels : facts of the targets.
    states : of some training eras. usual : mean and deviation of their masked loss, before.
    controlled : whether `adapt` gives a control, with the state of a training era.
    """

    nets: Sequence[MaskedNet]
    labels: dict[str, Any]
    params: MTMParams
    seed: int
    states: list[State] = field(default_factory=list)
    usual: tuple[float, float] = (0.0, 1.0)
    controlled: bool = False
    online: bool = False

    def fit(self, train: EraFrame) -> None:
        """Adapt to some training eras, for the control and to know which masked loss is usual."""
        places = np.linspace(0, train.n_eras - 1, min(_STATES, train.n_eras))
        losses = []
        self.states = []
        for place in np.unique(places.astype(int)).tolist():
            rows = slice(int(train.offsets[place]), int(train.offsets[place + 1]))
            if rows.stop - rows.start < _FEWEST:
                continue
            state, loss = self._read(int(train.eras[place]), era_bins(train.features[rows]))
            self.states.append(state)
            losses.append(loss)
        if losses:
            self.usual = float(np.mean(losses)), float(np.std(losses)) or 1.0

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
        facts = {"code_1": (loss - self.usual[0]) / self.usual[1], "masked_loss": loss}
        return Adapted(change, state, time.perf_counter() - start, facts, control=control)

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
        arrays = {f"{i:02d}": state for i, state in enumerate(self.states)}
        write_arrays(folder / _FILE, arrays, {"usual": self.usual, "seed": self.seed})

    @classmethod
    def load(
        cls, folder: Path, nets: Sequence[MaskedNet], labels: dict[str, Any], params: MTMParams
    ) -> NetAdaptation:
        """Read what `save` wrote."""
        arrays, facts = read_arrays(folder / _FILE)
        states = [arrays[name] for name in sorted(arrays)]
        return cls(nets, labels, params, facts["seed"], states, tuple(facts["usual"]))

    def _read(self, number: int, bins: Any) -> tuple[State, float]:
        """Take the steps; return the state, and the masked loss before the first, over the nets."""
        assert self.params.adapt is not None
        order = np.argsort(np.ascontiguousarray(bins).view(f"V{bins.shape[1]}")[:, 0])
        bins, moves, losses = bins[order], [], []
        with computing(0, _CPU):
            torch.manual_seed(child_seed(self.seed, "mtm", "adapt", number))
            for net in self.nets:
                own = deepcopy(net).requires_grad_(False)
                moved = weights_moved(own, self.params.adapt.what)
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
                for weight in weights_moved(own, self.params.adapt.what):
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


Predict = Callable[[EraFrame], Float32]
FitPlain = Callable[[EraFrame, FitContext], tuple[NetAdaptation, Predict]]
"""Fits a net that does not adapt itself; returns what would adapt it, not fitted yet, and how it
predicts."""


def find_strength(
    train: EraFrame, ctx: FitContext, params: MTMParams, fit: FitPlain
) -> tuple[Decision, list[Trial]]:
    """Let trials inside the training eras decide how strongly to adapt, unless it is written.

    Each fits the net on past eras, and adapts it to later ones, beside the state of other eras.

    Parameters
    ----------
    fit : given past eras, and a context that has seen nothing of those judged.
    """
    assert params.adapt is not None
    choices = Choices.left_open(0.0, params.adapt.strength)
    if not params.masked or params.modes == {"targets_hidden"}:
        reason = "the net has learnt no masked loss of its features that an era could be read by"
        return choices.nothing_to_read(reason), []

    def fit_trial(past: EraFrame, judged: EraFrame) -> FittedTrial:
        first, last = int(judged.eras[0]), int(past.eras[-1])
        known = ctx.unlabelled
        inner = replace(
            ctx,
            weights=None if ctx.weights is None else ctx.weights[: past.n_rows],
            stop=None,
            stop_patience=0,
            unlabelled=None if known is None else known.between(int(known.eras[0]), first - 1),
            unfinished=None if ctx.unfinished is None else ctx.unfinished / f"trial_{last}",
            progress=lambda *_: None,
            say=lambda _: None,
        )
        adaptation, predict = fit(past, inner)
        adaptation.controlled = True
        adaptation.fit(past)
        f = predict(judged)
        return FittedTrial(f, [Candidate(0.0, f, adaptation)])

    trials = run_trials(train, ctx, choices, fit_trial) if choices.open else []
    return decide(trials, choices, ctx.purge_eras, child_seed(ctx.seed, "mtm", "guard")), trials
