"""The final model of a finished run: what goes live, with everything it needs to predict."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32
from numerai_lab.config import Experiment, Neutralize
from numerai_lab.data import References
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError, RunError
from numerai_lab.experiment.history import KeptHistory, load_history
from numerai_lab.experiment.judging import benchmark_ranks, without
from numerai_lab.experiment.member_configs import QUICK
from numerai_lab.experiment.member_runs import FOLDER
from numerai_lab.experiment.predicting import Past, predict_with_past
from numerai_lab.experiment.records import (
    Damaged,
    RunDir,
    check_has_model,
    find_run,
    iter_runs,
    newest_asked_for,
)
from numerai_lab.models import Model, get_model
from numerai_lab.scoring import rank_per_era

PastOf = Callable[[KeptHistory, tuple[str, ...]], Past]
"""Of what a final model keeps of the past and its features: where it is shown earlier eras from."""


@dataclass(frozen=True)
class FinalMember:
    """The final model of a member, as a final model keeps it.

    Attributes
    ----------
    kind : its model's name, as a config has it.
    feature_names : in the order of training. members : its own, if it is made of members itself.
    trained_eras, target : the first and the last era it has learnt from, and what of them.
    history : what it looks back on; None where it does not.
    """

    kind: str
    model: Model
    feature_names: tuple[str, ...]
    members: Mapping[str, FinalMember]
    trained_eras: tuple[int, int]
    target: str
    history: KeptHistory | None = None


@dataclass(frozen=True)
class FinalModel:
    """A fitted model with what its run says about the rows it wants.

    Attributes
    ----------
    experiment : the run's config. manifest : what the run was made of.
    trained_eras : the first and the last era it was fitted on, by their numbers.
    feature_names, feature_dtype : the features in the order of training; `int8` or `float32`.
    neutralizers : names of the features, or the one benchmark, that the run takes out.
    members : the final models that it is made of, by name.
    history : what the model looks back on; None where it does not.
    """

    run: RunDir
    experiment: Experiment
    manifest: dict[str, Any]
    model: Model
    trained_eras: tuple[int, int]
    feature_names: tuple[str, ...]
    feature_dtype: str
    neutralizers: tuple[str, ...]
    members: Mapping[str, FinalMember] = field(default_factory=dict)
    history: KeptHistory | None = None

    @property
    def synthetic(self) -> bool:
        """Whether it was trained on the synthetic tournament."""
        return bool(self.manifest["data"]["source"] == "synthetic")


def find_final(spec: str | None, runs_dir: Path) -> RunDir:
    """Turn what a person named into a finished run with a final model.

    Parameters
    ----------
    spec : a run directory; an experiment's name or `latest:NAME` for its newest finished run that
        has a final model, one that somebody asked for rather than a member of another run; None
        for the newest of all.

    Raises
    ------
    RunError : no such run; a run that is not finished, or whose manifest is damaged; none with a
        final model. A damaged final model counts: `load_final` tells what is wrong with it.
    """
    try:
        run = find_run(spec, runs_dir, final=True)  # says what is wrong with a name or a directory
    except Damaged:
        raise
    except RunError as error:
        way = "train one with `numerai-lab train CONFIG --final`, or name another --runs-dir"
        raise RunError(error.what, where=error.where, fix=way) from None
    check_has_model(run)
    named = spec is not None and Path(spec).resolve() == run.path.resolve()
    if named and not run.finished:
        raise RunError(
            "is not finished",
            where=str(run.path),
            fix=f"finish it with `{run.completing(final=True)}`",
        )
    name = None if spec is None else run.manifest()["experiment"]
    ready = [run] if named else [one for one in iter_runs(runs_dir, name) if one.finished]
    with_final = [one for one in ready if one.has_final]
    if with_final:
        return newest_asked_for(with_final)
    what = "has no final model" if named else f"no finished run of '{name}' has a final model"
    if not named and name is None:
        what = "no finished run has a final model"
    lacking = newest_asked_for(ready)
    way = f"make one with `{lacking.completing(final=True)}`"
    if lacking.manifest()["experiment"].endswith(QUICK):  # on every 4th era, so none to go live
        way = "it was a first look: train it with --final in the place of --quick"
    raise RunError(what, where=str(run.path if named else runs_dir), fix=way)


def load_final(run: RunDir) -> FinalModel:
    """Load the final model of a run, once all its files are known to be as they were written.

    A library that reads a damaged model may crash, or predict something else without a word.

    Raises
    ------
    RunError : there is none, it is damaged, or it was made by an older version of this package.
    ModelError : the model's type is not known here.
    """
    path = run.final_dir / "fit.json"
    check_has_model(run)
    experiment, manifest = run.experiment(), run.manifest()
    if run.final_dir.exists():
        run.check_part(run.final_dir)
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        names, dtype = tuple(facts["feature_names"]), str(facts["feature_dtype"])
        neutralizers = tuple(facts["neutralizers"])
        trained = int(facts["first_era"]), int(facts["last_era"])
        members = _load_members(run.final_dir, facts)
        history = load_history(run.final_dir, facts, names)
    except FileNotFoundError:
        raise RunError(
            "has no final model",
            where=str(run.path),
            fix=f"`{run.completing(final=True)}` makes it",
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"the final model's facts cannot be read ({type(error).__name__}: {error})",
            where=str(path),
            fix="train the final model again",
        ) from None
    model = get_model(experiment.model.type).load(run.final_dir / "model")
    return FinalModel(
        run, experiment, manifest, model, trained, names, dtype, neutralizers, members, history
    )


def _load_members(folder: Path, facts: Mapping[str, Any]) -> dict[str, FinalMember]:
    """Load the members' models that lie in the folder of a final model, and their members."""
    found = {}
    for name, told in facts.get("members", {}).items():
        inside = folder / FOLDER / name
        theirs = json.loads((inside / "fit.json").read_text(encoding="utf-8"))
        found[name] = FinalMember(
            told["type"],
            get_model(told["type"]).load(inside / "model"),
            tuple(theirs["feature_names"]),
            _load_members(inside, theirs),
            (int(theirs["first_era"]), int(theirs["last_era"])),
            str(theirs["target"]),
            load_history(inside, theirs, theirs["feature_names"]),
        )
    return found


