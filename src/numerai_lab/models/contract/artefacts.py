"""What is expensive to make and can be used again: pretrained weights, kept with what they saw.

    DIR/NAME-KEY/{manifest.json, files of the model}

The key is a hash of what an artefact is made from: name, parameters, seed, rows, versions of
libraries. The manifest, written last, has it in words, the SHA-256 of every file, and its own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.checksums import (
    NotAsWritten,
    damage_of,
    files_in,
    marks_of,
    read_sealed,
    write_sealed,
)
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.files import folder_aside, sync_folder, waiting_lock

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Artefact:
    """Something that was made once.

    Attributes
    ----------
    path : its folder, with the files that were written into it; read them only.
    features_to, labels_to : the last era whose features, and labels, it saw; None: of none.
    sha256 : of all its files.
    """

    path: Path
    features_to: int | None
    labels_to: int | None
    sha256: str


@dataclass(frozen=True)
class Artefacts:
    """The artefacts of one fit (`FitContext.artefacts`): nothing is used that saw too much.

    Attributes
    ----------
    folder : where all artefacts are kept.
    data : identity of the data that the run reads. seed : of the run.
    libraries : versions of what the model needs, by name.
    first_judged : no artefact may have seen features of this era or a later one; None: no bound.
    last_trained : nor labels of an era after this one.
    say : called with a sentence when a damaged artefact is made anew.
    used : facts of those that this fit has used, which fit.json keeps.
    """

    folder: Path
    data: str
    seed: int
    libraries: Mapping[str, str]
    first_judged: int | None
    last_trained: int
    say: Callable[[str], None]
    used: list[dict[str, Any]] = field(default_factory=list)

    def make(
        self,
        name: str,
        params: Mapping[str, Any],
        build: Callable[[Path], None],
        *,
        rows: EraFrame,
    ) -> Artefact:
        """Return an artefact, made now unless one is there that was made from the same.

        Parameters
        ----------
        name : of letters, digits, _ and -. params : JSON values that it depends on.
        build : called with an empty folder, to write files into; it must draw whatever is random
            from `ctx.seed`, and read no other rows than `rows`.
        rows : what it is made from. With targets their labels count as seen.

        Raises
        ------
        ModelError : the rows are too late for this fit.
        """
        seen = {"features_to": int(rows.eras[-1]), "labels_to": last_labelled(rows)}
        made_from = {**self._origin(name, params), "rows": rows.identity()}
        key = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
        path = self.folder / f"{name}-{key[:16]}"
        check_seen(f"artefact '{name}'", seen, self.first_judged, self.last_trained)

        def busy() -> None:
            self.say(f"another process makes {path}: waiting for it")

        with waiting_lock(self.folder / f".{path.name}.lock", busy):
            if path.exists() and (problem := _problem_of(path)):
                self.say(f"{path}: {problem}; made anew")
                shutil.rmtree(path)
            if not path.exists():
                with folder_aside(path) as aside:
                    build(aside)
                    seal_artefact(aside, {**made_from, **seen})
        return self.open(path)

    def made_before(self, name: str, params: Mapping[str, Any]) -> Artefact | None:
        """Return what was made so from other eras of the same data, the latest that may be used.

        A fold can so use what an earlier fold has made. None: there is none. Damaged ones are left
        out, and said.
        """
        wanted = self._origin(name, params)
        found: list[tuple[int, Path]] = []
        for path in sorted(self.folder.glob(f"{name}-*")):
            if problem := _problem_of(path):
                self.say(f"{path} is not used: {problem}")
                continue
            told = read_sealed(path / MANIFEST)
            if any(told.get(key) != value for key, value in wanted.items()):
                continue
            if _too_late(told, self.first_judged, self.last_trained) is None:
                found.append((told["features_to"] or 0, path))
        return self.open(max(found)[1]) if found else None

    def open(self, path: Path) -> Artefact:
        """Return an artefact by its folder, such as one that a parameter names.

        Raises
        ------
        ModelError : it is no artefact, damaged, or saw what it must not have seen.
        """
        told = read_artefact(path)
        check_seen(str(path), told, self.first_judged, self.last_trained)
        found = Artefact(path, told["features_to"], told["labels_to"], told["sha256"])
        facts = {key: told[key] for key in ("name", "features_to", "labels_to", "sha256")}
        if facts not in self.used:
            self.used.append(facts)
        return found

    def _origin(self, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an artefact is made from, but for the rows, as its manifest has it."""
        words: dict[str, Any] = json.loads(json.dumps(dict(params), sort_keys=True))
        return {
            "name": name,
            "params": words,
            "seed": self.seed,
            "data": self.data,
            "libraries": dict(self.libraries),
        }


