"""`train`: plan, folds, predictions, scores - one run directory, resumable after a kill."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numerai_lab.config import Resolved, config_hash, is_shipped
from numerai_lab.data import Dataset, References, load_references
from numerai_lab.disclosure import for_others
from numerai_lab.errors import RunError, UserError
from numerai_lab.experiment.completing import add_final, run_without_final
from numerai_lab.experiment.executor import Executor, Here
from numerai_lab.experiment.fitting import run_final, run_folds
from numerai_lab.experiment.judging import (
    aligned_baseline,
    begin_looks,
    check_judging,
    has_test,
    judge_run,
    variant_facts,
)
from numerai_lab.experiment.member_references import judged_references
from numerai_lab.experiment.member_runs import check_same_members, member_facts, out_of_fold
from numerai_lab.experiment.memory_check import check_memory
from numerai_lab.experiment.needed_runs import ensure_baselines, ensure_members
from numerai_lab.experiment.plan import Prepared, prepare
from numerai_lab.experiment.planned_folds import first_and_last_date, fold_facts
from numerai_lab.experiment.records import (
    BEFORE_MANIFEST,
    DONE,
    Damaged,
    RunDir,
    check_not_continued,
    check_same_config,
    check_same_data,
    check_same_files,
    data_facts,
    git_state,
    iter_runs,
    locked,
    machine,
    mend_configs,
    mend_manifest,
    merge_predictions,
    new_run_dir,
    no_model,
    owner_of,
    read_predictions,
    remove_contents,
    remove_leftovers,
    say_if_unverifiable,
    versions,
    warn_other_versions,
    whole,
    write_configs,
    write_done,
    write_manifest,
)
from numerai_lab.experiment.reporter import Reporter


@dataclass(frozen=True)
class TrainOptions:
    """Where a run goes and how far.

    Attributes
    ----------
    runs_dir : parent of all runs. run_dir : an explicit directory instead of a new one in it.
    resume : continue an unfinished run (of `run_dir`, or the last one of this experiment).
    final : also fit on every labelled era.
    data : the --data the config was read with, for the experiments it is compared to.
    command : the command line, for the manifest.
    executor : what fits and predicts.
    reseeded_from : the seed of the config, where this run has another one (`--seeds`); an
        experiment's name is then not taken to mean this run.
    """

    runs_dir: Path
    run_dir: Path | None = None
    resume: bool = False
    final: bool = False
    data: str | None = None
    command: str = ""
    executor: Executor = field(default_factory=Here)
    reseeded_from: int | None = None


def train(
    resolved: Resolved,
    options: TrainOptions,
    reporter: Reporter,
    dataset: Dataset | None = None,
) -> RunDir:
    """Run an experiment to its scores and return its directory.

    With `final`, a finished run of the same config, data and versions that only lacks its final
    model gets it, and is what is returned.

    Raises
    ------
    RunError : the directory is in use, holds another config's or other data's run, or holds a
        run already and `resume` was not asked for.
    ConfigError, DataError, SplitError, ModelError, MachineError : from reading, splitting, fitting.
    """
    digest = config_hash(resolved.experiment)
    with contextlib.ExitStack() as held:
        run = existing_run(resolved, options, digest)
        if run is not None:
            held.enter_context(locked(run))
            if options.resume:
                mend_manifest(run, reporter.warn)
                check_not_continued(run)
                check_same_config(run, digest)
                mend_configs(run, resolved, reporter.warn)
                say_if_unverifiable(run, reporter.warn)
            elif (run.path / "manifest.json").exists():
                raise RunError(
                    "already holds a run",
                    where=str(run.path),
                    fix="continue it with --resume, or choose another directory",
                )
        prepared = prepare(resolved, reporter, dataset)
        # members go out in runs of their own; what is made of their predictions is fitted here
        here = prepared.member_configs or prepared.info.made_elsewhere
        one_by_one = prepared.info.earlier_fits and not isinstance(options.executor, Here)
        if one_by_one:
            reporter.say(
                f"each fold of '{prepared.experiment.name}' learns from the ones before: they are "
                "fitted here, one after another"
            )
        executor = Here() if here or one_by_one else options.executor
        if options.final and prepared.imports:
            raise no_model(str(resolved.path))
        check_memory(prepared, executor)
        executor.check(prepared, reporter)
        references = load_references(prepared.dataset, reporter.say)
        # what judging needs is checked before the first fit: a typo there must not cost a night
        check_judging(prepared, references)
        beside_members = judged_references(prepared, references)
        named = {
            name: aligned_baseline(resolved, name, options.data)
            for name in prepared.experiment.compare_to
        }
        for name, other in named.items():
            if is_shipped(other.path, resolved.path):
                reporter.say(f"compare_to: {name} is {other.path}, which comes with numerai_lab")

        def train_other(
            other: Resolved, dataset: Dataset | None, run: RunDir | None = None, *, final: bool
        ) -> RunDir:
            resume = run is not None
            path = None if run is None else run.path
            theirs = replace(options, run_dir=path, resume=resume, final=final, reseeded_from=None)
            return train(other, theirs, reporter.child(), dataset)

        # before the run begins: one that is stopped here is made by the same command again
        members = ensure_members(
            prepared, references, options.runs_dir, train_other, reporter, final=options.final
        )
        if members:
            known = out_of_fold(members, prepared, beside_members, reporter.warn)
            prepared = replace(prepared, member_runs=members, members=known)
        if run is None and options.final:
            found = run_without_final(
                resolved.experiment.name,
                digest,
                options.runs_dir,
                prepared,
                references,
                reporter,
            )
            if found is not None:
                held.enter_context(locked(found))
                reporter.run = found.path
                reporter.log_to(found.path / "log.jsonl")
                held.callback(reporter.log_to, None)
                add_final(found, prepared, references, reporter, executor)
                return found
        if run is None:
            run = new_run_dir(options.runs_dir, resolved.experiment.name, digest)
            held.enter_context(locked(run))
        reporter.run = run.path
        if run.manifest_path.exists():
            check_same_data(run, prepared.dataset, references, "begin a new run")
            check_same_files(run, prepared.made_with)
            check_same_members(run, prepared.member_runs)
            warn_other_versions(run, reporter.warn)
            remove_leftovers(run)
        else:
            if begin(run, resolved, prepared, references, digest, options):
                reporter.warn(
                    "the config has an address with a password or signature: config.yaml and "
                    f"resolved.yaml of {run.path} keep it, readable by you alone; take it out "
                    "before you pass the run on"
                )
            held.enter_context(nothing_kept_of_a_mistake(run))
        reporter.log_to(run.path / "log.jsonl")
        held.callback(reporter.log_to, None)
        baselines = ensure_baselines(
            named, prepared, references, options.runs_dir, train_other, reporter
        )
        folds = prepared.plan.folds
        todo = [f for f in folds if not whole(run, run.fold_dir(f.index), reporter.warn)]
        run_folds(run, todo, prepared, references, reporter, executor)
        if options.final and not whole(run, run.final_dir, reporter.warn):
            run_final(run, prepared, references, reporter, executor)
        elif run.has_final:
            _warn_if_damaged(run, reporter)
        reporter.check()  # nothing that follows asks for the mark that Ctrl-C leaves
        merge_predictions(
            [run.fold_dir(f.index) / "predictions.parquet" for f in prepared.plan.folds],
            run.predictions_path,
        )
        judge_run(
            run,
            read_predictions(run.predictions_path),
            prepared.experiment,
            prepared.dataset,
            references,
            baselines,
            reporter.warn,
        )
        write_done(run, baselines)
        return run


def _warn_if_damaged(run: RunDir, reporter: Reporter) -> None:
    """Say that the final model, which was not asked for now, is damaged."""
    try:
        run.check_part(run.final_dir)
    except Damaged as error:
        reporter.warn(str(error))


@contextlib.contextmanager
def nothing_kept_of_a_mistake(run: RunDir) -> Iterator[None]:
    """Remove a run that a user's mistake stopped before its first fold: nothing to resume."""
    try:
        yield
    except UserError:
        if not any(run.path.glob("folds/*/DONE")):
            remove_contents(run)
        raise


