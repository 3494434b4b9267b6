"""Members as experiments of their own, on the rows, folds and scoring of the run they are for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError

from numerai_lab.config import (
    RESIDUAL,
    BlockedSplit,
    Experiment,
    ModelSection,
    Resolved,
    Split,
    beside,
    is_shipped,
    load_experiment,
    resolved_yaml,
    validate_params,
)
from numerai_lab.data import Dataset, chosen_features, horizon_days
from numerai_lab.errors import ConfigError, did_you_mean
from numerai_lab.models import (
    MemberChoice,
    get_model,
    info_of,
    is_member_name,
    members_of,
    models_within,
)
from numerai_lab.splits import Plan, purge_for

_SPLIT: TypeAdapter[Split] = TypeAdapter(Split)
_OWN_OF_DATA = ("targets", "optional_targets", "feature_set", "features")
_OWN_OF_SPLIT = ("train_step", "train_offset")


QUICK = ".quick"
"""How the name of an experiment on every 4th era ends, and of what is trained for it."""


def quick_as(parent: Experiment, name: str) -> str:
    """Return the name of what is trained for an experiment: it must not pass for one on all eras.

    So `xgb`, trained for `ridge --quick`, is the run of `xgb --quick`, and `latest:xgb` not it.
    """
    return f"{name}{QUICK}" if parent.name.endswith(QUICK) else name


def with_members(resolved: Resolved, before: tuple[Path, ...] = ()) -> Resolved:
    """Write out every member that an experiment takes from another config (`from: ridge.yaml`).

    Of that file count its model, weights and early stopping, and what it says itself of targets,
    features, seed, `train_step` and `train_offset`, each unless the member says it; all else is
    the experiment's.

    Parameters
    ----------
    before : the files whose members these are, to find a circle.

    Raises
    ------
    ConfigError : no such file, a mistake in it, members in a circle.
    """
    chain = (*before, resolved.path.resolve())
    model_class = get_model(resolved.experiment.model.type)
    params = validate_params(model_class.Params, resolved)
    notes: list[str] = []
    given_way: dict[str, dict[str, None]] = {}

    def written_out(choice: MemberChoice, key: str) -> MemberChoice:
        path = beside(resolved.path.parent, str(choice.from_))
        where = f"{resolved.places.get(key, resolved.path)} {key}"
        if not path.is_file():
            known = sorted(p.name for p in resolved.path.parent.glob("*.yaml"))
            raise ConfigError(
                f"no config '{choice.from_}' beside {resolved.path}"
                + did_you_mean(str(choice.from_), known),
                where=where,
                fix="name a YAML file relative to this one's folder",
            )
        if path.resolve() in chain:
            names = [one.name for one in (*chain[chain.index(path.resolve()) :], path)]
            raise ConfigError(
                f"members in a circle: {' -> '.join(names)}",
                where=where,
                fix="take the member out of one of these files",
            )
        other = load_experiment(path, params_of=lambda name: get_model(name).Params)
        other = with_members(other, chain)
        if is_shipped(path, resolved.path):
            notes.append(f"from: {path.name} is {path}, which comes with numerai_lab")
        notes.extend(f"{path.name}: {note}" for note in other.notes)
        for section in _not_used(other, resolved):
            given_way.setdefault(section, {})[path.name] = None
        return _as_choice(other, choice, key.removesuffix(".from").rpartition(".")[2], where)

    found = _replaced(params, written_out, "model.params")
    if found is params:
        return resolved
    if given_way:
        alike: dict[str, list[str]] = {}
        for section, names in given_way.items():
            alike.setdefault(", ".join(sorted(names)), []).append(section)
        notes += [
            f"of the members' files gives way to this experiment's: {', '.join(sections)} (of {of})"
            for of, sections in alike.items()
        ]
    written = found.model_dump(mode="json", by_alias=True, exclude_unset=True)
    model = resolved.experiment.model.model_copy(update={"params": written})
    experiment = resolved.experiment.model_copy(update={"model": model})
    return replace(resolved, experiment=experiment, notes=(*resolved.notes, *notes))


def _replaced(value: Any, fill: Callable[[MemberChoice, str], MemberChoice], key: str) -> Any:
    """Return a value with all members within it filled in, itself where there are none."""
    if isinstance(value, MemberChoice) and value.from_ is not None:
        return fill(value, f"{key}.from")
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        changed = {
            name: new
            for name, old in fields.items()
            if (new := _replaced(old, fill, f"{key}.{name}")) is not old
        }
        return value.model_copy(update=changed) if changed else value
    if isinstance(value, dict):
        inside = {name: _replaced(old, fill, f"{key}.{name}") for name, old in value.items()}
        return inside if any(inside[name] is not old for name, old in value.items()) else value
    if isinstance(value, list | tuple):
        items = [_replaced(old, fill, f"{key}[{i}]") for i, old in enumerate(value)]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else type(value)(items)
    return value


def _as_choice(other: Resolved, choice: MemberChoice, member: str, where: str) -> MemberChoice:
    theirs = other.experiment
    if theirs.neutralize is not None:
        raise ConfigError(
            f"{other.path} has a section neutralize, which a member cannot have",
            where=where,
            fix="leave it out there (`neutralize: null` in a copy that extends it), and neutralise "
            "what is made of the members",
        )
    sections = {"data": _OWN_OF_DATA, "split": _OWN_OF_SPLIT}
    own: dict[str, Any] = {
        key: getattr(getattr(theirs, section), key)
        for section, keys in sections.items()
        for key in keys
        if _said(other, f"{section}.{key}")
    }
    if _said(other, "seed"):
        own["seed"] = theirs.seed
    here = {key: getattr(choice, key) for key in choice.model_fields_set if key != "from_"}
    if "feature_set" in here:
        own.pop("features", None)
    if "targets" in here:
        own.pop("optional_targets", None)
    # Changed, it is another experiment: `latest:xgb` must not mean xgb on every fourth era. Named
    # after the file rather than the stack, so that another stack finds the same run.
    suffix = re.sub(r"[^A-Za-z0-9_-]+", "_", member)
    whole = {
        "type": theirs.model.type,
        "params": theirs.model.params,
        "weights": theirs.weights,
        "early_stopping": theirs.early_stopping,
        "train_on": theirs.train_on,
        "name": f"{theirs.name}.{suffix}" if here else theirs.name,
        **own,
        **here,
    }
    return MemberChoice.model_validate({key: v for key, v in whole.items() if v is not None})


def _said(other: Resolved, key: str) -> bool:
    return any(place == key or place.startswith(f"{key}[") for place in other.places)


def _not_used(other: Resolved, parent: Resolved) -> list[str]:
    """Return which sections of a member's file give way to the experiment's."""

    def rest(experiment: Experiment, section: str, own: tuple[str, ...]) -> dict[str, Any]:
        written = getattr(experiment, section).model_dump(mode="json")
        return {key: value for key, value in written.items() if key not in own}

    sections = {"data": (*_OWN_OF_DATA, "store"), "split": _OWN_OF_SPLIT, "scoring": ()}
    return [
        section
        for section, own in sections.items()
        if rest(other.experiment, section, own) != rest(parent.experiment, section, own)
    ]


def member_experiments(resolved: Resolved, params: BaseModel) -> dict[str, Resolved]:
    """Return a model's members by name, each as an experiment; none where it needs none.

    Parameters
    ----------
    params : of the experiment's model.

    Raises
    ------
    ConfigError : a name that can be no folder, a member that comes from a file that nobody has read
        (`with_members`), `train_offset` that is not below `train_step`, a model that needs members
        where it is given none.
    """
    model_class = get_model(resolved.experiment.model.type)
    for choice in models_within(params):
        if choice.info.needs_members and not isinstance(choice, MemberChoice):
            raise ConfigError(
                f"model '{choice.type}' is made of members, and is given none within another model",
                where=str(resolved.path),
                fix="make it the experiment's model, or a member",
            )
    found = {}
    for name, choice in members_of(model_class, params).items():
        where = f"{resolved.path} member '{name}'"
        if not is_member_name(name):
            raise ConfigError(
                f"'{name}' is no name for a member",
                where=str(resolved.path),
                fix="use letters, digits, _ and -",
            )
        try:
            found[name] = _experiment(resolved, name, choice)
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ConfigError(said, where=where) from None
    return found


def _experiment(resolved: Resolved, name: str, choice: MemberChoice) -> Resolved:
    mine = resolved.experiment
    rows: dict[str, Any] = {}
    if choice.targets is not None:
        rows |= {"targets": choice.targets, "optional_targets": choice.optional_targets}
    elif choice.optional_targets:
        rows |= {"optional_targets": choice.optional_targets}
    if choice.features is not None:
        rows["features"] = choice.features
    elif choice.feature_set is not None:
        rows |= {"feature_set": choice.feature_set, "features": None}
    split = mine.split.model_dump(by_alias=True, exclude_unset=True)
    if choice.train_step is not None:
        split |= {"train_step": choice.train_step, "train_offset": choice.train_offset or 0}
    elif choice.train_offset is not None:
        split["train_offset"] = choice.train_offset
    written = choice.params.model_dump(mode="json", by_alias=True, exclude_unset=True)
    experiment = Experiment(
        name=quick_as(mine, choice.name) if choice.name else f"{mine.name}.{name}",
        seed=mine.seed if choice.seed is None else choice.seed,
        device=mine.device,
        threads=mine.threads,
        data=mine.data.model_copy(update=rows),
        split=_SPLIT.validate_python(split),
        train_on=choice.train_on,
        weights=choice.weights,
        early_stopping=choice.early_stopping,
        model=ModelSection(type=choice.type, params=written),
        scoring=mine.scoring,
    )
    return Resolved(experiment, resolved.path, resolved_yaml(experiment), {})


def longest_horizon(resolved: Resolved) -> int:
    """Return the longest horizon, in trading days, that a member or its members learn from."""
    experiment = resolved.experiment
    model_class = get_model(experiment.model.type)
    params = validate_params(model_class.Params, resolved)
    names = [experiment.data.targets[0], *learnt_beside(experiment)]
    if info_of(model_class, params).multi_target:
        names += [*experiment.data.targets, *experiment.data.optional_targets]
    own = [horizon_days(name, experiment.data) for name in names]
    within = member_experiments(resolved, params).values()
    return max([*own, *(longest_horizon(one) for one in within)])


def targets_of(members: Mapping[str, Resolved]) -> list[str]:
    """Return the targets that members train on, which are then read with the run's own rows."""
    experiments = [member.experiment for member in members.values()]
    named = [t for one in experiments for t in (*one.data.targets, *learnt_beside(one))]
    return list(dict.fromkeys(named))


