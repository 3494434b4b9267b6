"""Prices turned into files in Numerai's layout, kept under a hash of all that they come from.

<data.dir>/prices/<hash>/
rows.parquet      every era but the last one, targets where they are known
live.parquet      the last era
returns.parquet   weekly returns and value traded of every ticker that can be bought
features.json     feature sets: all, and one for each group
prices.json       what was found and made; written last, with the checksums of the others
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from numerai_lab.checksums import NotAsWritten, damage_of, marks_of, read_sealed, write_sealed
from numerai_lab.config import SIGNALS, Data, Prices
from numerai_lab.data.prices.ahead import make_targets, weekly_returns
from numerai_lab.data.prices.listings import sector_codes, universe_member
from numerai_lab.data.prices.made_up import GENERATOR_VERSION, made_up_prices
from numerai_lab.data.prices.panel import Panel, make_panel
from numerai_lab.data.prices.raw import RawPrices, Say, price_files, read_raw
from numerai_lab.data.prices.telling import told_counts
from numerai_lab.data.prices.weekly import Weekly, feature_sets, make_weekly, quintiles
from numerai_lab.data.reading import SYNTHETIC_MARK
from numerai_lab.errors import DataError
from numerai_lab.files import folder_aside, sha256_of, waiting_lock, write_json

VERSION = 2
"""Raised when the same prices give other files, so that folders of before are made anew."""
RECORD, ROWS, LIVE, RETURNS = "prices.json", "rows.parquet", "live.parquet", "returns.parquet"
_FILES = (ROWS, LIVE, RETURNS, "features.json")
_GROUP_ERAS = 26


@dataclass(frozen=True, slots=True)
class PriceFolder:
    """A folder made of prices, and what its record tells."""

    path: Path
    facts: dict[str, Any]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of rows."""
        return (self.path / ROWS,)


def price_folder(config: Data, say: Say) -> PriceFolder:
    """Return the folder for a data section; make it where it is not there or is damaged.

    Parameters
    ----------
    config : `dir` is where folders lie, or one of them, which is then taken as it is.
    say : called with what was wrong in the files, and with what is made.

    Raises
    ------
    DataError : prices that break a rule. MachineError : it cannot be written.
    """
    if (config.dir / RECORD).is_file():
        return _opened(config.dir)
    settings = config.prices or Prices()
    files = price_files(config.files)
    folder = config.dir / "prices" / _key(files, settings)
    if (found := _whole(folder)) is not None:
        return found
    # two commands on the same prices: the second one waits, and takes what the first one made
    lock = folder.with_name(f".{folder.name}.lock")
    with waiting_lock(lock, lambda: say(f"waiting for {folder}, which another process makes")):
        return _whole(folder, say) or _anew(folder, files, settings, say)


def _whole(folder: Path, say: Say | None = None) -> PriceFolder | None:
    """Return a folder if it is there and whole; with `say` one that is not is told of, and goes."""
    if not folder.is_dir():
        return None
    try:
        return _opened(folder)
    except DataError as error:
        if say is not None:
            say(f"{error}; it is made anew")
            shutil.rmtree(folder)
        return None


def _anew(folder: Path, files: Sequence[Path], settings: Prices, say: Say) -> PriceFolder:
    if files:
        of = "1 file" if len(files) == 1 else f"{len(files):,} files"
        say(f"making weekly rows of {of} of prices in {folder}")
        raw = read_raw(files, settings.columns, say)
        sectors = None
    else:
        raw, sectors, _ = made_up_prices(settings.made_up)
    return _made(folder, raw, sectors, files, settings, say)


def is_made_of_prices(folder: Path) -> bool:
    """Return whether a folder is called as `price_folder` calls those it makes."""
    return folder.parent.name == "prices" and bool(re.fullmatch("[0-9a-f]{12}", folder.name))


