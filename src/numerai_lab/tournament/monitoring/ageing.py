"""What `status` says of a model's age, and of its last refresh: when to train or export anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from numerai_lab.experiment import RunDir

_SECONDS_A_WEEK = 7 * 24 * 3600
_SOON_WEEKS = 4
_MUCH = 0.05
"""A larger share of features outside their training range is said."""


def about_age(run: RunDir, at: datetime) -> list[str]:
    """Say when the strength of a model that adapts itself falls with its age, or has fallen to 0.

    Its age is the purge and the weeks since its run began: nobody asks the data here.
    """
    try:
        facts = json.loads((run.final_dir / "fit.json").read_text(encoding="utf-8"))
        manifest = run.manifest()
        spans = facts["details"]["guard"]["by_age"]
        purge = max((int(fold["purge_eras"]) for fold in manifest["folds"]), default=0)
        begun = datetime.fromisoformat(manifest["created_utc"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    lasting = [int(span["last"]) for span in spans if span["strength"] > 0]
    if not lasting:
        return []
    age = purge + 1 + int((at - begun).total_seconds() // _SECONDS_A_WEEK)
    left = max(lasting) - age
    way = "train and export it anew (`numerai-lab refresh`)"
    if left < 0:
        return [f"the model is {age} eras old, and adapts no more since {max(lasting)}: {way}"]
    if left < _SOON_WEEKS:
        weeks = f"{left} week{'' if left == 1 else 's'}"
        return [f"the model is {age} eras old, and adapts for {weeks} more: {way}"]
    return []


def about_refresh(receipt: Mapping[str, Any]) -> list[str]:
    """Say what a refresh has found that a person should look at."""
    said = []
    if receipt["new"] is not None and not receipt["promoted"]:
        said.append(f"the last refresh ({receipt['at']}) was not promoted: {receipt['reason']}")
    drift = receipt.get("drift") or {}
    outside, n = drift.get("outside", 0), drift.get("n_features", 0)
    if n and outside > _MUCH * n:
        said.append(
            f"{outside} of {n} live features had a mean outside their training range at the last "
            f"refresh, '{drift['farthest']}' the farthest"
        )
    support = drift.get("support")
    if support and support["factor"] < 1:
        said.append(
            f"the live era's code lay {support['distance']:.2f} from those of training eras "
            f"(usual: up to {support['limit']:.2f}): its adaptation is faded to "
            f"{100 * support['factor']:.0f} %"
        )
    return said