def learnt_beside(experiment: Experiment) -> list[str]:
    """Return the target that `train_on` names, if the rows have to come with it."""
    own = (experiment.data.targets[0], RESIDUAL)
    return [] if experiment.label in own else [experiment.label]


def check_members(resolved: Resolved, members: Mapping[str, Resolved], plan: Plan) -> list[str]:
    """Refuse folds of which no earlier one tells anything about members.

    Returns
    -------
    A sentence for each member whose labels look further ahead than the purge allows for.

    Raises
    ------
    ConfigError : a blocked split, one fold only, a member that is left without training eras.
    """
    if not members:
        return []
    kind = resolved.experiment.model.type
    place = resolved.places.get("split.type") or resolved.places.get("split") or resolved.path
    where = f"{place} split.type"
    if isinstance(resolved.experiment.split, BlockedSplit):
        raise ConfigError(
            f"model '{kind}' learns from what its members predicted in earlier folds, and in a "
            "blocked split these members have learnt from the judged eras",
            where=where,
            fix="use walk_forward or official",
        )
    if len(plan.folds) == 1:
        raise ConfigError(
            f"model '{kind}' learns from what its members predicted in earlier folds, and this "
            "split has one fold only",
            where=where,
            fix="use walk_forward with a smaller chunk_eras, or more eras",
        )
    _check_thinned(resolved, members, plan)
    purge = min(fold.purge_eras for fold in plan.folds)
    needs = {name: purge_for(longest_horizon(member)) for name, member in members.items()}
    return [
        f"member '{name}' learns labels that need a purge of {needed} eras, and split.purge_eras "
        f"is {purge}: leave it out, and the purge follows the longest"
        for name, needed in needs.items()
        if needed > purge
    ]


