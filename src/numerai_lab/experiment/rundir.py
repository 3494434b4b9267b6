"""The run directory: where it is, what state it is in, and how a person names one.

runs/<experiment>/<UTC stamp>-<config hash>/
    config.yaml  resolved.yaml  manifest.json  log.jsonl
    folds/01/{model/, predictions.parquet, fit.json, DONE}
    final/{model/, fit.json, DONE}                       (with --final)
    predictions.parquet  scores_per_era.parquet  scores.json  report.html  DONE
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numerai_lab.errors import RunError, did_you_mean
from numerai_lab.files import write_errors


@dataclass(frozen=True)
class RunDir:
    """A run on disk. Paths only; nothing is read until asked for."""

    path: Path

    @property
    def manifest_path(self) -> Path:
        """What the run is made of: versions, machine, data files, folds."""
        return self.path / "manifest.json"

    @property
    def predictions_path(self) -> Path:
        """Out-of-sample predictions of all folds: id, era, fold, prediction."""
        return self.path / "predictions.parquet"

    @property
    def per_era_path(self) -> Path:
        """Long table of scores, one row per era, prediction and target."""
        return self.path / "scores_per_era.parquet"

    @property
    def scores_path(self) -> Path:
        """Summaries of the scores."""
        return self.path / "scores.json"

    @property
    def final_dir(self) -> Path:
        """The model fitted on all labelled eras."""
        return self.path / "final"

    @property
    def finished(self) -> bool:
        """Whether folds, predictions and scores are all there."""
        return (self.path / "DONE").exists()

    def fold_dir(self, fold: int) -> Path:
        """Folder of one fold, numbered from 1."""
        return self.path / "folds" / f"{fold:02d}"

    def is_synthetic(self) -> bool:
        """Whether it was made on the synthetic tournament; False when nothing tells."""
        try:
            return bool(self.manifest()["data"]["source"] == "synthetic")
        except (RunError, KeyError):
            return False

    def manifest(self) -> dict[str, Any]:
        """Read manifest.json. Raises RunError when it is absent or damaged."""
        return self._json(self.manifest_path)

    def scores(self) -> dict[str, Any]:
        """Read scores.json. Raises RunError when it is absent or damaged."""
        return self._json(self.scores_path)

    def _json(self, path: Path) -> dict[str, Any]:
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(
                f"has no {path.name}: not a run directory, or a run that never got that far",
                where=str(self.path),
                fix="`numerai-lab runs` lists the runs there are",
            ) from None
        except (OSError, ValueError) as error:
            raise RunError(
                f"cannot be read ({error})", where=str(path), fix="train this experiment again"
            ) from None
        if not isinstance(value, dict):
            raise RunError("does not hold a JSON object", where=str(path), fix="train again")
        return value


def new_run_dir(runs_dir: Path, name: str, config_hash: str) -> RunDir:
    """Make the directory of a new run; a second one in the same second gets a suffix."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    parent = runs_dir / name
    with write_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        for suffix in ["", *(f".{i}" for i in range(2, 100))]:
            path = parent / f"{stamp}{suffix}-{config_hash}"
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return RunDir(path)
    raise RunError(f"a hundred runs of '{name}' began in one second", where=str(parent))


def iter_runs(runs_dir: Path, name: str | None = None) -> Iterator[RunDir]:
    """Yield the runs under `runs_dir` (of one experiment, or all) in the order they began."""
    runs = [RunDir(path.parent) for path in runs_dir.glob("*/*/manifest.json")]
    told = [(run.manifest(), run) for run in runs]
    told.sort(key=lambda pair: (pair[0]["created_utc"], str(pair[1].path)))
    for manifest, run in told:
        if name is None or manifest["experiment"] == name:
            yield run


def find_run(spec: str | None, runs_dir: Path) -> RunDir:
    """Turn what a person typed into a finished run.

    Parameters
    ----------
    spec : a run directory; an experiment's name or `latest:NAME` for its last finished run;
        None for the last finished run of all.
    """
    if spec is not None and (Path(spec) / "manifest.json").is_file():
        return RunDir(Path(spec))
    name = spec.removeprefix("latest:") if spec is not None else None
    if spec is not None and Path(spec).is_dir():
        raise RunError(
            "is not a run directory (it has no manifest.json)",
            where=spec,
            fix="`numerai-lab runs` lists the runs there are",
        )
    finished = [run for run in iter_runs(runs_dir, name) if run.finished]
    if finished:
        return finished[-1]
    names = sorted({r.manifest()["experiment"] for r in iter_runs(runs_dir) if r.finished})
    what = "no finished run" + (f" named '{name}'" if name else "")
    raise RunError(
        what
        + did_you_mean(name or "", names)
        + (f" (there are: {', '.join(names)})" if names else ""),
        where=str(runs_dir),
        fix="train one with `numerai-lab train configs/xgb.yaml`, or name another --runs-dir",
    )
