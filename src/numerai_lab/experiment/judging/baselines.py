"""compare_to: the same rows, folds and scoring, with another experiment's model."""

from __future__ import annotations

from dataclasses import replace

from numerai_lab.config import Resolved, validate_params
from numerai_lab.data import Dataset
from numerai_lab.errors import ConfigError, did_you_mean
from numerai_lab.experiment.plan import Prepared, read_experiment
from numerai_lab.models import DetailedModel, get_model, info_of


def aligned_baseline(parent: Resolved, name: str, data: str | None) -> Resolved:
    """Read the experiment `name` beside the parent's config and set it on the parent's rows.

    Its model, weights, early stopping and additional targets stay its own; data, main target,
    split, seed, device and scoring become the parent's, so that only the model differs.
    """
    folder = parent.path.parent
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        raise ConfigError(
            f"no experiment '{name}' beside {parent.path}" + did_you_mean(name, known),
            where=f"{parent.places.get('compare_to', str(parent.path))} compare_to",
            fix="name a config in the same folder, without .yaml",
        )
    other = read_experiment(str(path), data, ())
    mine, theirs = parent.experiment, other.experiment
    rows = mine.data.model_copy(
        update={
            "targets": [mine.data.targets[0], *theirs.data.targets[1:]],
            "optional_targets": theirs.data.optional_targets,
        }
    )
    aligned = theirs.model_copy(
        update={
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
        for section in ("weights", "early_stopping", "neutralize")
        if getattr(mine, section) != getattr(theirs, section)
    ]
    return variant, differences


def dataset_for(baseline: Resolved, loaded: Dataset) -> Dataset | None:
    """The parent's rows as the baseline trains on them; None when it needs others than loaded."""
    wanted = baseline.experiment.data
    optional = [name for name in wanted.optional_targets if name in loaded.frame.target_names]
    names = tuple(dict.fromkeys([*wanted.targets, *optional]))
    if len(optional) < len(wanted.optional_targets) or any(
        name not in loaded.frame.target_names for name in names
    ):
        return None
    kind = get_model(baseline.experiment.model.type)
    if info_of(kind, validate_params(kind.Params, baseline)).unlabelled and loaded.known is None:
        return None
    return replace(loaded, train_targets=names)
