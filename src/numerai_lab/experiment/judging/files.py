"""Files of predictions as sides of a comparison, judged as a run beside them was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from numerai_lab.config import Data, Scoring, data_section
from numerai_lab.data import Dataset, References, load_data, load_references
from numerai_lab.experiment.judging.evaluate import judge_predictions
from numerai_lab.experiment.judging.planned_again import data_as_read
from numerai_lab.experiment.judging.series import Series, series_of
from numerai_lab.experiment.judging.summaries import MAIN
from numerai_lab.experiment.records import (
    Predictions,
    RunDir,
    check_same_data,
    data_facts,
    data_identity,
    read_predictions,
)

PREDICTION_FILES = (".parquet", ".csv")
ORIGIN = "a file of predictions: nobody knows here what they were trained on"


def series_of_files(
    like: RunDir | None, data: str | None, metric: str, say: Callable[[str], None]
) -> Callable[[Path], Series]:
    """Return what judges a file of predictions, on rows that are loaded once.

    Parameters
    ----------
    like : a run whose data, target and scoring are taken, unless `data` (--data) names others.

    Raises
    ------
    RunError : the run's data have changed; later, a file that is damaged or of other rows.
    """

    @cache
    def loaded() -> tuple[Dataset, References, Scoring, str]:
        section, scoring, target = Data(), Scoring(), Data().targets[0]
        if like is not None:
            experiment = like.experiment()
            section = data_as_read(experiment.data, like.manifest()["data"])
            scoring, target = experiment.scoring, like.scores()["target"]
        if data is not None:
            section = data_section(section, data)
        scoring = scoring.model_copy(update={"targets": []})
        dataset = load_data(section, say=lambda _: None, targets=[target])
        references = load_references(dataset, lambda _: None)
        if like is not None and data is None:
            check_same_data(like, dataset, references, "name the data there is now with --data")
        return dataset, references, scoring, target

    def judge(path: Path) -> Series:
        dataset, references, scoring, target = loaded()
        predictions = with_main(read_predictions(path), say)
        judged = judge_predictions(predictions, {}, scoring, target, 0, dataset, references, say)
        return series_of(
            judged.per_era,
            judged.summary,
            metric,
            label=path.name,
            place=str(path),
            run=None,
            data=data_identity(data_facts(dataset, references)),
            era_dates=dataset.era_dates,
            origin=ORIGIN,
        )

    return judge


def with_main(predictions: Predictions, say: Callable[[str], None]) -> Predictions:
    """Return predictions of which one column is `MAIN`: the first, if none is called so."""
    if MAIN in predictions.columns:
        return predictions
    first, *_ = predictions.columns
    say(f"{predictions.source}: judging column '{first}' as the prediction")
    columns = {MAIN if name == first else name: v for name, v in predictions.columns.items()}
    return replace(predictions, columns=columns)
