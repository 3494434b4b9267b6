"""The run directory: what lies where in it, and how far it got.

runs/<experiment>/<UTC stamp>-<config hash>/
    config.yaml  resolved.yaml  manifest.json  log.jsonl
    folds/01/{model/, predictions.parquet, fit.json, DONE}
    final/{model/, fit.json, DONE}                       (with --final)
    unfinished/{01, final}/          (what lets a fit go on that was killed; gone once it is kept)
    predictions.parquet  scores_per_era.parquet  scores.json  exposure.json  report.html  DONE
    [labels.json]                                    (tags and a note: `runs tag`, `runs note`)
    test_looks.json  [test_scores_per_era.parquet  test_scores.json]      (a split with a test)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from numerai_lab.experiment.records.part_records import DONE


@dataclass(frozen=True)
class RunPaths:
    """Where the files of a run are. Nothing is read."""

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
    def test_looks_path(self) -> Path:
        """How often the test eras of its split were judged; only a split with a test has it."""
        return self.path / "test_looks.json"

    @property
    def test_scores_path(self) -> Path:
        """Summaries of the scores in the test eras, as the last `evaluate --test` left them."""
        return self.path / "test_scores.json"

    @property
    def test_per_era_path(self) -> Path:
        """The table of those scores, one row per test era, prediction and target."""
        return self.path / "test_scores_per_era.parquet"

    @property
    def seeds_path(self) -> Path:
        """Runs of the same experiment with other seeds, and what they scored; of `--seeds`."""
        return self.path / "seeds.json"

    @property
    def labels_path(self) -> Path:
        """Tags and a note that a person gave it; absent until somebody does."""
        return self.path / "labels.json"

    def explanation_path(self, fold: int) -> Path:
        """What `explain` found out about a fold's model, or with 0 about the final one.

        Absent until somebody asks.
        """
        return self.path / "explain" / (f"fold_{fold:02d}.json" if fold else "final.json")

    @property
    def final_dir(self) -> Path:
        """The model fitted on all labelled eras."""
        return self.path / "final"

    @property
    def finished(self) -> bool:
        """Whether folds, predictions and scores are all there."""
        return (self.path / DONE).exists()

    @property
    def has_final(self) -> bool:
        """Whether a final model is there, whole or damaged.

        One that is being fitted is not: its folder gets this name once its DONE is written.
        """
        return self.final_dir.is_dir()

    def fold_dir(self, fold: int) -> Path:
        """Folder of one fold, numbered from 1."""
        return self.path / "folds" / f"{fold:02d}"

    def unfinished_dir(self, fold: int | None) -> Path:
        """Folder of a fit that goes on after a kill: of a fold, or of the final model (None)."""
        return self.path / "unfinished" / ("final" if fold is None else f"{fold:02d}")
