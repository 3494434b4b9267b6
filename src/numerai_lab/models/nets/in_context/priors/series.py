"""Functions of time: weights that drift, ARIMA series, and LSTMs over lagged values."""

from __future__ import annotations

import numpy as np

from numerai_lab.arrays import Float32, Float64

FEWEST_PERIODS, MOST_PERIODS = 3, 8
_BURN_IN = 16
"""Steps of a series before its first point."""
_MOST_LAGS = 3
"""Of the autoregressive and of the moving-average part."""
_LEAST_KEPT = 0.5
"""Least correlation of the drifting weights of one period with those of the next."""


class TimeSeries:
    """Points in order of time; the last ones are those that a context does not have.

    drift : f_t(x) = w_t'x, where w changes from period to period, w_(t+1) = r w_t + sqrt(1 - r^2)
        times a normal vector, r between .5 and 1.
    arima : x are the last values of an ARIMA(p, d, q) series, p and q up to 3 and not both 0, d 0
        or 1; f is the next one without its innovation.
    lstm : x are the last values of an AR(1) series; f is what a random LSTM makes of them, oldest
        first.
    """

    kinds = ("drift", "arima", "lstm")

    def draw(self, rng: np.random.Generator, x: Float32, kind: str) -> tuple[Float32, Float32]:
        """Draw a function of time for each task."""
        if kind == "drift":
            return x, drifting(rng, x)
        n_tasks, n_points, n_dims = x.shape
        if kind == "arima":
            series, expected = arima(rng, n_tasks, n_points + n_dims)
            scale = np.maximum(series.std(axis=1, keepdims=True), 1e-6)
            lags = _lagged((series / scale)[:, :-1], n_dims)
            return lags, (expected / scale)[:, n_dims:].astype(np.float32)
        kept = rng.uniform(0.0, 0.9, (n_tasks, 1))
        shocks = rng.standard_normal((n_tasks, n_points + n_dims - 1))
        values = np.empty_like(shocks)
        values[:, :1] = shocks[:, :1]
        for t in range(1, shocks.shape[1]):
            values[:, t] = kept[:, 0] * values[:, t - 1]
            values[:, t] += np.sqrt(1 - kept[:, 0] ** 2) * shocks[:, t]
        lags = _lagged(values, n_dims)
        return lags, lstm(rng, lags[:, :, ::-1])


def drifting(rng: np.random.Generator, x: Float32) -> Float32:
    """Apply weights that differ from period to period, float32 [n_tasks, n_points]."""
    n_tasks, n_points, n_dims = x.shape
    n_periods = int(rng.integers(FEWEST_PERIODS, MOST_PERIODS + 1))
    kept = rng.uniform(_LEAST_KEPT, 1.0, (n_tasks, 1))
    weights = [rng.standard_normal((n_tasks, n_dims))]
    for _ in range(n_periods - 1):
        new = rng.standard_normal((n_tasks, n_dims))
        weights.append(kept * weights[-1] + np.sqrt(1 - kept**2) * new)
    period = np.arange(n_points) * n_periods // n_points
    by_point = np.stack(weights, axis=1).astype(np.float32)[:, period]
    values: Float32 = (x * by_point).sum(axis=2)
    return values


def arima(rng: np.random.Generator, n_tasks: int, n_steps: int) -> tuple[Float64, Float64]:
    """Draw ARIMA(p, d, q) series with normal innovations.

    Autoregressive weights are made of partial autocorrelations between -.9 and .9 (by the
    recursion of Durbin and Levinson), so that the series is stationary before it is summed up.

    Returns
    -------
    The series, float64 [n_tasks, n_steps], and what is expected of each step by those before.
    """
    p, q = rng.integers(0, _MOST_LAGS + 1, (2, n_tasks))
    p[(p == 0) & (q == 0)] = 1  # of noise alone nothing is expected
    lags = np.arange(_MOST_LAGS)
    partial = np.where(lags < p[:, None], rng.uniform(-0.9, 0.9, (n_tasks, _MOST_LAGS)), 0.0)
    weights = np.zeros((n_tasks, _MOST_LAGS))
    for k in range(_MOST_LAGS):
        before = weights[:, :k]
        weights[:, :k] = before - partial[:, k : k + 1] * before[:, ::-1]
        weights[:, k] = partial[:, k]
    averaged = np.where(lags < q[:, None], rng.uniform(-0.9, 0.9, (n_tasks, _MOST_LAGS)), 0.0)
    summed = rng.integers(0, 2, n_tasks).astype(bool)

    total = n_steps + _BURN_IN + _MOST_LAGS
    shocks = rng.standard_normal((n_tasks, total))
    stationary = np.zeros_like(shocks)
    expected = np.zeros_like(shocks)
    for t in range(_MOST_LAGS, total):
        past = slice(t - _MOST_LAGS, t)
        expected[:, t] = (weights * stationary[:, past][:, ::-1]).sum(axis=1)
        expected[:, t] += (averaged * shocks[:, past][:, ::-1]).sum(axis=1)
        stationary[:, t] = expected[:, t] + shocks[:, t]
    stationary, expected = stationary[:, -n_steps:], expected[:, -n_steps:]
    levels = stationary.cumsum(axis=1)
    before = levels - stationary
    return (
        np.where(summed[:, None], levels, stationary),
        np.where(summed[:, None], before + expected, expected),
    )


def lstm(rng: np.random.Generator, lags: Float32) -> Float32:
    """Return a number of the last state of a random LSTM, float32 [n_tasks, n_points].

    Parameters
    ----------
    lags : float32 [n_tasks, n_points, n_steps], what it reads at each step.
    """
    n_tasks, n_points, n_steps = lags.shape
    n_units = int(rng.integers(3, 9))
    given = rng.standard_normal((n_tasks, 1, 4 * n_units), dtype=np.float32)
    across = rng.standard_normal((n_tasks, n_units, 4 * n_units), dtype=np.float32)
    across /= np.float32(np.sqrt(n_units))
    state = np.zeros((n_tasks, n_points, n_units), dtype=np.float32)
    memory = np.zeros_like(state)
    for step in range(n_steps):
        gates = lags[:, :, step : step + 1] * given + np.matmul(state, across)
        enter, forget, leave, new = np.split(gates, 4, axis=2)
        memory = _open(forget) * memory + _open(enter) * np.tanh(new)
        state = _open(leave) * np.tanh(memory)
    read = rng.standard_normal((n_tasks, n_units, 1), dtype=np.float32)
    values: Float32 = np.matmul(state, read)[:, :, 0]
    return values


def _open(values: Float32) -> Float32:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)), dtype=np.float32)


def _lagged(series: Float64, n_lags: int) -> Float32:
    """Return the last values before each point, the newest first, float32 [.., .., n_lags]."""
    windows = np.lib.stride_tricks.sliding_window_view(series, n_lags, axis=1)
    return np.ascontiguousarray(windows[:, :, ::-1], dtype=np.float32)
