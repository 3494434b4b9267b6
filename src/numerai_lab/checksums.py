"""Checksums: a file that is read is the file that was written, or it is named as damaged.

A folder that is complete has a record, written last, with the size and SHA-256 of each of its
files. A record that is one JSON file by itself carries the SHA-256 of its own content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from numerai_lab.files import sha256_of, write_json

OWN_SUM = "sha256_of_this"
"""The key under which a JSON object carries the checksum of everything else in it."""


class FileMark(TypedDict):
    """Size in bytes and hex SHA-256 of a file."""

    bytes: int
    sha256: str


def marks_of(folder: Path, names: Iterable[str] | None = None) -> dict[str, FileMark]:
    """Return the mark of every file under a folder, by its path relative to it, with `/`.

    Parameters
    ----------
    names : only these files. Otherwise all, hidden ones left out.

    Raises
    ------
    OSError : a file cannot be read, or is not there.
    """
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
        for name in (files_in(folder) if names is None else names)
    }


def files_in(folder: Path) -> list[str]:
    """Return every file under a folder, by its path relative to it, with `/`; no hidden ones."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    relative = [path.relative_to(folder).as_posix() for path in paths]
    return [n for n in relative if not any(part.startswith(".") for part in n.split("/"))]


def damage_of(
    folder: Path, marks: Mapping[str, FileMark], names: Iterable[str] | None = None
) -> str | None:
    """Say which file is not what its mark tells, and how; None when all are.

    Parameters
    ----------
    marks : of `marks_of`, when the files were written.
    names : check only these files; one that has no mark is damage, too.
    """
    for name in marks if names is None else names:
        mark = marks.get(name)
        if mark is None:
            return f"{name} is not among the files that were written"
        path = folder / name
        try:
            size = path.stat().st_size
            if size != mark["bytes"]:
                return f"{name} has {size:,} bytes, {mark['bytes']:,} were written"
            if sha256_of(path) != mark["sha256"]:
                return f"{name} is not what was written (its SHA-256 differs)"
        except FileNotFoundError:
            return f"{name} is gone"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror or error})"
    return None


class NotAsWritten(Exception):
    """A JSON file that is not what was written; the text goes after the file's name."""


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object, whole, with its own checksum. Raises MachineError."""
    write_json(path, with_own_sum(value))


def read_sealed(path: Path, *, or_unsealed: bool = False) -> Any:
    """Read what `write_sealed` wrote, without the checksum.

    Parameters
    ----------
    or_unsealed : also take any JSON that carries no checksum, as older versions wrote it.

    Raises
    ------
    FileNotFoundError : there is no such file.
    NotAsWritten : it cannot be read, its checksum differs, or it has none.
    """
    try:
        value: Any = json.loads(path.read_bytes())
        holds = own_sum_holds(value) if isinstance(value, dict) else None
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise NotAsWritten(f"cannot be read ({type(error).__name__}: {reason})") from None
    if holds is False:
        raise NotAsWritten("is not what was written (its checksum differs)")
    if holds is None and not or_unsealed:
        raise NotAsWritten("has no checksum of its own")
    return {key: item for key, item in value.items() if key != OWN_SUM} if holds else value


def with_own_sum(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with the SHA-256 of everything else in it under `OWN_SUM`."""
    rest = {key: item for key, item in value.items() if key != OWN_SUM}
    # through JSON once: tuples and lists, 1 and 1.0, are what they will be when read again
    return {**rest, OWN_SUM: _sum_of(json.loads(json.dumps(rest)))}


def own_sum_holds(value: Mapping[str, Any]) -> bool | None:
    """Tell whether an object read from JSON is what was written; None when it has no checksum."""
    if OWN_SUM not in value:
        return None
    rest = {key: item for key, item in value.items() if key != OWN_SUM}
    return bool(value[OWN_SUM] == _sum_of(rest))


def _sum_of(parsed: Mapping[str, Any]) -> str:
    text = json.dumps(parsed, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
