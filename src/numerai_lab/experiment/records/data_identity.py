"""Which data a run was judged on: in a few words that a person recognises, and as hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numerai_lab.data import Dataset, References, is_cache, is_made_of_prices
from numerai_lab.errors import RunError
from numerai_lab.experiment.records.guards import fingerprint
from numerai_lab.experiment.records.rundir import RunDir

_DIGITS = 6
"""Hex digits of a hash that a person sees; two files of 16 million would share them."""


@dataclass(frozen=True)
class DataIdentity:
    """The data that a run's scores come from.

    Attributes
    ----------
    name : the folder (`v5.3`) or the files, after `SYNTHETIC` where rows are made up.
    rows : SHA-256 over the files of rows. references : the same of benchmark and meta model files.
    fingerprint : of both, and of the features chosen.
    share : of the training rows that a model was trained on (`data.rows`); None: all.
    """

    name: str
    synthetic: bool
    source: str
    folder: str | None
    rows: str
    references: str
    fingerprint: str
    share: float | None = None

    @property
    def label(self) -> str:
        """The name, the first digits of the rows' hash, `v5.3 1a2b3c`, and the share trained on."""
        part = "" if self.share is None else f", trained on {100 * self.share:g} % of the rows"
        return f"{self.name} {self.rows[:_DIGITS]}{part}"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields and the label, ready for JSON."""
        return {"label": self.label, **asdict(self)}


def data_facts(dataset: Dataset, references: References) -> dict[str, Any]:
    """Return what a manifest tells, under `data`, of the files that rows come from."""
    folder = dataset.folder
    return {
        "source": dataset.source,
        "folder": None if folder is None else str(folder.resolve()),
        "files": [{**asdict(f), "path": str(f.kept_path)} for f in dataset.files],
        "references": [{**asdict(f), "path": str(f.path.resolve())} for f in references.files],
        "fingerprint": fingerprint(dataset, references),
    }


def data_identity(facts: Mapping[str, Any]) -> DataIdentity:
    """Read the identity out of `data` of a manifest; what an old one lacks is left empty."""
    files: Sequence[Mapping[str, Any]] = facts.get("files", ())
    folder = facts.get("folder")
    synthetic = facts.get("source") == "synthetic"
    words = ["SYNTHETIC"] if synthetic else []
    if folder is not None and is_made_of_prices(Path(folder)):
        words.append("prices")  # the folder's name is a hash, which tells a reader nothing
    elif folder is not None and not is_cache(Path(folder)):
        words.append(Path(folder).name)
    elif folder is None and files:
        more = f" +{len(files) - 1}" if len(files) > 1 else ""
        words.append(f"{Path(files[0]['path']).name}{more}")
    return DataIdentity(
        name=" ".join(words) or "data",
        synthetic=synthetic,
        source=str(facts.get("source", "")),
        folder=folder,
        rows=_hash(files),
        references=_hash(facts.get("references", ())),
        fingerprint=str(facts.get("fingerprint", "")),
        share=facts.get("share"),
    )


def judged_on(run: RunDir) -> DataIdentity:
    """Return the data of a run's scores: a run of `train --continue` has those of its ancestor."""
    manifest = run.manifest()
    continued = manifest.get("continued")
    if continued is not None:
        ancestor = RunDir(Path([continued["parent"], *continued["ancestors"]][-1]))
        try:
            return data_identity(ancestor.manifest()["data"])
        except RunError:  # moved or gone: newer files of the same data, as far as anyone can tell
            pass
    return data_identity(manifest["data"])


def _hash(files: Sequence[Mapping[str, Any]]) -> str:
    return hashlib.sha256("\n".join(sorted(file["sha256"] for file in files)).encode()).hexdigest()
