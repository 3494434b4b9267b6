"""`export --check`: a bundle in an environment like Numerai's container, beside our predictions.

The environment is made once, in the user's cache folder, and kept.

Source of the pinned versions: numerai/numerai-predict, py3.11 and py3.12 requirements.txt; of
the limits (1 CPU, 4 GB, 10 minutes): Numerai's documentation, "Model Uploads".
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32
from numerai_lab.config import Columns
from numerai_lab.data import load_benchmarks, load_unlabelled
from numerai_lab.disclosure import child_environment
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import LabError, MachineError
from numerai_lab.experiment import (
    FinalModel,
    NextEra,
    neutralize_and_rank,
    next_era,
    predict_members,
    purge_of,
)
from numerai_lab.files import exclusive_lock, folder_aside
from numerai_lab.models import EXPORT_TOLERANCE, AgeingModel, RememberingModel, history_eras_of
from numerai_lab.tournament.bundles.bundle import PYTHON, carries_past, day_of_fit
from numerai_lab.tournament.bundles.made_up_live import beside_of, write_live

PINS = (
    "cloudpickle==3.1.1",
    "joblib==1.5.1",
    "lightgbm==4.5.0",
    "numpy==2.1.3",
    "pandas==2.3.1",
    "pyarrow==18.1.0",
    "python-dateutil==2.9.0.post0",
    "pytz==2025.2",
    "scikit-learn==1.6.1",
    "scipy==1.16.0",
    "six==1.17.0",
    "threadpoolctl==3.6.0",
    "tzdata==2025.2",
    "xgboost==3.0.2",
)
"""Complete, so that they are installed without looking for what they need (CUDA, for XGBoost)."""
PINNED_PYTHONS = ("3.11", "3.12", "3.13")
LIVE_ROWS = 7_000
LIVE_FEATURES = (780, 3_555)
MEMORY_BYTES = 4 << 30
TIMEOUT_SECONDS = 600

_RUN = Path(__file__).with_name("container_run.py")
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class BundleError(LabError):
    """A bundle that fails, is too slow or too large, or predicts something else than its run."""


@dataclass(frozen=True)
class BundleCheck:
    """What one run of a bundle took, and how far it is from our own predictions.

    Attributes
    ----------
    n_rows, n_features : of the live file it was given.
    load_seconds, predict_seconds, peak_mb : in the pinned environment, one thread.
    difference : largest absolute difference of the model's own predictions, before any ranking.
    rank_difference : the same of the ranks in (0, 1) that post-processing, done here, makes of
        the bundle's own predictions.
    moved_rows : rows with another rank than in our submission: neighbours that differ by less
        than `difference` may change places.
    python, versions : of the environment.
    """

    n_rows: int
    n_features: int
    load_seconds: float
    predict_seconds: float
    peak_mb: float
    difference: float
    rank_difference: float
    moved_rows: int
    python: str
    versions: dict[str, str]


def container_python(say: Callable[[str], None]) -> Path:
    """Return the Python of the pinned environment; makes it on the first call.

    Raises
    ------
    MachineError : this Python has no pins, or the packages cannot be installed.
    """
    if PYTHON not in PINNED_PYTHONS:
        raise MachineError(
            f"the container's versions are known for Python {', '.join(PINNED_PYTHONS)}, this is "
            f"{PYTHON}",
            fix="use one of these, or export without --check",
        )
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "numerai_lab"
    digest = hashlib.sha256("\n".join(PINS).encode()).hexdigest()[:8]
    folder = cache / f"container-python-{PYTHON}-{digest}"
    busy = "another process is making the container's environment"
    with exclusive_lock(cache / f".{folder.name}.lock", busy):
        if not folder.exists():
            say(f"making the container's environment once, in {folder}")
            with folder_aside(folder) as part:
                _install(part)
    return _python_of(folder)


def _python_of(folder: Path) -> Path:
    # The folder of the symbolic link decides which packages Python finds.
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _install(folder: Path) -> None:
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.defpath]))
    python = _python_of(folder)
    make = [sys.executable, "-m", "venv", "--clear", str(folder)]
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", *PINS]
    if uv:
        make = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]
        install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", str(python), *PINS]
    for command in (make, install):
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env=child_environment(),
        )
        if done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
            raise MachineError(
                "the container's environment cannot be made: " + " ".join(reason[-1].split()),
                fix="give this machine a package index once, or export without --check",
            )


def _of_today(rows: EraFrame, final: FinalModel) -> EraFrame:
    """Number the era as a bundle takes it that knows its age by the calendar."""
    if not isinstance(final.model, AgeingModel):
        return rows
    weeks = max(0, int(time.time() // 86400) - day_of_fit(final)) // 7
    number = final.trained_eras[1] + purge_of(final) + 1 + weeks
    return replace(rows, eras=np.array([number], dtype=np.int32))


def _predicted_here(
    final: FinalModel, rows: EraFrame, following: NextEra | None, say: Callable[[str], None]
) -> Float32:
    """Predict as the run's final model does the era that follows what it knows."""
    past_of = None
    given: dict[str, Any] = {}
    if following is not None:
        rows, past_of = (
            replace(rows, eras=np.array([following.number], np.int32)),
            following.past_of,
        )
    if history_eras_of(final.model):
        kept = following is not None and not isinstance(final.model, RememberingModel)
        given["history"] = following.history(final) if kept and following else rows.between(0, -1)
    if final.members:
        given["members"] = predict_members(final.members, rows, say, past_of)
    return final.model.predict(_of_today(rows, final), **given)


