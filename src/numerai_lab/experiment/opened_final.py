"""The final model of a run opened again, with rows to predict."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.data import horizon_days
from numerai_lab.eraframe import EraFrame
from numerai_lab.experiment.final import FinalMember, FinalModel, PastOf, load_final
from numerai_lab.experiment.live import with_earlier_eras
from numerai_lab.experiment.live_files import live_file, read_live
from numerai_lab.experiment.opened import FINAL, OpenedModel
from numerai_lab.experiment.predicting import Past
from numerai_lab.experiment.records import RunDir
from numerai_lab.models import get_model, info_of


def open_final(run: RunDir, features: Path | None, say: Callable[[str], None]) -> OpenedModel:
    """Load the final model of a run, and rows that it predicts, without labels.

    Parameters
    ----------
    features : a table with its features; None: the live file beside the run's data.
    say : called with every sentence the user must see.

    Raises
    ------
    RunError : there is no final model, or it is damaged.
    DataError : rows that break a rule; see `read_live`.
    """
    final = load_final(run)
    live = with_earlier_eras(final, read_live(final, features or live_file(final), say), say)
    facts = json.loads((run.final_dir / "fit.json").read_text(encoding="utf-8"))
    target = str(facts["target"])
    frame = replace(
        live.frame,
        targets=np.full((live.frame.n_rows, 1), np.nan, dtype=np.float32),
        target_names=(target,),
    )
    return _opened(final, final, frame, facts, live.past_of)


def _opened(
    final: FinalModel,
    one: FinalModel | FinalMember,
    frame: EraFrame,
    facts: Mapping[str, Any],
    past_of: PastOf | None,
) -> OpenedModel:
    """Open a final model, or a member of one, on the same rows."""
    experiment, rows = final.experiment, frame.with_features(one.feature_names)
    info = one.model.info
    if one is final:  # what a stack declares depends on its members
        kind = get_model(experiment.model.type)
        info = info_of(kind, kind.Params.model_validate(experiment.model.params))
    past: Past | None = None
    if one.history is not None and past_of is not None:
        past = past_of(one.history, one.feature_names)
    target = frame.target_names[0]
    return OpenedModel(
        run=final.run,
        fold=FINAL,
        experiment=experiment,
        info=info,
        target=target,
        horizon_days=horizon_days(target, experiment.data),
        source=final.manifest["data"]["source"],
        feature_sets=experiment.data.feature_sets,
        model=one.model,
        rows=rows,
        facts=facts,
        past=past,
        members={
            name: _opened(final, member, rows, {}, past_of) for name, member in one.members.items()
        },
    )
