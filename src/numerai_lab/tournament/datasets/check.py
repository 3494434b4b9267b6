"""What a downloaded file must be before it is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from numerai_lab.tournament.server import MOST_BYTES, TournamentError, read_json


class BadFile(TournamentError):
    """A file that is cut short, damaged or not what its name says."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a footer says; None for files that are not parquet."""

    rows: int | None
    columns: int | None


def check_file(path: Path, name: str) -> Contents:
    """Open a file and read what its name promises: footer, rows and schema, or JSON.

    Parameters
    ----------
    path : the file on disk. name : what it was downloaded as, `v5.3/train.parquet`.

    Raises
    ------
    BadFile : it does not open, has no rows, or lacks the columns of its kind. Live files are read
        to the last page, because a submission depends on them and they are small.
    """
    if name.endswith(".json"):
        return _check_json(path, name)
    if not name.endswith(".parquet"):
        return Contents(None, None)
    try:
        with pq.ParquetFile(path) as file:
            rows, columns = file.metadata.num_rows, file.schema_arrow.names
            if _kind(name).startswith("live"):
                for group in range(file.metadata.num_row_groups):
                    file.read_row_group(group)
    except MemoryError:  # which Arrow's own is too: the file may be fine
        raise
    except (pa.ArrowException, OSError, EOFError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise BadFile(
            f"the file is damaged or cut short ({reason[:120]})", where=name, fix="download again"
        ) from None
    if rows == 0:
        raise BadFile("the file has no rows", where=name, fix="download again later")
    absent = [column for column in _promised(name) if not _has(column, columns)]
    if absent:
        raise BadFile(
            f"the file has no column {', '.join(absent)}", where=name, fix="download again later"
        )
    return Contents(rows, len(columns))


def _check_json(path: Path, name: str) -> Contents:
    try:
        with path.open("rb") as file:
            content = read_json(file.read(MOST_BYTES + 1))
    except (ValueError, OSError) as error:
        raise BadFile(
            f"the file is not JSON ({str(error)[:80]})", where=name, fix="download again"
        ) from None
    there = content if isinstance(content, dict) else {}
    if _kind(name) == "features" and "feature_sets" not in there:
        raise BadFile("the file has no feature_sets", where=name, fix="download again later")
    return Contents(None, None)


def _kind(name: str) -> str:
    return Path(name).stem


def _promised(name: str) -> tuple[str, ...]:
    """Columns of a kind of file; `feature*` stands for any with that beginning."""
    kind = _kind(name)
    if kind in ("train", "validation"):
        return ("era", "feature*", "target")
    if kind == "live":
        return ("feature*",)
    if kind == "meta_model":
        return ("numerai_meta_model",)
    return ()


def _has(wanted: str, columns: list[str]) -> bool:
    if wanted.endswith("*"):
        return any(column.startswith(wanted[:-1]) for column in columns)
    return wanted in columns
