"""How well groups of features are rebuilt from the others, beside two plain ways to do so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from numerai_lab.arrays import Eras
from numerai_lab.eraframe import MISSING_INT8, EraFrame
from numerai_lab.models.nets.batches import unlabelled_batch
from numerai_lab.models.nets.mtm.groups import Group
from numerai_lab.models.nets.mtm.module import MaskedNet
from numerai_lab.models.nets.runtime import MIDDLE, era_bins

_ERAS, _ROWS = 40, 512
"""That the linear way learns from, evenly spread; rows of each era."""
_JUDGED, _JUDGED_ROWS = 4, 256
_EVERY = 20
_PENALTY = 1e-3
"""Of the linear way, as a share of the rows."""


def held_out_eras(eras: Eras) -> Eras:
    """Return eras that pretraining leaves out, to judge it: every 20th, four at most; else none."""
    return eras[_EVERY - 1 :: _EVERY][:_JUDGED]


def errors_by_group(
    net: MaskedNet, groups: Sequence[Group], rows: EraFrame, judged: EraFrame
) -> list[dict[str, Any]]:
    """Rebuild each group from the others, in some rows of the judged eras.

    Parameters
    ----------
    rows : that the net has learnt from; means and the linear regression learn from some of them.

    Returns
    -------
    For each group its `name`, number of `features`, and the mean squared error, in bins, of
    the `net`, of the features' `mean`, and of a `linear` regression (ridge) on the other groups'
    features, missing ones in the middle; None where all values are missing. Missing values
    never count.
    """
    learnt = _some_rows(rows, _ERAS, _ROWS)
    known = learnt != MISSING_INT8
    counts = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, learnt, 0).sum(axis=0) / counts
    z = _numbers(learnt)
    products = z.T @ z
    products[np.diag_indices_from(products)] += max(1.0, _PENALTY * len(z))
    truth = _some_rows(judged, _JUDGED, _JUDGED_ROWS)
    there, given = truth != MISSING_INT8, _numbers(truth)
    device = net.weight.device
    found = []
    for group in groups:
        mine = np.array(group["columns"])
        others = np.setdiff1d(np.arange(rows.n_features), mine)
        weights = np.linalg.solve(products[np.ix_(others, others)], products[np.ix_(others, mine)])
        hidden = truth.copy()
        hidden[:, mine] = MISSING_INT8
        with torch.inference_mode():
            batch = unlabelled_batch(hidden, (0, len(hidden)), device)
            rebuilt = net.rebuild(batch).cpu().numpy()[:, mine]
        ways = {
            "net": rebuilt,
            "mean": np.broadcast_to(means[mine], rebuilt.shape),
            "linear": np.clip(MIDDLE + given[:, others] @ weights, 0, 2 * MIDDLE),
        }
        counted = there[:, mine]
        errors = {
            way: float(np.square(values - truth[:, mine])[counted].mean())
            if counted.any()
            else None
            for way, values in ways.items()
        }
        found.append({"name": group["name"], "features": len(mine), **errors})
    return found


def in_words(errors: Sequence[Mapping[str, Any]]) -> str:
    """Say in a sentence what `errors_by_group` found, as a mean over groups that have values."""
    known = [one for one in errors if one["net"] is not None]
    if not known:
        return "no value of a hidden group is known, so that none can be rebuilt"
    net, mean, linear = (np.mean([one[way] for one in known]) for way in ("net", "mean", "linear"))
    better = sum(one["net"] < one["linear"] for one in known)
    return (
        f"a hidden group is rebuilt with an error of {net:.2f} (mean square, in bins); the "
        f"features' means have {mean:.2f}, a ridge regression on the other groups {linear:.2f}, "
        f"which the net beats in {better} of {len(known)} groups"
    )


def _some_rows(frame: EraFrame, n_eras: int, n_rows: int) -> Any:
    """Return bins of the first rows of some eras, evenly spread over all."""
    places = np.unique(np.linspace(0, frame.n_eras - 1, min(n_eras, frame.n_eras)).astype(int))
    parts = []
    for place in places:
        first, stop = int(frame.offsets[place]), int(frame.offsets[place + 1])
        parts.append(era_bins(frame.features[first:stop])[:n_rows])
    return np.concatenate(parts)


def _numbers(bins: Any) -> Any:
    """Return bins around the middle one, float64; 0 where a value is missing."""
    return np.where(bins != MISSING_INT8, bins.astype(np.float64) - MIDDLE, 0.0)
