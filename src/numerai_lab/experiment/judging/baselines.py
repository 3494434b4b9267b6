"""compare_to: the same rows, folds and scoring, with another experiment's model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from numerai_lab.config import Resolved, beside, validate_params
from numerai_lab.data import Dataset, chosen_features
from numerai_lab.errors import ConfigError, did_you_mean
from numerai_lab.experiment.member_configs import learnt_beside, quick_as
from numerai_lab.experiment.plan import Prepared, looks_at_unlabelled, read_experiment
from numerai_lab.models import DetailedModel, get_model


def aligned_baseline(parent: Resolved, name: str, data: str | None) -> Resolved:
    """Read the experiment `name` beside the parent's config and set it on the parent's rows.

    Its model, weights, early stopping and additional targets stay its own; data, main target,
    split, seed, device and scoring become the parent's, so that only the model differs.
    """
    folder = parent.path.parent
    path = beside(folder, f"{name}.yaml")
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        raise ConfigError(
            f"no experiment '{name}' beside {parent.path}" + did_you_mean(name, known),
            where=f"{parent.places.get('compare_to', str(parent.path))} compare_to",
            fix="name a config in the same folder, without .yaml",
        )
    mine = parent.experiment
    if data is not None and mine.data.source == "prices" and mine.data.files == [Path(data)]:
        data = None  # files of prices alone, which are the parent's rows; the other has no prices
    other = read_experiment(str(path), data, ())
    theirs = other.experiment
    rows = mine.data.model_copy(
        update={
            "targets": [mine.data.targets[0], *theirs.data.targets[1:]],
            "optional_targets": theirs.data.optional_targets,
            "averages": {**theirs.data.averages, **mine.data.averages},
        }
    )
    aligned = theirs.model_copy(
        update={
            "name": quick_as(mine, theirs.name),
            "data": rows,
            "split": mine.split,
            "seed": mine.seed,
            "device": mine.device,
            "threads": mine.threads,
            "scoring": mine.scoring,
            "compare_to": [],
        }
    )
    return replace(other, experiment=aligned)


def differs_from_variant(prepared: Prepared, baseline: Resolved) -> tuple[str, list[str]] | None:
    """Say where a baseline is set otherwise than a variant of the run's own model.

    Returns
    -------
    The variant and sentence parts, one a parameter or section; none: its prediction *is* the
    variant, made on the way. None: it is another kind of model, or the run has no such variant.
    """
    mine, theirs = prepared.experiment, baseline.experiment
    model = prepared.model_class(prepared.params)
    if not isinstance(model, DetailedModel):
        return None
    twin = model.twin_of_variant(prepared.params)
    if twin is None or twin[1] != theirs.model.type:
        return None
    params = validate_params(get_model(theirs.model.type).Params, baseline).model_dump()
    variant, own = twin[0], twin[2].model_dump()
    differences = [
        f"{key} {params.get(key)} ({variant}: {own.get(key)})"
        for key in {**own, **params}
        if params.get(key) != own.get(key)
    ] + [
        f"another section {section}"
        for section in ("train_on", "weights", "early_stopping", "neutralize")
        if getattr(mine, section) != getattr(theirs, section)
    ]
    return variant, differences


def features_for(other: Resolved, loaded: Dataset) -> tuple[str, ...] | None:
    """The features that another experiment on the same rows trains on.

    None when its own rows must tell: it chooses others than are loaded, of which some may go.
    """
    wanted, there = other.experiment.data, loaded.frame.feature_names
    chosen = chosen_features(wanted, loaded)
    if tuple(name for name in chosen if name in set(there)) == there:
        return there
    missing = wanted.missing
    if missing.max_row_missing is not None or missing.max_feature_missing is not None:
        return None
    return chosen


def dataset_for(other: Resolved, loaded: Dataset) -> Dataset | None:
    """The loaded rows as another experiment trains on them; None when it needs others."""
    wanted, there = other.experiment.data, loaded.frame.target_names
    optional = [name for name in wanted.optional_targets if name in there]
    targets = tuple(dict.fromkeys([*wanted.targets, *optional]))
    needed = [*targets, *learnt_beside(other.experiment)]
    if len(optional) < len(wanted.optional_targets) or any(name not in there for name in needed):
        return None
    if targets[0] != loaded.train_targets[0]:
        return None  # rows without the one main target may have the other
    kind = get_model(other.experiment.model.type)
    unlabelled = looks_at_unlabelled(kind, validate_params(kind.Params, other))
    if unlabelled and loaded.known is None:
        return None
    features = features_for(other, loaded)
    if features is None or not set(features) <= set(loaded.frame.feature_names):
        return None
    return replace(
        loaded,
        frame=loaded.frame.with_features(features),
        known=loaded.known.with_features(features) if unlabelled and loaded.known else None,
        train_targets=targets,
    )
