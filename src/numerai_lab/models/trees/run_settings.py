"""What a run decides about training, as parameters of each library: nobody else sets these."""

from __future__ import annotations

from typing import Any

from numerai_lab.models.contract import FitContext


def xgboost_run_settings(ctx: FitContext, seed: int) -> dict[str, Any]:
    """Return XGBoost's parameters for the seed, threads and device of a run.

    Its own metric is switched off: models are judged by corr per era.
    """
    return {
        "seed": seed,
        "nthread": ctx.n_threads,
        "device": ctx.device,
        "disable_default_eval_metric": 1,
    }


def lightgbm_run_settings(ctx: FitContext, seed: int) -> dict[str, Any]:
    """Return LightGBM's parameters for the seed and threads of a run: silent, and repeatable.

    Its own metric is switched off: models are judged by corr per era.
    """
    return {
        "seed": seed,
        "deterministic": True,
        "metric": "None",
        "verbosity": -1,
        "num_threads": ctx.n_threads,
    }
