"""The executor that is handed to a run: fits and predictions on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from numerai_lab.arrays import Eras
from numerai_lab.errors import UserError
from numerai_lab.experiment.cluster import work
from numerai_lab.experiment.cluster.fits import (
    WholeFold,
    fit_one,
    fit_whole_folds,
    folds_are_tasks,
    predict_together,
)
from numerai_lab.experiment.cluster.rows import missing_file
from numerai_lab.experiment.cluster.workers import Cluster
from numerai_lab.experiment.executor import Fitted, FittedFold, FreeMemory, begin_fold
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.planned_fit import plan_fit
from numerai_lab.experiment.records import versions
from numerai_lab.experiment.reporter import Reporter, Stopwatch
from numerai_lab.machine import device_available_bytes
from numerai_lab.models import Detailed
from numerai_lab.splits import Fold


@dataclass(frozen=True)
class ClusterExecutor:
    """Fits folds on workers, each whole on one of them or each over all of them."""

    cluster: Cluster

    def free_memory(self) -> FreeMemory:
        """Return what the worker with the least has."""
        return FreeMemory(
            host=self.cluster.memory,
            device=self._device_bytes,
            n_parts=len(self.cluster.workers),
            who="on each worker ",
            more_parts="more workers",
        )

    def check(self, prepared: Prepared, reporter: Reporter) -> None:
        """Check that every worker sees the data and has the same libraries.

        Raises
        ------
        UserError : one does not, with the worker and the path; or the model needs what
            workers do not have.
        MachineError : no worker is left.
        """
        cluster = self.cluster
        lacking = {
            # what a later fold found would depend on which worker is first
            "makes artefacts, which folds hand on to one another in order": prepared.info.artefacts,
            f"is trained on {prepared.label}, and workers read rows by the main target": (
                prepared.label != prepared.target
            ),
        }
        for why in (reason for reason, needed in lacking.items() if needed):
            raise UserError(
                f"model '{prepared.experiment.model.type}' {why}",
                where=cluster.spec,
                fix="train without --cluster",
            )
        cluster.go_on_without_lost(reporter.warn)
        files = [(file.path.resolve(), file.bytes) for file in prepared.dataset.files]
        for worker, problem in cluster.on_all(missing_file, files).items():
            if problem is not None:
                raise UserError(
                    f"worker {worker} {problem}",
                    where=cluster.spec,
                    fix="workers read the data by themselves: give each the same files at these "
                    "paths",
                )
        mine = versions(prepared.libraries)
        for worker, theirs in cluster.on_all(versions, prepared.libraries).items():
            for name, version in mine.items():
                if name != "python" and theirs[name] != version:
                    raise UserError(
                        f"worker {worker} has {name} {theirs[name]}, here it is {version}",
                        where=cluster.spec,
                        fix="install the same versions on every worker",
                    )

    def fit_folds(
        self, folds: Sequence[Fold], prepared: Prepared, reporter: Reporter
    ) -> Iterator[FittedFold]:
        """Fit each fold as a whole on a worker, or one after another, each on all workers."""
        if not folds:
            return
        self.cluster.go_on_without_lost(reporter.warn)
        if folds_are_tasks(self.cluster, prepared, folds):
            yield from self._whole_folds(folds, prepared, reporter)
            return
        for fold in folds:
            yield self._fold_over_all(fold, prepared, reporter)

    def fit_final(self, eras: Eras, prepared: Prepared, reporter: Reporter) -> Fitted:
        """Fit on all workers together."""
        fitted, _ = self._fit(eras, None, prepared, reporter)
        return fitted

    def _whole_folds(
        self, folds: Sequence[Fold], prepared: Prepared, reporter: Reporter
    ) -> Iterator[FittedFold]:
        n = len(self.cluster.workers)
        reporter.say(f"cluster: {len(folds)} folds go out to {n} workers, each fold to one")
        fits = [
            (fold, plan_fit(fold.train, fold.judged, prepared, reporter.progress, reporter.warn))
            for fold in folds
        ]
        reporter.work(f"{len(folds)} folds", prepared.info.unit)
        for i, one in fit_whole_folds(self.cluster, fits, prepared, reporter):
            fold, fit = fits[i]
            begin_fold(fold, prepared, reporter)
            fitted = _told(one.model, fit.facts(one.model.report, one.fit_seconds), reporter)
            yield FittedFold(fold, fitted, partial(_predicted, one))

    def _fold_over_all(self, fold: Fold, prepared: Prepared, reporter: Reporter) -> FittedFold:
        begin_fold(fold, prepared, reporter)
        fitted, files = self._fit(fold.train, fold.judged, prepared, reporter)

        def predict() -> tuple[Detailed, dict[str, float]]:
            watch = Stopwatch()
            last = fitted.facts["train"]["last"]
            detail = predict_together(self.cluster, files, fold, last, prepared)
            return detail, {
                "predict_seconds": watch.seconds,
                "predict_cpu_seconds": watch.cpu_seconds,
            }

        return FittedFold(fold, fitted, predict)

    def _fit(
        self, eras: Eras, judged: Eras | None, prepared: Prepared, reporter: Reporter
    ) -> tuple[Fitted, dict[str, bytes]]:
        """Fit on all workers; return also the files that the model saved."""
        fit = plan_fit(eras, judged, prepared, reporter.progress, reporter.warn)
        watch = Stopwatch()
        model = fit_one(self.cluster, fit, prepared, reporter)
        return _told(model, fit.facts(model.report, watch.seconds), reporter), model.files

    def _device_bytes(self) -> int | None:
        """Return what is free of the GPU that has least among the workers'."""
        free = self.cluster.on_all(device_available_bytes).values()
        return min((one for one in free if one is not None), default=None)


def _told(model: work.SavedModel, facts: dict[str, object], reporter: Reporter) -> Fitted:
    """Say what a model said on its worker."""
    for sentence in model.said:
        reporter.warn(sentence)
    return Fitted(facts, model.said, partial(work.write_files, model.files))


def _predicted(fold: WholeFold) -> tuple[Detailed, dict[str, float]]:
    return fold.predicted, {"predict_seconds": fold.predict_seconds}
