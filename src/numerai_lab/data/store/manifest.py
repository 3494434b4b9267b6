"""What a store says about itself, and where stores are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from numerai_lab.checksums import FileMark, NotAsWritten, read_sealed, write_sealed
from numerai_lab.data.dataset import SourceFile

FORMAT: Literal[3] = 3
"""Part of every store's name: a store of another format is never opened."""
BLOCK_COLUMNS = 64
"""Features side by side in a block; see benchmarks/RESULTS.md for what was measured."""
CHUNK_ROWS = 1 << 18
"""Rows of a block that have a checksum together, 16 MiB: some eras are checked without the rest."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoredFile(_Section):
    """A source file as it was when it was converted."""

    path: str
    bytes: int
    rows: int
    sha256: str


class StoredMark(_Section):
    """Size and checksum of a small file."""

    bytes: int
    sha256: str


class StoredBlock(_Section):
    """A file with some features of all rows; the lowest, the highest and the missing values.

    `sha256` has the checksum of every `CHUNK_ROWS` rows.
    """

    file: str
    features: tuple[str, ...]
    lowest: int
    highest: int
    n_missing: int
    sha256: tuple[str, ...]


class Manifest(_Section):
    """What is in a store. Written last, so whatever it names is complete.

    Attributes
    ----------
    n_rows : of the store. id_bytes : of the text of all ids.
    counts : rows by what happened to them in the conversion.
    era, id, data_type, keep_data_types : columns that decided about rows.
    blocks : features, in the order they were asked for. targets : columns kept as float32.
    files : size and checksum of every other file.
    """

    format: Literal[3]
    sources: tuple[StoredFile, ...]
    era: str
    id: str
    data_type: str | None
    keep_data_types: tuple[str, ...] | None
    n_rows: int
    id_bytes: int
    counts: dict[str, int]
    files: dict[str, StoredMark]
    blocks: tuple[StoredBlock, ...] = ()
    targets: tuple[str, ...] = ()

    @property
    def marks(self) -> dict[str, FileMark]:
        """`files`, as `checksums` wants them."""
        return {name: {"bytes": f.bytes, "sha256": f.sha256} for name, f in self.files.items()}

    def place_of(self) -> dict[str, tuple[int, int]]:
        """Return (block, column) by feature."""
        return {
            name: (number, column)
            for number, block in enumerate(self.blocks)
            for column, name in enumerate(block.features)
        }


def read_manifest(folder: Path) -> Manifest | str | None:
    """Read a store's manifest; None when there is none, or what is wrong with it."""
    try:
        # as JSON: strict types take a list for a tuple there
        return Manifest.model_validate_json(json.dumps(read_sealed(folder / "manifest.json")))
    except FileNotFoundError:
        return None
    except NotAsWritten as error:
        return f"manifest.json {error}"
    except ValidationError:
        return "manifest.json holds something else than a store writes there"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a store's manifest, whole, with its own checksum."""
    write_sealed(folder / "manifest.json", manifest.model_dump(mode="json"))


def store_name(files: Sequence[SourceFile], rule: Sequence[object], version: int = FORMAT) -> str:
    """Name a store after what is in it: the bytes of its sources and the rule about its rows."""
    content = [version, [file.identity for file in files], *rule]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return f"{files[0].path.resolve().parent.name}-{digest[:16]}"
