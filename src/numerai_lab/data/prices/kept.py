"""Weekly rows that lie in `<data.dir>/prices`: what is there, and its removal."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from numerai_lab.checksums import NotAsWritten, read_sealed
from numerai_lab.data.prices.cache import RECORD, is_made_of_prices
from numerai_lab.files import exclusive_lock


@dataclass(frozen=True)
class PricesFound:
    """Weekly rows on disk, or what is left of making them.

    Attributes
    ----------
    bytes : of all files. useless : why nothing can read them, or None while something can.
    source_gone : a file of prices that they were made of and that is no more: once removed, they
        cannot be made again.
    """

    folder: Path
    bytes: int
    useless: str | None
    source_gone: str | None


def list_price_folders(parent: Path) -> list[PricesFound]:
    """List what was made of prices in a folder for data, and what a killed process left of it."""
    found = []
    for folder in sorted((parent / "prices").glob("*")):
        left = folder.name.startswith(".") and folder.name.endswith(".part")
        name = folder.name[1:].partition(".")[0] if left else folder.name
        if not folder.is_dir() or not is_made_of_prices(folder.with_name(name)):
            continue
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        useless, gone = ("a making that was cut off", None) if left else _looked_at(folder)
        found.append(PricesFound(folder, size, useless, gone))
    return found


def remove_price_folder(found: PricesFound) -> None:
    """Remove weekly rows. Raises RunError when a process is making them just now."""
    folder = found.folder
    name = folder.name.removeprefix(".").partition(".")[0]
    with exclusive_lock(folder.with_name(f".{name}.lock"), "a process is making these rows"):
        # the record first: without it, what is left is nothing to anybody
        (folder / RECORD).unlink(missing_ok=True)
        shutil.rmtree(folder)


def _looked_at(folder: Path) -> tuple[str | None, str | None]:
    try:
        facts = read_sealed(folder / RECORD)
        absent = [path for path in facts["sources"] if not Path(path).is_file()]
    except (OSError, NotAsWritten, KeyError) as error:
        return f"its {RECORD} cannot be read ({error})", None
    return None, absent[0] if absent else None
