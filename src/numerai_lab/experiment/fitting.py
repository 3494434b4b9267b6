"""One fit: training rows, weights and an early-stopping slice in; a model and its facts out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.data import References
from numerai_lab.eraframe import EraFrame
from numerai_lab.experiment.judge import MAIN
from numerai_lab.experiment.plan import Prepared, purge_eras
from numerai_lab.experiment.postprocess import BEFORE, neutralized, neutralizer_names
from numerai_lab.experiment.predicting import predict_eras
from numerai_lab.experiment.predictions import write_predictions
from numerai_lab.experiment.reporter import Reporter, Stopwatch
from numerai_lab.experiment.rundir import RunDir
from numerai_lab.files import folder_aside, write_json
from numerai_lab.machine import usable_cores
from numerai_lab.models import FitContext, Model
from numerai_lab.seeds import child_seed
from numerai_lab.splits import Fold, final_eras, inner_slice, sample_weights


def run_fold(
    run: RunDir, fold: Fold, prepared: Prepared, references: References, reporter: Reporter
) -> None:
    """Fit on a fold's training eras, predict its judged eras, keep both; whole or not at all."""
    with folder_aside(run.fold_dir(fold.index)) as folder:
        label = f"fold {fold.index}/{len(prepared.plan.folds)}"
        model, facts = fit_and_save(folder, fold.train, label, prepared, reporter)
        rows = prepared.dataset.frame.select_eras(fold.judged)
        watch = Stopwatch()
        detail = predict_eras(
            model,
            rows,
            prepared.dataset.frame,
            trained_to=facts["train"]["last"],
            purge_eras=purge_eras(prepared),
        )
        facts["predict_seconds"] = watch.seconds
        facts["predict_cpu_seconds"] = watch.cpu_seconds
        if detail.per_era:
            facts["per_era"] = {"era": rows.eras.tolist(), **detail.per_era}
        for note in detail.notes:
            reporter.warn(note)
        facts["notes"] = [*facts["notes"], *detail.notes]
        columns = {MAIN: detail.predictions, **detail.variants}
        how = prepared.experiment.neutralize
        if how is not None:
            columns = {
                name: neutralized(values, rows, how, prepared.dataset, references)
                for name, values in columns.items()
            }
            columns[BEFORE] = detail.predictions
        write_predictions(
            folder / "predictions.parquet",
            rows,
            np.full(rows.n_rows, fold.index, dtype=np.int32),
            columns,
        )
        write_json(folder / "fit.json", {"fold": fold.index, **facts})
        (folder / "DONE").touch()
    reporter.done(f"{facts['n_trees']} trees", facts["fit_seconds"] + facts["predict_seconds"])


def run_final(run: RunDir, prepared: Prepared, references: References, reporter: Reporter) -> None:
    """Fit on every labelled era: the model that goes live. It is judged by nothing here.

    A rolling window and train_step stay: what goes live is the recipe that was judged.
    """
    frame = prepared.dataset.frame
    eras = final_eras(prepared.experiment.split, frame.eras)
    if len(eras) < frame.n_eras:
        reporter.warn(f"final fit on {len(eras)} of {frame.n_eras} eras, as split trains its folds")
    with folder_aside(run.final_dir) as folder:
        _, facts = fit_and_save(folder, eras, "final fit", prepared, reporter)
        facts |= {"first_era": int(eras[0]), "last_era": int(eras[-1])}
        facts |= {"feature_names": list(frame.feature_names), "target": prepared.target}
        facts |= {"feature_dtype": str(frame.features.dtype)}
        # live rows come without the data they were chosen from: what is taken out is kept by name
        facts["neutralizers"] = neutralizer_names(prepared, references)
        write_json(folder / "fit.json", facts)
        (folder / "DONE").touch()
    reporter.done(f"{facts['n_trees']} trees", facts["fit_seconds"])


def fit_and_save(
    folder: Path,
    eras: npt.NDArray[np.int32],
    label: str,
    prepared: Prepared,
    reporter: Reporter,
) -> tuple[Model, dict[str, Any]]:
    """Fit on the given eras and save the model under `folder/model`."""
    reporter.work(label)
    experiment = prepared.experiment
    stop: EraFrame | None = None
    if experiment.early_stopping is not None:
        eras, stop_eras = inner_slice(eras, experiment.early_stopping, prepared.horizon_days)
        stop = prepared.dataset.frame.select_eras(stop_eras)
    train = prepared.dataset.frame.select_eras(eras)
    model = prepared.model_class(prepared.params)
    watch = Stopwatch()
    context, said = fit_context(prepared, train, stop, reporter)
    report = model.fit(train, context)
    for note in report.notes:
        if note not in said:
            reporter.say(note)
    facts = {
        "train": {
            "first": int(eras[0]),
            "last": int(eras[-1]),
            "n_eras": len(eras),
            "n_rows": train.n_rows,
        },
        "stop": None
        if stop is None
        else {"first": int(stop.eras[0]), "last": int(stop.eras[-1]), "n_eras": stop.n_eras},
        "fit_seconds": watch.seconds,
        **asdict(report),
    }
    (folder / "model").mkdir()
    model.save(folder / "model")
    return model, facts


def fit_context(
    prepared: Prepared, train: EraFrame, stop: EraFrame | None, reporter: Reporter
) -> tuple[FitContext, list[str]]:
    """Return what a model is told besides its rows, and the list of what it will have said."""
    experiment = prepared.experiment
    said: list[str] = []

    def say(sentence: str) -> None:
        said.append(sentence)
        reporter.warn(sentence)

    context = FitContext(
        # the seed does not depend on the fold: two runs that share a fold share its model
        seed=child_seed(experiment.seed, "model"),
        target=prepared.target,
        targets=prepared.trained,
        purge_eras=purge_eras(prepared),
        weights=sample_weights(experiment.weights, train),
        stop=stop,
        stop_rounds=experiment.early_stopping.rounds if experiment.early_stopping else 0,
        device=experiment.device,
        n_threads=experiment.threads or usable_cores(),
        progress=reporter.trees,
        say=say,
    )
    return context, said
