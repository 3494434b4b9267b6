"""Which rows a final model predicts: the live file beside its run's data, or another table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numerai_lab.data import (
    Beside,
    Unlabelled,
    columns_of,
    holds_prices,
    load_unlabelled,
    price_folder,
)
from numerai_lab.errors import DataError
from numerai_lab.experiment.final import FinalModel

LIVE = "live.parquet"


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


def live_file(final: FinalModel, say: Callable[[str], None] = lambda _: None) -> Path:
    """Return the live file beside the run's data; of prices, the one made of the files as they are.

    Raises
    ------
    DataError : there is none.
    """
    if final.experiment.data.source == "prices":
        return _live_of_prices(final, say)
    folder = final.manifest["data"]["folder"]
    path = None if folder is None else Path(folder) / LIVE
    if path is None or not path.is_file():
        raise DataError(
            f"there is no {LIVE} beside the run's data",
            where=str(folder or final.run.path),
            fix=_way_to_live(final, folder),
        )
    return path


def _live_of_prices(final: FinalModel, say: Callable[[str], None]) -> Path:
    """Return the last era of the run's prices as they are now, or as they were if they are gone."""
    section, folder = final.experiment.data, Path(final.manifest["data"]["folder"])
    if all(path.exists() for path in section.files):
        placed = section.model_copy(update={"dir": folder.parent.parent})
        made = price_folder(placed, say).path
    else:
        say(f"the prices of the run are gone: predicting the last era that it knew, of {folder}")
        made = price_folder(section.model_copy(update={"dir": folder}), say).path
    return made / LIVE


def _made_of_prices(final: FinalModel, features: Path, say: Callable[[str], None]) -> Path:
    """Return rows to predict: the last era of prices where it is these, else what was named."""
    section = final.experiment.data
    if section.source != "prices" or not holds_prices(features, section):
        return features
    folder = Path(final.manifest["data"]["folder"])
    placed = section.model_copy(update={"dir": folder.parent.parent, "files": [features]})
    return price_folder(placed, say).path / LIVE


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


def read_live(final: FinalModel, features: Path, say: Callable[[str], None]) -> Unlabelled:
    """Read a table with a final model's features, as its training rows were read.

    Parameters
    ----------
    features : a file, a folder of part files, a glob, or hive folders. Of a run on prices also
        prices, whose last era is predicted.
    say : called with every sentence the user must see.

    Raises
    ------
    DataError : rows of another data version, or rows or columns that break a rule; see
        `load_unlabelled`.
    """
    check_version(final, features)
    section = final.experiment.data
    rows = load_unlabelled(
        _made_of_prices(final, features, say),
        features=final.feature_names,
        dtype=final.feature_dtype,
        columns=columns_of(section),
        missing=section.missing,
        beside=Beside.of(section),
        say=say,
    )
    for file in rows.files:  # a link or a glob may lead to another version's folder
        check_version(final, file.path)
    return rows
