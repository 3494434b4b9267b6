"""`check_model`: does a model keep what the Model protocol promises? For outsiders, too.

from numerai_lab.models import check_model
from my_package import MyModel

def test_my_model_keeps_the_promises():
    check_model(MyModel, {"depth": 3})
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from numerai_lab.eraframe import EraFrame, end_to_end
from numerai_lab.errors import LabError, ModelError
from numerai_lab.models.conformance.contributions import problem_of_contributions
from numerai_lab.models.conformance.details import problem_of_details, problem_of_parts
from numerai_lab.models.conformance.past import (
    PURGE_ERAS,
    problem_of_history,
    problem_of_memory,
    questions,
)
from numerai_lab.models.conformance.process import problem_of_process
from numerai_lab.models.conformance.toy import (
    JUDGED_ROWS,
    TARGETS,
    judged_frame,
    known_frame,
    shuffled_rows,
    toy_exports,
    toy_frame,
    toy_out_of_fold,
)
from numerai_lab.models.contract import (
    Artefacts,
    ContinuableModel,
    ControlledModel,
    DetailedModel,
    ExplainedModel,
    ExportableModel,
    FitContext,
    FitReport,
    Float32,
    HistoryModel,
    Model,
    ModelInfo,
    OnlineModel,
    RememberingModel,
    history_eras_of,
    info_of,
    members_of,
    shipped_spaces,
)
from numerai_lab.models.exports import EXPORT_TOLERANCE, assemble_exported

_LAST_TOY_ERA = 59
"""No frame that a model is fitted on has a later one."""
_TINY_ERAS = np.array([40, 1, 40, 2, 40, 1] * 8, dtype=np.int64)


class _Broken(Exception):
    """A promise is broken; the text says how."""


def check_model(
    model_type: type[Model],
    params: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    fresh_process: bool = False,
) -> None:
    """Try a model out on small made-up frames and report every promise it breaks.

    It is fitted some eight times on about 1,300 rows of 8 features: choose parameters that
    make it quick, and that leave it more than one distinct prediction.

    Parameters
    ----------
    model_type : the class, which need not be registered.
    params : parameters as written in an experiment's `model.params`; default: none written.
    seed : of the frames and of the fits.
    fresh_process : also load the saved model in a new Python process; the class must be
        importable there by its module and name.

    Raises
    ------
    ModelError
        Lists all broken promises, one a line.
    """
    with tempfile.TemporaryDirectory() as folder:
        broken = _broken(_Trial(model_type, dict(params or {}), seed, Path(folder)), fresh_process)
    if broken:
        raise ModelError(
            f"{model_type.__name__} breaks {len(broken)} of the promises of a model:\n- "
            + "\n- ".join(broken)
        )


def _broken(trial: _Trial, fresh_process: bool) -> list[str]:
    broken: list[str] = []
    with _collected(broken, "params are accepted"):
        trial.new_model()
    if not broken:
        with _collected(broken, "fits and predicts"):
            trial.fit_once()
    if not broken:
        promises = [*_PROMISES]
        if fresh_process:
            promises.append(("loads in a fresh process", _loads_in_a_fresh_process))
        for promise, check in promises:
            with _collected(broken, promise):
                check(trial)
    return broken


def _silent(_: str) -> None:
    return None


@dataclass
class _Trial:
    model_type: type[Model]
    params: dict[str, Any]
    seed: int
    folder: Path

    def new_model(self) -> Model:
        return self.model_type(self.model_type.Params.model_validate(self.params))

    @property
    def info(self) -> ModelInfo:
        return info_of(self.model_type, self.model_type.Params.model_validate(self.params))

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the members whose predictions the model is given."""
        params = self.model_type.Params.model_validate(self.params)
        return tuple(members_of(self.model_type, params))

    def questions(
        self, model: Model, frame: EraFrame, known: EraFrame | None = None
    ) -> Iterator[tuple[EraFrame, dict[str, Any]]]:
        """Yield the rows that the model is asked for at once, and what it is given besides.

        `known` are eras that history is taken from, by default those of `known_frame`.
        """
        return questions(model, frame, self.known if known is None else known, self.members)

    def frame(self, step: int = 0, **how: Any) -> EraFrame:
        """Make rows as of `toy_frame`, with entities where the model needs them."""
        return toy_frame(self.seed + step, entities=self.info.needs_entity, **how)

    def context(self, **changes: Any) -> FitContext:
        targets = TARGETS if self.info.multi_target else TARGETS[:1]
        context = FitContext(
            seed=self.seed, target=TARGETS[0], targets=targets, purge_eras=PURGE_ERAS, n_threads=1
        )
        if self.info.unlabelled:
            # the training eras and some after them, as in a fold with a purge
            later = self.frame(rows_per_era=np.full(34, 44, dtype=np.int64))
            context = replace(context, unlabelled=later.without_targets())
        if self.info.artefacts:
            last = _LAST_TOY_ERA
            place = Artefacts(self.folder, "toy", self.seed, {}, last + 1, last, say=_silent)
            context = replace(context, artefacts=place)
        if self.members:
            context = replace(context, members=toy_out_of_fold(self.members, self.frame()))
        return replace(context, **changes)

    def fit_once(self) -> None:
        self.train = self.frame()
        labelled = judged_frame(self.seed, entities=self.info.needs_entity)
        self.labelled, self.judged = labelled, labelled.without_targets()
        self.known = known_frame(self.seed, entities=self.info.needs_entity)
        before = copy.deepcopy(self.train)
        self.model = self.new_model()
        self.report = self.model.fit(self.train, self.context())
        for name in ("features", "targets"):
            if not np.array_equal(getattr(before, name), getattr(self.train, name), equal_nan=True):
                raise _Broken(f"fit changes the {name} of the training rows")
        self.predictions = self.predict(self.model, self.judged)

    def predict(self, model: Model, frame: EraFrame, known: EraFrame | None = None) -> Float32:
        asked = self.questions(model, frame, known)
        return np.concatenate([self._predict(model, part, given) for part, given in asked])

    def _predict(self, model: Model, frame: EraFrame, given: Mapping[str, Any]) -> Float32:
        predictions = model.predict(frame, **given)
        if not isinstance(predictions, np.ndarray) or predictions.dtype != np.float32:
            kind = getattr(predictions, "dtype", type(predictions).__name__)
            raise _Broken(f"predictions are {kind}, not a float32 array")
        if predictions.shape != (frame.n_rows,):
            raise _Broken(f"predictions have shape {predictions.shape}, not {(frame.n_rows,)}")
        if not np.isfinite(predictions).all():
            raise _Broken(f"{np.count_nonzero(~np.isfinite(predictions))} predictions not finite")
        return predictions

    def refit(self, train: EraFrame, **changes: Any) -> Model:
        model = self.new_model()
        model.fit(train, self.context(**changes))
        return model

    def reloaded(self) -> Model:
        with tempfile.TemporaryDirectory() as folder:
            self.model.save(Path(folder))
            return self.model_type.load(Path(folder))

    def ready_model(self) -> Model:
        """Return the fitted model as it was before its first prediction."""
        return self.reloaded() if self.info.stateful else self.model

    def same(self, predictions: Float32, expected: Float32) -> bool:
        """Whether predictions of other batches are the same, as closely as the model declares."""
        if self.info.tolerance:
            most = self.info.tolerance * float(np.std(self.predictions))
            return np.allclose(predictions, expected, rtol=0, atol=most)
        if self.info.transductive:  # sums over the era's rows may be rounded otherwise
            return np.allclose(predictions, expected, rtol=1e-4, atol=1e-6)
        return np.array_equal(predictions, expected)


