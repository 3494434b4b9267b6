"""`train`: plan, folds, predictions, scores - one run directory, resumable after a kill."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from numerai_lab.config import Resolved, config_hash, is_shipped
from numerai_lab.data import Dataset, load_references
from numerai_lab.errors import RunError
from numerai_lab.experiment.beginning import (
    TrainOptions,
    begin,
    existing_run,
    nothing_kept_of_a_mistake,
)
from numerai_lab.experiment.completing import add_final, run_without_final
from numerai_lab.experiment.executor import Here
from numerai_lab.experiment.fitting import run_final, run_folds
from numerai_lab.experiment.judging import (
    aligned_baseline,
    check_judging,
    judge_run,
)
from numerai_lab.experiment.member_references import judged_references
from numerai_lab.experiment.member_runs import check_same_members, out_of_fold
from numerai_lab.experiment.memory_check import check_memory
from numerai_lab.experiment.needed_runs import ensure_baselines, ensure_members
from numerai_lab.experiment.plan import prepare
from numerai_lab.experiment.records import (
    Damaged,
    RunDir,
    check_not_continued,
    check_same_config,
    check_same_data,
    check_same_files,
    locked,
    mend_configs,
    mend_manifest,
    merge_predictions,
    new_run_dir,
    no_model,
    read_predictions,
    remove_leftovers,
    say_if_unverifiable,
    warn_other_versions,
    whole,
    write_done,
)
from numerai_lab.experiment.reporter import Reporter


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
        prepared = replace(prepared, sparing=options.trained_for is not None)
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
            theirs = replace(
                options,
                run_dir=path,
                resume=resume,
                final=final,
                reseeded_from=None,
                trained_for=resolved.experiment.name,
            )
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
            run = new_run_dir(options.runs_dir, resolved.experiment.name, digest, options.to_join)
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
