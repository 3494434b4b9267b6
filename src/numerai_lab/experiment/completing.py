"""`train --final` where a finished run of the same config and data only lacks its final model."""

from __future__ import annotations

from pathlib import Path

from numerai_lab.data import References
from numerai_lab.errors import RunError
from numerai_lab.experiment.executor import Executor
from numerai_lab.experiment.fitting import run_final
from numerai_lab.experiment.member_runs import changed_member
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.records import (
    Damaged,
    RunDir,
    changed_data,
    changed_files,
    iter_runs,
    other_versions,
    remove_leftovers,
    say_if_unverifiable,
    whole,
)
from numerai_lab.experiment.reporter import Reporter


def run_without_final(
    name: str,
    digest: str,
    runs_dir: Path,
    prepared: Prepared,
    references: References,
    reporter: Reporter,
) -> RunDir | None:
    """Find the newest finished run that a final model is all it takes to complete.

    It has the same config, data and versions, so that its final model is the one a whole new run
    would end with. Where there are runs of this config but none will do, it is said why a new run
    is begun.

    Parameters
    ----------
    name : the experiment's. digest : its config's hash.
    """
    reasons: list[str] = []

    def damaged(run: RunDir, error: RunError) -> None:
        reporter.warn(f"{run.path} is left out, it is damaged: {error}")

    for run in reversed([*iter_runs(runs_dir, name, damaged)]):
        manifest = run.manifest()
        mine = manifest.get("config_hash") == digest and "continued" not in manifest
        if not (mine and run.finished):
            continue
        reason = _why_not(run, prepared, references)
        if reason is None:
            return run
        reasons.append(f"{run.path} {reason}")
    if reasons:
        reporter.warn(f"{reasons[0]}: a new run is begun")
    return None


def add_final(
    run: RunDir,
    prepared: Prepared,
    references: References,
    reporter: Reporter,
    executor: Executor,
) -> None:
    """Fit the final model of a finished run; its folds and scores stay as they are."""
    reporter.say(
        f"{run.path} is finished, with this config and on these data: its folds and scores stay, "
        "only the final model is fitted"
    )
    manifest = run.manifest()
    if "trained_for" in manifest:
        reporter.warn(
            f"it was trained for {manifest['trained_for']}: latest:{prepared.experiment.name} "
            "means it only where no run of that name was asked for; else give its directory"
        )
    say_if_unverifiable(run, reporter.warn)
    remove_leftovers(run)
    if not whole(run, run.final_dir, reporter.warn):
        run_final(run, prepared, references, reporter, executor)


def _why_not(run: RunDir, prepared: Prepared, references: References) -> str | None:
    if run.has_final:
        try:
            run.check_part(run.final_dir)
        except Damaged:
            pass  # it is set aside, and fitted anew
        else:
            return "has its final model already"
    changed = changed_data(run, prepared.dataset, references)
    changed = changed or changed_files(run, prepared.made_with)
    changed = changed or changed_member(run, prepared.member_runs)
    if changed is not None:
        return changed
    other = [f"{name} {then}, here is {now}" for name, (then, now) in other_versions(run).items()]
    if other:
        return (
            f"was made with {', '.join(other)} (--resume --run-dir {run.path} completes it all "
            "the same)"
        )
    try:
        run.scores()
        run.checked(run.predictions_path)
    except RunError as error:
        return f"is damaged ({error})"
    return None
