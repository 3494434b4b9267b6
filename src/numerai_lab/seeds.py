"""Named child seeds: every use of randomness gets its own, derived from the run's one seed."""

from __future__ import annotations

import hashlib


def child_seed(seed: int, *names: str | int) -> int:
    """Derive a seed for a named use of randomness.

    The same (seed, names) always gives the same value, and adding a new named use never
    changes the others, which a shared random stream would.

    Returns
    -------
    An integer in 0 .. 2**31 - 1, accepted by NumPy, XGBoost and LightGBM alike.
    """
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
