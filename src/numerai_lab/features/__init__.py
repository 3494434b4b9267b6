"""Columns added to the features, fitted on the training eras of each fold: `transforms:`.

A transform is one small class (`protocol.Transform`) in the table of `table.py`, or in a package of
your own under the entry-point group `numerai_lab.transforms`:

    class info: TransformInfo(summary, state="stateless" | "fitted", needs_entity, last)
    class Params(StepParams): its keys in the config, flat beside `type`, `name` and `bins`
    names: of its columns once fitted, each begins with `params.label` and a dot
    history_eras: how many era numbers back it looks (0: none), known from the parameters alone
    fit(train: EraFrame, ctx: StepContext): labelled training eras; `ctx.past(era, eras back)` gives
        what may be known before an era (`Past.rows` without targets, `Past.resolved` with them)
    apply(era: EraFrame, past: Past | None) -> int8 [n_rows, len(names)], -1 missing, at most 15
        values; `rank_bins(values, params.bins)` makes them of any numbers, NaN being missing.
        `era.entity` and `era.side` are there where the data have them
    save(folder), load(folder)

`Step` does all but `fit` for a transform whose columns a function of `runtime.KINDS` computes from
JSON values (`settings`) and `arrays`, and gives it a form for bundles. One that computes otherwise
(from `entity`, `side`, the past) overrides `apply`, may keep `settings` and `arrays` all the same,
and has `kind = ""`. `check_transform` tries every promise.

A model is never given a transform: `models.combined.transformed` is a model itself, which makes the
columns from the data's own features wherever it predicts.
"""

from numerai_lab.features.blocks import LARGE_BYTES
from numerai_lab.features.check import check_transform
from numerai_lab.features.exporting import ExportedSteps
from numerai_lab.features.pipeline import Columns, PastOf, Pipeline, check_steps
from numerai_lab.features.protocol import (
    Carried,
    CarryingTransform,
    ChoosingTransform,
    ExportedTransform,
    OutOfFoldTransform,
    Past,
    PlaceboTransform,
    StepContext,
    StepParams,
    Transform,
    TransformInfo,
)
from numerai_lab.features.runtime import MISSING, MOST_BINS, even_bins, numbers, rank_bins
from numerai_lab.features.step import Step
from numerai_lab.features.table import (
    StepChoice,
    get_transform,
    list_transforms,
    params_of_step,
)

__all__ = [
    "LARGE_BYTES",
    "MISSING",
    "MOST_BINS",
    "Carried",
    "CarryingTransform",
    "ChoosingTransform",
    "Columns",
    "ExportedSteps",
    "ExportedTransform",
    "OutOfFoldTransform",
    "Past",
    "PastOf",
    "Pipeline",
    "PlaceboTransform",
    "Step",
    "StepChoice",
    "StepContext",
    "StepParams",
    "Transform",
    "TransformInfo",
    "check_steps",
    "check_transform",
    "even_bins",
    "get_transform",
    "list_transforms",
    "numbers",
    "params_of_step",
    "rank_bins",
]
