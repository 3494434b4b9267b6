"""Scores of class probabilities (`evaluate --extra log_loss`): the folds' models are asked again.

Predictions that a run keeps are one number a row. Whoever wants more than that pays for it here:
each fold's model predicts its judged eras once more, with probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from numerai_lab.config import Experiment, Scoring
from numerai_lab.data import Dataset
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.experiment.judging.judge import Judged
from numerai_lab.experiment.judging.planned_again import checked_fold, fold_model, planned_again
from numerai_lab.experiment.judging.summaries import MAIN
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.records import RunDir
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.models import ClassModel, Model, get_model
from numerai_lab.scoring import CLASS_SCORES, class_scores, summarize
from numerai_lab.seeds import child_seed

Summaries = dict[str, dict[str, Any]]
Find = Callable[[Sequence[str], Callable[[str], None]], Summaries]
"""Given the names of the scores, and what takes a sentence where there are none."""


def with_class_scores(
    judged: Judged, asked: Sequence[str], find: Find | str, say: Callable[[str], None]
) -> Judged:
    """Put class scores beside the others of a run's own prediction, and what is said of them.

    Parameters
    ----------
    asked : scores on demand; without any of `CLASS_SCORES`, `judged` stays as it is.
    find : finds them, by name; or the reason why there are none.
    """
    names = [metric.key for metric in CLASS_SCORES if metric.key in asked]
    if not names:
        return judged
    said = [f"no {', '.join(names)}: {find}"] if isinstance(find, str) else []
    found = {} if isinstance(find, str) else find(names, said.append)
    for sentence in said:
        say(sentence)
    summary = {**judged.summary, "warnings": [*judged.summary["warnings"], *said]}
    extra = {target: dict(of) for target, of in judged.summary.get("extra", {}).items()}
    if found:
        own = extra.setdefault(summary["target"], {})
        own[MAIN] = {**own.get(MAIN, {}), **found}
    return replace(judged, summary={**summary, "extra": extra})


def classes_of_run(
    names: Sequence[str],
    say: Callable[[str], None],
    *,
    run: RunDir,
    dataset: Dataset,
    scoring: Scoring,
    bounds: tuple[int | None, int | None],
    reporter: Reporter,
) -> Summaries:
    """Ask the model of each fold for the classes of the eras it judged; see `summarised`.

    Parameters
    ----------
    names, say : as of `Find`.
    dataset : rows of the run's own data. bounds : the first and the last era to judge.

    Raises
    ------
    RunError : a model is damaged or gone.
    """
    if not _may_have(run.experiment(), names, say):
        return {}
    for fold in run.manifest()["folds"]:
        checked_fold(run, fold["fold"])  # before rows are read again
    fix = "bring the files back that it was trained on"
    prepared, _ = planned_again(run, dataset, (), reporter, fix)

    def opened() -> Iterable[tuple[Model, EraFrame]]:
        for fold in prepared.plan.folds:
            first, last = bounds
            eras = fold.judged[fold.judged >= (first or 0)]
            eras = eras if last is None else eras[eras <= last]
            if len(eras):
                model, _ = fold_model(run, prepared, fold.index)
                yield model, prepared.dataset.frame.select_eras(eras)

    return summarised(names, say, opened(), prepared, scoring)


def summarised(
    names: Sequence[str],
    say: Callable[[str], None],
    opened: Iterable[tuple[Model, EraFrame]],
    prepared: Prepared,
    scoring: Scoring,
) -> Summaries:
    """Summarise log loss, accuracy and macro-F1 per era on the main target.

    Parameters
    ----------
    names, say : as of `Find`.
    opened : fitted models, each with the labelled rows that it is asked for.

    Returns
    -------
    name -> `Summary`, as in scores.json; nothing where there are no probabilities, which is said
    with the reason.
    """
    target = prepared.target
    if not _may_have(prepared.experiment, names, say):
        return {}
    eras: list[int] = []
    scores: list[dict[str, float]] = []
    strange = 0
    for model, rows in opened:
        assert isinstance(model, ClassModel)
        for number, own in rows.iter_eras():
            blind = rows.between(number, number).without_targets()
            try:
                told = model.predict_classes(blind, target)
            except ModelError as error:
                say(f"no {', '.join(names)}: {error.what}")
                return {}
            labels = rows.target(target)[own]
            classes = np.array(told.values, dtype=np.float32)
            strange += int(np.count_nonzero(~np.isin(labels, classes) & ~np.isnan(labels)))
            eras.append(number)
            scores.append(class_scores(told.probabilities, told.values, labels))
    if strange:
        say(
            f"{strange} rows have a {target} that is none of the classes learnt: these were given "
            "no probability"
        )
    order = np.argsort(eras)
    return {
        metric.key: summarize(
            np.array([one[metric.key] for one in scores])[order],
            np.array(eras, dtype=np.int32)[order],
            prepared.dataset.horizons[target],
            scoring.bootstrap,
            child_seed(prepared.experiment.seed, "bootstrap"),
            adds_up=metric.adds_up,
        ).as_dict()
        for metric in CLASS_SCORES
        if metric.key in names
    }


def _may_have(experiment: Experiment, names: Sequence[str], say: Callable[[str], None]) -> bool:
    """Say why there are no probabilities, where that is known before any model is loaded."""
    kind = experiment.model.type
    if not issubclass(get_model(kind), ClassModel):
        say(
            f"no {', '.join(names)}: model '{kind}' predicts one number a row, and no "
            "probabilities of classes"
        )
        return False
    if experiment.neutralize is not None:
        say(
            f"no {', '.join(names)}: the predictions are neutralised, which probabilities of "
            "classes cannot be"
        )
        return False
    return True
