"""A run on disk: reading its files once they are checked, and how to get back what is damaged."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from numerai_lab.checksums import FileMark, NotAsWritten, damage_of, read_sealed
from numerai_lab.config import Experiment
from numerai_lab.errors import RunError
from numerai_lab.experiment.records.part_records import (
    DONE,
    FINAL,
    RECORD,
    RUN,
    SCORES,
    Damaged,
    Owner,
    check_files,
    check_owner,
    fold_name,
    is_majority,
    manifest_in_done,
    owner_of,
    read_record,
)
from numerai_lab.experiment.records.run_paths import RunPaths

CONFIGS = ("config.yaml", "resolved.yaml")
JUDGED = ("scores_per_era.parquet", "exposure.json")
"""What is written with scores.json, whose record they stand in."""
_SAFE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Reads the same as SafeLoader, ten times as fast where PyYAML was built with libyaml."""


@dataclass(frozen=True)
class RunDir(RunPaths):
    """A run on disk; nothing is read until asked for.

    What is read is checked first: `manifest`, `scores` and `experiment` do so themselves, any
    other file is read at the path that `checked` returns, a whole fold or final model after
    `check_part`. Each raises `Damaged` with the file, what is wrong with it, and the command that
    makes it anew. A run that an older version made has no records to check against: see
    `verifiable`.
    """

    def is_synthetic(self) -> bool:
        """Whether it was made on the synthetic tournament; False when nothing tells."""
        try:
            return bool(self.manifest()["data"]["source"] == "synthetic")
        except (RunError, KeyError):
            return False

    def manifest(self) -> dict[str, Any]:
        """Read manifest.json. Raises RunError when it is absent or damaged."""
        path = self.manifest_path
        try:
            try:
                value = read_sealed(path)
            except NotAsWritten:
                value = read_sealed(path, or_unsealed=True)
                if not isinstance(value, dict) or {"format", "files"} & set(value):
                    raise  # only older versions wrote one without its checksum
        except FileNotFoundError:
            if not self.finished:
                raise RunError(
                    f"has no {path.name}: not a run directory, or a run that never got that far",
                    where=str(self.path),
                    fix="`numerai-lab runs` lists the runs there are",
                ) from None
            raise Damaged("is gone", where=str(path), fix=self._manifest_anew()) from None
        except NotAsWritten as error:
            raise Damaged(str(error), where=str(path), fix=self._manifest_anew()) from None
        found: dict[str, Any] = value
        return found

    def check_manifest_is_own(self) -> None:
        """Raise Damaged when manifest.json is another run's, as DONE and most folds tell."""
        own = manifest_in_done(self.path)
        if own is None or self.owner() == owner_of(own):
            return
        if is_majority(self.path, owner_of(own)):
            raise Damaged(
                "is of another run than DONE and the folds",
                where=str(self.manifest_path),
                fix=self._manifest_anew(),
            )

    def scores(self) -> dict[str, Any]:
        """Read scores.json. Raises RunError when it is absent or damaged."""
        return self._scores()[0]

    def marks_of_judged(self) -> Mapping[str, FileMark] | None:
        """Return the marks of the tables written with scores.json; None in an old run."""
        return self._scores()[1]

    def experiment(self) -> Experiment:
        """Read back the config the run was made from. Raises RunError."""
        if self.finished:
            self.record()  # which tells whether the manifest is this run's
        return self._experiment()

    def _experiment(self) -> Experiment:
        path = self.checked(self.path / "resolved.yaml")
        try:
            text = path.read_text(encoding="utf-8")
            return Experiment.model_validate(yaml.load(text, Loader=_SAFE_LOADER))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise RunError(
                f"cannot be read back ({str(error).splitlines()[0]})",
                where=str(path),
                fix="train this experiment again",
            ) from None

    def owner(self) -> Owner:
        """Return what the run's records call it. Raises RunError."""
        return self._owner_in(self.manifest())

    def _owner_in(self, manifest: Mapping[str, Any]) -> Owner:
        try:
            return owner_of(manifest)
        except NotAsWritten as error:
            raise Damaged(
                str(error), where=str(self.manifest_path), fix="train this experiment again"
            ) from None

    def record(self) -> dict[str, Any] | None:
        """Read DONE; None in a run of an older version, also while it is not finished.

        Raises RunError when it is damaged, or not there in a run that keeps records.
        """
        return self._record(self.path / DONE, RUN)

    def not_finished(self, *, final: bool = False) -> Damaged:
        """Return what to raise where DONE is not there, with the command that writes it."""
        return Damaged(
            "is not there: lost, or never written because the run is not finished",
            where=str(self.path / DONE),
            fix=self._anew(final)(),
        )

    def part_record(self, folder: Path) -> dict[str, Any] | None:
        """Read DONE of a fold or the final model; None in one of an older version.

        Raises Damaged, also when it is not there: no version left a folder without it.
        """
        return self._record(folder / DONE, self.part_name(folder))

    def part_name(self, folder: Path) -> str:
        """Return what the record of a fold's or the final model's folder calls it."""
        return FINAL if folder == self.final_dir else fold_name(int(folder.name))

    def check_part(self, folder: Path) -> None:
        """Check every file of a fold or the final model. Raises Damaged."""
        record = self.part_record(folder)
        if record is not None:
            check_files(folder, record["files"], None, self._anew(folder == self.final_dir))

    def checked(self, path: Path) -> Path:
        """Return the path of one of the run's files once it is known to be as it was written.

        Raises Damaged. In a run of an older version nothing is known, and nothing raised.
        """
        name, folder = path.relative_to(self.path).as_posix(), self.path
        marks: Mapping[str, FileMark] | None
        fix = self._anew(name.startswith("final/"))
        if name in CONFIGS:
            marks, fix = self.manifest().get("files"), self._from_config
        elif name in JUDGED:
            marks, fix = self.marks_of_judged(), self._judged_anew
        else:
            depth = {"final": 1, "folds": 2}.get(name.partition("/")[0], 0)
            part = self.path.joinpath(*path.relative_to(self.path).parts[:depth])
            if (part / DONE).exists():  # in a continued run folds have fit.json alone
                folder = part
            record = self.record() if folder == self.path else self.part_record(folder)
            marks = None if record is None else record["files"]
        if marks is not None:
            check_files(folder, marks, [path.relative_to(folder).as_posix()], fix)
        return path

    def verifiable(self) -> bool:
        """Whether all that is there has its record, which may be damaged. Raises RunError."""

        def kept(read: Callable[[], object]) -> bool:
            try:
                return read() is not None
            except Damaged:  # is told by whoever believes it
                return True

        if "files" not in self.manifest():
            return False
        parts = [path.parent for path in self.path.glob("folds/*/" + DONE)]
        parts += [self.final_dir] if self.has_final else []
        records = [kept(partial(self.part_record, folder)) for folder in parts]
        if self.finished:
            records += [kept(self.record), kept(self.marks_of_judged)]
        return all(records)

    def completing(self, *, final: bool = False) -> str:
        """Return the command that completes the run, and makes anew what is damaged of it."""
        more = shlex.join(
            ["--resume", *(["--final"] if final else []), "--run-dir", str(self.path)]
        )
        try:
            compare_to = self._experiment().compare_to
            return f"{self._train(self.manifest(), compare_to)} {more}"
        except RunError:
            return f"numerai-lab train CONFIG {more}"

    def _train(self, manifest: Mapping[str, Any], compare_to: Sequence[str]) -> str:
        """Return the command that trains its config: as resolved, or as it was typed at first.

        `compare_to` holds names beside the config that was typed, which are not in the run.
        """
        if compare_to:
            return str(manifest["command"])
        return f"numerai-lab train {shlex.quote(str(self.path / 'resolved.yaml'))}"

    def _record(self, path: Path, part: str) -> dict[str, Any] | None:
        manifest = self.manifest()
        kept = "format" in manifest
        try:
            record = read_record(path, self._owner_in(manifest), part)
            if record is None and kept:
                raise NotAsWritten("is empty")
        except FileNotFoundError:
            if part == RUN:
                if not kept:
                    return None
                raise self.not_finished() from None
            problem = "is gone"
        except NotAsWritten as error:
            self.check_manifest_is_own()
            problem = str(error)
        else:
            return record
        raise Damaged(problem, where=str(path), fix=self._anew(part == FINAL)())

    def _scores(self) -> tuple[dict[str, Any], Mapping[str, FileMark] | None]:
        """Read scores.json, and the marks of the tables that were written with it."""
        path, manifest = self.scores_path, self.manifest()
        kept = "format" in manifest
        try:
            try:
                value = read_sealed(path)
            except NotAsWritten:
                value = read_sealed(path, or_unsealed=True)
                if kept or not isinstance(value, dict) or RECORD in value:
                    raise
            record = value.pop(RECORD, None)
            if record is None:
                return value, None
            check_owner(record, self._owner_in(manifest), SCORES)
            return value, record["files"]
        except FileNotFoundError:
            raise Damaged(
                f"has no {path.name}: a run that never got that far, or the file is gone",
                where=str(self.path),
                fix=self._judged_anew() if self.finished else f"`{self.completing()}`",
            ) from None
        except NotAsWritten as error:
            self.check_manifest_is_own()
            raise Damaged(str(error), where=str(path), fix=self._judged_anew()) from None

    def _anew(self, final: bool) -> Callable[[], str]:
        """Return what says which command makes predictions, a fold or a final model anew."""

        def say() -> str:
            continued = self.manifest().get("continued")
            if continued is None:
                return f"`{self.completing(final=final)}` makes it anew"
            more = ["--continue", continued["parent"], "--amount", str(continued_by(continued))]
            return f"`numerai-lab train {shlex.join(more)}` makes such a run anew"

        return say

    def _judged_anew(self) -> str:
        return f"`numerai-lab evaluate {shlex.quote(str(self.path))}` writes it anew"

    def _manifest_anew(self) -> str:
        """Say how to get manifest.json back: from DONE, which holds a copy of it."""
        own = manifest_in_done(self.path)
        if own is None:
            return "train this experiment again"
        resolved = self.path / "resolved.yaml"
        if damage_of(self.path, own["files"], [resolved.name]) is not None:
            return self._from_config()
        value = yaml.load(resolved.read_text(encoding="utf-8"), Loader=_SAFE_LOADER)
        more = shlex.join(["--resume", "--run-dir", str(self.path)])
        return f"`{self._train(own, value.get('compare_to', ()))} {more}` writes it anew from DONE"

    def _from_config(self) -> str:
        more = shlex.join(["--resume", "--run-dir", str(self.path)])
        return (
            f"`numerai-lab train CONFIG {more}`, with the config it was trained from, writes it "
            "anew"
        )


def no_model(where: str) -> RunError:
    """Return what to raise where a model is asked of imported predictions."""
    return RunError(
        "these are imported predictions: there is no model to fit, load, go on with or explain",
        where=where,
        fix="judge and compare them; to submit yours, let a slot of submit.yaml run your command "
        "(`run: {command: [...]}`)",
    )


def check_has_model(run: RunDir) -> None:
    """Raise RunError for a run of imported predictions, which has no model."""
    if run.manifest().get("made_elsewhere"):
        raise no_model(str(run.path))


def say_if_unverifiable(run: RunDir, say: Callable[[str], None]) -> None:
    """Say, of a run of an older version, that nobody can tell whether its files are unchanged."""
    if not run.verifiable():
        say(
            f"{run.path}: not verifiable, it was made before runs kept checksums of their files: "
            "a file that has changed since would not be noticed"
        )


def continued_by(continued: Mapping[str, Any]) -> int:
    """Return the steps that a final model grew by, also from manifests that called them rounds."""
    amount: int = continued["amount"] if "amount" in continued else continued["rounds"]
    return amount