def existing_run(resolved: Resolved, options: TrainOptions, digest: str) -> RunDir | None:
    """The directory that was asked for, or the unfinished run to resume; None for a new one."""
    if options.runs_dir.exists() and not options.runs_dir.is_dir():
        raise RunError("is a file, not a directory", where=str(options.runs_dir))
    if options.run_dir is not None:
        begun = any((options.run_dir / name).exists() for name in ("manifest.json", DONE))
        if options.resume and not begun:
            raise RunError(
                "holds no run to resume",
                where=str(options.run_dir),
                fix="leave --resume out to begin one there",
            )
        if options.run_dir.exists() and not options.run_dir.is_dir():
            raise RunError("is a file, not a directory", where=str(options.run_dir))
        if not options.resume and options.run_dir.is_dir():
            mine = {*BEFORE_MANIFEST, "manifest.json"}
            names = {p.name for p in options.run_dir.iterdir() if not p.name.endswith(".part")}
            strangers = [] if "manifest.json" in names else sorted(names - mine)
            if strangers:
                raise RunError(
                    f"is not empty and not a run directory (it holds {strangers[0]})",
                    where=str(options.run_dir),
                    fix="choose an empty or a new directory",
                )
        return RunDir(options.run_dir)
    if not options.resume:
        return None
    name = resolved.experiment.name
    runs = list(iter_runs(options.runs_dir, name))
    for run in reversed(runs):
        same = run.manifest().get("config_hash") == digest and "continued" not in run.manifest()
        if same and (not run.finished or (options.final and not run.final_dir.exists())):
            return run
    complete = [run for run in runs if run.finished and run.manifest()["config_hash"] == digest]
    last = f" (its last run, {complete[-1].path}, is complete)" if complete else ""
    raise RunError(
        f"no unfinished run of '{name}' with this config (hash {digest}) to resume{last}",
        where=str(options.runs_dir / name),
        fix="leave --resume out to begin a new run, or name one with --run-dir",
    )