def _check_thinned(resolved: Resolved, members: Mapping[str, Resolved], plan: Plan) -> None:
    """Refuse a member whose `train_step` hits no training era, before others train for hours."""
    if resolved.experiment.split.train_step != 1:
        return  # the plan has these eras alone
    step = resolved.experiment.data.eras.step
    sparse = "" if step == 1 else f", or all eras (data.eras.step is {step}; no --quick)"
    for name, member in members.items():
        split = member.experiment.split
        for fold in plan.folds:
            numbers = fold.train.astype(np.int64)
            if not np.any((numbers - 1) % split.train_step == split.train_offset):
                raise ConfigError(
                    f"member '{name}' trains on every {split.train_step}th era with offset "
                    f"{split.train_offset}, and fold {fold.index} has none of these",
                    where=str(resolved.path),
                    fix=f"choose another train_step or train_offset{sparse}",
                )


def check_features(resolved: Resolved, members: Mapping[str, Resolved], dataset: Dataset) -> None:
    """Refuse a member with features that the run does not load: live rows come with the run's.

    Raises ConfigError.
    """
    mine = set(chosen_features(resolved.experiment.data, dataset))
    for name, member in members.items():
        theirs = chosen_features(member.experiment.data, dataset)
        absent = [one for one in theirs if one not in mine]
        if absent:
            raise ConfigError(
                f"member '{name}' has {len(absent)} features that this experiment does not load, "
                f"first '{absent[0]}'",
                where=str(resolved.path),
                fix="choose a data.feature_set that has those of every member",
            )