def predict_members(
    members: Mapping[str, FinalMember],
    rows: EraFrame,
    say: Callable[[str], None],
    past_of: PastOf | None = None,
) -> dict[str, Float32] | None:
    """Predict rows with members' final models, each with its own features; None without members.

    Raises ModelError as `predict_final`.
    """
    found = {}
    for name, member in members.items():
        mine = rows.with_features(member.feature_names)
        theirs = predict_members(member.members, mine, say, past_of)
        detail = predict_with_past(member.model, mine, _past(member, past_of), theirs)
        for note in detail.notes:
            say(f"member {name}: {note}")
        found[name] = detail.predictions
    return found or None


def _past(model: FinalModel | FinalMember, past_of: PastOf | None) -> Past | None:
    if model.history is None or past_of is None:
        return None
    return past_of(model.history, model.feature_names)


def predict_final(
    final: FinalModel,
    rows: EraFrame,
    *,
    neutralize: Neutralize | None,
    benchmarks: References,
    say: Callable[[str], None],
    past_of: PastOf | None = None,
) -> npt.NDArray[np.float64]:
    """Predict unlabelled rows as the run would, ranked per era.

    Parameters
    ----------
    rows : whole eras with the features of `final.feature_names`, in order. Eras are predicted
        each on its own: their numbers matter only where the model looks back.
    neutralize : what to take out of the predictions; the run's own section, another, or None.
    benchmarks : where a benchmark that is to be taken out is found.
    say : called with what the model has to tell.
    past_of : says where a model that looks back is shown earlier eras from (`with_earlier_eras`).

    Returns
    -------
    float64 [n_rows], strictly between 0 and 1, ties kept.

    Raises
    ------
    ModelError : NaN or infinite predictions, or features that are not those trained on.
    DataError : a benchmark that is not there or does not cover the rows.
    """
    members = predict_members(final.members, rows, say, past_of)
    detail = predict_with_past(final.model, rows, _past(final, past_of), members)
    for note in detail.notes:
        say(note)
    return neutralize_and_rank(
        final, detail.predictions, rows, neutralize=neutralize, benchmarks=benchmarks
    )


def neutralize_and_rank(
    final: FinalModel,
    values: npt.NDArray[np.float32],
    rows: EraFrame,
    *,
    neutralize: Neutralize | None,
    benchmarks: References,
) -> npt.NDArray[np.float64]:
    """Take out what is to be taken out of the model's predictions, and rank them per era.

    Parameters, result and errors as of `predict_final`; `values` are those of the model, [n_rows].
    """
    if neutralize is None:
        return rank_per_era(values, rows.offsets)
    own = neutralize == final.experiment.neutralize
    if neutralize.against == "benchmark":
        taken: npt.NDArray[Any] = _benchmark(final, neutralize, own, rows, benchmarks)
    else:
        names = final.neutralizers if own else final.feature_names
        place = {name: i for i, name in enumerate(rows.feature_names)}
        whole = names == rows.feature_names
        features = rows.features_in_memory()
        taken = features if whole else features[:, [place[name] for name in names]]
    return without(values, taken, rows.offsets, neutralize.proportion)


def _benchmark(
    final: FinalModel, how: Neutralize, own: bool, rows: EraFrame, benchmarks: References
) -> npt.NDArray[np.float64]:
    name = final.neutralizers[0] if own else how.benchmark
    if name is None and benchmarks.benchmarks:
        name = benchmarks.benchmarks[0]
    if name is None or not benchmarks.benchmarks:
        raise DataError(
            f"the predictions are neutralised against {f'benchmark {name!r}' if name else 'one'}, "
            "and there is no file with benchmark predictions of these rows",
            where="neutralize.benchmark",
            fix="put live_benchmark_models.parquet beside live.parquet",
        )
    fix = "download live_benchmark_models.parquet of the same round"
    return benchmark_ranks(name, rows, benchmarks, fix)
