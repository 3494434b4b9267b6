"""Whether a pretraining fits into memory, told before it begins."""

from __future__ import annotations

from dataclasses import replace

import torch

from numerai_lab.errors import ModelError
from numerai_lab.machine import as_size, available_bytes, memory_limits
from numerai_lab.models.nets.in_context.module import Size, new_net
from numerai_lab.models.nets.in_context.settings import PretrainSettings

_COPIES = 5
"""Of all weights: the net, its gradients, its average, and AdamW's two moments."""


def check_memory(settings: PretrainSettings, longest_curve: int, device: torch.device) -> None:
    """Check what a pretraining takes at least against the memory that there is.

    Parameters
    ----------
    longest_curve : rows of the largest task of the curves. device : that trains; a GPU's own
        memory is not looked at.

    Raises
    ------
    ModelError : it cannot fit, with both numbers and the ways out.
    """
    net, tasks = settings.net, settings.tasks
    rows = tasks.n_context[1] + tasks.n_queries
    drawn = settings.tasks_per_step * rows * net.n_scores * (1 + 2 * settings.workers)
    held_out = max(settings.held_out_tasks, settings.curve_tasks) * longest_curve * net.n_scores
    numbers = {"tasks_per_step": drawn, "curve_tasks": held_out}
    if device.type == "cpu":
        tokens = -(-settings.tasks_per_step // settings.accumulate) * rows
        numbers["accumulate"] = tokens * (4 * net.width + net.hidden) * net.layers
        numbers["net"] = _COPIES * n_parameters(net.size)
    need, free = 4 * sum(numbers.values()), available_bytes()
    if free is None or need <= free:
        return
    most = max(numbers, key=lambda key: numbers[key])
    ways = {
        "tasks_per_step": "write fewer tasks_per_step or workers, or a shorter tasks.n_context",
        "curve_tasks": "write fewer curve_tasks and held_out_tasks, or a smaller net.n_scores",
        "accumulate": "write a larger accumulate, a shorter tasks.n_context or a smaller net",
        "net": "write a smaller net",
    }
    raise ModelError(
        f"takes {as_size(need)} at least, and {as_size(free)} are available{memory_limits()}",
        where=most,
        fix=ways[most],
    )


def n_parameters(size: Size) -> int:
    """Return how many weights a net of a size has; none are made."""
    with torch.device("meta"):
        one, two = (
            sum(w.numel() for w in new_net(replace(size, layers=n, heads=1)).parameters())
            for n in (1, 2)
        )
    return int(one + (size.layers - 1) * (two - one))
