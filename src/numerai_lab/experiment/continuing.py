"""The weekly refresh of a live model: a run's final model grows on eras resolved since its fit."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.config import Resolved
from numerai_lab.data import References, load_references
from numerai_lab.errors import ModelError, RunError
from numerai_lab.experiment.beginning import TrainOptions, begin
from numerai_lab.experiment.final import FinalModel, find_final, load_final
from numerai_lab.experiment.growing import Growing, check_continuable, grow, open_growing
from numerai_lab.experiment.judging import baselines_of
from numerai_lab.experiment.plan import Prepared, prepare, read_experiment
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
from numerai_lab.files import folder_aside, write_aside, write_json
from numerai_lab.scoring import corr_per_era


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
    options : `runs_dir`, `to_join`, `data` (another --data than the run's own) and `command` are
        used.

    Raises
    ------
    RunError : no such run, no final model, no new eras.
    ModelError : a model that cannot be continued, other features than those of the fit, or an
        amount where each new era is learnt from once.
    """
    parent = find_final(spec, options.runs_dir)
    final = load_final(parent)
    check_continuable(final)
    resolved = read_experiment(str(parent.path / "resolved.yaml"), options.data, ())
    prepared = prepare(resolved, reporter)
    references = load_references(prepared.dataset, reporter.say)
    growing = open_growing(final, prepared, reporter)
    if growing.new.n_eras == 0:
        raise RunError(
            f"was fitted up to era {growing.last_era}, and the data have no labelled era to learn "
            f"from after it (their last one is {prepared.dataset.frame.eras[-1]})",
            where=str(parent.path),
            fix="get newer files (`numerai-lab data download`), or wait until an era resolves",
        )
    amount = growing.steps if amount is None else _checked(amount, growing)
    lineage = _lineage(final, growing, amount)
    with contextlib.ExitStack() as held:
        digest = parent.manifest()["config_hash"]
        name = resolved.experiment.name
        run = new_run_dir(options.runs_dir, name, digest, options.to_join)
        held.enter_context(locked(run))
        reporter.run = run.path
        held.enter_context(_whole_or_gone(run))
        note = (
            f"the final model of {parent.path} was grown by {amount} {prepared.info.unit} on eras "
            f"{lineage.first_era}-{lineage.last_era}; folds and scores are those of that run"
        )
        if not parent.verifiable():
            note += ", which was not verifiable: nobody knows whether its files had changed"
        _begin(run, parent, resolved, prepared, references, lineage, note, options)
        reporter.log_to(run.path / "log.jsonl")
        held.callback(reporter.log_to, None)
        reporter.say(note)
        reporter.work(f"{amount} {prepared.info.unit} more", prepared.info.unit)
        with folder_aside(run.final_dir) as folder:
            watch = Stopwatch()
            report, facts = grow(growing, folder, amount, references, reporter)
            write_json(folder / "fit.json", {**facts, "notes": [*facts["notes"], note]})
            complete(folder, run.owner(), FINAL)
        _copy_judged(parent, run, (options.to_join or options.runs_dir) / name / run.path.name)
        reporter.done(f"{report.size:,} {report.unit} more", watch.seconds)
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


def _checked(amount: int, growing: Growing) -> int:
    """Refuse an amount that the model would refuse, before a member of it has grown."""
    unit, n_eras = growing.prepared.info.unit, growing.new.n_eras
    if unit == "eras" and amount != n_eras:
        kind = growing.prepared.experiment.model.type
        raise ModelError(
            f"model '{kind}' learns from each of {n_eras} new eras once, which makes {n_eras} "
            f"steps, not {amount}",
            where="--amount",
            fix="leave --amount out",
        )
    return amount


def _lineage(final: FinalModel, growing: Growing, amount: int) -> Lineage:
    before = final.manifest.get("continued")
    new, unseen, target = growing.new, growing.unseen, growing.prepared.target
    judged: dict[str, Any] | None = None
    if unseen.n_eras:
        values = growing.predict(unseen)
        scores = corr_per_era(values, unseen.target(target), unseen.offsets)[:, 0]
        judged = {
            "first_era": int(unseen.eras[0]),
            "last_era": int(unseen.eras[-1]),
            "n_eras": unseen.n_eras,
            "corr": float(np.nanmean(scores)) if np.isfinite(scores).any() else None,
        }
    return Lineage(
        parent=str(final.run.path.resolve()),
        ancestors=() if before is None else (before["parent"], *before["ancestors"]),
        first_era=int(new.eras[0]),
        last_era=int(new.eras[-1]),
        n_eras=new.n_eras,
        amount=amount,
        unit=growing.prepared.info.unit,
        parent_on_new_eras=judged,
    )


def _begin(
    run: RunDir,
    parent: RunDir,
    resolved: Resolved,
    prepared: Prepared,
    references: References,
    lineage: Lineage,
    note: str,
    options: TrainOptions,
) -> None:
    theirs = parent.manifest()
    changes = {
        "folds": theirs["folds"],
        "notes": [*theirs["notes"], note],
        "continued": asdict(lineage),
    }
    begin(run, resolved, prepared, references, theirs["config_hash"], options, changes)


def _copy_judged(parent: RunDir, run: RunDir, place: Path) -> None:
    """Copy what the parent was judged by, and what its folds' fits said, and finish the run.

    The refreshed model has no fold of its own. `place` is where it will lie: its baselines are
    named as seen from there.
    """
    fits = sorted(parent.path.glob("folds/*/fit.json"))
    tables = [path for name in JUDGED if (path := parent.path / name).exists()]
    for path in (parent.predictions_path, *tables, *fits):
        with write_aside(run.path / path.relative_to(parent.path)) as part:
            shutil.copyfile(parent.checked(path), part)
    baselines = baselines_of(parent)
    scores = {**parent.scores(), "baselines": relative_paths(RunDir(place), baselines)}
    write_scores(run, scores)
    write_done(run, baselines)
