"""One fit: training rows, weights and an early-stopping slice in; a model and its facts out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.data import References
from numerai_lab.eraframe import EraFrame
from numerai_lab.experiment.cluster import Cluster
from numerai_lab.experiment.judging import judged_columns, neutralizer_names
from numerai_lab.experiment.plan import Prepared, final_test_eras, purge_eras
from numerai_lab.experiment.planned_fit import plan_fit
from numerai_lab.experiment.predicting import predict_eras
from numerai_lab.experiment.records import FINAL, RunDir, complete, fold_name, write_predictions
from numerai_lab.experiment.reporter import Reporter, Stopwatch
from numerai_lab.files import folder_aside, write_json
from numerai_lab.models import Detailed, FitReport, Model
from numerai_lab.splits import Fold, final_eras


def run_folds(
    run: RunDir,
    folds: Sequence[Fold],
    prepared: Prepared,
    references: References,
    reporter: Reporter,
    cluster: Cluster | None,
) -> None:
    """Run folds here one after another, or on a cluster, each as a whole or each over all of it."""
    if cluster is None:
        for fold in folds:
            run_fold(run, fold, prepared, references, reporter)
        return
    from numerai_lab.experiment.cluster import fits as cluster_fits

    cluster.go_on_without_lost(reporter.warn)
    cluster_fits.check_workers(cluster, prepared)
    if not cluster_fits.folds_are_tasks(cluster, prepared, folds):
        for fold in folds:
            run_fold(run, fold, prepared, references, reporter, cluster)
        return
    n = len(cluster.workers)
    reporter.say(f"cluster: {len(folds)} folds go out to {n} workers, each fold to one")
    said: list[list[str]] = [[] for _ in folds]
    fits = [
        (fold, plan_fit(fold.train, fold.judged, prepared, reporter.progress, said[i].append))
        for i, fold in enumerate(folds)
    ]
    if folds:
        reporter.work(f"{len(folds)} folds", prepared.info.unit)
    for i, fitted, detail, (fit_seconds, predict_seconds) in cluster_fits.fit_folds(
        cluster, fits, prepared, reporter
    ):
        fold, fit = fits[i]
        with folder_aside(run.fold_dir(fold.index)) as folder:
            reporter.work(_label(fold, prepared), prepared.info.unit)
            _tell(fitted.report, fitted.said, reporter)
            cluster_fits.write_model(fitted, folder / "model")
            facts = fit.facts(fitted.report, fit_seconds) | {"predict_seconds": predict_seconds}
            _write_fold(run, folder, fold, facts, detail, prepared, references, reporter)
        reporter.done(f"{facts['size']} {facts['unit']}", fit_seconds + predict_seconds)


def run_fold(
    run: RunDir,
    fold: Fold,
    prepared: Prepared,
    references: References,
    reporter: Reporter,
    cluster: Cluster | None = None,
) -> None:
    """Fit on a fold's training eras, predict its judged eras, keep both; whole or not at all."""
    with folder_aside(run.fold_dir(fold.index)) as folder:
        label = _label(fold, prepared)
        model, facts = fit_and_save(
            folder, fold.train, fold.judged, label, prepared, reporter, cluster
        )
        watch = Stopwatch()
        if cluster is None:
            detail = predict_eras(
                model,
                prepared.dataset.frame.select_eras(fold.judged),
                prepared.dataset.frame,
                trained_to=facts["train"]["last"],
                purge_eras=purge_eras(prepared),
            )
        else:
            from numerai_lab.experiment.cluster import predict_together

            last = facts["train"]["last"]
            detail = predict_together(cluster, folder / "model", fold, last, prepared)
        facts["predict_seconds"] = watch.seconds
        facts["predict_cpu_seconds"] = watch.cpu_seconds
        _write_fold(run, folder, fold, facts, detail, prepared, references, reporter)
    reporter.done(
        f"{facts['size']} {facts['unit']}", facts["fit_seconds"] + facts["predict_seconds"]
    )


def run_final(
    run: RunDir,
    prepared: Prepared,
    references: References,
    reporter: Reporter,
    cluster: Cluster | None = None,
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
        _, facts = fit_and_save(folder, eras, None, "final fit", prepared, reporter, cluster)
        facts |= {"first_era": int(eras[0]), "last_era": int(eras[-1])}
        facts |= {"feature_names": list(frame.feature_names), "target": prepared.target}
        facts |= {"feature_dtype": str(frame.features.dtype)}
        facts["notes"] = [*facts["notes"], *about_test]
        # live rows come without the data they were chosen from: what is taken out is kept by name
        facts["neutralizers"] = neutralizer_names(prepared, references)
        write_json(folder / "fit.json", facts)
        complete(folder, run.owner(), FINAL)
    reporter.done(f"{facts['size']} {facts['unit']}", facts["fit_seconds"])


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


def fit_and_save(
    folder: Path,
    eras: npt.NDArray[np.int32],
    judged: npt.NDArray[np.int32] | None,
    label: str,
    prepared: Prepared,
    reporter: Reporter,
    cluster: Cluster | None = None,
) -> tuple[Model, dict[str, Any]]:
    """Fit on the given eras and save the model under `folder/model`.

    Parameters
    ----------
    judged : eras that the model will be judged on; None: none.
    """
    reporter.work(label, prepared.info.unit)
    said: list[str] = []

    def say(sentence: str) -> None:
        said.append(sentence)
        reporter.warn(sentence)

    fit = plan_fit(eras, judged, prepared, reporter.progress, say)
    watch = Stopwatch()
    if cluster is None:
        model = prepared.model_class(prepared.params)
        report = model.fit(fit.train, fit.ctx)
        facts = fit.facts(report, watch.seconds)
        _tell(report, (), reporter, said)
        (folder / "model").mkdir()
        model.save(folder / "model")
        return model, facts
    from numerai_lab.experiment.cluster import fits as cluster_fits

    fitted = cluster_fits.fit_one(cluster, fit, prepared, reporter)
    facts = fit.facts(fitted.report, watch.seconds)
    _tell(fitted.report, fitted.said, reporter)
    cluster_fits.write_model(fitted, folder / "model")
    return prepared.model_class.load(folder / "model"), facts


def _label(fold: Fold, prepared: Prepared) -> str:
    return f"fold {fold.index}/{len(prepared.plan.folds)}"


def _tell(
    report: FitReport, said: Sequence[str], reporter: Reporter, told: Sequence[str] = ()
) -> None:
    """Say what a worker said, and those notes of a fit that were not said while it went on."""
    for sentence in said:
        reporter.warn(sentence)
    for note in report.notes:
        if note not in said and note not in told:
            reporter.say(note)


def _write_fold(
    run: RunDir,
    folder: Path,
    fold: Fold,
    facts: dict[str, Any],
    detail: Detailed,
    prepared: Prepared,
    references: References,
    reporter: Reporter,
) -> None:
    rows: EraFrame = prepared.dataset.frame.select_eras(fold.judged)
    if detail.per_era:
        facts["per_era"] = {"era": rows.eras.tolist(), **detail.per_era}
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
