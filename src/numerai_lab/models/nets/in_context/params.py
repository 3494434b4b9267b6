"""What an experiment may write under `model.params` of `icl`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from numerai_lab.models.contract import Params
from numerai_lab.models.nets.params import Count, Positive

UNUSED = {
    "weights": "weights of the training rows are not used: {} learns by being shown",
    "cuda": "device cuda is not used: {} is shown rows, and fine-tuned, on the CPU",
    "stop": "early stopping is not used, and the eras that it holds out are not shown",
}
"""What is said where a run gives what a model that is shown rows does not use."""


class ICLParams(Params):
    """Parameters of `icl`: what the pretrained net is shown, and whether it learns more."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "context": {"tune": "choice", "choice": ["newest", "spread", "nearest"]},
        "context_rows": {"tune": "choice", "choice": [128, 256, 512, 1024]},
        "context_eras": {"tune": "choice", "choice": [8, 16, 32, 64]},
        "contexts": {"tune": "choice", "choice": [1, 2, 4, 8]},
    }

    checkpoint: Annotated[Path | None, Field(strict=False)] = Field(
        None,
        description="folder `checkpoint` that `numerai-lab pretrain` wrote; left out: the one that "
        "comes with this package",
    )
    projection: Literal["pca", "random"] = Field(
        "pca",
        description="what turns a row into the net's scores: pca: the directions in which rows of "
        "the training eras vary most; random: random ones. Labels are not read",
    )
    context: Literal["newest", "spread", "nearest", "resolved"] = Field(
        "newest",
        description="which training eras are shown: the newest; evenly spread ones; nearest: "
        "those whose scores vary together as in the era that is predicted; resolved: the newest "
        "whose labels are known by then, judged ones among them",
    )
    context_rows: Count = Field(1024, description="rows of a context, nearly, equally many an era")
    context_eras: Count = Field(16, description="eras that they are drawn from")
    contexts: Count = Field(1, description="contexts of other rows, whose predictions are averaged")
    history_eras: Count = Field(
        104, description="context: resolved looks back so many era numbers for labelled eras"
    )
    target: Literal["standardised", "gaussian", "classes"] = Field(
        "standardised",
        description="labels are standardised within their era; or become the normal quantiles of "
        "their ranks; or five classes of 5, 20, 50, 20 and 5 % by rank, one apart",
    )
    fine_tune_epochs: Annotated[int, Field(ge=0)] = Field(
        0,
        description="times that each training era is asked for after pretraining, at most; weights "
        "are kept only if held-out early training eras surely gain. 0: the net stays as it is",
    )
    fine_tune_rate: Positive = Field(
        0.0002, description="highest rate of AdamW in it, after a tenth of all steps"
    )
    fine_tune_rows: Count = Field(
        256, description="rows of a context in it; half as many of an era are asked for"
    )
    synthetic_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, description="weight of drawn tasks in its loss, so that what was learnt stays"
    )
    controls: bool = Field(
        True,
        description="also predict with the context's labels shuffled, and from the oldest eras",
    )
