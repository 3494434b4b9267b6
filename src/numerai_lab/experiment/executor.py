"""Where models are fitted and judged eras predicted: an `Executor`; `Here` is this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from numerai_lab.arrays import Eras
from numerai_lab.experiment.earlier_folds import earlier_fits
from numerai_lab.experiment.plan import Prepared, purge_eras
from numerai_lab.experiment.planned_fit import plan_fit
from numerai_lab.experiment.predicting import predict_eras
from numerai_lab.experiment.records import RunDir
from numerai_lab.experiment.reporter import Reporter, Stopwatch
from numerai_lab.machine import (
    available_bytes,
    bound_by_addresses,
    device_available_bytes,
    memory_limits,
)
from numerai_lab.models import Detailed, FitReport, Model
from numerai_lab.splits import Fold


@dataclass(frozen=True)
class FreeMemory:
    """Memory that one fit may take.

    Attributes
    ----------
    host : bytes; None: not known. device : returns those of the GPU, or None.
    n_parts : among how many the rows of one fit can be shared out, if the model can do that.
    who : whose memory it is, as part of a sentence: "on each worker ".
    limits : what bounds `host`, as the end of a sentence.
    more_host, more_parts : how to get more memory, or more parts; "": in no way.
    """

    host: int | None
    device: Callable[[], int | None]
    n_parts: int = 1
    who: str = ""
    limits: str = ""
    more_host: str = ""
    more_parts: str = ""


@dataclass(frozen=True)
class Fitted:
    """A fitted model, as a run keeps it.

    Attributes
    ----------
    facts : what fit.json tells about the fit.
    said : what the model said while it was fitted, which the user has been told already.
    save : write the model into an existing empty folder.
    """

    facts: dict[str, Any]
    said: Sequence[str]
    save: Callable[[Path], None]


@dataclass(frozen=True)
class FittedFold:
    """A fold's fitted model.

    Attributes
    ----------
    predict : predict the judged eras; also the seconds, as facts for fit.json. Save the model
        first: one that learns from later labels is not the same afterwards.
    """

    fold: Fold
    model: Fitted
    predict: Callable[[], tuple[Detailed, dict[str, float]]]


class Executor(Protocol):
    """Fits models and predicts with them; a run does not know where."""

    def free_memory(self) -> FreeMemory:
        """Return the memory that a fit may take."""
        ...

    def check(self, prepared: Prepared, reporter: Reporter) -> None:
        """Check before any work that this experiment can be run.

        Raises
        ------
        LabError : it cannot, and why.
        """
        ...

    def fit_folds(
        self, folds: Sequence[Fold], prepared: Prepared, reporter: Reporter
    ) -> Iterator[FittedFold]:
        """Fit folds and yield them as they end, in any order.

        Each is announced to `reporter` (`begin_fold`) before its model says anything; whoever
        asks for the folds ends it (`reporter.done`).

        Raises
        ------
        LabError : what a model, the data or the executor says.
        """
        ...

    def fit_final(self, eras: Eras, prepared: Prepared, reporter: Reporter) -> Fitted:
        """Fit the model that is judged on nothing on these eras.

        Raises
        ------
        LabError : what the model, the data or the executor says.
        """
        ...


class Here:
    """One fit after another, in this process."""

    def free_memory(self) -> FreeMemory:
        """Return what this process may still take."""
        return FreeMemory(
            host=available_bytes(),
            device=device_available_bytes,
            limits=memory_limits(),
            more_host="more addresses (ulimit -v unlimited)" if bound_by_addresses() else "",
            more_parts="more machines (--cluster tcp://HOST:8786)",
        )

    def check(self, prepared: Prepared, reporter: Reporter) -> None:
        """Do nothing: what can be run at all can be run here."""

    def fit_folds(
        self, folds: Sequence[Fold], prepared: Prepared, reporter: Reporter
    ) -> Iterator[FittedFold]:
        """Fit one fold after another; a fold's eras are predicted with the model in memory."""
        for fold in folds:
            yield _fit_fold(fold, prepared, reporter)

    def fit_final(self, eras: Eras, prepared: Prepared, reporter: Reporter) -> Fitted:
        """Fit in this process."""
        return _fit(eras, None, None, prepared, reporter)[1]


def begin_fold(fold: Fold, prepared: Prepared, reporter: Reporter) -> None:
    """Tell that the work on a fold begins."""
    reporter.work(f"fold {fold.index}/{len(prepared.plan.folds)}", prepared.info.unit)


def _fit_fold(fold: Fold, prepared: Prepared, reporter: Reporter) -> FittedFold:
    begin_fold(fold, prepared, reporter)
    model, fitted = _fit(fold.train, fold.judged, fold.index, prepared, reporter)

    def predict() -> tuple[Detailed, dict[str, float]]:
        frame, members = prepared.dataset.frame, prepared.members
        rows = frame.select_eras(fold.judged)
        watch = Stopwatch()
        detail = predict_eras(
            model,
            rows,
            frame,
            trained_to=fitted.facts["train"]["last"],
            purge_eras=purge_eras(prepared),
            members=None if members is None else members.predictions_of(rows),
            past=prepared.past,
        )
        return detail, {
            "predict_seconds": watch.seconds,
            "predict_cpu_seconds": watch.cpu_seconds,
        }

    return FittedFold(fold, fitted, predict)


def _fit(
    eras: Eras, judged: Eras | None, fold: int | None, prepared: Prepared, reporter: Reporter
) -> tuple[Model, Fitted]:
    if prepared.info.made_elsewhere:
        nothing = asdict(FitReport(size=0, unit=prepared.info.unit, library_seconds=0.0))
        there = prepared.model_class(prepared.params)
        facts = {"train": {"last": None}, "stop": None, "fit_seconds": 0.0, **nothing}
        return there, Fitted(facts, (), there.save)
    said: list[str] = []

    def say(sentence: str) -> None:
        said.append(sentence)
        reporter.warn(sentence)

    run = None if reporter.run is None else RunDir(reporter.run)
    earlier = earlier_fits(run, judged, prepared)
    fit = plan_fit(eras, judged, prepared, reporter.progress, say, earlier)
    unfinished = None if run is None else run.unfinished_dir(fold)
    ctx = replace(fit.ctx, unfinished=unfinished, pace=reporter.pace)
    watch = Stopwatch()
    model = prepared.model_class(prepared.params)
    report = model.fit(fit.train, ctx)
    return model, Fitted(fit.facts(report, watch.seconds), said, model.save)
