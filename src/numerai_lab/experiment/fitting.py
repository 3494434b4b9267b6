"""A run's fits: what an executor fitted and predicted goes into the run directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from numerai_lab.data import References
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.experiment.executor import Executor, Fitted, FittedFold
from numerai_lab.experiment.history import keep_history
from numerai_lab.experiment.judging import judged_columns, neutralizer_names
from numerai_lab.experiment.member_runs import keep_final_members
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.planned_folds import final_test_eras
from numerai_lab.experiment.records import (
    FINAL,
    RunDir,
    complete,
    fold_name,
    remove_unfinished,
    write_predictions,
)
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.files import folder_aside, write_json
from numerai_lab.models import Detailed
from numerai_lab.splits import Fold, final_eras


def run_folds(
    run: RunDir,
    folds: Sequence[Fold],
    prepared: Prepared,
    references: References,
    reporter: Reporter,
    executor: Executor,
) -> None:
    """Fit folds on their training eras, predict their judged eras, and keep both of each fold.

    Raises
    ------
    ModelError : a file of predictions that has none for any judged row.
    """
    if prepared.info.made_elsewhere:
        _check_known(folds, prepared)
    for fitted in executor.fit_folds(folds, prepared, reporter):
        _keep_fold(run, fitted, prepared, references, reporter)
        del fitted  # or its model and rows stayed in memory while the next fold is fitted


def _keep_fold(
    run: RunDir,
    fitted: FittedFold,
    prepared: Prepared,
    references: References,
    reporter: Reporter,
) -> None:
    """Write a fold's model and predictions, whole or not at all."""
    fold, model = fitted.fold, fitted.model
    with folder_aside(run.fold_dir(fold.index)) as folder:
        _tell_and_save(model, folder, reporter)
        detail, seconds = fitted.predict()
        facts = model.facts | seconds
        rows: EraFrame = prepared.dataset.frame.select_eras(fold.judged)
        if detail.per_era:
            facts["per_era"] = {"era": rows.eras.tolist(), **detail.per_era}
        if prepared.info.made_elsewhere:
            rows, detail = _there(rows, detail, reporter)
        for note in detail.notes:
            reporter.warn(note)
        facts["notes"] = [*facts["notes"], *detail.notes]
        columns = judged_columns(detail, rows, prepared, references)
        write_predictions(
            folder / "predictions.parquet",
            rows,
            np.full(rows.n_rows, fold.index, dtype=np.int32),
            columns,
        )
        write_json(folder / "fit.json", {"fold": fold.index, **facts})
        complete(folder, run.owner(), fold_name(fold.index))
    remove_unfinished(run, fold.index)
    # of predictions that were made elsewhere nothing is fitted: their rows are what there is
    size = rows.n_rows if prepared.info.made_elsewhere else facts["size"]
    reporter.done(f"{size:,} {facts['unit']}", facts["fit_seconds"] + facts["predict_seconds"])


def _check_known(folds: Sequence[Fold], prepared: Prepared) -> None:
    """Refuse a file of which no judged row is found, before anything is written."""
    model = prepared.model_class(prepared.params)
    judged = [prepared.dataset.frame.select_eras(fold.judged) for fold in folds]
    if judged and all(np.isnan(model.predict(rows.without_targets())).all() for rows in judged):
        raise ModelError(
            f"no prediction for any of the {sum(rows.n_rows for rows in judged):,} judged "
            f"rows (eras {judged[0].eras[0]}-{judged[-1].eras[-1]}, ids such as "
            f"'{judged[0].ids[0]}')",
            where=prepared.info.origin.partition(":")[0],
            fix="give a file whose ids are those of these rows",
        )


def _there(rows: EraFrame, detail: Detailed, reporter: Reporter) -> tuple[EraFrame, Detailed]:
    """Leave out rows that a file has no prediction for, and say how many, in which eras."""
    known = ~np.isnan(detail.predictions)
    if known.all():
        return rows, detail
    kept = rows.take(np.flatnonzero(known))
    absent = sorted(set(rows.eras.tolist()) - set(kept.eras.tolist()))
    whole = f", {len(absent)} whole eras among them (first: {absent[0]})" if absent else ""
    reporter.warn(
        f"{int((~known).sum()):,} of {rows.n_rows:,} rows of eras {rows.eras[0]}-{rows.eras[-1]} "
        f"have no prediction{whole}: not judged"
    )
    return kept, replace(detail, predictions=detail.predictions[known])


def run_final(
    run: RunDir,
    prepared: Prepared,
    references: References,
    reporter: Reporter,
    executor: Executor,
) -> None:
    """Fit on every labelled era: the model that goes live. It is judged by nothing here.

    A rolling window and train_step stay: what goes live is the recipe that was judged.
    """
    frame = prepared.dataset.frame
    eras = final_eras(prepared.experiment.split, frame.eras)
    if len(eras) < frame.n_eras:
        reporter.warn(f"final fit on {len(eras)} of {frame.n_eras} eras, as split trains its folds")
    about_test = _test_in_final(prepared)
    for sentence in about_test:
        reporter.warn(sentence)
    with folder_aside(run.final_dir) as folder:
        reporter.work("final fit", prepared.info.unit)
        model = executor.fit_final(eras, prepared, reporter)
        _tell_and_save(model, folder, reporter)
        facts = dict(model.facts)
        facts |= {"first_era": int(eras[0]), "last_era": int(eras[-1])}
        facts |= {"feature_names": list(frame.feature_names), "target": prepared.target}
        facts |= {"feature_dtype": str(frame.features.dtype)}
        if prepared.member_runs:
            kept = keep_final_members(folder, prepared.member_runs, frame.feature_names)
            facts["members"] = kept
        facts |= keep_history(folder, prepared, int(eras[-1]))
        facts["notes"] = [*facts["notes"], *about_test]
        # live rows come without the data they were chosen from: what is taken out is kept by name
        facts["neutralizers"] = neutralizer_names(prepared, references)
        write_json(folder / "fit.json", facts)
        complete(folder, run.owner(), FINAL)
    remove_unfinished(run, None)
    reporter.done(f"{facts['size']:,} {facts['unit']}", facts["fit_seconds"])


def _test_in_final(prepared: Prepared) -> list[str]:
    """Say whether the final model is fitted on the eras that the split keeps for a test."""
    said = []
    for fold in prepared.plan.folds:
        if len(fold.test) == 0:
            continue
        used = len(final_test_eras(fold, prepared))
        span = f"{fold.test[0]}-{fold.test[-1]}"
        said.append(
            f"the final model is fitted on {used} of the {len(fold.test)} test eras ({span}) too: "
            "they are no test of it, only of the fold's model, which `evaluate --test` judges"
            if used
            else f"the final model is fitted on none of the test eras ({span})"
        )
    return said


def _tell_and_save(model: Fitted, folder: Path, reporter: Reporter) -> None:
    """Say those notes of a fit that were not said while it went on; write `folder/model`."""
    for note in model.facts["notes"]:
        if note not in model.said:
            reporter.say(note)
    (folder / "model").mkdir()
    model.save(folder / "model")
