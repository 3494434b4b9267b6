"""Runs that a run needs, found or trained: what it is compared with, and what it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from numerai_lab.config import Resolved, config_hash, validate_params
from numerai_lab.data import Dataset, References, load_data
from numerai_lab.errors import ConfigError, DataError, ModelError, RunError, SplitError
from numerai_lab.experiment.judging import dataset_for, differs_from_variant, features_for
from numerai_lab.experiment.member_configs import learnt_beside
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.records import (
    Damaged,
    RunDir,
    changed_files,
    iter_runs,
    same_data,
    say_if_unverifiable,
)
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.experiment.training_label import label_files
from numerai_lab.models import file_identities, files_within, get_model


class TrainOther(Protocol):
    """Trains another experiment, as `train` does."""

    def __call__(
        self, other: Resolved, dataset: Dataset | None, run: RunDir | None = None, *, final: bool
    ) -> RunDir:
        """Return its run.

        Parameters
        ----------
        dataset : its rows, None to load them. run : one to go on with; None: a new one.
        """
        ...


def ensure_baselines(
    baselines: Mapping[str, Resolved],
    prepared: Prepared,
    references: References,
    runs_dir: Path,
    train: TrainOther,
    reporter: Reporter,
) -> dict[str, RunDir]:
    """Find, or train, the experiments named in compare_to on the same rows and folds."""
    found: dict[str, RunDir] = {}
    for name, baseline in baselines.items():
        twin = differs_from_variant(prepared, baseline)
        if twin is not None:
            variant, differences = twin
            if not differences:
                reporter.say(
                    f"compare_to: {name} predicts what this run predicts on the way, shown as "
                    f"'{variant}'"
                )
                continue
            reporter.warn(
                f"compare_to: {name} has other settings than what is shown as '{variant}', so it "
                f"is one more baseline, trained by itself: {', '.join(differences)}"
            )
        label = f"compare_to: {name}"
        run, _, own = _found(label, baseline, prepared.dataset, references, runs_dir, reporter)
        if run is None:
            reporter.say(f"{label} has no run on these rows and folds yet, training it")
            run = train(baseline, own or dataset_for(baseline, prepared.dataset), final=False)
        else:
            reporter.say(f"{label} from {run.path}")
            say_if_unverifiable(run, reporter.warn)
        found[name] = run
    return found


def ensure_members(
    prepared: Prepared,
    references: References,
    runs_dir: Path,
    train: TrainOther,
    reporter: Reporter,
    *,
    final: bool,
) -> dict[str, RunDir]:
    """Find, or train, the members of a model on the same rows and folds; go on with a stopped one.

    Parameters
    ----------
    final : each must have a final model; one that is damaged is fitted again.

    Raises
    ------
    RunError : another process works in a member's run.
    """
    return {
        name: ensure_run(
            f"member {name}",
            member,
            prepared.dataset,
            references,
            runs_dir,
            train,
            reporter,
            final=final,
        )
        for name, member in prepared.member_configs.items()
    }


def ensure_run(
    label: str,
    other: Resolved,
    loaded: Dataset,
    references: References,
    runs_dir: Path,
    train: TrainOther,
    reporter: Reporter,
    *,
    final: bool,
) -> RunDir:
    """Find, or train, another experiment on the loaded rows; go on with a stopped run of it.

    Parameters
    ----------
    label : what it is called: a kind and a name, "member ridge". final : as of `ensure_members`.

    Raises
    ------
    RunError : another process works in its run. ConfigError, DataError, ModelError, SplitError :
        what its training says, with the label.
    """
    run, stopped, own = _found(label, other, loaded, references, runs_dir, reporter, to_resume=True)
    if run is not None and (not final or _final_is_whole(run)):
        reporter.say(f"{label} from {run.path}")
        say_if_unverifiable(run, reporter.warn)
        return run
    if run is not None:
        reporter.say(f"{label} from {run.path}, whose final model is fitted now")
    elif stopped is not None:
        reporter.say(f"{label}: going on with {stopped.path}, which is not finished")
    else:
        reporter.say(f"{label} has no run on these rows and folds yet, training it")
    rows = own or dataset_for(other, loaded)
    try:
        return train(other, rows, run or stopped, final=final)
    except (ConfigError, DataError, ModelError, SplitError) as error:
        where = label if error.where is None else f"{label}, {error.where}"
        raise type(error)(error.what, where=where, fix=error.fix) from None


def _found(
    label: str,
    other: Resolved,
    loaded: Dataset,
    references: References,
    runs_dir: Path,
    reporter: Reporter,
    *,
    to_resume: bool = False,
) -> tuple[RunDir | None, RunDir | None, Dataset | None]:
    """Look for runs of a config on the loaded rows' files.

    Returns
    -------
    The newest finished run; the newest unfinished one that can be resumed (with `to_resume`); and
    rows loaded for this config, where only these could tell which features it has.
    """
    own: Dataset | None = None
    features = features_for(other, loaded)
    if features is None:
        experiment = other.experiment
        own = load_data(
            experiment.data,
            say=reporter.say,
            targets=[*experiment.scoring.targets, *learnt_beside(experiment)],
        )
        features = own.frame.feature_names
    digest = config_hash(other.experiment)
    params = validate_params(get_model(other.experiment.model.type).Params, other)
    made_with = {**file_identities(files_within(params)), **label_files(other.experiment)}
    finished: RunDir | None = None
    stopped: RunDir | None = None

    def damaged(_: RunDir, error: RunError) -> None:
        reporter.warn(f"{label}: a damaged run is left out: {error}")

    for run in iter_runs(runs_dir, other.experiment.name, damaged):
        manifest = run.manifest()
        if manifest["config_hash"] != digest or not same_data(run, loaded, references, features):
            continue
        if changed := changed_files(run, made_with):
            reporter.say(f"{run.path} is no run for {label}: it {changed}")
            continue
        if run.finished:
            try:
                run.checked(run.predictions_path)
            except Damaged as error:
                damaged(run, error)
            else:
                finished = run
        elif to_resume and "continued" not in manifest:
            stopped = run
    return finished, stopped, own


def _final_is_whole(run: RunDir) -> bool:
    if not run.has_final:
        return False
    try:
        run.check_part(run.final_dir)
    except Damaged:
        return False
    return True
