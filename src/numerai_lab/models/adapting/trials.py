"""Trials inside the training eras: what each weight and strength would have gained there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from numerai_lab.arrays import Eras, Float32, Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.adapting.choices import Choices, Pair
from numerai_lab.models.adapting.protocol import Adaptation, fading
from numerai_lab.models.contract import FitContext
from numerai_lab.scoring import corr_per_era
from numerai_lab.splits import InnerPart, inner_trials, purge_for

MIN_ERAS = 20
"""Fewer eras cannot tell a gain from chance: on either side of a trial, and of a history."""


@dataclass(frozen=True)
class Candidate:
    """What one weight of the auxiliary loss has given on the past eras of a trial.

    Attributes
    ----------
    unadapted : float32 [n_rows], f of the judged rows.
    adaptation : fitted on the past eras; None where this weight is judged at strength 0 only. It
        is led through the judged eras, and learns from those that become known if it is online.
    """

    weight: float
    unadapted: Float32
    adaptation: Adaptation | None = None


@dataclass(frozen=True)
class FittedTrial:
    """What was fitted for a trial.

    Attributes
    ----------
    frozen : float32 [n_rows], predictions of the judged rows by the model that nothing adapts.
    candidates : one for every weight; asked for one at a time, so that one is held at a time.
    """

    frozen: Float32
    candidates: Iterable[Candidate]


FitTrial = Callable[[EraFrame, EraFrame], FittedTrial | str]
"""Fits on labelled past eras (first), for judged ones without labels (second).

A text is the reason why nothing can be adapted.
"""


@dataclass(frozen=True)
class Trial:
    """What weights and strengths gained on judged eras, fitted on eras before.

    Attributes
    ----------
    train, judged : first and last era. eras : int32, judged era numbers.
    gains : (weight, strength) -> float64 [n_eras], corr minus that of the frozen model; NaN
        without a score.
    note : why there were no gains, or empty.
    controls : as `gains`, with the states of other eras; of pairs whose adaptation gives one.
    """

    train: tuple[int, int]
    judged: tuple[int, int]
    eras: Eras
    gains: dict[Pair, Float64]
    note: str = ""
    controls: dict[Pair, Float64] = field(default_factory=dict)


def label_overlap(purge_eras: int) -> int:
    """Return over how many eras labels overlap, at least 1: a purge is that and four more."""
    return max(1, purge_eras - purge_for(0))


def trial_parts(eras: Eras, purge_eras: int) -> list[InnerPart]:
    """Cut training eras into two trials, purged; none where the eras are too few for that."""
    return inner_trials(eras, purge_eras, MIN_ERAS)


def run_trials(train: EraFrame, ctx: FitContext, choices: Choices, fit: FitTrial) -> list[Trial]:
    """Fit on past eras and judge on later ones, in two trials in order of time.

    `fit` sees labels of past eras only, and an adaptation is told those of a judged era when they
    would be known: `ctx.purge_eras` later.

    Parameters
    ----------
    train : labelled rows. ctx : of the whole fit, for target and purge.
    choices : the strengths to try, and which weights adapt.

    Returns
    -------
    One record a trial; none where the eras are too few.
    """
    trials = []
    for part in trial_parts(train.eras, ctx.purge_eras):
        past = train.between(int(train.eras[0]), part.last_train_era)
        judged = train.between(part.first, part.last)
        spans = (int(past.eras[0]), int(past.eras[-1])), (part.first, part.last)
        fitted = fit(past, judged.without_targets())
        if isinstance(fitted, str):
            trials.append(Trial(*spans, judged.eras, {}, fitted))
            continue
        trial = Trial(*spans, judged.eras, {})
        frozen = _scores(fitted.frozen, judged, ctx.target)
        for candidate in fitted.candidates:
            base = _scores(candidate.unadapted, judged, ctx.target) - frozen
            pairs = [(candidate.weight, a) for a in choices.strengths]
            trial.gains.update(dict.fromkeys(pairs, base))
            if candidate.adaptation is not None:
                added, control = _added(candidate, candidate.adaptation, judged, ctx, choices)
                trial.gains.update({p: base + added[:, j] for j, p in enumerate(pairs)})
                if control is not None:
                    trial.controls.update({p: base + control[:, j] for j, p in enumerate(pairs)})
        trials.append(trial)
    return trials


def _scores(predictions: Float32, judged: EraFrame, target: str) -> Float64:
    scores: Float64 = corr_per_era(predictions, judged.target(target), judged.offsets)[:, 0]
    return scores


def _added(
    candidate: Candidate,
    adaptation: Adaptation,
    judged: EraFrame,
    ctx: FitContext,
    choices: Choices,
) -> tuple[Float64, Float64 | None]:
    """Return the corr of every strength minus the unadapted one, float64 [n_eras, n].

    And the same of the control, NaN in eras without one; None if no era has one.
    """
    unadapted, labels = candidate.unadapted, judged.target(ctx.target)
    gains, controls = np.zeros((2, judged.n_eras, len(choices.strengths)))
    controlled, seen = False, 0
    for i, (era, rows) in enumerate(judged.iter_eras()):
        while adaptation.online and judged.eras[seen] < era - ctx.purge_eras:
            known = slice(int(judged.offsets[seen]), int(judged.offsets[seen + 1]))
            adaptation.observe(
                int(judged.eras[seen]), judged.features[known], unadapted[known], labels[known]
            )
            seen += 1
        adapted = adaptation.adapt(era, judged.features[rows], unadapted[rows])
        if isinstance(adapted, str):
            continue
        of_era = unadapted[rows], labels[rows], choices.strengths
        fade = np.float32(fading(adaptation, adapted.code))
        gains[i] = change_gains(fade * adapted.change, *of_era)
        if adapted.control is None:
            controls[i] = np.nan
        else:
            controls[i], controlled = change_gains(fade * adapted.control, *of_era), True
    return gains, controls if controlled else None


def change_gains(
    change: Float32, unadapted: Float32, labels: Float32, strengths: Sequence[float]
) -> Float64:
    """Return an era's corr with each strength of a change minus that of strength 0, float64 [n]."""
    columns = [unadapted, *(unadapted + np.float32(a) * change for a in strengths)]
    offsets = np.array([0, len(unadapted)], dtype=np.int64)
    scores = corr_per_era(np.column_stack(columns), labels, offsets)[0]
    return np.asarray(scores[1:] - scores[0])