def begin(
    run: RunDir,
    resolved: Resolved,
    prepared: Prepared,
    references: References,
    digest: str,
    options: TrainOptions,
    changes: Mapping[str, Any] | None = None,
) -> bool:
    """Write the config as written and as resolved, then the manifest, with `changes` over it.

    Returns
    -------
    Whether the config keeps a password or signature in an address: a resumed run needs it, so it
    stays in these two files, which no other user may read. The manifest has none.
    """
    private = write_configs(run, resolved)
    experiment, dataset = prepared.experiment, prepared.dataset
    frame, part = dataset.frame, experiment.data.rows
    manifest: dict[str, Any] = {
        "experiment": experiment.name,
        "question": experiment.question,
        "config_hash": digest,
        "created_utc": datetime.now(UTC).isoformat(timespec="microseconds"),
        "command": options.command,
        "seed": experiment.seed,
        "git": git_state(),
        "versions": versions(prepared.libraries),
        "machine": machine(),
        "data": {
            **data_facts(dataset, references),
            "notice": dataset.notice,
            "counts": dataset.counts,
            **({} if part is None else {"share": part.share}),
            "n_rows": frame.n_rows,
            "n_features": frame.n_features,
            "targets": list(prepared.trained),
            "horizon_days": prepared.horizon_days,
            "first_era": int(frame.eras[0]),
            "last_era": int(frame.eras[-1]),
            "n_eras": frame.n_eras,
            **first_and_last_date(frame.eras, dataset),
            "era_dates": {era: day.isoformat() for era, day in dataset.era_dates.items()},
        },
        "model": {
            "type": experiment.model.type,
            "params": experiment.model.params,
            "variants": variant_facts(prepared.info.variants),
        },
        "split": experiment.split.model_dump(mode="json", by_alias=True),
        "notes": list(prepared.plan.notes),
        "folds": [fold_facts(fold, prepared) for fold in prepared.plan.folds],
    }
    if prepared.origin:
        manifest["origin"] = prepared.origin
    if prepared.info.made_elsewhere:
        manifest["made_elsewhere"] = True
    if prepared.made_with:
        manifest["made_with"] = dict(prepared.made_with)
    if prepared.member_runs:
        manifest["members"] = member_facts(run, prepared.member_runs)
    if options.reseeded_from is not None:
        manifest["reseeded_from"] = options.reseeded_from
    manifest |= changes or {}
    if has_test(manifest):
        # before the manifest, so that a run with a manifest and no count has lost it
        begin_looks(run, owner_of(manifest))
    write_manifest(run, for_others(manifest))
    return private
