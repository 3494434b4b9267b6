"""From a resolved config to everything that is decided before the first fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from numerai_lab.config import RESIDUAL, Experiment, Resolved, load_experiment, validate_params
from numerai_lab.data import Dataset, load_data
from numerai_lab.errors import ConfigError, DataError, ModelError, did_you_mean
from numerai_lab.experiment.member_configs import (
    QUICK,
    check_features,
    check_members,
    learnt_beside,
    longest_horizon,
    member_experiments,
    targets_of,
    with_members,
)
from numerai_lab.experiment.predicting import Past
from numerai_lab.experiment.records import RunDir
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.experiment.training_label import (
    check_train_on,
    label_files,
    learnable_folds,
    with_residual,
)
from numerai_lab.experiment.tuned_eras import said_of_tuning
from numerai_lab.models import (
    Members,
    Model,
    ModelInfo,
    check_seen,
    file_identities,
    files_within,
    get_model,
    history_eras_of,
    info_of,
    libraries_of,
    models_within,
)
from numerai_lab.splits import Plan, check_dates, plan_folds, purge_for


@dataclass(frozen=True)
class Prepared:
    """A run before it begins.

    Attributes
    ----------
    trained : targets the model learns from; the first is the main one, or that of `train_on`.
    horizon_days : the longest horizon among them and among members' targets, in trading days; the
        purge follows it.
    member_configs : the members of the model, by name, each as an experiment on these rows.
    made_with : what each file is that the parameters name, by their keys; see `file_identities`.
    member_runs, members : their runs, once they are there, and what these predicted of every
        judged row.
    sparing : as in `FitContext`.
    """

    experiment: Experiment
    model_class: type[Model]
    params: BaseModel
    dataset: Dataset
    trained: tuple[str, ...]
    horizon_days: int
    plan: Plan
    member_configs: Mapping[str, Resolved] = field(default_factory=dict)
    made_with: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    member_runs: Mapping[str, RunDir] = field(default_factory=dict)
    members: Members | None = None
    sparing: bool = False

    @property
    def info(self) -> ModelInfo:
        """What the model declares with its parameters."""
        return info_of(self.model_class, self.params)

    @property
    def libraries(self) -> tuple[str, ...]:
        """Optional libraries that the model, and models within its parameters, bring."""
        names = [self.experiment.model.type, *(one.type for one in models_within(self.params))]
        return tuple(dict.fromkeys(lib for name in names for lib in libraries_of(name)))

    @property
    def imports(self) -> bool:
        """Whether it is, or is made of, predictions that were made elsewhere."""
        within = (one.info.made_elsewhere for one in models_within(self.params))
        return self.info.made_elsewhere or any(within)

    @property
    def origin(self) -> str:
        """Where predictions come from that no config tells of, the model's and its members'; ""."""
        found = [self.info.origin, *(one.info.origin for one in models_within(self.params))]
        return "; ".join(dict.fromkeys(said for said in found if said))

    @property
    def history_eras(self) -> int:
        """How many era numbers before the one it predicts the model looks back; 0: none."""
        return history_eras_of(self.model_class(self.params))

    @property
    def past(self) -> Past:
        """Where a model that looks back is shown earlier eras from."""
        rows = self.dataset.frame if self.dataset.known is None else self.dataset.known
        return Past(rows, self.trained, purge_eras(self))

    @property
    def target(self) -> str:
        """The main target, which is judged."""
        return self.dataset.train_targets[0]

    @property
    def label(self) -> str:
        """What is learnt first: the main target, unless `train_on` says otherwise."""
        return self.trained[0]


def read_experiment(
    path: str, data: str | None, overrides: tuple[str, ...], *, tunable: bool = False
) -> Resolved:
    """Read a config with its model's parameters checked; all errors in one ConfigError.

    Members that it takes from other configs are written out. With `tunable` spaces may stand where
    values do.
    """
    resolved = load_experiment(
        path,
        data=data,
        overrides=overrides,
        params_of=lambda name: get_model(name).Params,
        tunable=tunable,
    )
    return with_members(resolved)


QUICK_STEP = 4
"""Eras are weeks and labels reach four of them ahead: in between there is little that is new."""


def quickly(resolved: Resolved) -> Resolved:
    """Return an experiment for a first look: on every 4th era, under a name of its own.

    Raises ConfigError where the config takes a part of the eras already.
    """
    experiment = resolved.experiment
    if experiment.data.eras.step != 1:
        raise ConfigError(
            f"data.eras.step is {experiment.data.eras.step} already",
            where=resolved.places.get("data.eras.step", str(resolved.path)),
            fix="leave --quick out",
        )
    name = f"{experiment.name}{QUICK}"
    eras = experiment.data.eras.model_copy(update={"step": QUICK_STEP})
    rows = experiment.data.model_copy(update={"eras": eras})
    told = (
        f"--quick: every {QUICK_STEP}th era alone is trained on and judged, as experiment {name}: "
        "a first look, whose intervals are wider"
    )
    changed = experiment.model_copy(update={"name": name, "data": rows})
    return replace(resolved, experiment=changed, notes=(*resolved.notes, told))


def prepare(
    resolved: Resolved,
    reporter: Reporter,
    dataset: Dataset | None = None,
    *,
    plan_only: bool = False,
) -> Prepared:
    """Load the data (or take rows that are loaded already) and plan the folds.

    With `plan_only` features are read only where they decide which rows are kept, so that the
    plan is the same.

    Raises ConfigError, DataError, SplitError or ModelError, each with the way out.
    """
    experiment = resolved.experiment
    for note in resolved.notes:
        reporter.warn(note)
    model_class = get_model(experiment.model.type)
    params = validate_params(model_class.Params, resolved)
    if experiment.data.entity is None:
        _check_no_entity_needed(experiment.model.type, info_of(model_class, params), params)
    members = member_experiments(resolved, params)
    if dataset is None:
        dataset = load_rows(resolved, reporter, members, plan_only=plan_only)
    check_train_on(experiment, model_class(params), info_of(model_class, params))
    if experiment.label == RESIDUAL:
        dataset = with_residual(dataset, experiment, reporter.say)
    info, main = info_of(model_class, params), dataset.train_targets[0]
    trained = learnt_targets(experiment, info, dataset)
    horizon = max(
        *(dataset.horizons[name] for name in trained),
        *(longest_horizon(member) for member in members.values()),
        0,
    )
    scored = max(dataset.horizons[name] for name in (main, *experiment.scoring.targets))
    trains = not info.made_elsewhere
    plan = plan_folds(experiment.split, dataset.frame.eras, horizon, scored, trains=trains)
    if experiment.label != main:
        plan = learnable_folds(plan, dataset.frame, experiment.label, main)
    too_near = check_members(resolved, members, plan)
    check_features(resolved, members, dataset)
    _check_expected(resolved, dataset.frame.feature_names)
    for fold in plan.folds:
        check_dates(fold, dataset.era_dates)
    told = [*too_near, *said_of_tuning(plan.folds, experiment.tuned)]
    if experiment.data.rows is not None:
        told.append(experiment.data.rows.said)
    plan = replace(plan, notes=(*plan.notes, *told))
    for note in plan.notes:
        reporter.warn(note)
    made_with = {**files_made_with(params, plan), **label_files(experiment)}
    return Prepared(
        experiment, model_class, params, dataset, trained, horizon, plan, members, made_with
    )


def learnt_targets(experiment: Experiment, info: ModelInfo, dataset: Dataset) -> tuple[str, ...]:
    """Return the targets that the model learns from, its label first."""
    others = dataset.train_targets[1:] if info.multi_target else ()
    return tuple(dict.fromkeys([experiment.label, *others]))


def _check_expected(resolved: Resolved, features: Sequence[str]) -> None:
    """Raise ConfigError where a direction is expected of what is no feature of the experiment."""
    for name in resolved.experiment.expect:
        if name not in features:
            key = f"expect.{name}"
            raise ConfigError(
                f"'{name}' is not a feature of the experiment" + did_you_mean(name, features),
                where=f"{resolved.places.get(key, resolved.path)} {key}",
            )


def files_made_with(params: BaseModel, plan: Plan) -> Mapping[str, Mapping[str, Any]]:
    """Return what is known of the files that parameters name, by key.

    Raises
    ------
    ModelError : one was learnt from eras that a fold of the plan must not know.
    """
    made_with = file_identities(files_within(params))
    for key, facts in made_with.items():
        for fold in plan.folds if "features_to" in facts else ():
            what = f"{key}: {facts['path']}"
            check_seen(what, facts, int(fold.judged.min()), int(fold.train.max()))
    return made_with


def looks_at_unlabelled(model_class: type[Model], params: BaseModel) -> bool:
    """Tell whether rows without a label are wanted, too: to learn from, or as earlier eras."""
    looks_back = history_eras_of(model_class(params)) > 0
    return info_of(model_class, params).unlabelled or looks_back


def load_rows(
    resolved: Resolved,
    reporter: Reporter,
    members: Mapping[str, Resolved] | None = None,
    *,
    plan_only: bool = False,
    eras: Sequence[int] | None = None,
) -> Dataset:
    """Load the data that an experiment asks for; `plan_only` as in `prepare`.

    `members` are its model's, where they are known already; `eras` those to read, None for all.
    """
    experiment = resolved.experiment
    model_class = get_model(experiment.model.type)
    params = validate_params(model_class.Params, resolved)
    if members is None:
        members = member_experiments(resolved, params)
    rows_by_features = experiment.data.missing.max_row_missing is not None
    try:
        dataset = load_data(
            experiment.data,
            say=reporter.say,
            eras=eras,
            features="checked" if plan_only and not rows_by_features else "configured",
            targets=[*experiment.scoring.targets, *targets_of(members), *learnt_beside(experiment)],
            keep_unlabelled=looks_at_unlabelled(model_class, params),
            progress=reporter.converted,
        )
    except DataError as error:
        raise _with_line(error, resolved) from None
    # arrow keeps what reading needed for the next reading; training needs it now
    pa.default_memory_pool().release_unused()
    return dataset


def _with_line(error: DataError, resolved: Resolved) -> DataError:
    """Return a mistake at a key of the config with the file and line where the key is written."""
    key = error.where or ""
    for place, line in resolved.places.items():
        if place == key or place.startswith((f"{key}.", f"{key}[")):
            return DataError(error.what, where=f"{line} {key}", fix=error.fix)
    return error


def _check_no_entity_needed(name: str, info: ModelInfo, params: BaseModel) -> None:
    """Raise ModelError where a model, or one within its parameters, must follow rows over time."""
    needy = [name] if info.needs_entity else []
    needy += [one.type for one in models_within(params) if one.info.needs_entity]
    if needy:
        raise ModelError(
            f"model '{needy[0]}' follows what rows are about over time, and nothing here says what "
            "that is: Numerai's ids are drawn anew for every era",
            where="data.entity",
            fix="use source: parquet and name the column there, as in entity: ticker",
        )


def purge_eras(prepared: Prepared) -> int:
    """The purge this run works with, in era numbers, for splits inside the training eras."""
    setting = prepared.experiment.split.purge_eras
    return purge_for(prepared.horizon_days) if setting == "auto" else setting