def seal_artefact(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the manifest of an artefact whose files are all in a folder.

    Parameters
    ----------
    facts : JSON values by name: `name`, `features_to` and `labels_to`, the last eras it saw (None
        where it saw none), and whatever else tells what it was made from.
    """
    sync_folder(folder)
    write_sealed(folder / MANIFEST, {**facts, "files": marks_of(folder)})


def last_labelled(rows: EraFrame) -> int | None:
    """Return the last era with a label of any target, None where there is none."""
    if not rows.target_names:
        return None
    labelled = rows.row_eras[~np.isnan(rows.targets).all(axis=1)]
    return int(labelled[-1]) if len(labelled) else None


def is_artefact(path: Path) -> bool:
    """Whether a path is a folder that was written as an artefact, whole or damaged."""
    return (path / MANIFEST).is_file()


def read_artefact(path: Path) -> dict[str, Any]:
    """Read the manifest of an artefact, with `sha256` of all its files, once these are checked.

    Raises ModelError.
    """
    problem = _problem_of(path)
    if problem is not None:
        raise ModelError(problem, where=str(path), fix="make it anew, or name another")
    told: dict[str, Any] = read_sealed(path / MANIFEST)
    sums = json.dumps({name: mark["sha256"] for name, mark in told["files"].items()})
    return {**told, "sha256": hashlib.sha256(sums.encode()).hexdigest()}


def check_seen(
    what: str, seen: Mapping[str, Any], first_judged: int | None, last_trained: int
) -> None:
    """Refuse what has seen features of judged eras, or labels after the training eras.

    Parameters
    ----------
    what : names it. seen : has `features_to` and `labels_to`.

    Raises ModelError.
    """
    problem = _too_late(seen, first_judged, last_trained)
    if problem is not None:
        raise ModelError(
            problem, where=what, fix="use one that was made from earlier eras, or judge later ones"
        )


def _too_late(seen: Mapping[str, Any], first_judged: int | None, last_trained: int) -> str | None:
    features, labels = seen["features_to"], seen["labels_to"]
    if features is not None and first_judged is not None and features >= first_judged:
        return f"has seen features up to era {features}, and era {first_judged} is judged"
    if labels is not None and labels > last_trained:
        return f"has seen labels up to era {labels}, and training ends with era {last_trained}"
    return None


def _problem_of(path: Path) -> str | None:
    """Say what is wrong with the files of an artefact; None if nothing is."""
    try:
        told = read_sealed(path / MANIFEST)
    except FileNotFoundError:
        return f"{MANIFEST} is gone" if path.is_dir() else "is not a folder"
    except NotAsWritten as error:
        return f"{MANIFEST} {error}"
    if not {"files", "features_to", "labels_to", "name"} <= set(told):
        return f"{MANIFEST} is no manifest of an artefact"
    strangers = sorted(set(files_in(path)) - set(told["files"]) - {MANIFEST})
    if strangers:
        return f"{strangers[0]} is not among the files that were written"
    return damage_of(path, told["files"])


def file_identities(files: Iterator[tuple[str, Path]]) -> dict[str, dict[str, Any]]:
    """Hash the files and artefacts that parameters name.

    Parameters
    ----------
    files : (the parameter's key, path), as `files_within` yields them.

    Returns
    -------
    By key: path, sha256, and of an artefact the last eras it saw.

    Raises
    ------
    ModelError : one is not there, or a damaged artefact.
    """
    found: dict[str, dict[str, Any]] = {}
    for key, path in files:
        if is_artefact(path):
            told = read_artefact(path)
            facts = {name: told[name] for name in ("sha256", "features_to", "labels_to")}
        elif path.exists():
            marks = marks_of(path) if path.is_dir() else marks_of(path.parent, [path.name])
            sums = "\n".join(f"{name} {mark['sha256']}" for name, mark in marks.items())
            alone = path.is_file()
            whole = hashlib.sha256(sums.encode()).hexdigest()
            facts = {"sha256": marks[path.name]["sha256"] if alone else whole}
        else:
            raise ModelError(
                "there is no such file", where=f"{key}: {path}", fix="name one that is there"
            )
        found[key] = {"path": str(path.resolve()), **facts}
    return found
