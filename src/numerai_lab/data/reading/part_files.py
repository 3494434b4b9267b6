"""Tables of many files: a folder of part files, a glob, hive folders such as `era=590`."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from numerai_lab.config import RemoteFile
from numerai_lab.data.reading.files import reading
from numerai_lab.errors import DataError

SUFFIXES = (".parquet", ".pq", ".parq")


def told_paths(paths: Sequence[Path]) -> str:
    """Name files in a message: all of a few, else the first two and how many more."""
    if len(paths) <= 4:
        return ", ".join(map(str, paths))
    return f"{paths[0]}, {paths[1]} and {len(paths) - 2:,} more"


def part_files(written: Sequence[Path], say: Callable[[str], None]) -> tuple[Path, ...]:
    """Return the files that a person names: files as they are, folders and globs taken apart.

    Files of a folder come in the order of their paths. As everybody does, those that are hidden
    or whose name begins with `_` (`_SUCCESS`, `_metadata`) are left out, and so are folders called
    so; what else is no parquet file by its name is said.

    Raises
    ------
    DataError : a folder or glob without any parquet file; a glob in a URL.
    """
    found: list[Path] = []
    for path in written:
        if isinstance(path, RemoteFile):
            if "*" in str(path):
                raise DataError(
                    "a URL cannot have a * in it",
                    where=str(path),
                    fix="list the files, each with its own URL",
                )
            found.append(path)
        elif path.is_dir():
            found += _of_folder(path, say)
        elif glob.has_magic(str(path)) and not path.exists():
            found += _of_glob(path, say)
        else:
            found.append(path)
    return tuple(found)


def _of_glob(pattern: Path, say: Callable[[str], None]) -> list[Path]:
    found: list[Path] = []
    fixed = len(_before_magic(pattern).parts)
    for path in sorted(map(Path, glob.glob(str(pattern), recursive=True))):  # noqa: PTH207
        if any(_is_left_out(name) for name in path.parts[fixed:]):
            continue
        found += _of_folder(path, say) if path.is_dir() else [path]
    if not found:
        raise DataError("no file matches", where=str(pattern), fix="check its name")
    return list(dict.fromkeys(found))


def table_name(written: Path) -> str:
    """Return what a table of one file, a folder or a glob is called: its file or folder, bare.

    Examples
    --------
    >>> [table_name(Path(name)) for name in ("a/live.parquet", "rows_5.3", "rows/era=*/*.parquet")]
    ['live', 'rows_5.3', 'rows']
    """
    path = table_path(written)
    return path.stem if path.suffix in SUFFIXES else path.name


def table_path(written: Path) -> Path:
    """Return the file or folder that holds a table; of a glob, the folder before its first star."""
    path = written if written.exists() else _before_magic(written.absolute())
    return path if path.name else path.absolute()


def _before_magic(pattern: Path) -> Path:
    plain = [part for part in (pattern, *pattern.parents) if not glob.has_magic(str(part))]
    return plain[0]


def _of_folder(folder: Path, say: Callable[[str], None]) -> list[Path]:
    if (folder / "features.json").is_file() and (folder / "live.parquet").is_file():
        raise DataError(
            "this is a folder in Numerai's layout, whose files are not parts of one table",
            where=str(folder),
            fix="name one of its files; in a config, use source: numerai with dir",
        )
    files = sorted(_walk(folder))
    parts = [path for path in files if path.suffix in SUFFIXES]
    others = [path for path in files if path.suffix not in SUFFIXES]
    told = f"{len(others):,} other files, such as {others[0].name}" if others else "no other file"
    if not parts:
        raise DataError(
            f"there is no parquet file in this folder ({told})",
            where=str(folder),
            fix=f"check its name; names of parquet files end in {', '.join(SUFFIXES)}",
        )
    if others:
        say(f"{folder}: {len(parts):,} parquet files are read, not {told}")
    return parts


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, through links, each folder once."""
    seen: set[str] = set()
    with reading(folder):
        for here, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
            real = os.path.realpath(here)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not _is_left_out(name))
            yield from (Path(here) / name for name in names if not _is_left_out(name))


def _raise(error: OSError) -> None:
    raise error


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or (name.startswith("_") and "=" not in name)
