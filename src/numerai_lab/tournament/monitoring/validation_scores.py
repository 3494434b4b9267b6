"""What a run promised: its validation scores, and corr of each judged era."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from numerai_lab.config import Bootstrap
from numerai_lab.errors import RunError
from numerai_lab.experiment import RunDir, suspected

METRICS = ("corr", "mmc", "bmc", "fnc")


@dataclass(frozen=True, eq=False)
class Promise:
    """Validation scores of a run.

    Attributes
    ----------
    means : corr, mmc, bmc, fnc -> mean over the judged eras; None where there is none.
    interval : the block-bootstrap interval of the mean corr over all judged eras.
    suspicion : why corr is more than an honest model reaches, or None.
    eras, corr : int32 and float64 [n_eras], judged eras that have a corr, in order.
    """

    run: Path
    target: str
    horizon_days: int
    means: dict[str, float | None]
    interval: tuple[float | None, float | None]
    suspicion: str | None
    eras: npt.NDArray[np.int32]
    corr: npt.NDArray[np.float64]
    bootstrap: Bootstrap


def read_promise(run: RunDir) -> Promise:
    """Read what a run promised.

    Raises
    ------
    RunError : its scores are not there or damaged.
    """
    scores = run.scores()
    try:
        own, target = scores["scores"]["prediction"], str(scores["target"])
        means = {name: own[name]["mean"] if name in own else None for name in METRICS}
        table = pd.read_parquet(run.checked(run.per_era_path))
        rows = table[(table["prediction"] == "prediction") & (table["target"] == target)]
        rows = rows[rows["corr"].notna()].sort_values("era")
        return Promise(
            run=run.path,
            target=target,
            horizon_days=int(scores["horizon_days"]),
            means=means,
            interval=(own["corr"]["ci_low"], own["corr"]["ci_high"]),
            suspicion=suspected(scores),
            eras=rows["era"].to_numpy(dtype=np.int32),
            corr=rows["corr"].to_numpy(dtype=np.float64),
            bootstrap=run.experiment().scoring.bootstrap,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"the scores cannot be read ({type(error).__name__}: {error})",
            where=str(run.path),
            fix="`numerai-lab evaluate RUN` writes them anew",
        ) from None
