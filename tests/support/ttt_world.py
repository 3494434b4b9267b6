"""Small made-up eras whose feature correlations follow a regime, and labels that may, too."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from numerai_lab.eraframe import EraFrame
from numerai_lab.models import FitContext


def regime_frame(
    seed: int,
    *,
    n_eras: int = 140,
    n_rows: int = 120,
    n_features: int = 12,
    link: float = 0.8,
    moves: float = 0.6,
    dtype: type = np.int8,
) -> EraFrame:
    """Eras 1..n_eras; `moves`: regime in the features; `link`: in the signal's coefficients."""
    structure = np.random.default_rng(7)
    loading = structure.choice([-1.0, 1.0], n_features)
    slopes = structure.normal(size=n_features)
    steady = structure.normal(size=n_features)
    rng = np.random.default_rng(seed)
    regime = np.sin(np.arange(n_eras) / 6 + 1) + 0.3 * rng.normal(size=n_eras)
    features, targets = [], []
    for s in regime:
        share = np.clip(0.4 + 0.3 * moves * s, 0.02, 0.9)
        factor = rng.normal(size=(n_rows, 1))
        x = np.sqrt(share) * factor * loading
        x = x + np.sqrt(1 - share) * rng.normal(size=(n_rows, n_features))
        rank = np.argsort(np.argsort(x, axis=0), axis=0)
        bins = (rank * 5 // n_rows).astype(np.int8)
        z = (bins - 2) / np.sqrt(2)
        signal = z @ steady * 0.2 + link * s * (z @ slopes) * 0.3
        noisy = signal + rng.normal(size=n_rows)
        order = np.argsort(np.argsort(noisy)) / n_rows
        targets.append(np.searchsorted([0.05, 0.25, 0.75, 0.95], order, side="right") / 4)
        features.append(bins)
    values = np.concatenate(features)
    if dtype is np.float32:
        values = (values / 4).astype(np.float32)
    return EraFrame(
        features=values,
        eras=np.arange(1, n_eras + 1, dtype=np.int32),
        offsets=np.arange(n_eras + 1, dtype=np.int64) * n_rows,
        ids=pa.array([f"r{i:06d}" for i in range(n_eras * n_rows)]),
        targets=np.concatenate(targets).astype(np.float32)[:, None],
        feature_names=tuple(f"f{i}" for i in range(n_features)),
        target_names=("target",),
    )


def context(**changes: object) -> FitContext:
    """What a run would tell, with labels that overlap over two eras."""
    facts = {"seed": 3, "target": "target", "targets": ("target",), "purge_eras": 2}
    return FitContext(**{**facts, "n_threads": 1, **changes})


def has_row(table: str, pair: str) -> bool:
    """Whether a table has a row of this `prediction - baseline`, on one line or on two."""
    prediction, baseline = pair.split(" - ")
    return bool(re.search(rf"^{prediction} -( |.*\n){baseline}\b", table, re.MULTILINE))
