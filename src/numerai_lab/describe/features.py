"""Features as they are: missing values, correlation within eras, drift. No label is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.features import numbers

_MOST_ERAS = 60
_WIDE = 1500
"""Features, of more than which a third of the eras are looked at for correlations."""
_TOP = 30
_LEAST_SHARE = 1e-4
"""Share of rows that a bin counts as at least, so that an empty one has a finite logarithm."""


def describe_features(frame: EraFrame, all_twos: bool) -> dict[str, Any]:
    """Describe all eras of a frame, or an even sample of them.

    Parameters
    ----------
    all_twos : whether the data are Numerai's v5, where a feature that is 2 in a whole era is
        missing there.
    """
    step = max(1, frame.n_eras // _MOST_ERAS)
    sample = frame.select_eras(frame.eras[::step])
    n = sample.n_eras
    first, last = sample.eras[: max(1, n // 3)], sample.eras[n - max(1, n // 3) :]
    thin = 3 if frame.n_features > _WIDE else 1
    before = within_era_correlation(sample.select_eras(first[::thin]))
    after = within_era_correlation(sample.select_eras(last[::thin]))
    return {
        "eras": [int(frame.eras[0]), int(frame.eras[-1])],
        "n_eras": frame.n_eras,
        "n_eras_looked_at": n,
        "rows": frame.n_rows,
        "rows_per_era": [int(np.diff(frame.offsets).min()), int(np.diff(frame.offsets).max())],
        "n_features": frame.n_features,
        "dtype": str(frame.features.dtype),
        "missing": _missing(sample, all_twos),
        "correlation": _correlation(frame, (before + after) / 2),
        "drift": _drift(sample, first, last, before, after),
    }


def within_era_correlation(rows: EraFrame) -> Float64:
    """Return features' correlation, mean over eras, [n_features, n_features]; 0 of a constant."""
    total = np.zeros((rows.n_features, rows.n_features), dtype=np.float32)
    for _, mine in rows.iter_eras():
        values = numbers(rows.features[mine])
        known = ~np.isnan(values)
        mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        values = np.where(known, values - mean, 0.0).astype(np.float32)
        deviation = np.sqrt((values**2).mean(axis=0))
        values /= np.where(deviation > 0, deviation, 1.0)
        total += values.T @ values / np.float32(len(values))
    found: Float64 = (total / max(rows.n_eras, 1)).astype(np.float64)
    return found


def _missing(sample: EraFrame, all_twos: bool) -> dict[str, Any]:
    absent = np.zeros(sample.n_features)
    twos = np.zeros(sample.n_features, dtype=np.int64)
    constant = np.zeros(sample.n_features, dtype=np.int64)
    for _, mine in sample.iter_eras():
        values = numbers(sample.features[mine])
        gaps = np.isnan(values)
        absent += gaps.sum(axis=0)
        low = np.where(gaps, np.inf, values).min(axis=0)
        high = np.where(gaps, -np.inf, values).max(axis=0)
        constant += low >= high
        if all_twos:
            twos += (low == 2) & (high == 2) & ~gaps.any(axis=0)
    share = absent / max(sample.n_rows, 1)
    order = np.argsort(-share, kind="stable")[:_TOP]
    return {
        "share": float(share.mean()) if len(share) else 0.0,
        "features": [
            {"feature": sample.feature_names[i], "share": float(share[i])}
            for i in order
            if share[i] > 0
        ],
        "constant_feature_eras": int(constant.sum()),
        "all_two_feature_eras": int(twos.sum()) if all_twos else None,
        "always_constant": [
            sample.feature_names[i] for i in np.flatnonzero(constant == sample.n_eras)[:_TOP]
        ],
    }


def _correlation(frame: EraFrame, corr: Float64) -> dict[str, Any]:
    """Sizes of correlations, the closest pairs, and how many directions there are."""
    k = len(corr)
    off = np.abs(corr[~np.eye(k, dtype=bool)]) if k > 1 else np.zeros(1)
    upper = np.triu(np.abs(corr), 1)
    order = np.argsort(-upper, axis=None, kind="stable")[:_TOP]
    pairs = [divmod(int(one), k) for one in order]
    spread = np.clip(np.linalg.eigvalsh(corr), 0, None)
    directions = float(spread.sum() ** 2 / max(float((spread**2).sum()), 1e-12))
    return {
        "mean_abs": float(off.mean()),
        "quantiles_abs": {str(q): float(np.quantile(off, q)) for q in (0.5, 0.9, 0.99)},
        "pairs_above_0.95": int((upper > 0.95).sum()),
        "effective_directions": directions,
        "first_component": float(spread[-1] / max(float(spread.sum()), 1e-12)),
        "pairs": [
            {"a": frame.feature_names[i], "b": frame.feature_names[j], "corr": float(corr[i, j])}
            for i, j in pairs
            if i != j
        ],
    }


def _drift(
    sample: EraFrame, first: Any, last: Any, before: Float64, after: Float64
) -> dict[str, Any]:
    """Tell the first third of the eras from the last: shares of bins, and correlations.

    psi: sum over bins of (p - q) ln(p / q), Siddiqi (2006); above .25 is called a shift.
    """
    shares = [_bin_shares(sample.select_eras(eras)) for eras in (first, last)]
    p, q = (np.maximum(one, _LEAST_SHARE) for one in shares)
    psi = ((p - q) * np.log(p / q)).sum(axis=1)
    moved = np.abs(after - before).sum(axis=1) / max(len(before) - 1, 1)
    names = sample.feature_names
    by_psi, by_corr = np.argsort(-psi, kind="stable"), np.argsort(-moved, kind="stable")
    return {
        "first": [int(first[0]), int(first[-1])],
        "last": [int(last[0]), int(last[-1])],
        "psi": [{"feature": names[i], "psi": float(psi[i])} for i in by_psi[:_TOP]],
        "correlation_moved": [
            {"feature": names[i], "mean_abs_change": float(moved[i])} for i in by_corr[:_TOP]
        ],
        "mean_psi": float(psi.mean()),
        "mean_correlation_moved": float(moved.mean()),
    }


def _bin_shares(rows: EraFrame) -> Float64:
    """Return the share of rows in each of five bins and without a value, [n_features, 6]."""
    counts = np.zeros((rows.n_features, 6))
    for _, mine in rows.iter_eras():
        values = numbers(rows.features[mine])
        if rows.features.dtype != np.int8:
            values = np.floor(np.clip(values, 0, 1) * 4.999)
        for bin_ in range(5):
            counts[:, bin_] += (values == bin_).sum(axis=0)
        counts[:, 5] += np.isnan(values).sum(axis=0)
    shares: Float64 = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares
