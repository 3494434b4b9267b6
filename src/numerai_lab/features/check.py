"""`check_transform`: does a transform keep what the protocol promises? For outsiders, too.

from numerai_lab.features import check_transform
from my_package import MyTransform

def test_my_transform_keeps_the_promises():
    check_transform(MyTransform, {"bins": 5})
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from numerai_lab.arrays import Int8
from numerai_lab.eraframe import MISSING_INT8, EraFrame
from numerai_lab.errors import LabError, ModelError, collected
from numerai_lab.features.protocol import ExportedTransform, Past, StepContext, Transform
from numerai_lab.features.runtime import KINDS, MISSING, MOST_BINS

_FIRST_JUDGED, _ERAS, _PURGE = 41, 60, 4


class _Broken(Exception):
    """A promise is broken; the text says how."""


@dataclass
class _Trial:
    """A transform that is tried out, on made-up eras 1 to 60 of which 41 and later are judged."""

    kind: type[Transform]
    params: dict[str, Any]
    seed: int
    frame: EraFrame

    def fitted(self, frame: EraFrame | None = None) -> Transform:
        frame = self.frame if frame is None else frame
        train = frame.between(1, _FIRST_JUDGED - _PURGE - 1)
        step = self.kind(self.kind.Params.model_validate(self.params))
        step.fit(train, self.context(frame))
        return step

    def context(self, frame: EraFrame) -> StepContext:
        half = frame.feature_names[: frame.n_features // 2]
        return StepContext(
            seed=self.seed,
            target="target",
            purge_eras=_PURGE,
            feature_sets={
                "small": half[:2],
                "half": half,
                "rest": frame.feature_names[len(half) :],
            },
            raw_names=frame.feature_names,
            n_threads=1,
            past=lambda era, n: _past(frame, era, n),
        )

    def columns(self, step: Transform, frame: EraFrame, era: int) -> Int8:
        past = _past(frame, era, step.history_eras) if step.history_eras else None
        return step.apply(frame.between(era, era).without_targets(), past)


def check_transform(
    kind: type[Transform], params: Mapping[str, Any] | None = None, *, seed: int = 0
) -> None:
    """Try a transform out on small made-up eras and report every promise it breaks.

    It is fitted some six times on 36 eras of 20 to 40 rows, 8 features and a sector, with entities.

    Parameters
    ----------
    kind : the class, which need not be in a table.
    params : as written in an experiment, without `type`. seed : of the eras and of the fits.

    Raises
    ------
    ModelError
        Lists all broken promises, one a line.
    """
    written = {"type": "tried", **(params or {})}
    trial = _Trial(kind, written, seed, _toy(seed))
    broken: list[str] = []
    with collected(broken, "is fitted and applied", _Broken):
        _keeps_to_form(trial)
    for promise, check in _PROMISES if not broken else ():
        with collected(broken, promise, _Broken):
            check(trial)
    if broken:
        raise ModelError(
            f"{kind.__name__} breaks {len(broken)} of the promises of a transform:\n- "
            + "\n- ".join(broken)
        )


def _keeps_to_form(trial: _Trial) -> None:
    before = trial.frame.features_in_memory().copy()
    step = trial.fitted()
    label = step.names[0].partition(".")[0] if step.names else ""
    if len(set(step.names)) < len(step.names):
        raise _Broken("two columns have one name")
    wrong = [name for name in step.names if not name.startswith(f"{label}.")]
    if wrong or label not in ("", trial.params.get("name", "tried")):
        raise _Broken(
            f"the name '{(wrong or step.names)[0]}' does not begin with params.label and ."
        )
    for era in (_FIRST_JUDGED, _ERAS):
        columns = trial.columns(step, trial.frame, era)
        rows = trial.frame.between(era, era).n_rows
        if not isinstance(columns, np.ndarray) or columns.dtype != np.int8:
            raise _Broken(f"apply gives {getattr(columns, 'dtype', type(columns))}, not int8")
        if columns.shape != (rows, len(step.names)):
            raise _Broken(f"apply gives the shape {columns.shape}, not {(rows, len(step.names))}")
        if columns.size and not MISSING <= columns.min() <= columns.max() < MOST_BINS:
            raise _Broken(f"values lie from {columns.min()} to {columns.max()}, not -1 to 13")
    if not np.array_equal(before, trial.frame.features_in_memory()):
        raise _Broken("the features of the rows are changed")


def _rejects_unknown_params(trial: _Trial) -> None:
    try:
        trial.kind.Params.model_validate({**trial.params, "no_such_parameter": 1})
    except (ValidationError, LabError):
        return
    raise _Broken("'no_such_parameter' is accepted; derive Params from StepParams")


def _repeats_itself(trial: _Trial) -> None:
    one, two = trial.fitted(), trial.fitted()
    if one.names != two.names or not _same(trial, one, two):
        raise _Broken("a second fit with the same seed makes other columns")


def _ignores_row_order(trial: _Trial) -> None:
    step, era = trial.fitted(), _FIRST_JUDGED
    own = trial.frame.between(era, era).without_targets()
    order = np.random.default_rng(trial.seed).permutation(own.n_rows)
    past = _past(trial.frame, era, step.history_eras) if step.history_eras else None
    shuffled = step.apply(_reordered(own, order), past)
    if not np.array_equal(shuffled, step.apply(own, past)[order]):
        raise _Broken("shuffling the rows of an era changes their columns")


def _sees_no_targets(trial: _Trial) -> None:
    step, era = trial.fitted(), _ERAS
    own = trial.frame.between(era, era)
    past = _past(trial.frame, era, step.history_eras) if step.history_eras else None
    found = step.apply(replace(own, targets=own.targets[::-1].copy()), past)
    if not np.array_equal(found, step.apply(own.without_targets(), past)):
        raise _Broken("columns depend on the targets of their rows")


def _learns_from_training_eras(trial: _Trial) -> None:
    later = trial.frame.features_in_memory().copy()
    first = trial.frame.between(1, _FIRST_JUDGED - 1).n_rows
    later[first:] = later[first:][::-1]
    other = replace(trial.frame, features=later, targets=trial.frame.targets.copy())
    unresolved = trial.frame.between(1, _FIRST_JUDGED - _PURGE - 1).n_rows
    other.targets[unresolved:] = 0.0
    era = _FIRST_JUDGED - _PURGE - 1  # trained on: what comes later must not count
    one, two = trial.fitted(), trial.fitted(other)
    if not np.array_equal(trial.columns(one, trial.frame, era), trial.columns(two, other, era)):
        raise _Broken("judged eras, or labels within the purge, change what is fitted")


def _knows_only_the_past(trial: _Trial) -> None:
    step, era = trial.fitted(), _FIRST_JUDGED
    if not step.history_eras:
        return
    own = trial.frame.between(era, era).without_targets()
    expected = step.apply(own, _past(trial.frame, era, step.history_eras))
    longer = _past(trial.frame, era, step.history_eras + 5)
    if not np.array_equal(step.apply(own, longer), expected):
        raise _Broken(f"eras before the {step.history_eras} asked for change the columns")
    none = _past(trial.frame, 1, step.history_eras)
    if step.apply(own, none).shape != expected.shape:
        raise _Broken("without any earlier era it gives another shape")


def _is_stateless(trial: _Trial) -> None:
    if trial.kind.info.state != "stateless":
        return
    mirrored = replace(trial.frame, features=trial.frame.features[::-1].copy())
    if not _same(trial, trial.fitted(), trial.fitted(mirrored)):
        raise _Broken("info says stateless, and other training rows make other columns")


def _survives_saving(trial: _Trial) -> None:
    step = trial.fitted()
    with tempfile.TemporaryDirectory() as folder:
        step.save(Path(folder))
        loaded = trial.kind.load(Path(folder))
    if loaded.names != step.names or not _same(trial, step, loaded):
        raise _Broken("loaded it makes other columns than when it was saved")


def _survives_odd_rows(trial: _Trial) -> None:
    step = trial.fitted()
    frame = trial.frame
    alone = frame.between(_ERAS, _ERAS).take(np.array([0])).without_targets()
    gone = replace(alone, features=np.full_like(alone.features_in_memory(), MISSING_INT8))
    for rows in (alone, gone):
        past = _past(frame, _ERAS, step.history_eras) if step.history_eras else None
        if step.apply(rows, past).shape != (1, len(step.names)):
            raise _Broken("an era of one row is given another shape")
    values = frame.features_in_memory()
    floats = np.where(values == MISSING_INT8, np.nan, values / 4).astype(np.float32)
    other = replace(frame, features=floats)
    trial.columns(trial.fitted(other), other, _ERAS)


def _is_exported(trial: _Trial) -> None:
    step = trial.fitted()
    if not isinstance(step, ExportedTransform) or step.kind not in KINDS or not step.names:
        return
    own = trial.frame.between(_ERAS, _ERAS).without_targets()
    past = _past(trial.frame, _ERAS, step.history_eras) if step.history_eras else None
    if step.history_eras:
        return
    found = KINDS[step.kind](own.features_in_memory(), step.settings, step.arrays)
    if not np.array_equal(found, step.apply(own, past)):
        raise _Broken("the runtime makes other columns than apply")


_PROMISES: tuple[tuple[str, Callable[[_Trial], None]], ...] = (
    ("rejects unknown parameters", _rejects_unknown_params),
    ("same seed, same result", _repeats_itself),
    ("row order does not matter", _ignores_row_order),
    ("targets are not seen", _sees_no_targets),
    ("nothing is fitted on judged eras", _learns_from_training_eras),
    ("only the past is known", _knows_only_the_past),
    ("stateless", _is_stateless),
    ("save and load", _survives_saving),
    ("one row, missing values, float features", _survives_odd_rows),
    ("the same in a bundle", _is_exported),
)


def _same(trial: _Trial, one: Transform, two: Transform) -> bool:
    return all(
        np.array_equal(trial.columns(one, trial.frame, era), trial.columns(two, trial.frame, era))
        for era in (_FIRST_JUDGED, _ERAS)
    )


def _past(frame: EraFrame, era: int, n: int) -> Past:
    return Past(
        frame.between(era - n, era - 1).without_targets(),
        frame.between(era - n, era - _PURGE - 1),
    )


def _reordered(frame: EraFrame, order: Any) -> EraFrame:
    chosen = pa.array(order)
    return replace(
        frame,
        features=frame.features[order],
        ids=frame.ids.take(chosen),
        targets=frame.targets[order],
        entity=None if frame.entity is None else frame.entity.take(chosen),
        side={name: column.take(chosen) for name, column in frame.side.items()},
    )


def _toy(seed: int) -> EraFrame:
    rng = np.random.default_rng(seed)
    counts = 20 + np.arange(_ERAS) * 7 % 21
    n = int(counts.sum())
    values = rng.integers(0, 5, size=(n, 8))
    values[:, 3] = np.clip(values[:, 2] + rng.integers(-1, 2, n), 0, 4)
    noisy = values[:, 0] - values[:, 1] + rng.normal(scale=2.0, size=n)
    features = np.where(rng.random((n, 8)) < 0.05, MISSING_INT8, values).astype(np.int8)
    within = np.concatenate([np.arange(count) for count in counts.tolist()])
    return EraFrame(
        features=features,
        eras=np.arange(1, _ERAS + 1, dtype=np.int32),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        ids=pa.array([f"t{seed:x}{i:08x}" for i in range(n)]),
        targets=(np.searchsorted(np.quantile(noisy, [0.05, 0.25, 0.75, 0.95]), noisy) / 4).astype(
            np.float32
        )[:, None],
        feature_names=tuple(f"feature_{i}" for i in range(8)),
        target_names=("target",),
        entity=pa.array([f"s{i:03d}" for i in within]),
        side={
            "return_1": pa.array(rng.normal(size=n)),
            "sector": pa.array([f"sector_{i % 4}" for i in within]),
        },
    )
