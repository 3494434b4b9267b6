"""What is hidden: presets of masks, after Masked Trajectory Models (Wu et al. 2023).

Their `mask_ratio` is the share that is kept; here every share is of what is hidden. A mask is drawn
for each part of an era, from torch's random numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.mtm.params import Mode, MTMParams


@dataclass(frozen=True, eq=False)
class Mask:
    """What is hidden in the rows of a batch.

    Attributes
    ----------
    groups : bool [n_rows, n_groups]; cells : bool [n_rows, n_features] or None; both are hidden.
    targets : bool [n_rows, n_targets].
    everything : bool [n_rows], whether the loss counts what is shown, too.
    """

    groups: Tensor
    cells: Tensor | None
    targets: Tensor
    everything: Tensor


def draw(batch: Batch, n_groups: int, n_targets: int, params: MTMParams) -> Mask:
    """Draw a mask for each part of a batch."""
    n, device = len(batch.bins), batch.bins.device
    groups = torch.zeros(n, n_groups, dtype=torch.bool, device=device)
    targets = torch.ones(n, n_targets, dtype=torch.bool, device=device)
    everything = torch.zeros(n, dtype=torch.bool, device=device)
    cells = None
    for part in range(batch.n_parts):
        rows = slice(batch.offsets[part], batch.offsets[part + 1])
        size = rows.stop - rows.start
        mode, share = draw_mode(params), draw_share(params)
        if mode == "cell":
            if cells is None:
                cells = torch.zeros_like(batch.bins, dtype=torch.bool)
            cells[rows] = torch.rand(size, cells.shape[1], device=device) < share
        elif mode == "group":
            groups[rows] = torch.rand(size, n_groups, device=device) < share
        elif mode == "row":
            groups[rows] = torch.rand(size, 1, device=device) < share
        elif mode == "suffix":
            groups[rows] = suffix(size, n_groups, device)
        elif mode == "reference":  # one mask for all rows, as theirs is one for a batch
            some = torch.rand(1, n_groups, device=device) < share
            groups[rows] = some | suffix(1, n_groups, device)
            everything[rows] = True
        if mode in ("cell", "group"):
            targets[rows] = torch.rand(size, n_targets, device=device) < share
    return Mask(groups, cells, targets, everything)


def draw_mode(params: MTMParams) -> Mode:
    """Return the preset, or one that `auto` draws."""
    if params.masks != "auto":
        return params.masks
    modes = list(params.auto_weights)
    weights = torch.tensor(list(params.auto_weights.values()))
    return modes[int(torch.multinomial(weights, 1))]


def draw_share(params: MTMParams) -> float:
    """Return the share to hide, uniform within `hidden_share`."""
    low, high = params.hidden_share
    return low + (high - low) * float(torch.rand(()))


def suffix(n: int, n_groups: int, device: torch.device) -> Tensor:
    """Hide the groups from a place on, from the second to none at all, bool [n, n_groups]."""
    start = torch.randint(1, n_groups + 1, (n, 1), device=device)
    return torch.arange(n_groups, device=device) >= start


def schedule(params: MTMParams, n_groups: int, n_parts: int = 400) -> list[dict[str, float | str]]:
    """Say how often each mask is drawn, and what share of the groups it hides on average.

    Returns
    -------
    `mode`, `drawn` and `hidden`, shares over `n_parts` draws, for each that was drawn.
    """
    shares: dict[str, list[float]] = {}
    batch = Batch(
        bins=torch.zeros(16, n_groups, dtype=torch.int8),  # a feature a group
        part=torch.zeros(16, dtype=torch.int64),
        offsets=(0, 16),
        labels=torch.empty(16, 0),
        weights=torch.ones(16),
        shares=torch.ones(1),
        gaps=False,
    )
    for _ in range(n_parts):
        mode = draw_mode(params)
        one = params.model_copy(update={"masks": mode})
        mask = draw(batch, n_groups, 1, one)
        hidden = mask.groups if mask.cells is None else mask.groups | mask.cells
        shares.setdefault(mode, []).append(float(hidden.float().mean()))
    return [
        {"mode": mode, "drawn": len(of) / n_parts, "hidden": sum(of) / len(of)}
        for mode, of in sorted(shares.items())
    ]
