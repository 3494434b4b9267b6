"""Which eras train and which are judged; everything is counted in era numbers, which are weeks."""

from numerai_lab.splits.folds import Fold, Plan, check_dates, check_fold, overlap_eras, purge_for
from numerai_lab.splits.inner import (
    InnerBlock,
    InnerPart,
    fold_after,
    inner_blocks,
    inner_folds,
    inner_parts,
    inner_slice,
    inner_trials,
)
from numerai_lab.splits.plan import final_eras, known_before, labelled_before, plan_folds
from numerai_lab.splits.rows import drawn_rows
from numerai_lab.splits.weights import sample_weights

__all__ = [
    "Fold",
    "InnerBlock",
    "InnerPart",
    "Plan",
    "check_dates",
    "check_fold",
    "drawn_rows",
    "final_eras",
    "fold_after",
    "inner_blocks",
    "inner_folds",
    "inner_parts",
    "inner_slice",
    "inner_trials",
    "known_before",
    "labelled_before",
    "overlap_eras",
    "plan_folds",
    "purge_for",
    "sample_weights",
]
