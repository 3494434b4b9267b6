"""Several of LightGBM's boosters in a model's folder, and what its wheels cannot do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import lightgbm


def save_boosters(folder: Path, boosters: Sequence[lightgbm.Booster]) -> None:
    """Write `00.txt`, `01.txt`, ... in LightGBM's own format into a folder that is made for it."""
    folder.mkdir()
    for i, booster in enumerate(boosters):
        booster.save_model(_file(folder, i))


def load_boosters(folder: Path, n: int) -> list[lightgbm.Booster]:
    """Read the `n` boosters that `save_boosters` wrote."""
    return [lightgbm.Booster(model_file=_file(folder, i)) for i in range(n)]


def rounds_of(booster: lightgbm.Booster) -> int:
    """Return its boosting rounds: its trees, with classes those of each class."""
    return int(booster.num_trees() // booster.num_model_per_iteration())


def no_gpu(model: str) -> str:
    """Say that a model trains on the CPU, though a GPU was asked for: wheels have no CUDA."""
    return f"{model} has no GPU training: device cuda is ignored, it trains on the CPU"


def _file(folder: Path, position: int) -> Path:
    return folder / f"{position:02d}.txt"