def check_bundle(
    final: FinalModel,
    bundle: Path,
    n_features: int,
    *,
    python: Path,
    n_rows: int = LIVE_ROWS,
    say: Callable[[str], None],
) -> BundleCheck:
    """Run a bundle on made-up live rows, in a process of its own, and compare.

    Parameters
    ----------
    final : the run it was made from. n_features : of the live file, at least the model's own.
    python : the interpreter to run it with.

    Raises
    ------
    BundleError : it fails, breaks a limit of the container, or predicts something else.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        following = next_era(final, say) if carries_past(final) else None
        live, benchmarks = write_live(folder, final, n_rows, n_features, following)
        facts = run_in_container(python, bundle, live, benchmarks, folder)
        theirs, ranks = np.load(folder / "before.npy"), np.load(folder / "ranks.npy")
        rows = load_unlabelled(
            live,
            features=final.feature_names,
            dtype=final.feature_dtype,
            columns=Columns(),
            missing=final.experiment.data.missing,
            say=say,
            beside=beside_of(final),
        ).frame
        ours = _predicted_here(final, rows, following, say)

        def ranked(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
            return neutralize_and_rank(
                final,
                values.astype(np.float32),
                rows,
                neutralize=final.experiment.neutralize,
                benchmarks=load_benchmarks(benchmarks or folder / "none", say),
            )

        check = BundleCheck(
            n_rows=n_rows,
            n_features=n_features,
            load_seconds=facts["load_seconds"],
            predict_seconds=facts["predict_seconds"],
            peak_mb=facts["peak_mb"],
            difference=float(np.abs(theirs - ours).max()),
            rank_difference=float(np.abs(ranked(theirs) - ranks).max()),
            moved_rows=int(np.count_nonzero(np.abs(ranked(ours) - ranks) > EXPORT_TOLERANCE)),
            python=facts["python"],
            versions=facts["versions"],
        )
    worst = max(check.difference, check.rank_difference)
    if not worst <= EXPORT_TOLERANCE:
        raise BundleError(
            f"the bundle predicts something else than its run: {worst:.1e} apart on {n_rows:,} "
            f"rows x {n_features:,} features, {EXPORT_TOLERANCE:g} is allowed",
            where=str(bundle),
            fix="do not upload it; export again with the versions the run was trained with",
        )
    return check


def run_in_container(
    python: Path, bundle: Path, live: Path, benchmarks: Path | None, out: Path
) -> dict[str, Any]:
    """Run `container_run.py` within the container's limits and return its facts.

    Raises
    ------
    BundleError : it fails, or a limit ends it.
    """
    command = [python, "-I", _RUN, bundle, live, benchmarks or "-", out, MEMORY_BYTES]
    environment = dict.fromkeys(_ONE_THREAD, "1")
    environment |= {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise BundleError(
            f"the bundle takes longer than {TIMEOUT_SECONDS // 60} minutes on one thread",
            where=str(bundle),
            fix="train fewer or smaller trees, or submit with `numerai-lab submit`",
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise BundleError(
            f"the bundle fails in the container's environment: {' '.join(last.split())[:300]}",
            where=str(bundle),
            fix="do not upload it",
        )
    facts: dict[str, Any] = json.loads((out / "facts.json").read_text("utf-8"))
    return facts
