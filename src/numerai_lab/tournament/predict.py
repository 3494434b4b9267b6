"""`predict`: the final model of a run on live rows, or on any parquet files with its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from numerai_lab.config import Neutralize
from numerai_lab.data import (
    References,
    load_benchmarks,
    table_name,
    table_path,
)
from numerai_lab.errors import UserError
from numerai_lab.experiment import FinalModel, predict_final, read_live, with_earlier_eras
from numerai_lab.files import write_aside

SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True, eq=False)
class LivePredictions:
    """Predictions in the form that Numerai takes.

    Attributes
    ----------
    ids : string [n_rows]. values : float64 [n_rows], ranks strictly between 0 and 1 within each
        era, ties kept.
    n_eras : eras in the file; live files have one. n_in_sample : those of them that the final model
        was trained on, by their numbers; live rows ("X") have none.
    sha256 : of what was predicted, a file or the files of a table.
    """

    ids: pa.Array
    values: npt.NDArray[np.float64]
    n_eras: int
    n_in_sample: int
    features: Path
    sha256: str

    def table(self) -> pd.DataFrame:
        """Return `id` and `prediction` as a submission holds them."""
        return pd.DataFrame({"id": self.ids.to_pylist(), "prediction": self.values})

    def csv(self) -> bytes:
        """Return the submission's bytes."""
        return self.table().to_csv(index=False).encode()


def predict(
    final: FinalModel,
    features: Path,
    *,
    neutralize: Neutralize | Literal["as_run", "none"] = "as_run",
    say: Callable[[str], None],
) -> LivePredictions:
    """Predict every row of a table; a transductive model adapts to each of its eras first.

    Parameters
    ----------
    features : a file, a folder of part files, a glob, or hive folders.
    neutralize : what is taken out of the predictions: as the run's config says, nothing, or a
        section of its own. A benchmark is read from `<file>_benchmark_models.parquet` beside the
        file or folder.
    say : called with every sentence the user must see.

    Raises
    ------
    DataError, ModelError : rows, columns or predictions that break a rule; see `read_live`.
    """
    rows = read_live(final, features, say)
    first, last = final.trained_eras
    how = neutralize
    if how == "as_run":
        how = final.experiment.neutralize or "none"
    live = with_earlier_eras(final, rows, say)
    values = predict_final(
        final,
        live.frame,
        neutralize=None if how == "none" else how,
        benchmarks=_benchmarks(features, how, say),
        say=say,
        past_of=live.past_of,
    )
    frame = rows.frame
    alike = sum(
        np.ptp(values[era]) == 0 for _, era in frame.iter_eras() if era.stop - era.start > 1
    )
    if alike:
        say(
            f"all rows of an era are predicted alike in {alike} of {frame.n_eras} era(s): are the "
            f"features of {features} missing, or all the same?"
        )
    return LivePredictions(
        ids=rows.frame.ids,
        values=values,
        n_eras=rows.frame.n_eras,
        n_in_sample=sum(
            number is not None and first <= number <= last for number in rows.era_numbers
        ),
        features=features,
        sha256=rows.sha256,
    )


def _benchmarks(
    features: Path, how: Neutralize | Literal["none"], say: Callable[[str], None]
) -> References:
    """Describe the benchmark file beside the rows, if a benchmark is to be taken out of them."""
    if how == "none" or how.against != "benchmark":
        return References((), False, (), {})
    beside = table_path(features).with_name(f"{table_name(features)}_benchmark_models.parquet")
    return load_benchmarks(beside, say)


def predictions_file(final: FinalModel, features: Path, out: Path | None) -> Path:
    """Return where predictions of a file are written: `out`, or in the run.

    Raises
    ------
    UserError : `out` is neither .csv nor .parquet.
    """
    path = out or final.run.path / f"predictions_{table_name(features)}.csv"
    if path.suffix not in SUFFIXES:
        raise UserError(
            f"cannot write predictions to '{path}': its name must end in .csv or .parquet",
            where="--out",
            fix=f"call it {path.stem or 'predictions'}.csv",
        )
    return path


def write_predictions(predictions: LivePredictions, path: Path) -> None:
    """Write `id` and `prediction`, as CSV where the path ends in .csv, else as parquet.

    Raises
    ------
    MachineError : it cannot be written; nothing is left behind.
    """
    with write_aside(path) as part:
        if path.suffix == ".csv":
            part.write_bytes(predictions.csv())
        else:
            predictions.table().to_parquet(part, index=False)
