"""`export`: write a run's bundle, and check it in an environment like Numerai's container."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from numerai_lab.errors import UserError
from numerai_lab.experiment import FinalModel, brought_up_to_date
from numerai_lab.tournament.bundles.bundle import PYTHON, default_path, write_bundle
from numerai_lab.tournament.bundles.container_check import (
    LIVE_FEATURES,
    LIVE_ROWS,
    BundleCheck,
    check_bundle,
    container_python,
)


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk.

    Attributes
    ----------
    python : the Python it runs in, as in `3.11`; Numerai's container of that name takes it.
    checks : what running it took; empty when it was not asked for.
    """

    path: Path
    n_bytes: int
    python: str
    checks: tuple[BundleCheck, ...]


def export(
    final: FinalModel,
    out: Path | None = None,
    *,
    check: bool = False,
    live_features: tuple[int, ...] = LIVE_FEATURES,
    live_rows: int = LIVE_ROWS,
    python: Path | None = None,
    say: Callable[[str], None],
) -> Bundle:
    """Write the bundle of a run's final model.

    Parameters
    ----------
    out : a .pkl file; into the run if left out.
    check : run it on made-up live rows with each number of `live_features`, and compare.
    python : the interpreter to check with; the pinned environment's if left out.

    Raises
    ------
    ModelError : the model cannot be bundled. BundleError : the check failed; the file is kept.
    MachineError : it cannot be written, or there is no environment to check it in.
    """
    path = out or default_path(final)
    if path.suffix != ".pkl":
        raise UserError(
            f"cannot write a pickle to '{path}': its name must end in .pkl",
            where="--out",
            fix=f"call it {path.stem or 'model'}.pkl",
        )
    brought_up_to_date(final, say)
    n_bytes = write_bundle(final, path, say)
    checks = []
    if check:
        interpreter = python or container_python(say)
        for n_features in live_features:
            say(f"running the bundle on {live_rows:,} rows x {n_features:,} features")
            checks.append(
                check_bundle(final, path, n_features, python=interpreter, n_rows=live_rows, say=say)
            )
    return Bundle(path, n_bytes, PYTHON, tuple(checks))
