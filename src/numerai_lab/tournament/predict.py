"""`predict`: the final model of a run on live rows, or on any parquet files with its features."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from numerai_lab.config import Columns, Neutralize
from numerai_lab.data import (
    Beside,
    References,
    load_benchmarks,
    load_unlabelled,
    table_name,
    table_path,
)
from numerai_lab.errors import DataError, UserError
from numerai_lab.experiment import FinalModel, predict_final, with_earlier_eras
from numerai_lab.files import write_aside

LIVE = "live.parquet"
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


def data_version(path: Path) -> str | None:
    """Return the data version that a path names (`data/v5.3/live.parquet` -> `v5.3`), if any."""
    named = [part for part in path.parts if re.fullmatch(r"v\d+(\.\d+)+", part)]
    return named[-1] if named else None


def version_of_data(manifest: Mapping[str, Any]) -> str | None:
    """Return the data version that a run's manifest tells, by the folder of its data."""
    folder = manifest["data"]["folder"]
    return None if folder is None else data_version(Path(folder))


def version_of_run(final: FinalModel) -> str | None:
    """Return the data version a run was trained on, if the folder of its data tells."""
    return version_of_data(final.manifest)


def live_file(final: FinalModel) -> Path:
    """Return the live file beside the run's data.

    Raises
    ------
    DataError : there is none.
    """
    folder = final.manifest["data"]["folder"]
    path = None if folder is None else Path(folder) / LIVE
    if path is None or not path.is_file():
        raise DataError(
            f"there is no {LIVE} beside the run's data",
            where=str(folder or final.run.path),
            fix=_way_to_live(final, folder),
        )
    return path


def _way_to_live(final: FinalModel, folder: str | None) -> str:
    """Say how a live file comes beside the data; a folder without a version has no way there."""
    version = version_of_run(final)
    if folder is None or version != Path(folder).name:
        return "name a file with --features"
    place = (
        ""
        if Path(folder).resolve().parent == Path("data").resolve()
        else f" --dir {Path(folder).parent}"
    )
    return (
        f"get it with `numerai-lab data download --files live --version {version}{place}`, or name "
        "a file with --features"
    )


def check_version(final: FinalModel, features: Path) -> None:
    """Refuse rows of another data version than the run's, as far as the folders tell.

    The same column can be made otherwise in another version, so matching names prove nothing.

    Raises
    ------
    DataError : both versions are known and differ.
    """
    ours, theirs = version_of_run(final), data_version(features.resolve())
    if ours is not None and theirs is not None and ours != theirs:
        raise DataError(
            f"is of data version {theirs}, the run was trained on {ours}",
            where=str(features),
            fix=f"use the live file of {ours}, or train on {theirs}",
        )


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
    DataError, ModelError : rows, columns or predictions that break a rule; see `load_unlabelled`.
    """
    check_version(final, features)
    section = final.experiment.data
    columns = section.columns if section.source == "parquet" else Columns()
    rows = load_unlabelled(
        features,
        features=final.feature_names,
        dtype=final.feature_dtype,
        columns=columns,
        missing=section.missing,
        beside=Beside.of(section),
        say=say,
    )
    for file in rows.files:  # a link or a glob may lead to another version's folder
        check_version(final, file.path)
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
