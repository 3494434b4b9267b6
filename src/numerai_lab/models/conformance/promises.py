"""What a model promises, one function each: a broken promise raises `Broken`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from numerai_lab.eraframe import EraFrame, end_to_end
from numerai_lab.errors import LabError, ModelError
from numerai_lab.models.conformance.classes import problem_of_classes
from numerai_lab.models.conformance.contributions import problem_of_contributions
from numerai_lab.models.conformance.details import problem_of_details, problem_of_parts
from numerai_lab.models.conformance.differences import told_difference
from numerai_lab.models.conformance.past import (
    problem_of_history,
    problem_of_memory,
)
from numerai_lab.models.conformance.process import problem_of_process
from numerai_lab.models.conformance.toy import (
    JUDGED_ROWS,
    shuffled_rows,
    toy_exports,
)
from numerai_lab.models.conformance.trial import TINY_ERAS, Broken, ModelTrial
from numerai_lab.models.contract import (
    ClassModel,
    ContinuableModel,
    ControlledModel,
    DetailedModel,
    ExplainedModel,
    ExportableModel,
    FitReport,
    HistoryModel,
    OnlineModel,
    RememberingModel,
    cannot_go_on,
    history_eras_of,
    shipped_spaces,
)
from numerai_lab.models.exports import EXPORT_TOLERANCE, assemble_exported

_BATCHES = (
    "predict computes something over all rows it is given (a mean, a rank), or a matrix product "
    "that sums in another order for another shape (ModelInfo(tolerance=...) declares that)"
)


def _rejects_unknown_params(trial: ModelTrial) -> None:
    try:
        trial.model_type.Params.model_validate({**trial.params, "no_such_parameter": 1})
    except (ValidationError, LabError):
        return
    raise Broken("'no_such_parameter' is accepted; derive Params from numerai_lab.models.Params")


def _reports_the_fit(trial: ModelTrial) -> None:
    report = trial.report
    if not isinstance(report, FitReport):
        raise Broken(f"fit returns {type(report).__name__}, not a FitReport")
    try:
        json.dumps(asdict(report), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Broken(f"the FitReport is not JSON: {error}") from None
    unknown = set(report.importance) - set(trial.train.feature_names)
    if unknown:
        raise Broken(f"importance names what is no feature: {sorted(unknown)[:3]}")


def _repeats_itself(trial: ModelTrial) -> None:
    again = trial.predict(trial.refit(trial.train), trial.judged)
    if not np.array_equal(again, trial.predictions):
        usually = "a random generator that has no seed from ctx.seed, or threads that add up sums"
        how = told_difference(again, trial.predictions, trial.judged, usually)
        raise Broken(f"a second fit with the same seed predicts otherwise: {how}")


def _ignores_row_order(trial: ModelTrial) -> None:
    shuffled, order = shuffled_rows(trial.judged, trial.seed)
    found, expected = trial.predict(trial.ready_model(), shuffled), trial.predictions[order]
    if not trial.same(found, expected):
        how = told_difference(found, expected, shuffled, _BATCHES)
        raise Broken(f"shuffling the rows of an era changes their predictions: {how}")


def _predicts_eras_apart(trial: ModelTrial) -> None:
    if trial.info.stateful:
        return
    for era, rows in trial.judged.iter_eras():
        own = trial.judged.between(era, era)
        alone = trial.predict(trial.model, own)
        if not trial.same(alone, trial.predictions[rows]):
            how = told_difference(alone, trial.predictions[rows], own, _BATCHES)
            raise Broken(f"an era alone is predicted otherwise than among others: {how}")


def _sees_no_targets(trial: ModelTrial) -> None:
    expected = trial.predict(trial.ready_model(), trial.judged)
    rng = np.random.default_rng(trial.seed)
    other = replace(trial.labelled, targets=rng.permutation(trial.labelled.targets))
    for labelled in (trial.labelled, other):
        found = trial.predict(trial.ready_model(), labelled)
        if not np.array_equal(found, expected):
            how = told_difference(found, expected, labelled, "predict reads frame.targets")
            raise Broken(f"predictions depend on the targets of the rows predicted: {how}")


def _details_agree(trial: ModelTrial) -> None:
    model = trial.ready_model()
    if isinstance(model, DetailedModel):
        expected = trial.predict(trial.ready_model(), trial.judged)
        start = 0
        for part, given in trial.questions(model, trial.judged):
            own = expected[start : start + part.n_rows]
            start += part.n_rows
            problem = problem_of_details(model, trial.info, part, own, given)
            if problem:
                raise Broken(problem)


def _shares_eras_out(trial: ModelTrial) -> None:
    model = trial.ready_model()
    if isinstance(model, ControlledModel) and not history_eras_of(model):
        problem = problem_of_parts(model, trial.info, trial.judged, trial.same)
        if problem:
            raise Broken(problem)


def _looks_back(trial: ModelTrial) -> None:
    model = trial.ready_model()
    if not isinstance(model, HistoryModel) or not model.history_eras:
        return
    told = trial.judged, trial.known, trial.predictions, trial.same
    problem = problem_of_history(model, *told)
    fresh = trial.reloaded()
    if not problem and isinstance(fresh, RememberingModel):
        problem = problem_of_memory(fresh, int(trial.train.eras[-1]), *told)
    if problem:
        raise Broken(problem)


def _learns_online(trial: ModelTrial) -> None:
    model = trial.reloaded()
    if isinstance(model, OnlineModel) and model.online:
        for era in trial.labelled.eras.tolist():
            model.observe(trial.labelled.between(era, era))
        trial.predict(model, trial.judged)


def _leaves_rows_alone(trial: ModelTrial) -> None:
    before = trial.judged.features_in_memory().copy()
    trial.predict(trial.model, trial.judged)
    after = trial.judged.features_in_memory()
    if not np.array_equal(before, after):
        changed = int(np.count_nonzero(before != after))
        raise Broken(
            f"predict changes the features it is given: {changed} of {before.size} values; usually "
            "missing ones are filled in place (copy the array first)"
        )


def _survives_saving(trial: ModelTrial) -> None:
    found = trial.predict(trial.reloaded(), trial.judged)
    if not np.array_equal(found, trial.predictions):
        usually = "save leaves something out, or rounds it (write arrays with numpy.save)"
        how = told_difference(found, trial.predictions, trial.judged, usually)
        raise Broken(f"the loaded model predicts otherwise than the saved one: {how}")


def loads_in_a_fresh_process(trial: ModelTrial) -> None:
    """Check that a new Python process loads the saved model and predicts the same."""
    problem = problem_of_process(
        trial.model,
        trial.seed,
        trial.predictions,
        trial.members,
        entities=trial.info.needs_entity,
    )
    if problem:
        raise Broken(problem)


def _survives(**frame: Any) -> Callable[[ModelTrial], None]:
    def check(trial: ModelTrial) -> None:
        train = trial.frame(**frame)
        model = trial.refit(train)
        kind = {key: value for key, value in frame.items() if key != "rows_per_era"}
        judged = trial.frame(1, rows_per_era=JUDGED_ROWS, first_era=60, **kind)
        trial.predict(model, judged.without_targets(), end_to_end([train, judged]))

    return check


def _uses_weights_and_stop(trial: ModelTrial) -> None:
    weights = np.repeat(
        np.linspace(0.5, 1.5, trial.train.n_eras), np.diff(trial.train.offsets)
    ).astype(np.float32)
    stop = trial.frame(2, rows_per_era=JUDGED_ROWS, first_era=33)
    model = trial.refit(trial.train, weights=weights, stop=stop, stop_patience=3)
    trial.predict(model, trial.judged)


def _checks_features(trial: ModelTrial) -> None:
    judged = trial.judged
    names = judged.feature_names
    wrong: dict[str, EraFrame] = {
        "renamed": replace(judged, feature_names=("other", *names[1:])),
        "reordered": replace(
            judged,
            feature_names=names[::-1],
            features=judged.features[:, ::-1].copy(),
        ),
        "missing": replace(
            judged,
            feature_names=names[:-1],
            features=judged.features[:, :-1].copy(),
        ),
    }
    for how, frame in wrong.items():
        try:
            for part, given in trial.questions(trial.model, frame):
                trial.model.predict(part, **given)
        except ModelError:
            continue
        raise Broken(f"{how} features are predicted without a ModelError")


def _is_exported(trial: ModelTrial) -> None:
    model = trial.ready_model()
    if not trial.info.exportable:
        return
    if not isinstance(model, ExportableModel):
        raise Broken("info.exportable is set, there is no method export")
    judged = trial.judged
    features = judged.features_in_memory()
    parts = toy_exports(trial.members, judged)
    try:
        exported = model.export(**({"parts": parts} if parts else {}))
    except ModelError:  # these parameters have no such form
        return
    assembled = assemble_exported(exported, judged.feature_names, features.dtype.name)
    for era, rows in judged.iter_eras():
        expected = trial.predictions[rows]
        if parts:  # made of members that have a form without this package
            told = {
                name: features[rows, part.settings["column"]].astype(np.float32)
                for name, part in parts.items()
            }
            given: dict[str, Any] = {"members": told}
            expected = model.predict(judged.between(era, era), **given)
        apart = np.abs(assembled.predict(features[rows]) - expected).max()
        if not apart <= EXPORT_TOLERANCE:
            raise Broken(f"exported it predicts otherwise, {apart:.1e} apart")


def _is_explained(trial: ModelTrial) -> None:
    model = trial.ready_model()
    if not isinstance(model, ExplainedModel) or trial.members:
        return
    gaps = trial.frame(1, rows_per_era=JUDGED_ROWS, first_era=60, missing=0.2).without_targets()
    for frame in (trial.judged, gaps):
        problem = problem_of_contributions(model, frame, trial.predict(trial.ready_model(), frame))
        if problem:
            raise Broken(problem)


def _tells_classes(trial: ModelTrial) -> None:
    model = trial.ready_model()
    if isinstance(model, ClassModel):
        problem = problem_of_classes(model, trial.judged, trial.context().target)
        if problem:
            raise Broken(problem)


def _goes_on(trial: ModelTrial) -> None:
    model = trial.reloaded()
    if cannot_go_on(model, type(model).__name__) is not None:
        return
    if not isinstance(model, ContinuableModel):
        raise Broken("has fit_more and no n_steps, the number of steps learnt so far")
    before = model.n_steps
    new = trial.frame(3, rows_per_era=JUDGED_ROWS, first_era=33)
    amount = new.n_eras  # for a model whose steps are eras the only right one
    report = model.fit_more(new, trial.context(), amount)
    if not isinstance(report, FitReport):
        raise Broken(f"fit_more returns {type(report).__name__}, not a FitReport")
    if model.n_steps != before + amount:
        raise Broken(f"{amount} steps more than {before} make {model.n_steps}")
    trial.predict(model, trial.judged)


def _ships_a_space(trial: ModelTrial) -> None:
    try:
        shipped_spaces(trial.model_type.Params, trial.params)
    except ModelError as error:
        raise Broken(str(error)) from None


PROMISES: tuple[tuple[str, Callable[[ModelTrial], None]], ...] = (
    ("rejects unknown parameters", _rejects_unknown_params),
    ("reports the fit", _reports_the_fit),
    ("same seed, same result", _repeats_itself),
    ("row order does not matter", _ignores_row_order),
    ("an era stands alone", _predicts_eras_apart),
    ("targets are not seen", _sees_no_targets),
    ("details agree with the prediction", _details_agree),
    ("eras can be shared out", _shares_eras_out),
    ("looks back on what may be known", _looks_back),
    ("survives labels that become known", _learns_online),
    ("rows stay as they are", _leaves_rows_alone),
    ("survives saving", _survives_saving),
    ("predicts the same when exported", _is_exported),
    ("contributions sum to the output", _is_explained),
    ("probabilities of classes sum to 1", _tells_classes),
    ("survives constant features", _survives(constant=3)),
    ("survives tiny eras", _survives(rows_per_era=TINY_ERAS)),
    ("survives missing values", _survives(missing=0.2)),
    ("survives float features", _survives(dtype=np.float32, missing=0.1)),
    ("takes weights and early-stopping eras", _uses_weights_and_stop),
    ("goes on from its fit", _goes_on),
    ("checks features", _checks_features),
    ("its space is one", _ships_a_space),
)
