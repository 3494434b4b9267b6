"""Processes that train one net together, each on eras of its own: `torch.distributed`."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed, nn


class Processes:
    """All processes of the default group of `torch.distributed`; alone where there is none.

    Start them with torchrun, or `torch.distributed.init_process_group("gloo" or "nccl")`. Every
    one of them fits the same model, with the same parameters and seed, on disjoint eras. A batch
    is one over the eras of all of them, so that the weights are those of one process with all
    eras, but for rounding; dropout draws apart in each.
    """

    def __init__(self) -> None:
        self._together = distributed.is_available() and distributed.is_initialized()
        self.rank: int = distributed.get_rank() if self._together else 0
        self.size: int = distributed.get_world_size() if self._together else 1

    def gathered(self, value: Any) -> list[Any]:
        """Return every process's value, by rank; it must pickle."""
        found: list[Any] = [value] * self.size
        if self._together:
            distributed.all_gather_object(found, value)
        return found

    def sum_gradients(self, net: nn.Module) -> None:
        """Replace every gradient by the sum of those of all processes."""
        if self._together:
            for weight in net.parameters():
                if weight.requires_grad:
                    distributed.all_reduce(weight.grad)

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum of the processes' values of one shape."""
        if self._together:
            value = value.clone()
            distributed.all_reduce(value)
        return value
