"""One fit before it begins: its rows, its early-stopping rows, and its `FitContext`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from numerai_lab.arrays import Eras
from numerai_lab.eraframe import EraFrame
from numerai_lab.experiment.plan import Prepared, purge_eras
from numerai_lab.experiment.records import versions
from numerai_lab.experiment.training_label import learnable_eras, learnable_rows
from numerai_lab.machine import usable_cores
from numerai_lab.models import Artefacts, EarlierFit, FitContext, FitReport, Shape
from numerai_lab.seeds import child_seed
from numerai_lab.splits import (
    drawn_rows,
    inner_slice,
    known_before,
    labelled_before,
    sample_weights,
)


@dataclass(frozen=True)
class PlannedFit:
    """What a model is fitted on.

    Attributes
    ----------
    train : labelled rows. stop : rows that tell when to stop early, or None. ctx : what `fit` is
        given besides `train`; it holds `stop`, too.
    drawn_from : rows of the same eras, where `train` is only a part of them (`data.rows`).
    """

    train: EraFrame
    stop: EraFrame | None
    ctx: FitContext
    drawn_from: int | None = None

    @property
    def last_era(self) -> int:
        """The last era that the model learns from."""
        return int(self.train.eras[-1])

    def facts(self, report: FitReport, seconds: float) -> dict[str, Any]:
        """Return what fit.json tells about the fit."""
        train, stop = self.train, self.stop
        drawn = {} if self.drawn_from is None else {"drawn_from": self.drawn_from}
        return {
            "train": {
                "first": int(train.eras[0]),
                "last": self.last_era,
                "n_eras": train.n_eras,
                "n_rows": train.n_rows,
                **drawn,
            },
            "stop": None
            if stop is None
            else {"first": int(stop.eras[0]), "last": int(stop.eras[-1]), "n_eras": stop.n_eras},
            "fit_seconds": seconds,
            **({"artefacts": self.ctx.artefacts.used} if self.ctx.artefacts else {}),
            **asdict(report),
        }


def plan_fit(
    eras: Eras,
    judged: Eras | None,
    prepared: Prepared,
    progress: Callable[[int, int], None],
    say: Callable[[str], None],
    earlier: tuple[EarlierFit, ...] = (),
) -> PlannedFit:
    """Select the rows to train on and those of early stopping, and make the model's `FitContext`.

    Parameters
    ----------
    eras : int32, training era numbers; early stopping takes the last of them, purged.
    judged : int32, eras that the model will be judged on; None: none. They bound `unlabelled`
        and `members`.
    progress, say : called by the model, as in `FitContext`. earlier : as there.
    """
    experiment = prepared.experiment
    frame = prepared.dataset.frame
    stop: EraFrame | None = None
    beside = prepared.label != prepared.target
    if beside:
        eras = learnable_eras(eras, frame, prepared.label)
    if experiment.early_stopping is not None:
        eras, stop_eras = inner_slice(eras, experiment.early_stopping, prepared.horizon_days)
        stop = frame.select_eras(stop_eras)
    whole = frame.select_eras(eras)
    if beside:
        whole = learnable_rows(whole, prepared.label, say)
        stop = None if stop is None else learnable_rows(stop, prepared.label, say)
    train = rows_to_train_on(whole, prepared)
    ctx = replace(fit_context(train, stop, prepared, progress, say, judged), earlier=earlier)
    return PlannedFit(train, stop, ctx, None if train is whole else whole.n_rows)


def rows_to_train_on(frame: EraFrame, prepared: Prepared) -> EraFrame:
    """Return the part of some eras' rows that the config asks for (`data.rows`), or all."""
    experiment = prepared.experiment
    if experiment.data.rows is None:
        return frame
    return frame.take(drawn_rows(frame, experiment.data.rows, prepared.target, experiment.seed))


def fit_context(
    train: EraFrame,
    stop: EraFrame | None,
    prepared: Prepared,
    progress: Callable[[int, int], None],
    say: Callable[[str], None],
    judged: Eras | None = None,
) -> FitContext:
    """Return what a model is given besides its rows: seed, targets, purge, weights, threads.

    `judged` as in `plan_fit`.
    """
    experiment = prepared.experiment
    known = prepared.dataset.known if prepared.info.unlabelled else None
    if known is not None:
        known = known.select_eras(known_before(known.eras, judged)).without_targets()
    members = prepared.members
    if members is not None:
        eras = labelled_before(members.rows.eras, judged, members.purge_eras)
        members = members.of(eras)
    return FitContext(
        # the seed does not depend on the fold: two runs that share a fold share its model
        seed=child_seed(experiment.seed, "model"),
        target=prepared.label,
        targets=prepared.trained,
        purge_eras=purge_eras(prepared),
        weights=sample_weights(experiment.weights, train),
        stop=stop,
        unlabelled=known,
        members=members,
        artefacts=_artefacts(train, stop, prepared, say, judged),
        alone=judged is None,
        sparing=prepared.sparing,
        feature_sets=prepared.dataset.feature_sets,
        stop_patience=experiment.early_stopping.rounds if experiment.early_stopping else 0,
        device=experiment.device,
        n_threads=experiment.threads or usable_cores(),
        progress=progress,
        say=say,
    )


def _artefacts(
    train: EraFrame,
    stop: EraFrame | None,
    prepared: Prepared,
    say: Callable[[str], None],
    judged: Eras | None,
) -> Artefacts | None:
    """Return where a fit makes or finds artefacts, told the last eras they may have seen."""
    if not prepared.info.artefacts:
        return None
    experiment, libraries = prepared.experiment, prepared.libraries
    installed = versions(libraries)
    return Artefacts(
        folder=experiment.artefacts_dir,
        data=prepared.dataset.identity,
        seed=child_seed(experiment.seed, "model"),
        libraries={name: installed[name] for name in libraries},
        first_judged=None if judged is None else int(judged.min()),
        last_trained=max(int(rows.eras[-1]) for rows in (train, stop) if rows is not None),
        say=say,
    )


def fit_shape(prepared: Prepared, n_rows: int) -> Shape:
    """Return the size of a fit on eras of this run with so many rows."""
    frame, part = prepared.dataset.frame, prepared.experiment.data.rows
    return Shape(
        n_rows=n_rows if part is None else math.ceil(part.share * n_rows),
        n_features=frame.n_features,
        n_targets=len(prepared.trained),
        feature_bytes=frame.features.itemsize,
        device=prepared.experiment.device,
    )
