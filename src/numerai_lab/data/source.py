"""Which files the rows come from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from numerai_lab.config import ENTITY, SIDE, Columns, Data
from numerai_lab.data.dataset import SourceKind, horizon_days
from numerai_lab.data.prices import price_folder
from numerai_lab.data.reading import part_files
from numerai_lab.data.synthetic import cached_tournament
from numerai_lab.errors import DataError

LABELLED = ("train.parquet", "validation.parquet")


@dataclass(frozen=True, slots=True)
class Source:
    """The files to read, in order, and how their columns are called."""

    kind: SourceKind
    folder: Path | None
    files: tuple[Path, ...]
    columns: Columns
    notices: tuple[str, ...] = ()
    notice: str | None = None


def numerai_folder(folder: Path, version: str | None = None) -> Path | None:
    """Return the folder with train or validation files: `folder`, or its newest `vX.Y`.

    With `version` it is that one: `folder/vX.Y`, or `folder` itself if it has that name.
    """
    candidates = [folder]
    if version is not None:
        candidates = [folder if folder.name == version else folder / version]
    elif folder.is_dir():
        versions = [p for p in folder.iterdir() if re.fullmatch(r"v\d+(\.\d+)*", p.name)]
        candidates += sorted(
            versions, key=lambda p: [int(part) for part in p.name[1:].split(".")], reverse=True
        )
    for candidate in candidates:
        if any((candidate / name).is_file() for name in LABELLED):
            return candidate
    return None


def columns_of(config: Data) -> Columns:
    """Return how the columns of a section's rows are called, also of those to predict."""
    return config.columns if config.source in ("parquet", "prices") else Columns()


def find_source(config: Data, say: Callable[[str], None] = lambda _: None) -> Source:
    """Decide where rows come from; makes the synthetic tournament when it is not there yet.

    Of prices it makes rows, and `say` is called with what was wrong in the files.

    Raises
    ------
    DataError : the files that `source` asks for are not there.
    MachineError : the synthetic tournament could not be written.
    """
    if config.source == "prices":
        return _of_prices(config, say)
    if config.source != "parquet" and (config.entity is not None or config.side):
        raise DataError(
            "Numerai's rows cannot be followed over time (an id is drawn anew for every era), and "
            "there is nothing beside their features",
            where="data.entity" if config.entity is not None else "data.side",
            fix="leave it out, or use source: parquet with files that have such columns",
        )
    if config.source == "parquet":
        if not config.files:
            raise DataError(
                "source: parquet needs at least one file",
                where="data.files",
                fix="list the files, as in files: [prices.parquet]",
            )
        notices: list[str] = []
        files = part_files(config.files, notices.append)
        return Source("parquet", None, files, config.columns, tuple(notices))

    notices = []
    if config.columns != Columns():
        notices.append("data.columns is for source: parquet only, and not used here")
    folder = None if config.source == "synthetic" else numerai_folder(config.dir, config.version)
    if folder is not None:
        files = tuple(folder / name for name in LABELLED if (folder / name).is_file())
        if len(files) == 1:
            absent = next(name for name in LABELLED if not (folder / name).is_file())
            notices.append(f"{folder} has no {absent}: reading {files[0].name} alone")
        return Source("numerai", folder, files, _columns(), tuple(notices))
    if config.source == "numerai" or (config.source == "auto" and config.version is not None):
        what = (
            f"has neither {LABELLED[0]} nor {LABELLED[1]} "
            f"(nor a {config.version or 'vX.Y'} folder with them)"
            if config.dir.is_dir()
            else "there is no such folder"
        )
        raise DataError(
            what,
            where=str(config.dir),
            fix="get them with `numerai-lab data download`, or use --data synthetic",
        )
    folder = cached_tournament(config.dir / "synthetic", config.synthetic)
    made = config.synthetic
    notice = None
    if config.source == "auto":
        notice = (
            f"SYNTHETIC DATA: there are no Numerai files in '{config.dir}', so this is an invented "
            f"tournament ({made.n_eras} eras x {made.rows_per_era} rows x {made.n_features} "
            f"features, seed {made.seed}). Its scores say nothing about Numerai. For real data run "
            f"`numerai-lab data download`, or use --data FOLDER."
        )
    files = tuple(folder / name for name in LABELLED)
    return Source("synthetic", folder, files, _columns(), tuple(notices), notice)


def _of_prices(config: Data, say: Callable[[str], None]) -> Source:
    if config.entity != ENTITY or not set(config.side) <= set(SIDE):
        raise DataError(
            f"rows made of prices have the entity {ENTITY} and these columns beside the features: "
            f"{', '.join(SIDE)}",
            where="data.entity" if config.entity != ENTITY else "data.side",
            fix="leave it out, or choose among these",
        )
    for name in config.targets:
        horizon_days(name, config)
    made = price_folder(config, say)
    notice = None
    if made.facts["made_up"]:
        notice = (
            f"MADE-UP PRICES: data.files names no file, so these are {made.facts['n_tickers']} "
            "invented tickers with a planted momentum and a planted network. Their scores say "
            "nothing about any market. For real prices use --data FILE."
        )
    elif not made.facts["point_in_time"]:
        notice = (
            "SURVIVORSHIP: no universe file (data.prices.universe) tells which tickers could be "
            "bought when. If the list was drawn up today, its companies are those that did well, "
            "which flatters every score: compare models by it, never quote one."
        )
    return Source("prices", made.path, made.files, config.columns, (), notice)


def _columns() -> Columns:
    return Columns(data_type="data_type")
