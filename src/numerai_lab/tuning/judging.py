"""What a trial does: take values of the search, fit an inner fold with them, score its eras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from numerai_lab.arrays import Float64
from numerai_lab.config import Aim, Key, with_values
from numerai_lab.data import References
from numerai_lab.errors import ConfigError
from numerai_lab.experiment import (
    Prepared,
    files_made_with,
    judged_columns,
    plan_fit,
    predict_eras,
    purge_eras,
)
from numerai_lab.models import PREDICTION
from numerai_lab.scoring import aim_per_era, payout_rule
from numerai_lab.splits import Fold

Progress = Callable[[int, int], None]


def with_tuned(prepared: Prepared, values: Mapping[Key, Any]) -> Prepared:
    """Return a run whose searched parameters have these values.

    Raises
    ------
    ConfigError : the model refuses the values together. ModelError : a file that a value names was
        made with eras that are judged.
    """
    experiment = with_values(prepared.experiment, values)
    try:
        params = prepared.model_class.Params.model_validate(experiment.model.params)
    except ValidationError as error:
        said = error.errors()[0]
        place = ".".join(map(str, said["loc"]))
        raise ConfigError(f"values that do not go together: {place} {said['msg']}") from None
    made_with = files_made_with(params, prepared.plan)
    return replace(prepared, experiment=experiment, params=params, made_with=made_with)


def judged_fold(
    prepared: Prepared,
    fold: Fold,
    references: References,
    progress: Progress,
    say: Callable[[str], None],
    aim: Aim = "corr",
    beside: str | None = None,
) -> Float64:
    """Fit on a fold's training eras, and return the score of each judged era.

    Parameters
    ----------
    aim : the score, see `scoring.aim_per_era`.
    beside : the column of `references` that the aim compares with; None for `corr`.

    Returns
    -------
    float64 [n judged eras]; NaN where an era has no score, such as one of constant predictions.

    Raises
    ------
    UserError : the model cannot be fitted with these values, or cannot predict.
    """
    frame = prepared.dataset.frame
    fit = plan_fit(fold.train, fold.judged, prepared, progress, say)
    model = prepared.model_class(prepared.params)
    model.fit(fit.train, replace(fit.ctx, alone=True))
    rows = frame.select_eras(fold.judged)
    detail = predict_eras(
        model,
        rows,
        frame,
        fit.last_era,
        purge_eras(prepared),
        members=None if prepared.members is None else prepared.members.predictions_of(rows),
        past=prepared.past,
    )
    columns = judged_columns(detail, rows, prepared, references)
    other = None if beside is None else references.align(rows.ids, [beside])[beside]
    target, days = rows.target(prepared.target), prepared.dataset.horizons[prepared.target]
    rule = payout_rule(prepared.experiment.scoring.payout, days)
    return aim_per_era(aim, columns[PREDICTION], target, rows.offsets, other, rule)[:, 0]
