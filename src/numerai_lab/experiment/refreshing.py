"""A run trained anew on the data of now, judged beside the old one on eras resolved since."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Eras, Float32
from numerai_lab.data import References, load_references
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import RunError
from numerai_lab.experiment.beginning import TrainOptions
from numerai_lab.experiment.final import FinalMember, FinalModel, load_final, neutralize_and_rank
from numerai_lab.experiment.growing import grow, open_growing
from numerai_lab.experiment.live import purge_of
from numerai_lab.experiment.plan import Prepared, prepare, read_experiment
from numerai_lab.experiment.predicting import predict_eras, predict_with_past
from numerai_lab.experiment.records import RunDir, read_predictions
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.experiment.train import train
from numerai_lab.models import OnlineModel
from numerai_lab.scoring import corr_per_era, interval_of_mean

LEAST_ERAS = 13
"""A quarter of a year: from fewer newly resolved eras nothing can be told."""


@dataclass(frozen=True)
class OldAndNew:
    """Old and new on the eras that neither had learnt from.

    Attributes
    ----------
    first_era, last_era, n_eras : the eras resolved since the fit of the old one, past its purge.
    old, new : mean corr. difference : new minus old, its mean; low, high its 95 % interval.
    error : its standard error, by the same bootstrap.
    """

    first_era: int
    last_era: int
    n_eras: int
    old: float
    new: float
    difference: float
    low: float | None
    high: float | None

    @property
    def error(self) -> float:
        """The standard error of the difference, infinite where eras are too few for one."""
        if self.low is None or self.high is None:
            return float("inf")
        return (self.high - self.low) / (2 * 1.96)

    @property
    def not_worse(self) -> bool:
        """Whether the new one lies no more than one standard error below the old one."""
        return self.low is not None and self.difference >= -self.error

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return {**asdict(self), "not_worse": self.not_worse}


@dataclass(frozen=True)
class Drift:
    """How far live features lie from those that the final model was fitted on.

    Attributes
    ----------
    n_features, outside : features, and how many have a live mean outside the range that their
        means had over training eras. farthest : the one that lies farthest outside, or None.
    support : of a model that reads a code from each era: its distance from codes of training
        eras, the one that is usual, and by what the change fades (1: not). None for others.
    """

    n_features: int
    outside: int
    farthest: str | None
    support: dict[str, float] | None = None


def open_refresh(final: FinalModel, reporter: Reporter) -> Prepared:
    """Plan the run's own config, without its baselines, on the data as they are now."""
    path = str(final.run.path / "resolved.yaml")
    return prepare(read_experiment(path, None, ("compare_to=[]",)), reporter)


def newly_resolved(final: FinalModel, prepared: Prepared) -> Eras:
    """Return the labelled eras past the purge of a final model that it has not learnt from."""
    eras = prepared.dataset.frame.eras
    return np.asarray(eras[eras > final.trained_eras[1] + purge_of(final)])


def refit(
    final: FinalModel, prepared: Prepared, options: TrainOptions, reporter: Reporter
) -> RunDir:
    """Train the run's own config anew, with its final model, into `options.runs_dir`."""
    path = str(final.run.path / "resolved.yaml")
    resolved = read_experiment(path, None, ("compare_to=[]",))
    return train(resolved, options, reporter.child(), prepared.dataset)


def judge_both(final: FinalModel, new: RunDir, prepared: Prepared, reporter: Reporter) -> OldAndNew:
    """Judge the old final model and the new run on the eras resolved since the old one's fit.

    The old one predicts them as it would have, live. The new run's predictions are those of its
    folds, whose models ended a purge before each: its final model has learnt from these eras.

    Raises
    ------
    RunError : the new run judged fewer than `LEAST_ERAS` of them, or fewer of these have a score
        of both.
    """
    wanted = newly_resolved(final, prepared)
    since = prepared.dataset.frame.select_eras(wanted)
    rows, mine, _ = read_predictions(new.predictions_path).align(since)
    if len(rows.eras) < LEAST_ERAS:
        raise RunError(
            f"its folds judged {len(rows.eras)} of the {len(wanted)} eras resolved since the fit "
            f"of the model in use, {LEAST_ERAS} are wanted",
            where=str(new.path),
            fix="give a smaller split.chunk_eras, or split.partial_chunk: true",
        )
    old = predict_as_live(final, rows, prepared, reporter)
    return _compared(old, mine.columns["prediction"], rows, prepared, reporter, str(new.path))


def _compared(
    old: Float32,
    new: npt.NDArray[np.floating],
    rows: EraFrame,
    prepared: Prepared,
    reporter: Reporter,
    where: str,
) -> OldAndNew:
    eras, both = rows.eras, np.column_stack([old, new])
    scores = corr_per_era(both, rows.target(prepared.target), rows.offsets)
    known = np.isfinite(scores).all(axis=1)
    if not known.all():
        reporter.warn(
            f"{int((~known).sum())} of {len(eras)} eras have no score of old and new (predictions "
            f"or labels are constant), first {eras[~known][0]}: they are left out"
        )
    if known.sum() < LEAST_ERAS:
        raise RunError(
            f"{int(known.sum())} eras resolved since the fit of the model in use have a score of "
            f"both models, {LEAST_ERAS} are wanted",
            where=where,
            fix="look at the predictions of both: one of them may be constant",
        )
    scores, eras = scores[known], eras[known]
    difference = scores[:, 1] - scores[:, 0]
    bootstrap = prepared.experiment.scoring.bootstrap
    low, high, _ = interval_of_mean(difference, eras, prepared.horizon_days, bootstrap, 0)
    return OldAndNew(
        int(eras[0]),
        int(eras[-1]),
        len(eras),
        float(scores[:, 0].mean()),
        float(scores[:, 1].mean()),
        float(difference.mean()),
        low,
        high,
    )


