"""More trees for a member that is trained already, from eras that were not there then."""

from __future__ import annotations

import lightgbm
import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.contract import FitContext
from numerai_lab.models.trees.classes import Classes
from numerai_lab.models.trees.lgbm_ensemble.members import Member
from numerai_lab.models.trees.lgbm_ensemble.params import LGBMEnsembleParams
from numerai_lab.models.trees.lightgbm_rows import as_float, library_errors
from numerai_lab.models.trees.run_settings import lightgbm_run_settings
from numerai_lab.seeds import child_seed


def more_trees(
    booster: lightgbm.Booster,
    member: Member,
    params: LGBMEnsembleParams,
    new: EraFrame,
    ctx: FitContext,
    rounds: int,
    classes: Classes | None = None,
) -> lightgbm.Booster | None:
    """Return the member's trees and exactly `rounds` more, or None if it sees no new row.

    New eras are few (weeks, not years), so they are handed over as float32, which LightGBM
    needs to predict where the new trees begin.

    Raises
    ------
    ModelError
        LightGBM refuses the rows.
    """
    mine = (new.eras - 1) % params.era_step == member.offset
    keep = np.repeat(mine, np.diff(new.offsets)) & ~np.isnan(new.target(member.target))
    rows = np.flatnonzero(keep)
    if len(rows) == 0:
        return None
    n_classes = 0 if classes is None else len(classes.values)
    library = params.library_params(member.parameter_set, n_classes)
    library.pop("num_iterations")
    # Columns are drawn anew: with the seed of the fit each tree would see those of a first one.
    names = (member.target, member.offset, member.parameter_set, member.seed, int(new.eras[-1]))
    library |= lightgbm_run_settings(ctx, child_seed(ctx.seed, "lgbm_ensemble", "more", *names))
    label = new.target(member.target)[rows]
    weights = None if ctx.weights is None else ctx.weights[rows]
    if classes is not None:
        label = classes.positions(label)
        weights = classes.weights(label, params.class_weight_power, weights)
    with library_errors():
        data = lightgbm.Dataset(
            as_float(new.features[rows]),
            label=label,
            weight=weights,
            params=library,
            free_raw_data=False,
        )
        return lightgbm.train(library, data, num_boost_round=rounds, init_model=booster)