def _opened(folder: Path) -> PriceFolder:
    try:
        facts = read_sealed(folder / RECORD)
        damage = damage_of(folder, facts["files"], _FILES)
    except (OSError, NotAsWritten, KeyError, TypeError) as error:
        damage = f"{RECORD} {error}"
        facts = {}
    if damage is not None:
        raise DataError(
            f"weekly rows made of prices are damaged: {damage}",
            where=str(folder),
            fix="remove the folder; it is made again from the prices",
        )
    return PriceFolder(folder, facts)


def _key(files: Sequence[Path], settings: Prices) -> str:
    written = settings.model_dump(mode="json")
    for name in ("universe", "sectors"):
        path = getattr(settings, name)
        if path is not None:
            if not path.is_file():
                raise DataError(
                    "there is no such file", where=f"data.prices.{name} {path}", fix="check it"
                )
            written[name] = sha256_of(path)
    if files:
        del written["made_up"]
    # the name counts where it is the ticker
    sources = sorted((path.name, sha256_of(path)) for path in files)
    text = json.dumps([VERSION, GENERATOR_VERSION, sources, written], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _made(
    folder: Path,
    raw: RawPrices,
    sectors: dict[str, str] | None,
    files: Sequence[Path],
    settings: Prices,
    say: Say,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> PriceFolder:
    panel = make_panel(raw, settings)
    counts = panel.counts
    member = None
    if settings.universe is not None:
        member = universe_member(settings.universe, panel, say)
    weekly = make_weekly(panel, settings, member, counts, progress)
    codes, names = _sectors(sectors, settings, panel, weekly, say)
    targets = make_targets(panel, weekly, codes, settings, counts)
    facts = _facts(panel, weekly, files, settings, names)
    for sentence in told_counts(panel.counts, panel.examples):
        say(sentence)
    mark = None if files else json.dumps(settings.made_up.model_dump()).encode()
    with folder_aside(folder) as part:
        _write_rows(part, panel, weekly, targets, codes, names, mark)
        _write_returns(part / RETURNS, panel, weekly)
        write_json(part / "features.json", {"feature_sets": feature_sets()})
        write_sealed(part / RECORD, {**facts, "files": marks_of(part, _FILES)})
    return PriceFolder(folder, facts)


def _sectors(
    made_up: dict[str, str] | None, settings: Prices, panel: Panel, weekly: Weekly, say: Say
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    if settings.sectors is not None:
        return sector_codes(settings.sectors, panel, weekly.at, say)
    if made_up is None:
        return None, ()
    names = tuple(sorted(set(made_up.values())))
    of = np.array([names.index(made_up[ticker]) for ticker in panel.tickers], dtype=np.int32)
    return np.broadcast_to(of, (len(weekly.at), len(of))), names


def _facts(
    panel: Panel,
    weekly: Weekly,
    files: Sequence[Path],
    settings: Prices,
    sectors: tuple[str, ...],
) -> dict[str, Any]:
    """Describe what was found; all of it is written to the record and shown to a person."""
    dates = panel.days.astype("datetime64[D]").astype(str)
    first = panel.fresh.argmax(axis=0)
    kept = np.flatnonzero(weekly.rows.any(axis=1))
    worst = np.argsort(-panel.gaps, kind="stable")[:10]
    return {
        "version": VERSION,
        "made_up": not files,
        "sources": [str(path) for path in files],
        "point_in_time": settings.universe is not None or not files,
        "sectors": list(sectors),
        "days": {"n": len(dates), "first": dates[0], "last": dates[-1]},
        "eras": {
            "n": len(kept),
            "first": dates[weekly.at[kept[0]]],
            "last": dates[weekly.at[kept[-1]]],
        },
        "rows": int(weekly.rows.sum()),
        "rows_per_era": {
            "dates": dates[weekly.at].tolist(),
            "rows": weekly.rows.sum(axis=1).tolist(),
            "tickers": panel.there[weekly.at].sum(axis=1).tolist(),
        },
        "n_tickers": len(panel.tickers),
        "gone": int(panel.gone.sum()),
        "listed_later": int(np.count_nonzero(first > 0)),
        "most_gaps": [
            {"ticker": panel.tickers[j], "days": int(panel.gaps[j])}
            for j in worst
            if panel.gaps[j] > 0
        ],
        "counts": {name: int(n) for name, n in panel.counts.items() if n},
        "examples": panel.examples,
    }


def _write_rows(
    folder: Path,
    panel: Panel,
    weekly: Weekly,
    targets: dict[str, np.ndarray],
    codes: np.ndarray | None,
    names: tuple[str, ...],
    mark: bytes | None,
) -> None:
    kept = np.flatnonzero(weekly.rows.any(axis=1))
    features = {name: quintiles(values, weekly.rows) for name, values in weekly.raw.items()}
    tickers = np.array(panel.tickers, dtype=object)
    dates = panel.days[weekly.at]
    as_text = dates.astype("datetime64[D]").astype(str)

    def table(eras: np.ndarray) -> pa.Table:
        at, column = np.nonzero(weekly.rows[eras])
        at = eras[at]
        days = pa.array(dates[at], pa.int32()).cast(pa.date32())
        mine = tickers[column]
        columns: dict[str, pa.Array] = {
            "era": days,
            "ticker": pa.array(mine, pa.string()),
            "date": days,
            "sector": _sector_names(codes, names, at, column),
            "volatility": _real(weekly.volatility[at, column]),
            "dollar_volume": _real(weekly.dollar_volume[at, column]),
            **{name: _real(weekly.signals[name][at, column]) for name in SIGNALS},
        }
        for name, values in features.items():
            bins = values[at, column]
            columns[name] = pa.array(bins, pa.int8(), mask=bins < 0)
        columns |= {name: _real(values[at, column]) for name, values in targets.items()}
        columns["id"] = pa.array([f"{t}_{d}" for t, d in zip(mine, as_text[at], strict=True)])
        found = pa.table(columns)
        return found if mark is None else found.replace_schema_metadata({SYNTHETIC_MARK: mark})

    live = kept[-1:]
    pq.write_table(table(live).drop_columns(list(targets)), folder / LIVE)
    if len(kept) < 2:
        raise DataError("there is one week of rows only", where="data.files", fix="give more days")
    writer: pq.ParquetWriter | None = None
    for start in range(0, len(kept) - 1, _GROUP_ERAS):
        part = table(kept[start : min(start + _GROUP_ERAS, len(kept) - 1)])
        writer = writer or pq.ParquetWriter(folder / ROWS, part.schema)
        writer.write_table(part)
    assert writer is not None
    writer.close()


def _real(values: np.ndarray) -> pa.Array:
    return pa.array(values.astype(np.float32), pa.float32(), from_pandas=True)


def _sector_names(
    codes: np.ndarray | None, names: tuple[str, ...], at: np.ndarray, column: np.ndarray
) -> pa.Array:
    if codes is None:
        return pa.nulls(len(at), pa.string())
    mine = codes[at, column]
    indices = pa.array(mine, pa.int32(), mask=mine < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names)).cast(pa.string())


def _write_returns(path: Path, panel: Panel, weekly: Weekly) -> None:
    returns, known = weekly_returns(panel, weekly)
    at, column = np.nonzero(known)
    days = pa.array(panel.days[weekly.at[at]], pa.int32()).cast(pa.date32())
    tickers = pa.DictionaryArray.from_arrays(
        pa.array(column.astype(np.int32)), pa.array(panel.tickers)
    )
    pq.write_table(
        pa.table(
            {
                "era": days,
                "ticker": tickers.cast(pa.string()),
                "return": _real(returns[at, column]),
                "dollar_volume": _real(weekly.dollar_volume[at, column]),
            }
        ),
        path,
    )
