"""The weekly refresh of a live model: a run's final model grows on eras resolved since its fit."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np

from numerai_lab.config import Resolved
from numerai_lab.data import load_references
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError, RunError
from numerai_lab.experiment.final import FinalModel, find_final, load_final
from numerai_lab.experiment.history import keep_history
from numerai_lab.experiment.judging import baselines_of
from numerai_lab.experiment.plan import Prepared, prepare, purge_eras, read_experiment
from numerai_lab.experiment.planned_fit import fit_context, rows_to_train_on
from numerai_lab.experiment.predicting import predict_with_past
from numerai_lab.experiment.records import (
    FINAL,
    JUDGED,
    RunDir,
    complete,
    locked,
    new_run_dir,
    relative_paths,
    remove_contents,
    write_done,
    write_scores,
)
from numerai_lab.experiment.reporter import Reporter, Stopwatch
from numerai_lab.experiment.train import TrainOptions, begin
from numerai_lab.files import folder_aside, write_aside, write_json
from numerai_lab.models import (
    ContinuableModel,
    RememberingModel,
    cannot_go_on,
    size_and_unit,
    steps_for,
)
from numerai_lab.scoring import corr_per_era
from numerai_lab.splits import final_eras


@dataclass(frozen=True)
class Lineage:
    """What a run with a refreshed final model comes from; `continued` in its manifest.

    Attributes
    ----------
    parent : the run whose final model was continued. ancestors : what that one continued, and so
        on, the nearest first.
    first_era, last_era, n_eras : the new eras.
    amount, unit : steps added, and the word for them ("rounds" of boosting, "epochs").
    parent_on_new_eras : the parent's final model, judged on those new eras that lie past its
        purge before it learnt from them; None when there is none.
    """

    parent: str
    ancestors: tuple[str, ...]
    first_era: int
    last_era: int
    n_eras: int
    amount: int
    unit: str
    parent_on_new_eras: dict[str, Any] | None


def continue_run(
    spec: str, amount: int | None, options: TrainOptions, reporter: Reporter
) -> RunDir:
    """Grow a run's final model on the labelled eras after its last one, as a new run.

    Folds and scores of the new run are the parent's: they judge the recipe, and a note says so.

    Parameters
    ----------
    spec : a run directory, or an experiment's name for its newest run with a final model.
    amount : steps to add, in the model's unit; None: as many an era as the final model has.
    options : `runs_dir`, `data` (another --data than the run's own) and `command` are used.

    Raises
    ------
    RunError : no such run, no final model, no new eras.
    ModelError : a model that cannot be continued, or other features than those of the fit.
    """
    parent = find_final(spec, options.runs_dir)
    final = load_final(parent)
    problem = cannot_go_on(final.model, final.experiment.model.type)
    if problem is not None:
        raise ModelError(
            problem,
            where=str(parent.path),
            fix="fit it anew on all eras with `numerai-lab train CONFIG --final`",
        )
    model = cast(ContinuableModel, final.model)
    resolved = read_experiment(str(parent.path / "resolved.yaml"), options.data, ())
    prepared = prepare(resolved, reporter)
    facts = json.loads((parent.final_dir / "fit.json").read_text(encoding="utf-8"))
    new = _new_eras(prepared, int(facts["last_era"]), parent)
    if amount is None:
        share = new.n_eras / facts["train"]["n_eras"]
        amount = steps_for(model, prepared.info.unit, new.n_eras, share)
    lineage = _lineage(final, new, amount, int(facts["last_era"]), prepared)
    with contextlib.ExitStack() as held:
        digest = parent.manifest()["config_hash"]
        run = new_run_dir(options.runs_dir, resolved.experiment.name, digest)
        held.enter_context(locked(run))
        reporter.run = run.path
        held.enter_context(_whole_or_gone(run))
        note = (
            f"the final model of {parent.path} was grown by {amount} {prepared.info.unit} on eras "
            f"{lineage.first_era}-{lineage.last_era}; folds and scores are those of that run"
        )
        if not parent.verifiable():
            note += ", which was not verifiable: nobody knows whether its files had changed"
        _begin(run, parent, resolved, prepared, lineage, note, options)
        reporter.log_to(run.path / "log.jsonl")
        held.callback(reporter.log_to, None)
        reporter.say(note)
        reporter.work(f"{amount} {prepared.info.unit} more", prepared.info.unit)
        with folder_aside(run.final_dir) as folder:
            watch = Stopwatch()
            said: list[str] = []

            def say(sentence: str) -> None:
                said.append(sentence)
                reporter.warn(sentence)

            new = rows_to_train_on(new, prepared)
            context = fit_context(new, None, prepared, reporter.progress, say)
            report = model.fit_more(new, context, amount)
            for sentence in report.notes:
                if sentence not in said:
                    reporter.say(sentence)
            (folder / "model").mkdir()
            model.save(folder / "model")
            size, _ = size_and_unit(facts)
            grown = asdict(report) | {
                "size": (size or 0) + report.size,
                "notes": [*facts["notes"], *report.notes, note],
                **keep_history(folder, prepared, lineage.last_era),
                "fit_seconds": watch.seconds,
                "last_era": lineage.last_era,
                "train": {
                    "first": facts["train"]["first"],
                    "last": lineage.last_era,
                    "n_eras": facts["train"]["n_eras"] + new.n_eras,
                    "n_rows": facts["train"]["n_rows"] + new.n_rows,
                },
            }
            facts.pop("n_trees", None)  # of runs made when there was no `size`
            write_json(folder / "fit.json", {**facts, **grown})
            complete(folder, run.owner(), FINAL)
        _copy_judged(parent, run)
        reporter.done(f"{report.size} {report.unit} more", watch.seconds)
        return run


@contextlib.contextmanager
def _whole_or_gone(run: RunDir) -> Iterator[None]:
    """Remove a run that was stopped: it cannot be resumed, only made again."""
    try:
        yield
    except BaseException:
        if not run.finished:
            remove_contents(run)
        raise


def _new_eras(prepared: Prepared, last: int, parent: RunDir) -> EraFrame:
    frame = prepared.dataset.frame
    eras = final_eras(prepared.experiment.split, frame.eras)
    eras = eras[eras > last]
    if len(eras) == 0:
        raise RunError(
            f"was fitted up to era {last}, and the data have no labelled era to learn from after "
            f"it (their last one is {frame.eras[-1]})",
            where=str(parent.path),
            fix="get newer files (`numerai-lab data download`), or wait until an era resolves",
        )
    return frame.select_eras(eras)


def _lineage(
    final: FinalModel, new: EraFrame, amount: int, last: int, prepared: Prepared
) -> Lineage:
    before = final.manifest.get("continued")
    first, stop = int(new.eras[0]), int(new.eras[-1])
    unseen = new.between(last + purge_eras(prepared) + 1, stop)
    judged: dict[str, Any] | None = None
    if unseen.n_eras:
        remembers = isinstance(final.model, RememberingModel)
        past = prepared.past.after(last) if remembers else prepared.past
        values = predict_with_past(final.model, unseen, past).predictions
        scores = corr_per_era(values, unseen.target(prepared.target), unseen.offsets)[:, 0]
        judged = {
            "first_era": int(unseen.eras[0]),
            "last_era": stop,
            "n_eras": unseen.n_eras,
            "corr": float(np.nanmean(scores)) if np.isfinite(scores).any() else None,
        }
    return Lineage(
        parent=str(final.run.path.resolve()),
        ancestors=() if before is None else (before["parent"], *before["ancestors"]),
        first_era=first,
        last_era=stop,
        n_eras=new.n_eras,
        amount=amount,
        unit=prepared.info.unit,
        parent_on_new_eras=judged,
    )


def _begin(
    run: RunDir,
    parent: RunDir,
    resolved: Resolved,
    prepared: Prepared,
    lineage: Lineage,
    note: str,
    options: TrainOptions,
) -> None:
    theirs = parent.manifest()
    references = load_references(prepared.dataset, lambda _: None)
    changes = {
        "folds": theirs["folds"],
        "notes": [*theirs["notes"], note],
        "continued": asdict(lineage),
    }
    begin(run, resolved, prepared, references, theirs["config_hash"], options, changes)


def _copy_judged(parent: RunDir, run: RunDir) -> None:
    """Copy what the parent was judged by, and what its folds' fits said, and finish the run.

    The refreshed model has no fold of its own.
    """
    fits = sorted(parent.path.glob("folds/*/fit.json"))
    tables = [path for name in JUDGED if (path := parent.path / name).exists()]
    for path in (parent.predictions_path, *tables, *fits):
        with write_aside(run.path / path.relative_to(parent.path)) as part:
            shutil.copyfile(parent.checked(path), part)
    baselines = baselines_of(parent)
    scores = {**parent.scores(), "baselines": relative_paths(run, baselines)}
    write_scores(run, scores)
    write_done(run, baselines)
