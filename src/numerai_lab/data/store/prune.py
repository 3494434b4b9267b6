"""Stores that no source backs any more, and their removal."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from numerai_lab.config import local_or_remote
from numerai_lab.data.reading import size_of
from numerai_lab.data.store.hashes import Say, known_hashes
from numerai_lab.data.store.manifest import Manifest, read_manifest
from numerai_lab.files import exclusive_lock


@dataclass(frozen=True)
class StoreFound:
    """A store on disk.

    Attributes
    ----------
    bytes : of all its files. stale : why nothing reads it any more, or None while it is in use.
    """

    folder: Path
    bytes: int
    sources: tuple[str, ...]
    n_rows: int
    n_features: int
    stale: str | None


def list_stores(parent: Path, say: Say) -> list[StoreFound]:
    """List all stores, looking at every source again (changed ones are hashed).

    Parameters
    ----------
    parent : folder of all stores; need not be there.
    say : told when what is known of the sources' hashes is damaged.
    """
    found = []
    marks = (".lock", "manifest.json")
    for folder in sorted(p for p in parent.glob("*") if any((p / name).exists() for name in marks)):
        read = read_manifest(folder)
        manifest = read if isinstance(read, Manifest) else None
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        found.append(
            StoreFound(
                folder=folder,
                bytes=size,
                sources=tuple(file.path for file in manifest.sources) if manifest else (),
                n_rows=manifest.n_rows if manifest else 0,
                n_features=sum(len(b.features) for b in manifest.blocks) if manifest else 0,
                stale=_stale(parent, read, say),
            )
        )
    return found


def remove_store(store: StoreFound) -> None:
    """Remove a store. Raises RunError when a process is writing it just now."""
    with exclusive_lock(store.folder / ".lock", "a process is writing this store"):
        # The manifest first: without it, what is left is nothing to anybody.
        (store.folder / "manifest.json").unlink(missing_ok=True)
        shutil.rmtree(store.folder)


def _stale(parent: Path, manifest: Manifest | str | None, say: Say) -> str | None:
    if not isinstance(manifest, Manifest):
        return manifest or "it has no manifest"
    paths = [local_or_remote(file.path) for file in manifest.sources]
    for path, stored in zip(paths, manifest.sources, strict=True):
        if not path.is_file():
            return f"its source {path} is gone"
        if size_of(path) != stored.bytes:
            return f"its source {path} has changed"
    now = known_hashes(paths, parent, say=say)
    for path, sha256, stored in zip(paths, now, manifest.sources, strict=True):
        if sha256 != stored.sha256:
            return f"its source {path} has changed"
    return None
