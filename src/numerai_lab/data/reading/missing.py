"""The missing policy: nothing is filled or dropped unless data.missing says so, and all is counted.

Rows and features are dropped inside the array's own memory: a copy of 20 GB would not fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from numerai_lab.config import Missing
from numerai_lab.eraframe import MISSING_INT8, EraFrame, FeatureArray
from numerai_lab.errors import DataError

MIDDLE_BIN = 2
"""What Numerai itself stores for a feature that is missing on a whole era."""

CHUNK_ROWS = 8192


def is_missing(features: FeatureArray) -> npt.NDArray[np.bool_]:
    """Return where features are missing, bool of the same shape."""
    if features.dtype == np.int8:
        return np.equal(features, MISSING_INT8)
    return np.isnan(features)


def apply_missing(
    frame: EraFrame,
    policy: Missing,
    training: npt.NDArray[np.bool_] | None,
    say: Callable[[str], None],
) -> tuple[EraFrame, Counter[str]]:
    """Mark, drop and fill missing features as the policy says; changes `frame.features` in place.

    Order: mark all-twos eras, drop features, drop rows, fill.

    Parameters
    ----------
    training : bool [n_rows], rows on which the share of missing values of a feature is judged;
        None: all rows.

    Returns
    -------
    The frame, and counts of values, rows and features by what happened.

    Raises
    ------
    DataError : a policy that does not fit the features, or leaves no row or no feature.
    """
    counts: Counter[str] = Counter()
    if policy.all_twos_is_missing:
        counts["feature_eras_all_twos"] = _mark_all_twos(frame)
    if policy.max_feature_missing is not None:
        frame = _drop_features(frame, policy.max_feature_missing, training, counts)
    if policy.max_row_missing is not None:
        frame = _drop_rows(frame, policy.max_row_missing, counts)
    if policy.policy == "constant":
        _fill_constant(frame.features_in_memory(), policy.value, counts)
    elif policy.policy == "median_per_era":
        _fill_medians(frame, counts)
    counts["values_missing"] = sum(
        int(is_missing(frame.features[rows]).sum()) for _, rows in frame.iter_eras()
    )
    counts = +counts
    for key, text in _SENTENCES.items():
        if counts[key]:
            say(text.format(n=f"{counts[key]:,}"))
    return frame, counts


_SENTENCES = {
    "feature_eras_all_twos": "{n} times a feature was 2 on a whole era: taken as missing there",
    "features_missing_dropped": "dropped {n} features with too many missing values",
    "rows_missing_dropped": "dropped {n} rows with too many missing features",
    "values_filled": "filled {n} missing feature values",
    "values_filled_middle": "of these, {n} in eras without any value of the feature: filled with "
    f"{MIDDLE_BIN}, the middle bin",
    "values_missing": "{n} feature values are missing and stay so",
}


def _mark_all_twos(frame: EraFrame) -> int:
    if frame.features.dtype != np.int8:
        raise DataError(
            "all_twos_is_missing is for int8 bins, these features are float32",
            where="data.missing.all_twos_is_missing",
            fix="leave it out",
        )
    marked = 0
    for _, rows in frame.iter_eras():
        if rows.stop - rows.start < 2:
            continue
        era = frame.features[rows]
        missing = (era == MIDDLE_BIN).all(axis=0)
        era[:, missing] = MISSING_INT8
        marked += int(missing.sum())
    return marked


def _drop_features(
    frame: EraFrame,
    share: float,
    training: npt.NDArray[np.bool_] | None,
    counts: Counter[str],
) -> EraFrame:
    judged = np.ones(frame.n_rows, dtype=bool) if training is None else training
    if not judged.any():
        raise DataError(
            "there are no training rows to judge features on",
            where="data.missing.max_feature_missing",
            fix="leave it out, or load training eras",
        )
    missing = np.zeros(frame.n_features, dtype=np.int64)
    for _, rows in frame.iter_eras():
        missing += is_missing(frame.features[rows])[judged[rows]].sum(axis=0)
    keep = missing <= share * judged.sum()
    if keep.all():
        return frame
    if not keep.any():
        raise DataError(
            f"every feature is missing on more than {share:.0%} of the training rows",
            where="data.missing.max_feature_missing",
            fix="raise it",
        )
    counts["features_missing_dropped"] = int((~keep).sum())
    n, kept = frame.n_rows, int(keep.sum())
    packed = frame.features_in_memory().reshape(-1)[: n * kept].reshape(n, kept)
    # Row r moves to a lower address than any row after it has now, so nothing unread is lost.
    for start in range(0, n, CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        packed[rows] = frame.features[rows][:, keep]
    names = tuple(name for name, kept_ in zip(frame.feature_names, keep, strict=True) if kept_)
    return replace(frame, features=packed, feature_names=names)


def _drop_rows(frame: EraFrame, share: float, counts: Counter[str]) -> EraFrame:
    keep = np.concatenate(
        [is_missing(frame.features[rows]).mean(axis=1) <= share for _, rows in frame.iter_eras()]
    )
    if keep.all():
        return frame
    if not keep.any():
        raise DataError(
            f"every row misses more than {share:.0%} of its features",
            where="data.missing.max_row_missing",
            fix="raise it",
        )
    counts["rows_missing_dropped"] = int((~keep).sum())
    kept = np.flatnonzero(keep)
    features = frame.features_in_memory()
    for start in range(0, len(kept), CHUNK_ROWS):
        rows = kept[start : start + CHUNK_ROWS]
        features[start : start + len(rows)] = features[rows]
    packed = features[: len(kept)]
    thin = replace(frame, features=np.empty((frame.n_rows, 0), np.int8), feature_names=())
    return replace(thin.take(kept), features=packed, feature_names=frame.feature_names)


def _fill_constant(features: FeatureArray, value: float, counts: Counter[str]) -> None:
    if features.dtype == np.int8 and (value != int(value) or not 0 <= value <= 127):
        raise DataError(
            f"{value} cannot be an int8 feature value",
            where="data.missing.value",
            fix="give a whole number 0..127",
        )
    for start in range(0, len(features), CHUNK_ROWS):
        part = features[start : start + CHUNK_ROWS]
        missing = is_missing(part)
        counts["values_filled"] += int(missing.sum())
        part[missing] = value


def _fill_medians(frame: EraFrame, counts: Counter[str]) -> None:
    """Fill with the lower median: a value that occurs, and so a bin."""
    for _, rows in frame.iter_eras():
        era = frame.features[rows]
        missing = is_missing(era)
        n_missing = missing.sum(axis=0)
        columns = np.flatnonzero(n_missing)
        if len(columns) == 0:
            continue
        # Sorted, MISSING_INT8 comes first and NaN last.
        ordered = np.sort(era[:, columns], axis=0)
        there = len(era) - n_missing[columns]
        middle = np.maximum(there - 1, 0) // 2
        first = n_missing[columns] if era.dtype == np.int8 else 0
        medians = ordered[np.minimum(first + middle, len(era) - 1), np.arange(len(columns))]
        absent = there == 0
        if era.dtype == np.int8:
            medians[absent] = MIDDLE_BIN
            counts["values_filled_middle"] += int(n_missing[columns][absent].sum())
        # A float feature that an era lacks has no middle that is known: it stays missing.
        unfilled = 0 if era.dtype == np.int8 else int(n_missing[columns][absent].sum())
        counts["values_filled"] += int(n_missing.sum()) - unfilled
        era[:, columns] = np.where(missing[:, columns], medians, era[:, columns])
