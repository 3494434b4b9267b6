"""In-context curves: error on held-out tasks by class and rows of context, beside ridge."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from numerai_lab.arrays import Float32
from numerai_lab.models.nets.in_context.priors import PRIORS
from numerai_lab.models.nets.in_context.tasks import FEWEST_POINTS, Mixture, Tasks
from numerai_lab.seeds import child_seed

NOISE = 0.1
"""Variance of the noise in held-out tasks, as a multiple of the function's."""
N_ASKED = 16
"""Rows that are asked for in each held-out task."""

Learner = Callable[[Tasks], Float32]
"""Predicts the rows after the context of all tasks, float32 [n_tasks, n_asked]."""


@dataclass(frozen=True)
class HeldOut:
    """Which tasks are held out: of a seed that no step of the training has.

    Attributes
    ----------
    classes : their names. n_tasks : of each class. n_dims, lengths : dimensions and rows of
        context; each length has tasks of its own.
    """

    classes: tuple[str, ...]
    n_tasks: int
    n_dims: int
    lengths: tuple[int, ...]
    n_scores: int
    seed: int

    def tasks(self, name: str, length: int) -> Tasks:
        """Draw the held-out tasks of a class, with contexts of that length."""
        mixture = Mixture({name: 1.0}, {}, self.n_scores, (NOISE, NOISE))
        use = child_seed(self.seed, "icl", "held out", name, length, self.n_dims)
        rng = np.random.default_rng(use)
        return mixture.draw(rng, self.n_tasks, length, N_ASKED, self.n_dims)

    def errors(self, learner: Learner) -> dict[str, list[float]]:
        """Return the mean squared error by class, a number for each length.

        It is that from the noiseless values, as a multiple of their variance: 0 is perfect, 1 is
        about what the mean reaches.
        """
        found: dict[str, list[float]] = {}
        for name in self.classes:
            errors = [excess(learner(t), t) for t in (self.tasks(name, n) for n in self.lengths)]
            found[name] = errors
        return found


def excess(given: Float32, tasks: Tasks) -> float:
    """Return the mean squared error from the noiseless values, as a share of their variance."""
    lost = np.square(given.astype(np.float64) - tasks.truth[:, tasks.n_context :]).mean()
    return float(lost * (1 + NOISE))  # labels have variance 1, noise and all


def net_learner(net: nn.Module, device: torch.device, at_once: int = 64) -> Learner:
    """Return what a net predicts, some tasks at a time."""

    def learner(tasks: Tasks) -> Float32:
        n = tasks.n_context
        parts = []
        with torch.inference_mode():
            for start in range(0, len(tasks.x), at_once):
                x = torch.from_numpy(tasks.x[start : start + at_once]).to(device)
                y = torch.from_numpy(tasks.y[start : start + at_once]).to(device)
                parts.append(net(x[:, :n], y[:, :n], x[:, n:]).float().cpu().numpy())
        found: Float32 = np.concatenate(parts)
        return found

    return learner


def ridge_learner(tasks: Tasks) -> Float32:
    """Return what ridge predicts that is told all variances: lambda = noise x dimensions.

    Values have mean 0 over all points that their function was applied to, so that on those of a
    context a constant is left, of a variance of 1 / points: its penalty is noise x points. Where
    weights are normal and columns too, no other way is better on average.
    """
    n = tasks.n_context
    used = int((tasks.x != 0).any(axis=(0, 1)).sum())
    x = np.ones((*tasks.x.shape[:2], used + 1))
    x[:, :, :used] = tasks.x[:, :, :used]
    known, y = x[:, :n], tasks.y[:, :n].astype(np.float64)
    penalties = NOISE * np.array([used] * used + [max(x.shape[1], FEWEST_POINTS)])
    squares = known.transpose(0, 2, 1) @ known + np.diag(penalties)
    weights = np.linalg.solve(squares, known.transpose(0, 2, 1) @ y[:, :, None])
    found: Float32 = (x[:, n:] @ weights)[:, :, 0].astype(np.float32)
    return found


def mean_error(errors: dict[str, list[float]]) -> float:
    """Return the mean over classes and lengths."""
    return float(np.mean([np.mean(of) for of in errors.values()]))


def told(held_out: HeldOut, learners: Iterable[tuple[str, Learner]]) -> dict[str, Any]:
    """Return curves as JSON values: `n_dims`, `lengths`, and `errors` by learner and class."""
    return {
        "n_dims": held_out.n_dims,
        "n_tasks": held_out.n_tasks,
        "noise": NOISE,
        "lengths": list(held_out.lengths),
        "errors": {name: held_out.errors(learner) for name, learner in learners},
    }


def classes_of(settings_classes: dict[str, float]) -> tuple[str, ...]:
    """Return the classes that are trained on, in the order of the table."""
    return tuple(name for name in PRIORS if settings_classes.get(name, 0) > 0)