def predict_as_live(
    final: FinalModel, rows: EraFrame, prepared: Prepared, reporter: Reporter
) -> Float32:
    """Predict eras after the fit of a final model as it would have, live, float32 [n_rows].

    What goes on learning as labels become known, itself or a member of it, is led through the eras
    since its own fit.
    """
    references = References((), False, (), {})
    if final.experiment.neutralize is not None:
        references = load_references(prepared.dataset, reporter.say)
    mine = rows.with_features(final.feature_names)
    values = neutralize_and_rank(
        final,
        _part_as_live(final, rows, prepared, purge_of(final)),
        mine,
        neutralize=final.experiment.neutralize,
        benchmarks=references,
    )
    return values.astype(np.float32)


def _part_as_live(
    one: FinalModel | FinalMember, rows: EraFrame, prepared: Prepared, purge: int
) -> Float32:
    mine, model = rows.with_features(one.feature_names), one.model
    members = {
        name: _part_as_live(member, rows, prepared, purge) for name, member in one.members.items()
    }
    if isinstance(model, OnlineModel) and model.online:
        trained_to = one.trained_eras[1]
        labelled = prepared.dataset.frame.with_features(one.feature_names)
        return predict_eras(model, mine, labelled, trained_to, purge, trained_to + 1).predictions
    past = None if one.history is None else prepared.past
    return predict_with_past(model, mine, past, members or None).predictions


@dataclass(frozen=True)
class Parts:
    """Eras after the fit of a final model, in two parts a purge apart.

    Attributes
    ----------
    last_learnt : a copy of the model goes on up to this era. n_learnt : eras it learns from.
    judged : the eras that it and the model as it is are judged on.
    """

    last_learnt: int
    n_learnt: int
    judged: Eras

    @property
    def enough(self) -> bool:
        """Whether either part has `LEAST_ERAS`."""
        return min(self.n_learnt, len(self.judged)) >= LEAST_ERAS


def parts_to_continue(final: FinalModel, prepared: Prepared) -> Parts:
    """Cut the labelled eras after a final model's last one into halves, a purge apart."""
    after, purge = final.trained_eras[1], purge_of(final)
    eras = prepared.dataset.frame.eras
    eras = eras[eras > after]
    n_learnt = max(0, len(eras) - purge) // 2
    last = int(eras[n_learnt - 1]) if n_learnt else after
    return Parts(last, n_learnt, np.asarray(eras[eras > last + purge]))


def judge_continued(
    final: FinalModel, prepared: Prepared, parts: Parts, reporter: Reporter
) -> OldAndNew:
    """Judge going on from a fit: a copy goes on with a part of the new eras, and is judged later.

    Both predict the later part as they would have, live. Raises RunError as `judge_both`.
    """
    copy = load_final(final.run)
    growing = open_growing(copy, prepared, reporter).until(parts.last_learnt)
    references = load_references(prepared.dataset, reporter.say)
    with tempfile.TemporaryDirectory() as aside:
        grow(growing, Path(aside), growing.steps, references, reporter, "to be judged: ")
    copy = _trained_to(copy, parts.last_learnt)
    rows = prepared.dataset.frame.select_eras(parts.judged)
    old, new = (predict_as_live(one, rows, prepared, reporter) for one in (final, copy))
    return _compared(old, new, rows, prepared, reporter, str(final.run.path))


def _trained_to(final: FinalModel, era: int) -> FinalModel:
    members = {name: _member_to(member, era) for name, member in final.members.items()}
    return replace(final, trained_eras=(final.trained_eras[0], era), members=members)


def _member_to(member: FinalMember, era: int) -> FinalMember:
    members = {name: _member_to(one, era) for name, one in member.members.items()}
    return replace(member, trained_eras=(member.trained_eras[0], era), members=members)


def live_drift(final: FinalModel, live: EraFrame, prepared: Prepared) -> Drift:
    """Measure how far one live era lies from the eras that the final model was fitted on."""
    first, last = final.trained_eras
    train = prepared.dataset.frame.between(first, last).with_features(final.feature_names)
    means = np.stack([_means(train.features[rows]) for _, rows in train.iter_eras()])
    low, high = means.min(axis=0), means.max(axis=0)
    mine = _means(live.features[: int(live.offsets[1])])
    width = np.where(high > low, high - low, 1.0)
    beyond = np.maximum(low - mine, mine - high) / width
    outside = int(np.count_nonzero(beyond > 1e-6))
    place = int(np.argmax(beyond))
    told = getattr(final.model, "support_of", None)
    support = None if told is None else told(live.between(int(live.eras[0]), int(live.eras[0])))
    return Drift(
        len(final.feature_names), outside, final.feature_names[place] if outside else None, support
    )


def _means(features: Any) -> Any:
    values = np.asarray(features, dtype=np.float32)
    known = np.isfinite(values) & (values >= 0 if features.dtype == np.int8 else True)
    return np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
