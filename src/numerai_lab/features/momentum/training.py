"""Trains the layers end to end on the negative Sharpe; needs torch, and only this does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from numerai_lab.arrays import Float64, Int64
from numerai_lab.features.momentum.layers import Layers, first_step, starting_weights


@dataclass(frozen=True)
class Example:
    """A graph to be learned, and the training eras in which it is used.

    Attributes
    ----------
    distances : for each lookback the nodes it has, int64, and their scaled distances.
    n_nodes : of all lookbacks together.
    own : for each era float64 [n_nodes, n_signals], 0 where a node has no row.
    labels : for each era float64 [n_nodes], less the era's mean, 0 where there is none.
    """

    distances: tuple[tuple[Int64, Float64], ...]
    n_nodes: int
    own: tuple[Float64, ...]
    labels: tuple[Float64, ...]


def train_layers(
    examples: Sequence[Example], n_layers: int, epochs: int, rate: float, seed: int
) -> tuple[Layers, list[float]]:
    """Find alpha, beta and step of each layer by Adam.

    What is earned in an era is the covariance of a' [U, N] with the label, a being trained, too.
    The loss is minus mean over deviation of it over the eras.

    Returns
    -------
    The layers, and the loss before each epoch and at the end.

    Raises
    ------
    ImportError : torch is not there.
    """
    import torch

    torch.manual_seed(seed)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in the same order on every machine
    try:
        return _train(torch, examples, n_layers, epochs, rate)
    finally:
        torch.set_num_threads(before)


def _train(
    torch: Any, examples: Sequence[Example], n_layers: int, epochs: int, rate: float
) -> tuple[Layers, list[float]]:
    logs = {name: torch.zeros(n_layers, requires_grad=True) for name in ("alpha", "beta", "step")}
    n_signals = examples[0].own[0].shape[1]
    mixed = torch.full((2 * n_signals,), 1 / n_signals, requires_grad=True)
    ready = [_as_tensors(torch, example) for example in examples]
    optimiser = torch.optim.Adam([*logs.values(), mixed], lr=rate)
    losses = []
    for epoch in range(epochs + 1):
        earned = torch.cat([_earned(torch, one, logs, mixed) for one in ready])
        loss = -earned.mean() / earned.std().clamp(min=1e-9)
        losses.append(float(loss.detach()))
        if epoch == epochs:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            # within a factor of e: further out the steps do not converge
            for log in logs.values():
                log.clamp_(-1.0, 1.0)
            logs["step"].clamp_(max=0.1)
    found = {name: np.exp(log.detach().numpy().astype(np.float64)) for name, log in logs.items()}
    return Layers(found["alpha"], found["beta"], found["step"]), losses


def _as_tensors(torch: Any, example: Example) -> dict[str, Any]:
    def tensor(values: Any) -> Any:
        return torch.as_tensor(np.asarray(values), dtype=torch.float32)

    graphs = [
        (torch.as_tensor(nodes), tensor(distances), tensor(starting_weights(distances)))
        for nodes, distances in example.distances
    ]
    return {
        "graphs": graphs,
        "n": example.n_nodes,
        "own": tensor(np.stack(example.own)),
        "labels": tensor(np.stack(example.labels)),
    }


def _earned(torch: Any, one: dict[str, Any], logs: dict[str, Any], mixed: Any) -> Any:
    total = torch.zeros(one["n"], one["n"])
    for nodes, distances, start in one["graphs"]:
        weights = layers_in_torch(torch, distances, start, logs)
        total = total.index_put((nodes[:, None], nodes[None, :]), weights, accumulate=True)
    degree = total.sum(dim=1)
    root = torch.where(degree > 0, degree.clamp(min=1e-9).rsqrt(), torch.zeros_like(degree))
    network = (total * root[:, None] * root) @ one["own"]  # [n_eras, n_nodes, n_signals]
    both = torch.cat([one["own"], network], dim=2)
    return (both @ mixed * one["labels"]).mean(dim=1)


def layers_in_torch(torch: Any, distances: Any, start: Any, logs: dict[str, Any]) -> Any:
    """Return the weights after all layers, as `layers.unrolled_weights`, with gradients.

    `logs` are the logarithms of alpha, beta and step.
    """
    n = len(distances)
    off = 1 - torch.eye(n, dtype=distances.dtype)
    weights, point = start, start
    dual = -1 / start.sum(dim=1).clamp(min=1e-6)
    size = first_step(n)
    for alpha, beta, step in zip(*(logs[name].exp() for name in logs), strict=True):
        step = step * size
        shrink = 1 - 2 * beta * step
        forward = shrink * weights - step * (dual[:, None] + dual)
        ahead = dual + step * weights.sum(dim=1)
        point = (forward - 2 * step * distances).clamp(min=0) * off
        dual_point = (ahead - (ahead**2 + 4 * alpha * step).sqrt()) / 2
        back = shrink * point - step * (dual_point[:, None] + dual_point)
        weights = (weights + back - forward) * off
        dual = step * point.sum(dim=1) + dual_point - ahead + dual
    return (point + point.T) / 2