@contextmanager
def _collected(broken: list[str], promise: str) -> Iterator[None]:
    try:
        yield
    except _Broken as how:
        broken.append(f"{promise}: {how}")
    except Exception as error:  # noqa: BLE001 - a model under test may fail in any way
        broken.append(f"{promise}: raises {type(error).__name__}: {error}")


def _rejects_unknown_params(trial: _Trial) -> None:
    try:
        trial.model_type.Params.model_validate({**trial.params, "no_such_parameter": 1})
    except (ValidationError, LabError):
        return
    raise _Broken("'no_such_parameter' is accepted; derive Params from numerai_lab.models.Params")


def _reports_the_fit(trial: _Trial) -> None:
    report = trial.report
    if not isinstance(report, FitReport):
        raise _Broken(f"fit returns {type(report).__name__}, not a FitReport")
    try:
        json.dumps(asdict(report), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise _Broken(f"the FitReport is not JSON: {error}") from None
    unknown = set(report.importance) - set(trial.train.feature_names)
    if unknown:
        raise _Broken(f"importance names what is no feature: {sorted(unknown)[:3]}")


def _repeats_itself(trial: _Trial) -> None:
    again = trial.predict(trial.refit(trial.train), trial.judged)
    if not np.array_equal(again, trial.predictions):
        raise _Broken("a second fit with the same seed predicts otherwise")


def _ignores_row_order(trial: _Trial) -> None:
    shuffled, order = shuffled_rows(trial.judged, trial.seed)
    if not trial.same(trial.predict(trial.ready_model(), shuffled), trial.predictions[order]):
        raise _Broken("shuffling the rows of an era changes their predictions")


def _predicts_eras_apart(trial: _Trial) -> None:
    if trial.info.stateful:
        return
    for era, rows in trial.judged.iter_eras():
        alone = trial.predict(trial.model, trial.judged.between(era, era))
        if not trial.same(alone, trial.predictions[rows]):
            raise _Broken("an era alone is predicted otherwise than among others")


def _sees_no_targets(trial: _Trial) -> None:
    expected = trial.predict(trial.ready_model(), trial.judged)
    rng = np.random.default_rng(trial.seed)
    other = replace(trial.labelled, targets=rng.permutation(trial.labelled.targets))
    for labelled in (trial.labelled, other):
        if not np.array_equal(trial.predict(trial.ready_model(), labelled), expected):
            raise _Broken("predictions depend on the targets of the rows predicted")


def _details_agree(trial: _Trial) -> None:
    model = trial.ready_model()
    if isinstance(model, DetailedModel):
        expected = trial.predict(trial.ready_model(), trial.judged)
        start = 0
        for part, given in trial.questions(model, trial.judged):
            own = expected[start : start + part.n_rows]
            start += part.n_rows
            problem = problem_of_details(model, trial.info, part, own, given)
            if problem:
                raise _Broken(problem)


def _shares_eras_out(trial: _Trial) -> None:
    model = trial.ready_model()
    if isinstance(model, ControlledModel) and not history_eras_of(model):
        problem = problem_of_parts(model, trial.judged, trial.same)
        if problem:
            raise _Broken(problem)


def _looks_back(trial: _Trial) -> None:
    model = trial.ready_model()
    if not isinstance(model, HistoryModel) or not model.history_eras:
        return
    told = trial.judged, trial.known, trial.predictions, trial.same
    problem = problem_of_history(model, *told)
    fresh = trial.reloaded()
    if not problem and isinstance(fresh, RememberingModel):
        problem = problem_of_memory(fresh, int(trial.train.eras[-1]), *told)
    if problem:
        raise _Broken(problem)


def _learns_online(trial: _Trial) -> None:
    model = trial.reloaded()
    if isinstance(model, OnlineModel) and model.online:
        for era in trial.labelled.eras.tolist():
            model.observe(trial.labelled.between(era, era))
        trial.predict(model, trial.judged)


def _leaves_rows_alone(trial: _Trial) -> None:
    before = trial.judged.features_in_memory().copy()
    trial.predict(trial.model, trial.judged)
    if not np.array_equal(before, trial.judged.features_in_memory()):
        raise _Broken("predict changes the features it is given")


def _survives_saving(trial: _Trial) -> None:
    fresh = trial.reloaded()
    if not np.array_equal(trial.predict(fresh, trial.judged), trial.predictions):
        raise _Broken("the loaded model predicts otherwise than the saved one")


def _loads_in_a_fresh_process(trial: _Trial) -> None:
    problem = problem_of_process(
        trial.model,
        trial.seed,
        trial.predictions,
        trial.members,
        entities=trial.info.needs_entity,
    )
    if problem:
        raise _Broken(problem)


def _survives(**frame: Any) -> Callable[[_Trial], None]:
    def check(trial: _Trial) -> None:
        train = trial.frame(**frame)
        model = trial.refit(train)
        kind = {key: value for key, value in frame.items() if key != "rows_per_era"}
        judged = trial.frame(1, rows_per_era=JUDGED_ROWS, first_era=60, **kind)
        trial.predict(model, judged.without_targets(), end_to_end([train, judged]))

    return check


def _uses_weights_and_stop(trial: _Trial) -> None:
    weights = np.repeat(
        np.linspace(0.5, 1.5, trial.train.n_eras), np.diff(trial.train.offsets)
    ).astype(np.float32)
    stop = trial.frame(2, rows_per_era=JUDGED_ROWS, first_era=33)
    model = trial.refit(trial.train, weights=weights, stop=stop, stop_patience=3)
    trial.predict(model, trial.judged)


def _checks_features(trial: _Trial) -> None:
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
        raise _Broken(f"{how} features are predicted without a ModelError")


def _is_exported(trial: _Trial) -> None:
    model = trial.ready_model()
    if not trial.info.exportable:
        return
    if not isinstance(model, ExportableModel):
        raise _Broken("info.exportable is set, there is no method export")
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
            raise _Broken(f"exported it predicts otherwise, {apart:.1e} apart")


def _is_explained(trial: _Trial) -> None:
    model = trial.ready_model()
    if not isinstance(model, ExplainedModel) or trial.members:
        return
    gaps = trial.frame(1, rows_per_era=JUDGED_ROWS, first_era=60, missing=0.2).without_targets()
    for frame in (trial.judged, gaps):
        problem = problem_of_contributions(model, frame, trial.predict(trial.ready_model(), frame))
        if problem:
            raise _Broken(problem)


def _goes_on(trial: _Trial) -> None:
    model = trial.reloaded()
    if not isinstance(model, ContinuableModel):
        return
    before = model.n_steps
    new = trial.frame(3, rows_per_era=JUDGED_ROWS, first_era=33)
    amount = new.n_eras  # for a model whose steps are eras the only right one
    report = model.fit_more(new, trial.context(), amount)
    if not isinstance(report, FitReport):
        raise _Broken(f"fit_more returns {type(report).__name__}, not a FitReport")
    if model.n_steps != before + amount:
        raise _Broken(f"{amount} steps more than {before} make {model.n_steps}")
    trial.predict(model, trial.judged)


def _ships_a_space(trial: _Trial) -> None:
    try:
        shipped_spaces(trial.model_type.Params, trial.params)
    except ModelError as error:
        raise _Broken(str(error)) from None


_PROMISES: tuple[tuple[str, Callable[[_Trial], None]], ...] = (
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
    ("survives constant features", _survives(constant=3)),
    ("survives tiny eras", _survives(rows_per_era=_TINY_ERAS)),
    ("survives missing values", _survives(missing=0.2)),
    ("survives float features", _survives(dtype=np.float32, missing=0.1)),
    ("takes weights and early-stopping eras", _uses_weights_and_stop),
    ("goes on from its fit", _goes_on),
    ("checks features", _checks_features),
    ("its space is one", _ships_a_space),
)
