"""How long an experiment will take, from fits of its own on a part of the rows.

The first and the last fold are fitted, with the config's own parameters, on a growing share of the
rows of every era, and some of their judged eras are predicted. Each fold's seconds are then read
off the line through its two largest shares, at all rows. All eras are kept, as what a model does
may depend on how many there are: trials on held-out eras, early stopping, windows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from numerai_lab.arrays import Eras
from numerai_lab.config import RESIDUAL, Experiment, Resolved, config_hash, validate_params
from numerai_lab.data import Dataset, chosen_features
from numerai_lab.eraframe import EraFrame
from numerai_lab.experiment.executor import Here
from numerai_lab.experiment.judging import aligned_baseline, dataset_for, differs_from_variant
from numerai_lab.experiment.plan import Prepared, learnt_targets, load_rows
from numerai_lab.experiment.records import DONE, RunDir, iter_runs
from numerai_lab.experiment.reporter import Reporter, Stopwatch, Unheard
from numerai_lab.experiment.training_label import with_residual
from numerai_lab.models import get_model, info_of
from numerai_lab.splits import Fold

SECONDS = 20.0
"""How long the fits of an estimate may take together, roughly."""

_ROWS_OF_AN_ERA = 40
"""What the smallest share leaves of an era, where it has as many."""
_GROWTH = 4.0
_JUDGED_ERAS = 12
_BYTES = 1 << 28
"""Features of more than this are timed on every k-th era, so that reading them takes no minutes."""


class _TooLongError(Exception):
    """A fit goes on for longer than an estimate may take."""


@dataclass(frozen=True)
class Timed:
    """One fold on a share of its rows: seconds of its fit, and of predicting one era."""

    share: float
    fit: float
    predict: float


@dataclass(frozen=True)
class TimeOfFolds:
    """What fitting and predicting the folds of one experiment will take.

    Attributes
    ----------
    seconds : for all folds, on this machine as busy as it is now. None: see `why_not`.
    shares : the shares of rows that the line goes through; one alone: seconds are proportional to
        it, which is at most what it takes.
    spent : seconds that the fits of the largest share took. folds : which were fitted.
    every : every how many eras were read.
    why_not : why there is no estimate. at_least : seconds that it will take more than, if known.
    """

    seconds: float | None
    shares: tuple[float, ...] = ()
    spent: float = 0.0
    folds: tuple[int, ...] = ()
    every: int = 1
    why_not: str = ""
    at_least: float | None = None


def finished_run(experiment: Experiment, runs_dir: Path) -> RunDir | None:
    """Return the newest finished run of this very config; None where there is none."""
    digest = config_hash(experiment)
    runs = iter_runs(runs_dir, experiment.name, damaged=lambda *_: None)
    same = [run for run in runs if run.finished and run.manifest()["config_hash"] == digest]
    return same[-1] if same else None


def estimate_time(
    resolved: Resolved,
    prepared: Prepared,
    runs_dir: Path,
    data: str | None,
    reporter: Reporter,
    seconds: float = SECONDS,
) -> dict[str, TimeOfFolds]:
    """Estimate what `train` will take that no finished run has done already.

    Parameters
    ----------
    prepared : the plan, whose rows need no features. data : what `--data` names, or None.
    seconds : for all fits of the estimate together.

    Returns
    -------
    By label: "" is the experiment itself, "member NAME" and "compare_to: NAME" what is trained
    before it. A model made of members has no entry of its own: it cannot be fitted before they
    are there.
    """
    others = {
        label: other
        for label, other in _needed(resolved, prepared, data)
        if finished_run(other.experiment, runs_dir) is None
    }
    if prepared.info.made_elsewhere:
        return {}
    every = _every(prepared)
    folds, eras = _to_time(prepared, every)
    reporter.say(f"timing fits on a part of the rows, for {seconds:.0f} s or so")
    watch = Stopwatch()

    def check() -> None:
        if watch.seconds > 2 * seconds:
            raise _TooLongError

    unheard = Unheard(reporter, check)
    store = resolved.experiment.data.store.model_copy(update={"use": "never"})
    in_memory = resolved.experiment.data.model_copy(update={"store": store})
    rows = replace(resolved, experiment=resolved.experiment.model_copy(update={"data": in_memory}))
    dataset = load_rows(rows, unheard, prepared.member_configs, eras=eras.tolist())
    todo: dict[str, Prepared | None] = {}
    if not prepared.member_configs:
        todo[""] = _with_rows(prepared, dataset)
    for label, other in others.items():
        todo[label] = _other(other, prepared, dataset)
    found = {}
    watch = Stopwatch()
    for place, (label, one) in enumerate(todo.items()):
        if one is None:
            found[label] = TimeOfFolds(None, why_not="it trains on other rows than are read here")
            continue
        left = max(seconds - watch.seconds, 0.0) / (len(todo) - place)
        found[label] = _time_folds(one, folds, every, left, unheard)
    return found


def _needed(
    resolved: Resolved, prepared: Prepared, data: str | None
) -> Iterator[tuple[str, Resolved]]:
    """Yield what a run needs trained before it, by label: members, and what it is compared with."""
    for name, member in prepared.member_configs.items():
        yield f"member {name}", member
    for name in prepared.experiment.compare_to:
        baseline = aligned_baseline(resolved, name, data)
        twin = differs_from_variant(prepared, baseline)
        if twin is None or twin[1]:
            yield f"compare_to: {name}", baseline


def _every(prepared: Prepared) -> int:
    frame = prepared.dataset.frame
    n_features = len(chosen_features(prepared.experiment.data, prepared.dataset))
    return -(-max(frame.n_rows * n_features * frame.features.itemsize, 1) // _BYTES)


def _to_time(prepared: Prepared, every: int) -> tuple[tuple[Fold, ...], Eras]:
    """Return the first and the last fold on every so many eras, and the eras to read for them."""
    known = prepared.dataset.known
    eras = (prepared.dataset.frame.eras if known is None else known.eras)[::every]

    def within(fold: Fold) -> Fold:
        judged = fold.judged[np.isin(fold.judged, eras)][:_JUDGED_ERAS]
        return replace(fold, train=fold.train[np.isin(fold.train, eras)], judged=judged)

    folds = prepared.plan.folds
    chosen = tuple(within(fold) for fold in ((folds[0], folds[-1]) if len(folds) > 1 else folds))
    last = max(int(np.max([*fold.train, *fold.judged])) for fold in chosen)
    return chosen, eras[eras <= last]


def _with_rows(prepared: Prepared, dataset: Dataset) -> Prepared:
    if prepared.experiment.label == RESIDUAL:
        dataset = with_residual(dataset, prepared.experiment, lambda _: None)
    return replace(prepared, dataset=dataset)


def _other(other: Resolved, prepared: Prepared, dataset: Dataset) -> Prepared | None:
    """Return another experiment on these rows and folds; None where it needs other rows."""
    rows = dataset_for(other, dataset)
    if rows is None:
        return None
    model_class = get_model(other.experiment.model.type)
    params = validate_params(model_class.Params, other)
    info = info_of(model_class, params)
    if info.needs_members or info.made_elsewhere:
        return None
    if other.experiment.label == RESIDUAL:
        rows = with_residual(rows, other.experiment, lambda _: None)
    return replace(
        prepared,
        experiment=other.experiment,
        model_class=model_class,
        params=params,
        dataset=rows,
        trained=learnt_targets(other.experiment, info, rows),
        member_configs={},
        made_with={},
    )


def _time_folds(
    prepared: Prepared, folds: Sequence[Fold], every: int, seconds: float, unheard: Unheard
) -> TimeOfFolds:
    """Time some folds on growing shares of their rows, and go from there to all folds and rows."""
    frame = prepared.dataset.frame
    share = min(1.0, _ROWS_OF_AN_ERA * frame.n_eras / frame.n_rows)
    watch, warm = Stopwatch(), False
    measured: list[tuple[list[Timed], float]] = []
    while True:
        began = watch.seconds
        try:
            with tempfile.TemporaryDirectory(prefix="numerai_lab_") as place:
                timed = _timed(prepared, folds, share, Path(place), unheard)
        except _TooLongError:
            if measured:
                break
            return _too_long(share, watch.seconds - began, unheard, len(prepared.plan.folds))
        took = watch.seconds - began
        if not warm and took < seconds / 6:
            warm = True  # what a library loads or compiles at its first use is not timed
            continue
        warm = True
        measured.append((timed, took))
        left = seconds - watch.seconds
        more = min(1.0, share * min(_GROWTH, left / max(took, 1e-9)))
        if share >= 1.0 or more < 1.5 * share:
            break
        share = more
    by_fold = list(zip(*[timed for timed, _ in measured[-2:]], strict=True))
    return TimeOfFolds(
        seconds=_for_all(by_fold, prepared, every),
        shares=tuple(timed[0].share for timed, _ in measured[-2:]),
        spent=measured[-1][1],
        folds=tuple(fold.index for fold in folds),
        every=every,
    )


def _too_long(share: float, took: float, unheard: Unheard, n_folds: int) -> TimeOfFolds:
    """Say what a fit that was stopped tells: each fold takes longer than this one would have."""
    (done, total), seconds = unheard.steps, unheard.began.seconds
    said = f"a fit on {share:.1%} of the rows alone took more than {took:.0f} s"
    if not 0 < done < total:
        return TimeOfFolds(None, why_not=said)
    said += f", at step {done:,} of {total:,}"
    return TimeOfFolds(None, why_not=said, at_least=n_folds * seconds * total / done)


def _timed(
    prepared: Prepared, folds: Sequence[Fold], share: float, place: Path, unheard: Reporter
) -> list[Timed]:
    """Fit and predict folds on a share of the rows, one after another, as a run does."""
    experiment = prepared.experiment.model_copy(update={"artefacts_dir": place / "artefacts"})
    dataset = _thinned(prepared.dataset, share)
    plan = replace(prepared.plan, folds=tuple(folds))
    part = replace(prepared, experiment=experiment, dataset=dataset, plan=plan)
    run = RunDir(place / "run")
    unheard.run = run.path
    timed = []
    for fitted in Here().fit_folds(folds, part, unheard):
        model = run.fold_dir(fitted.fold.index) / "model"
        model.mkdir(parents=True)
        fitted.model.save(model)
        (model.parent / DONE).touch()  # a later fold may learn from an earlier one's model
        n_eras = len(fitted.fold.judged)
        predicting = fitted.predict()[1]["predict_seconds"] / n_eras
        timed.append(Timed(share, fitted.model.facts["fit_seconds"], predicting))
    return timed


def _thinned(dataset: Dataset, share: float) -> Dataset:
    """Return a share of the rows of each era; an entity stays in all of them, or goes."""
    if share >= 1.0:
        return dataset

    def part(frame: EraFrame) -> EraFrame:
        names = frame.ids if frame.entity is None else frame.entity
        hashes = pd.util.hash_array(names.to_numpy(zero_copy_only=False))
        return frame.take(np.flatnonzero(hashes < np.uint64(share * 2.0**64)))

    known = None if dataset.known is None else part(dataset.known)
    return replace(dataset, frame=part(dataset.frame), known=known)


def _for_all(by_fold: Sequence[Sequence[Timed]], prepared: Prepared, every: int) -> float:
    """Return the seconds of all folds on all rows, from those of some folds on some rows."""
    fits = [_on_line([(t.share, t.fit) for t in timed], float(every)) for timed in by_fold]
    eras = [_on_line([(t.share, t.predict) for t in timed], 1.0) for timed in by_fold]
    folds = prepared.plan.folds
    frame = prepared.dataset.frame
    rows = np.diff(frame.offsets)
    sizes = np.array([rows[np.isin(frame.eras, fold.train)].sum() for fold in folds], dtype=float)
    if prepared.info.earlier_fits or len(fits) == 1 or sizes[0] == sizes[-1]:
        # later folds learn from the first one's model, which itself had none to learn from
        between = fits[-1] * sizes[1:-1] / sizes[-1]
    else:
        between = np.interp(sizes[1:-1], sizes[[0, -1]], fits)
    predicted = float(np.mean(eras)) * sum(len(fold.judged) for fold in folds)
    return float(sum(fits) + between.sum() + predicted)


def _on_line(points: Sequence[tuple[float, float]], at: float) -> float:
    """Read a line through the last two points; through 0 and the one where there is one alone."""
    (x0, y0), (x1, y1) = ((0.0, 0.0), points[0]) if len(points) == 1 else points[-2:]
    slope = max((y1 - y0) / (x1 - x0), 0.0)
    return y1 + slope * (at - x1)
