"""How fast a net learns from step to step: by steps, never by the clock."""

from __future__ import annotations

import math

WARM_UP = 0.1
"""Share of all steps in which the rate rises."""
LAST = 0.01
"""The rate at the end, as a share of the highest."""


def rate_at(step: int, n_steps: int, warm_up: float = WARM_UP) -> float:
    """Return the learning rate of a step, 0 .. n_steps - 1, as a share of the highest one.

    It rises in a straight line over the share `warm_up` of the steps, and falls to 1 % by a cosine.
    """
    rising = max(1, round(warm_up * n_steps))
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / max(1, n_steps - 1 - rising)
    return LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
