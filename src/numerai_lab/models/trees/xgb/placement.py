"""Where binned training rows go: memory, or pages on disk; decided and said before training."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import MachineError
from numerai_lab.machine import as_size, available_bytes
from numerai_lab.models.contract import FitContext

Memory = Literal["auto", "in_core", "external"]

# Measured, see benchmarks/RESULTS.md: a byte for the bin of a value, and a byte for its copy by
# column that `hist` makes for itself, beside what any process of the lab takes.
_IN_CORE_BYTES_A_VALUE = 2.1
_EXTERNAL_BYTES_A_VALUE = 0.25
_BESIDE = 350 << 20
_SAY_FROM = 1 << 30


def memory_needed(memory: Memory, n_rows: int, n_features: int) -> int:
    """Return the bytes that training will take at its peak, in the way that takes least."""
    a_value = _IN_CORE_BYTES_A_VALUE if memory == "in_core" else _EXTERNAL_BYTES_A_VALUE
    return int(n_rows * n_features * a_value) + _BESIDE


def trains_from_disk(memory: Memory, train: EraFrame, ctx: FitContext) -> tuple[bool, str | None]:
    """Decide whether binned rows go to disk; and say so if they are many.

    With `auto` they do where they would not fit otherwise, and where memory is to be spared and the
    rows themselves lie on disk; the trees are the same. On a GPU that would cost far more time.

    Raises
    ------
    MachineError : neither way fits.
    """
    available = available_bytes()
    size = train.n_rows, train.n_features
    in_core, external = memory_needed("in_core", *size), memory_needed("external", *size)
    has = "unknown memory" if available is None else f"{as_size(available)} available"
    fits = available is None or in_core <= available
    spared = ctx.sparing and ctx.device == "cpu" and not isinstance(train.features, np.ndarray)
    outside = memory == "external" or (memory == "auto" and (spared or not fits))
    need = external if outside else in_core
    if available is not None and need > available:
        raise MachineError(
            f"XGBoost needs {as_size(need)} for {size[0]:,} rows x {size[1]:,} features, "
            f"{as_size(available)} are available",
            where="model.params.memory",
            fix="choose memory: auto, a smaller feature_set or fewer eras (split.train_step: 4)",
        )
    if outside:
        return (
            True,
            f"XGBoost trains from disk: needs {as_size(external)} "
            f"(in core {as_size(in_core)}), {has}",
        )
    if need > _SAY_FROM:
        return False, f"XGBoost trains in core: needs {as_size(in_core)}, {has}"
    return False, None


@contextlib.contextmanager
def pages_on_disk(train: EraFrame) -> Iterator[str]:
    """Yield a prefix for XGBoost's pages, beside the store or in the system's temporary folder.

    They take about two bytes a value, and go with the training.
    """
    features = train.features
    parent = None if isinstance(features, np.ndarray) else features.folder
    if parent is not None:
        parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="xgboost-", dir=parent) as folder:
        yield str(Path(folder) / "pages")
