"""A run trained anew on the data of now, judged beside the old one on eras resolved since."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from numerai_lab.arrays import Eras, Float32
from numerai_lab.data import References, load_references
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import RunError
from numerai_lab.experiment.beginning import TrainOptions
from numerai_lab.experiment.final import FinalModel, neutralize_and_rank, predict_final
from numerai_lab.experiment.live import purge_of
from numerai_lab.experiment.plan import Prepared, prepare, read_experiment
from numerai_lab.experiment.predicting import predict_eras
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
    eras = rows.eras
    if len(eras) < LEAST_ERAS:
        raise RunError(
            f"its folds judged {len(eras)} of the {len(wanted)} eras resolved since the fit of the "
            f"model in use, {LEAST_ERAS} are wanted",
            where=str(new.path),
            fix="give a smaller split.chunk_eras, or split.partial_chunk: true",
        )
    old = _as_live(final, rows, prepared, reporter)
    both = np.column_stack([old, mine.columns["prediction"]])
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
            where=str(new.path),
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


def _as_live(final: FinalModel, rows: EraFrame, prepared: Prepared, reporter: Reporter) -> Float32:
    frame, model, how = prepared.dataset.frame, final.model, final.experiment.neutralize
    mine = rows.with_features(final.feature_names)
    if isinstance(model, OnlineModel) and model.online:
        purge, trained_to = purge_of(final), final.trained_eras[1]
        labelled = frame.with_features(final.feature_names)
        since = trained_to + 1
        told = predict_eras(model, mine, labelled, trained_to, purge, since).predictions
        values = neutralize_and_rank(
            final, told, mine, neutralize=how, benchmarks=_references(final, prepared, reporter)
        )
    else:
        values = predict_final(
            final,
            mine,
            neutralize=how,
            benchmarks=_references(final, prepared, reporter),
            say=reporter.warn,
            past_of=lambda _kept, _features: prepared.past,
        )
    return values.astype(np.float32)


def _references(final: FinalModel, prepared: Prepared, reporter: Reporter) -> References:
    if final.experiment.neutralize is None:
        return References((), False, (), {})
    return load_references(prepared.dataset, reporter.say)


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
