"""Open a store: make it, complete it, and make anew what of it is damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from numerai_lab.arrays import Int64
from numerai_lab.config import RemoteFile
from numerai_lab.data.dataset import SourceFile
from numerai_lab.data.reading import Sources
from numerai_lab.data.store.access import Store
from numerai_lab.data.store.checks import (
    Damage,
    Hashed,
    Verify,
    hashed_damage,
    remembers,
    size_damage,
    small_damage,
    unhashed,
)
from numerai_lab.data.store.convert import (
    ERAS_FILE,
    Progress,
    add_features,
    add_targets,
    target_file,
    write_block,
    write_eras,
    write_rows,
    write_target,
    written,
)
from numerai_lab.data.store.hashes import known_hashes
from numerai_lab.data.store.ids import OFFSETS_FILE, TEXT_FILE, write_ids
from numerai_lab.data.store.manifest import (
    CHUNK_ROWS,
    FORMAT,
    Manifest,
    read_manifest,
    store_name,
    write_manifest,
)
from numerai_lab.data.store.mapping import need_space
from numerai_lab.errors import DataError
from numerai_lab.files import waiting_lock

Say = Callable[[str], None]

_LARGE_BYTES = 1 << 30
_IDS = (OFFSETS_FILE, TEXT_FILE)


@dataclass(frozen=True)
class Opening:
    """A store that is about to be read, and the sources that whatever it lacks comes from.

    Processes take turns in writing: the second one waits for the first, and then finds its
    work done. Whatever the manifest names was complete when it was written; what has happened
    to it since is found by the checksums there, and only that is made anew.

    Parameters
    ----------
    parent : folder of all stores. described : the sources with their hashes.
    verify : how features are checked; see `checks`.
    """

    parent: Path
    sources: Sources
    described: Sequence[SourceFile]
    verify: Verify
    say: Say
    progress: Progress

    @property
    def folder(self) -> Path:
        """Folder of the store."""
        return _folder(self.parent, self.sources, self.described)

    def complete(self, features: Sequence[str], targets: Sequence[str]) -> Store:
        """Return the store with these features and targets; eras, ids and targets are checked.

        Raises
        ------
        DataError : the sources are damaged. MachineError : the disk is full.
        """
        manifest = self._manifest()
        if isinstance(manifest, Manifest):
            lacks = _lacks(manifest, features, targets)
            if not lacks and not small_damage(self.folder, manifest.marks):
                return Store(self.folder, manifest, self.sources.rule.era)
        with self._alone():
            manifest = self._manifest()
            if not isinstance(manifest, Manifest):
                if manifest is not None:
                    self.say(f"the store {self.folder} is damaged: {manifest}; it is made again")
                _say_older(self.parent, self.sources, self.described, self.say)
                (self.folder / "manifest.json").unlink(missing_ok=True)
                manifest = write_rows(self.folder, self.sources, self.described)
            manifest = self._mended_files(manifest)
            whole = self._with_all(manifest, features, targets)
            return Store(self.folder, whole, self.sources.rule.era)

    def checked(self, store: Store, features: Sequence[str], runs: Int64) -> Store:
        """Check the features of some rows, and make blocks anew that are damaged.

        Raises
        ------
        DataError : the sources are damaged, or have changed unseen. MachineError : the disk is
        full.
        """
        self._say_how(list(store.hashed(features, runs).values()))
        if not self._damaged(store, features, runs):
            return store
        with self._alone():
            manifest = self._manifest()
            if not isinstance(manifest, Manifest):
                raise DataError(
                    "another process has changed it", where=str(store.folder), fix="run again"
                )
            store = Store(store.folder, manifest, store.era)
            damaged = self._damaged(store, features, runs)
            if damaged:
                self._need_same_sources()
                manifest = self._mended_blocks(manifest, damaged)
            return Store(store.folder, manifest, store.era)

    def _say_how(self, files: Sequence[Hashed]) -> None:
        """Say what is not checked now, and what takes a while."""
        whole = [file for file in files if size_damage(file.path, file.size) is None]
        to_hash = unhashed(self.folder, whole, self.verify)
        n_bytes = sum(file.n_bytes for file in to_hash)
        remember = remembers(whole, self.verify)
        name = f"the store {self.folder}"
        if self.verify == "never":
            self.say(f"{name} is read without checksums of its features (data.store.verify: never)")
        elif remember and not to_hash:
            self.say(
                f"{name} is read as it was checked before: no file has been written to since "
                "(data.store.verify: auto)"
            )
        elif n_bytes > _LARGE_BYTES:
            once = ", once on this machine" if remember else ""
            self.say(f"checking {n_bytes / 2**30:.1f} GiB of {name}{once}")

    def _damaged(self, store: Store, features: Sequence[str], runs: Int64) -> dict[int, Damage]:
        """Return what is wrong with the blocks of features, by their number."""
        files = store.hashed(features, runs)
        found = {}
        for number, file in files.items():
            damage = size_damage(file.path, file.size)
            if damage is not None:
                found[number] = damage
        whole = [file for number, file in files.items() if number not in found]
        to_hash = unhashed(store.folder, whole, self.verify)
        remember = remembers(whole, self.verify)
        by_path = hashed_damage(store.folder, to_hash, remember=remember)
        numbers = {file.path: number for number, file in files.items()}
        return found | {numbers[path]: damage for path, damage in by_path.items()}

    def _mended_blocks(self, manifest: Manifest, damaged: Mapping[int, Damage]) -> Manifest:
        """Make blocks anew, given by their number."""
        blocks = list(manifest.blocks)
        for number, damage in damaged.items():
            block = blocks[number]
            self._say_mended(damage, block.features)
            size = manifest.n_rows * len(block.features)
            need_space(self.folder, size)

            def report(done: int, size: int = size) -> None:
                self.progress(done, size)

            blocks[number] = write_block(
                self.folder, block.file, self.sources, block.features, report
            )
        manifest = manifest.model_copy(update={"blocks": tuple(blocks)})
        write_manifest(self.folder, manifest)
        return manifest

    def _say_mended(self, damage: Damage, features: Sequence[str]) -> None:
        rows = ""
        if damage.chunks is not None:
            n_rows = self.sources.plan.n_rows
            first, last = damage.chunks[0] * CHUNK_ROWS, (damage.chunks[-1] + 1) * CHUNK_ROWS
            rows = f", rows {first + 1:,} to {min(last, n_rows):,}"
        self.say(
            f"the store {self.folder} is damaged: {damage.reason}{rows}; the file, with "
            f"'{features[0]}' to '{features[-1]}', is made again from the source"
        )

    def _mended_files(self, manifest: Manifest) -> Manifest:
        """Make eras, ids and targets anew that are damaged."""
        damaged = small_damage(self.folder, manifest.marks)
        if not damaged:
            return manifest
        self._need_same_sources()
        for reason in damaged.values():
            self.say(
                f"the store {self.folder} is damaged: {reason}; it is made again from the source"
            )
        made = set(damaged)
        if ERAS_FILE in damaged:
            write_eras(self.folder, self.sources)
        if not made.isdisjoint(_IDS):
            write_ids(self.folder, self.sources)
            made.update(_IDS)
        for number, column in enumerate(manifest.targets):
            if target_file(number) in damaged:
                write_target(self.folder / target_file(number), self.sources, column)
        files = {**manifest.files, **written(self.folder, sorted(made))}
        manifest = manifest.model_copy(update={"files": files})
        write_manifest(self.folder, manifest)
        return manifest

    def _with_all(
        self, manifest: Manifest, features: Sequence[str], targets: Sequence[str]
    ) -> Manifest:
        place = manifest.place_of()
        new = [name for name in features if name not in place]
        if new:
            self.say(
                f"converting {len(new):,} features x {manifest.n_rows:,} rows to the store "
                f"{self.folder} ({len(new) * manifest.n_rows / 2**30:.2f} GiB), once"
            )
            manifest = add_features(self.folder, manifest, self.sources, new, self.progress)
        absent = [name for name in targets if name not in manifest.targets]
        if absent:
            manifest = add_targets(self.folder, manifest, self.sources, absent)
        return manifest

    def _manifest(self) -> Manifest | str | None:
        """Read the manifest; None when there is none, or what is wrong with it."""
        manifest = read_manifest(self.folder)
        if isinstance(manifest, Manifest) and not _is_of(manifest, self.sources, self.described):
            return "manifest.json is that of another store"
        return manifest

    def _need_same_sources(self) -> None:
        """Hash the sources again, which a store is mended from: it must be what it was made of."""
        paths = [file.path for file in self.described]
        now = known_hashes(paths, self.parent, say=self.say, anew=True)
        for file, sha256 in zip(self.described, now, strict=True):
            if sha256 != file.sha256 and not isinstance(file.path, RemoteFile):
                raise DataError(
                    "has other bytes than when the store was made of it, though size and times "
                    "are the same",
                    where=str(file.path),
                    fix="get the file again, or run again to make a store of what it is now",
                )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        busy = f"another process is writing the store {self.folder}: waiting for it"
        with waiting_lock(self.folder / ".lock", lambda: self.say(busy)):
            for left in self.folder.glob(".*.part"):  # of a process that was killed
                left.unlink()
            yield


def holds(
    parent: Path,
    sources: Sources,
    described: Sequence[SourceFile],
    features: Sequence[str],
    targets: Sequence[str],
    say: Say,
) -> bool:
    """Tell whether a store has all these features and targets, whatever has happened to them.

    That a store is there but does not know what it has is said.
    """
    folder = _folder(parent, sources, described)
    manifest = read_manifest(folder)
    if isinstance(manifest, str):
        say(
            f"the store {folder} is damaged: {manifest}; it is not used (`numerai-lab data "
            "prepare` makes it again)"
        )
        return False
    return manifest is not None and not _lacks(manifest, features, targets)


def _is_of(manifest: Manifest, sources: Sources, described: Sequence[SourceFile]) -> bool:
    rule = sources.rule
    kept = None if rule.keep_data_types is None else tuple(rule.keep_data_types)
    theirs = (manifest.era, manifest.id, manifest.data_type, manifest.keep_data_types)
    return [file.sha256 for file in manifest.sources] == [
        file.sha256 for file in described
    ] and theirs == (rule.era.column, rule.id, rule.data_type, kept)


def _folder(
    parent: Path, sources: Sources, described: Sequence[SourceFile], version: int = FORMAT
) -> Path:
    rule = sources.rule
    kept = None if rule.keep_data_types is None else list(rule.keep_data_types)
    # A format is part of the name only where one is written: other stores keep theirs.
    era = rule.era.column if rule.era.format == "auto" else [rule.era.column, rule.era.format]
    return parent / store_name(described, [era, rule.id, rule.data_type, kept], version)


def _say_older(parent: Path, sources: Sources, described: Sequence[SourceFile], say: Say) -> None:
    for version in range(1, FORMAT):
        older = _folder(parent, sources, described, version)
        if older.is_dir():
            say(
                f"the store {older} has the format of an older version: made again beside it "
                f"(numerai-lab data prune --stores removes the old one)"
            )


def _lacks(manifest: Manifest, features: Sequence[str], targets: Sequence[str]) -> bool:
    place = manifest.place_of()
    return not (all(f in place for f in features) and set(targets) <= set(manifest.targets))
