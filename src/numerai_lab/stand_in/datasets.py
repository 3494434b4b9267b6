"""The files of the stand-in: those of a folder, and live files that are new in every round."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from numerai_lab.seeds import child_seed
from numerai_lab.stand_in.schedule import RoundTimes

LIVE_FILES = ("live.parquet", "live_benchmark_models.parquet", "live_example_preds.parquet")
_SUFFIXES = (".parquet", ".json", ".csv")
_KEPT_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Served:
    """A file to send: a path on disk, or bytes in memory."""

    content: bytes | Path
    size: int
    etag: str
    modified: datetime


class Datasets:
    """Files by name (`v5.3/train.parquet`), from a folder in Numerai's layout.

    Files that begin with `live` are made anew for every round: ids are renamed by the round and the
    values of each column move to other rows, so that two rounds never have the same file, as at
    Numerai. Everything else is sent as it is.
    """

    def __init__(self, folder: Path, versions: tuple[str, ...], started: datetime) -> None:
        found = [
            p for p in folder.iterdir() if p.is_dir() and re.fullmatch(r"v\d+(\.\d+)*", p.name)
        ]
        folders = {p.name: p for p in found} or dict.fromkeys(versions, folder)
        self.files = {
            f"{version}/{path.name}": path
            for version, where in sorted(folders.items())
            for path in sorted(where.iterdir())
            if path.is_file()
            and path.suffix in _SUFFIXES
            and not path.name.startswith(".")
            and ".lock." not in path.name
        }
        self.hidden: set[str] = set()
        self.modified: dict[str, datetime] = {}
        self._started = started
        self._live: dict[tuple[Path, int], Served] = {}

    def names(self) -> list[str]:
        """Return the names that are listed."""
        return sorted(set(self.files) - self.hidden)

    def serve(self, name: str, latest: RoundTimes | None) -> Served | None:
        """Return a file as of the round that opened last; None when there is none."""
        path = self.files.get(name)
        if path is None or name in self.hidden:
            return None
        if path.name in LIVE_FILES and latest is not None:
            return self._live_file(path, latest)
        status = path.stat()
        return Served(
            path,
            status.st_size,
            f'"{status.st_size:x}-{status.st_mtime_ns:x}"',
            self.modified.get(name, self._started - timedelta(days=1)),
        )

    def live_ids(self, latest: RoundTimes) -> list[str]:
        """Return the ids of the round's live file."""
        paths = [path for path in self.files.values() if path.name == LIVE_FILES[0]]
        if not paths:
            return []
        content = self._live_file(paths[0], latest).content
        assert isinstance(content, bytes)
        ids: list[str] = pq.read_table(io.BytesIO(content), columns=["id"])["id"].to_pylist()
        return ids

    def _live_file(self, path: Path, latest: RoundTimes) -> Served:
        key = (path, latest.number)
        if key not in self._live:
            content = _of_round(path, latest.number)
            etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
            self._live[key] = Served(content, len(content), f'"{etag}"', latest.data_time)
            for old in [k for k in self._live if abs(k[1] - latest.number) >= _KEPT_ROUNDS]:
                del self._live[old]
        return self._live[key]


def _of_round(path: Path, number: int) -> bytes:
    """Return the parquet file with the round's ids and rows."""
    table = pq.read_table(path)
    draw = np.random.default_rng(child_seed(number, "live"))
    for position, field in enumerate(table.schema):
        column = table.column(position)
        if field.name == "id":
            column = pa.array(
                [
                    "n" + hashlib.sha256(f"{number}/{value}".encode()).hexdigest()[:16]
                    for value in column.to_pylist()
                ],
                type=field.type,
            )
        elif field.name not in ("era", "data_type"):
            column = column.take(pa.array(draw.permutation(len(column))))
        table = table.set_column(position, field, column)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()
