"""`Run`: a finished run, its numbers as tables, its final model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from numerai_lab.api.scoring import headline, scores_table, with_labels
from numerai_lab.eraframe import EraFrame
from numerai_lab.experiment import FinalModel, Reporter, RunDir, find_run, load_final
from numerai_lab.report import write_report


@dataclass(frozen=True)
class Run:
    """A run on disk. Files are checked before they are believed, each time they are read.

    Attributes
    ----------
    directory : where it is, with the checks.
    """

    directory: RunDir

    @classmethod
    def open(cls, spec: str | None = None, runs_dir: str | os.PathLike[str] = "runs") -> Run:
        """Open a finished run.

        Parameters
        ----------
        spec : a run directory, an experiment ("xgb", "latest:xgb": its newest finished run), or
            None for the newest of all.

        Raises
        ------
        RunError : there is none, and what there is.
        """
        return cls(find_run(spec, Path(runs_dir)))

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @property
    def name(self) -> str:
        """The experiment's name."""
        return str(self.manifest["experiment"])

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the run is made of: versions, machine, seed, data files with hashes, folds."""
        return self.directory.manifest()

    @property
    def summary(self) -> Mapping[str, Any]:
        """What `train --json` prints of its scores: every number, warnings, comparisons."""
        return self.directory.scores()

    @property
    def scores(self) -> pd.DataFrame:
        """One row for each target, prediction and metric: mean, interval, Sharpe, drawdown, ...

        Examples
        --------
        >>> run.scores.loc[("target", "prediction", "corr"), "mean"]  # doctest: +SKIP
        """
        return scores_table(self.summary)

    @property
    def per_era(self) -> pd.DataFrame:
        """One row per era, prediction and target, `era` as in Numerai's files ("0575")."""
        return with_labels(pd.read_parquet(self.directory.checked(self.directory.per_era_path)))

    @property
    def synthetic(self) -> bool:
        """Whether its rows are made up: its scores then say nothing about Numerai."""
        return self.directory.is_synthetic()

    @property
    def origin(self) -> str:
        """Where its predictions come from, if its config does not tell it all; else ""."""
        return str(self.manifest.get("origin", ""))

    def predictions(self) -> pd.DataFrame:
        """Out-of-sample predictions of all folds: index `id`, columns `era`, `fold`, `prediction`.

        Ids and eras ("0575") are those of Numerai's files, so that it joins them as it is.
        """
        path = self.directory.checked(self.directory.predictions_path)
        table = pd.read_parquet(path).set_index("id")
        if pd.api.types.is_integer_dtype(table["era"]):  # as older versions wrote them
            table = with_labels(table)
        return table

    def model(self) -> FittedModel:
        """Load the final model, which was fitted on every labelled era and goes live.

        Raises
        ------
        RunError : there is none, and the command that makes it; it is damaged.
        """
        return FittedModel(load_final(self.directory))

    def report(self) -> Path:
        """Write `report.html` anew and return its path: one file that opens offline."""
        return write_report(self.path)

    def __repr__(self) -> str:
        marks = (("SYNTHETIC", self.synthetic), (self.origin, bool(self.origin)))
        said = "".join(f", {mark}" for mark, shown in marks if shown)
        return f"<Run {self.path}: {headline(self.summary)}{said}>"


@dataclass(frozen=True)
class FittedModel:
    """The final model of a run.

    Attributes
    ----------
    final : the model itself, with all that its run tells about the rows it wants.
    """

    final: FinalModel

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features it was fitted on, in their order."""
        return self.final.feature_names

    @property
    def trained_eras(self) -> tuple[int, int]:
        """The first and the last era that it was fitted on."""
        return self.final.trained_eras

    def predict(
        self, rows: pd.DataFrame | EraFrame | str | os.PathLike[str], *, progress: bool = False
    ) -> pd.Series[float]:
        """Predict rows as `numerai-lab predict` does, ready to submit.

        Parameters
        ----------
        rows : a file (live.parquet) or folder of them; or a table by id with the features, and
            `era` where it has more than one; or an EraFrame.

        Returns
        -------
        float64 by id, ranks strictly between 0 and 1 within each era, in the order of the rows.

        Raises
        ------
        DataError : features that are absent or of another kind. ModelError : what the model says.
        """
        from numerai_lab.tournament import predict as predict_file

        with Reporter(quiet=not progress) as reporter, tempfile.TemporaryDirectory() as folder:
            if isinstance(rows, EraFrame):
                rows = rows.to_pandas(features=self.feature_names)
            if isinstance(rows, pd.DataFrame):
                path = Path(folder, "rows.parquet")
                rows.to_parquet(path)
            else:
                path = Path(rows)
            found = predict_file(self.final, path, say=reporter.say)
        values: pd.Series[float] = found.table().set_index("id")["prediction"]
        if isinstance(rows, pd.DataFrame):
            return values.reindex(rows["id"] if "id" in rows.columns else rows.index)
        return values
