"""A run before its first fold: where it goes, its directory, and what is written into it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numerai_lab.config import Resolved
from numerai_lab.data import References
from numerai_lab.disclosure import for_others
from numerai_lab.errors import RunError, UserError
from numerai_lab.experiment.executor import Executor, Here
from numerai_lab.experiment.judging import begin_looks, has_test, variant_facts
from numerai_lab.experiment.member_runs import member_facts
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.planned_folds import first_and_last_date, fold_facts
from numerai_lab.experiment.records import (
    BEFORE_MANIFEST,
    DONE,
    RunDir,
    data_facts,
    git_state,
    iter_runs,
    machine,
    owner_of,
    remove_contents,
    versions,
    write_configs,
    write_manifest,
)


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
    to_join : other runs, among which this one and its members may be moved: they take no name that
        is taken there.
    trained_for : the experiment that needs this run as its member or baseline, where nobody asked
        for the run itself; its name then means a run that somebody asked for, if there is one.
    """

    runs_dir: Path
    run_dir: Path | None = None
    resume: bool = False
    final: bool = False
    data: str | None = None
    command: str = ""
    executor: Executor = field(default_factory=Here)
    reseeded_from: int | None = None
    to_join: Path | None = None
    trained_for: str | None = None


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
    if options.trained_for is not None:
        manifest["trained_for"] = options.trained_for
    manifest |= changes or {}
    if has_test(manifest):
        # before the manifest, so that a run with a manifest and no count has lost it
        begin_looks(run, owner_of(manifest))
    write_manifest(run, for_others(manifest))
    return private
