"""A study before its first trial: what is searched, on which eras, and what makes it this study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.arrays import Eras
from numerai_lab.config import Experiment, Key, Resolved, Space, Split, Tune, config_hash, dotted
from numerai_lab.data import (
    META_MODEL,
    Dataset,
    References,
    choose_benchmark,
    load_references,
)
from numerai_lab.errors import ConfigError, SplitError
from numerai_lab.experiment import (
    Here,
    Prepared,
    Reporter,
    check_memory,
    files_made_with,
    fingerprint,
    prepare,
    purge_eras,
)
from numerai_lab.files import sha256_of
from numerai_lab.models import shipped_spaces
from numerai_lab.splits import Fold, Plan, fold_after, inner_folds
from numerai_lab.tuning.members import check_members_stay, member_folds, with_finished_members

NO_REFERENCES = References((), False, (), {})
MOSTLY = 0.8
"""Share of an era's rows that the meta model or benchmark has to cover, as mmc and bmc ask for."""


@dataclass(frozen=True)
class StudyPlan:
    """What a study is decided by.

    Attributes
    ----------
    spaces : what is searched, by key. own : whether they are the model's own.
    default : the value of each key in the config that is not tuned; those not known are absent.
    how : the config's `tune` section.
    study : the experiment on the study's eras alone; its plan has the inner folds.
    after : the experiment on all eras but those of a test; its plan has the one fold that trains
        up to the study's last era and is judged on later ones. None where there are none.
    references : predictions of others, where post-processing takes one out, or the aim looks at
        one. beside : the column that the aim looks at.
    """

    spaces: Mapping[Key, Space]
    own: bool
    default: Mapping[Key, Any]
    how: Tune
    study: Prepared
    after: Prepared | None
    references: References
    beside: str | None = None

    @property
    def experiment(self) -> Experiment:
        """The config that is not tuned."""
        return self.study.experiment

    @property
    def eras(self) -> Eras:
        """The study's eras, int32."""
        return self.study.dataset.frame.eras

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The inner folds."""
        return self.study.plan.folds

    @property
    def judged(self) -> Eras:
        """Every era that trials are judged on, int32, in order."""
        return np.concatenate([fold.judged for fold in self.folds])

    @property
    def horizon_days(self) -> int:
        """Horizon of the target that trials are judged on."""
        return self.study.dataset.horizons[self.study.target]

    def identity(self) -> dict[str, Any]:
        """Return what must be the same for a study to go on, ready for JSON."""
        return {
            "config": config_hash(self.experiment),
            "space": {
                dotted(key): space.model_dump(mode="json", exclude_unset=True)
                for key, space in self.spaces.items()
            },
            "eras": [int(self.eras[0]), int(self.eras[-1])],
            "folds": [[int(f.judged[0]), int(f.judged[-1])] for f in self.folds],
            "score": self.how.score,
            **({} if self.how.aim == "corr" else {"aim": self.how.aim, "beside": self.beside}),
            "prune": self.how.prune,
            "data": fingerprint(self.study.dataset, self.references),
            **self._members(),
        }

    def _members(self) -> dict[str, Any]:
        """Return what members predicted, as hashes; nothing for a model without any."""
        runs = self.study.member_runs
        found = {name: sha256_of(run.predictions_path) for name, run in runs.items()}
        return {"members": found} if found else {}


def plan_study(resolved: Resolved, reporter: Reporter, runs_dir: Path = Path("runs")) -> StudyPlan:
    """Load the data and decide all that a study is decided by.

    Parameters
    ----------
    runs_dir : where the runs of members are, for a model made of some.

    Raises
    ------
    ConfigError : nothing to search. SplitError : too few eras, or eras kept for a test.
    DataError, ModelError, UserError : as `prepare` and `check_memory`.
    """
    whole = prepare(resolved, reporter)
    experiment = whole.experiment
    spaces, own = _spaces(resolved, whole)
    how = experiment.tune or Tune()
    neutralize = experiment.neutralize
    by_benchmark = neutralize is not None and neutralize.against == "benchmark"
    looked_at = by_benchmark or how.aim != "corr" or whole.member_configs
    references = load_references(whole.dataset, reporter.say) if looked_at else NO_REFERENCES
    if whole.member_configs:
        check_members_stay(spaces, resolved)
        whole = with_finished_members(whole, references, runs_dir, reporter)
    dataset, first_test = _before_test(whole)
    chosen = _study_eras(how, dataset.frame.eras, first_test)
    first, last = int(chosen[0]), int(chosen[-1])
    purge = purge_eras(whole)
    given = whole.members
    folds = (
        _inner(experiment.split, chosen, purge, how)
        if given is None
        else member_folds(whole, chosen)
    )
    # trials are given a dataset that ends where the study does: there is nothing later to see
    study = replace(
        whole,
        dataset=_between(dataset, first, last),
        plan=Plan(folds, ()),
        members=None if given is None else given.of(chosen),
    )
    files_made_with(study.params, study.plan)  # what knows too much is told before the first trial
    check_memory(study, Here())
    later = fold_after(experiment.split, dataset.frame.eras, last, purge)
    after = None
    if later is not None and given is not None:
        predicted = later.judged[np.isin(later.judged, given.rows.eras)]
        later = replace(later, judged=predicted) if len(predicted) else None
    if later is not None:
        after = replace(whole, dataset=dataset, plan=Plan((later,), ()))
    beside = _beside(how, study, references)
    return StudyPlan(spaces, own, _defaults(spaces, whole), how, study, after, references, beside)


def _beside(how: Tune, study: Prepared, references: References) -> str | None:
    """Return the column that the aim looks at, which must cover every judged era of the study.

    Raises ConfigError.
    """
    if how.aim == "corr":
        return None
    if how.aim == "bmc":
        name = choose_benchmark(study.experiment.scoring.benchmark, references.benchmarks)
    else:
        name = META_MODEL if references.has_meta_model else None
    what = "benchmark" if how.aim == "bmc" else "meta model"
    if name is None:
        raise ConfigError(
            f"aim {how.aim} looks at a {what}, and there is none",
            where="tune.aim",
            fix="get the file, or choose aim: corr",
        )
    rows = study.dataset.frame.select_eras(np.concatenate([f.judged for f in study.plan.folds]))
    known = ~np.isnan(references.align(rows.ids, [name])[name])
    lacking = [era for era, part in rows.iter_eras() if known[part].mean() < MOSTLY]
    if lacking:
        raise ConfigError(
            f"aim {how.aim} looks at the {what}, which has less than 80 % of the rows in "
            f"{len(lacking)} of the {rows.n_eras} eras that trials are judged on, first "
            f"{lacking[0]}",
            where="tune.aim",
            fix="choose tune.eras whose judged eras it covers, or aim: corr",
        )
    return name


def _spaces(resolved: Resolved, whole: Prepared) -> tuple[Mapping[Key, Space], bool]:
    if resolved.spaces:
        return resolved.spaces, False
    params = whole.experiment.model.params
    shipped = shipped_spaces(whole.model_class.Params, params)
    if not shipped:
        raise ConfigError(
            f"nothing to tune: no value is a space, and model {whole.experiment.model.type} "
            "ships none",
            where=str(resolved.path),
            fix="write spaces where values stand, as max_depth: {tune: int, low: 3, high: 8}",
        )
    return {("model", "params", *key): space for key, space in shipped.items()}, True


def _defaults(spaces: Mapping[Key, Space], whole: Prepared) -> dict[Key, Any]:
    """Return what the config that is not tuned has at each key, where that is known."""
    written = whole.experiment.model_dump(by_alias=True)
    written["model"]["params"] = whole.params.model_dump(by_alias=True)
    found: dict[Key, Any] = {}
    for key, space in spaces.items():
        value: Any = written
        for name in key:
            inside = isinstance(value, list) and isinstance(name, int) and name < len(value)
            value = value[name] if inside else value.get(name) if type(value) is dict else None
        if value is None and "default" in space.model_fields_set:
            value = space.default
        if value is not None:
            found[key] = value
    return found


def _before_test(whole: Prepared) -> tuple[Dataset, int | None]:
    """Return the rows that a study and its comparison may see, and the first era they may not."""
    tests = [fold for fold in whole.plan.folds if len(fold.test)]
    if not tests:
        return whole.dataset, None
    first = min(int(fold.test[0]) - fold.test_purge_eras for fold in tests)
    return _between(whole.dataset, int(whole.dataset.frame.eras[0]), first - 1), first


def _study_eras(how: Tune, eras: Eras, first_test: int | None) -> Eras:
    first = int(eras[0]) if how.eras.from_ is None else how.eras.from_
    last = how.eras.to
    if last is None:
        known = eras[eras >= first]
        last = int(known[(len(known) - 1) // 2]) if len(known) else first
    if first_test is not None and last >= first_test:
        raise SplitError(
            f"to {last} is not before era {first_test}, where the eras kept for the test begin, "
            "less their purge",
            where="tune.eras",
            fix=f"tune up to era {first_test - 1} at most",
        )
    chosen: Eras = eras[(eras >= first) & (eras <= last)]
    if len(chosen) <= how.folds:
        raise SplitError(
            f"there are {len(chosen)} eras from {first} to {last}, too few for {how.folds} inner "
            f"folds (the data has {eras[0]}-{eras[-1]})",
            where="tune.eras",
            fix="choose a longer range, or fewer tune.folds",
        )
    return chosen


def _inner(split: Split, chosen: Eras, purge: int, how: Tune) -> tuple[Fold, ...]:
    """Cut the study's eras into its inner folds, and say whose eras are too few."""
    try:
        return inner_folds(split, chosen, purge, how.folds)
    except SplitError as error:
        raise SplitError(
            error.what,
            where="tune.eras",
            fix="choose a longer range, or fewer tune.folds",
        ) from None


def _between(dataset: Dataset, first: int, last: int) -> Dataset:
    known = dataset.known
    return replace(
        dataset,
        frame=dataset.frame.between(first, last),
        known=None if known is None else known.between(first, last),
    )
