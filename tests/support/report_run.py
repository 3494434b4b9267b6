"""A made-up run directory, as `experiment` writes one, for the report's tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

METRICS = ("corr", "spearman", "bmc", "mmc", "fnc", "benchmark_corr")
METRICS += ("exposure_max", "exposure_rms", "payout")
LEVEL = {"prediction": 0.0213, "xgb": 0.0198, "v53_lgbm_ender20": 0.0226}
BENCHMARK = "v53_lgbm_ender20"


def summary(values: np.ndarray, eras: np.ndarray) -> dict[str, Any]:
    """Summarise roughly as `scoring` does; only the shape matters here."""
    kept, numbers = values[np.isfinite(values)], eras[np.isfinite(values)]
    if not len(kept):
        return {"mean": None, "n_eras": 0, "n_nan": len(values)}
    mean, std = float(kept.mean()), float(kept.std())
    total = np.cumsum(kept)
    error = 3.0 * std / np.sqrt(len(kept))
    last = {f"last_{k}": float(kept[-k:].mean()) if len(kept) >= k else None for k in (20, 50, 100)}
    return {
        "mean": mean,
        "std": std,
        "sharpe": mean / std if std else None,
        "sharpe_hac": mean / std / 1.8 if std else None,
        "max_drawdown": float(np.max(np.maximum.accumulate(total) - total)),
        "hit_rate": float(np.mean(kept > 0)),
        **last,
        "ci_low": mean - error,
        "ci_high": mean + error,
        "n_eras": len(kept),
        "n_nan": len(values) - len(kept),
        "first_era": int(numbers[0]),
        "last_era": int(numbers[-1]),
    }


def blocks(found: dict[str, dict[str, np.ndarray]], eras: np.ndarray) -> list[dict[str, Any]]:
    """Summarise on the same eras, again only roughly: the whole, and what the shortest has."""
    scored = {name: np.isfinite(values["corr"]) for name, values in found.items()}
    made = []
    for kept in sorted(scored.values(), key=np.sum):
        names = [name for name, mine in scored.items() if mine[kept].all()]
        span = {"first": int(eras[kept][0]), "last": int(eras[kept][-1]), "n": int(kept.sum())}
        scores = {
            name: {
                key: summary(found[name][key][kept], eras[kept])
                for key in ("corr", "mmc", "bmc", "fnc")
            }
            for name in names
        }
        if span not in [block["eras"] for block in made]:
            made.append({"eras": span, "scores": scores})
    return made


def _fold(number: int, first: int, last: int, purge: int) -> dict[str, Any]:
    train_last = first - purge - 1
    return {
        "fold": number,
        "train": {
            "first": 1,
            "last": train_last,
            "n_eras": train_last,
            "n_rows": train_last * 5000,
        },
        "judged": {
            "first": first,
            "last": last,
            "n_eras": last - first + 1,
            "n_rows": (last - first + 1) * 5000,
        },
        "purge_eras": purge,
        "embargo_eras": 0,
        "train_eras": [[1, train_last]],
        "judged_eras": [[first, last]],
        "dropped_eras": [[train_last + 1, first - 1]],
    }


def make_run(
    folder: Path,
    *,
    n_folds: int = 4,
    chunk: int = 20,
    names: tuple[str, ...] = ("prediction", "xgb", BENCHMARK),
    features: tuple[str, ...] = tuple(f"feature_{i:03d}" for i in range(40)),
    synthetic: bool = True,
    benchmark_from: int = 0,
    seed: int = 0,
) -> Path:
    """Write a whole run directory and return it; the benchmark has scores from an era on."""
    rng = np.random.default_rng(seed)
    run = folder / "xgb_ttt" / "20261122T083000Z-1a2b3c4d"
    run.mkdir(parents=True)
    folds = [_fold(i + 1, 1 + chunk * (i + 1), chunk * (i + 2), 8) for i in range(n_folds)]
    eras = np.arange(chunk + 1, chunk * (n_folds + 1) + 1)
    shared = np.convolve(rng.normal(0, 0.012, len(eras) + 3), np.ones(4), "valid")
    columns: dict[str, list[Any]] = {}
    scores: dict[str, Any] = {}
    found: dict[str, dict[str, np.ndarray]] = {}
    for name in names:
        own = np.convolve(rng.normal(0, 0.004, len(eras) + 3), np.ones(4), "valid")
        corr = LEVEL.get(name, 0.02) + shared + own
        per_metric = {
            "corr": corr,
            "spearman": corr * 0.9,
            "bmc": np.full(len(eras), np.nan) if name == BENCHMARK else corr * 0.2 + own,
            "mmc": corr * 0.25,
            "fnc": corr * 0.6,
            "benchmark_corr": 0.7 + own,
            "exposure_max": 0.25 + np.abs(own) * 3,
            "exposure_rms": 0.07 + np.abs(own),
            "payout": np.clip(corr * 0.5, -0.05, 0.05),
        }
        if name == BENCHMARK:
            for key in ("corr", "spearman", "mmc", "fnc", "payout"):
                per_metric[key] = np.where(eras < benchmark_from, np.nan, per_metric[key])
        found[name] = per_metric
        scores[name] = {metric: summary(values, eras) for metric, values in per_metric.items()}
        rows = {
            "era": eras.astype(np.int32),
            "fold": ((eras - 1) // chunk).astype(np.int32),
            "prediction": np.full(len(eras), name),
            "target": np.full(len(eras), "target"),
            "n_rows": np.full(len(eras), 5000),
            **per_metric,
        }
        for key, values in rows.items():
            columns.setdefault(key, []).extend(values.tolist())
    pq.write_table(pa.table(columns), run / "scores_per_era.parquet")
    benchmark = BENCHMARK if BENCHMARK in names else None
    paired = [n for n in names if n not in ("prediction", benchmark)]
    write_json(
        run / "scores.json",
        {
            "target": "target",
            "targets": ["target"],
            "benchmark": benchmark,
            "meta_model": "numerai_meta_model",
            "horizon_days": 20,
            "eras": {"first": int(eras[0]), "last": int(eras[-1]), "n": len(eras)},
            "warnings": ["prediction 'xgb' is constant in 3 of 80 eras: no score there"],
            "scores": scores,
            "scores_by_target": {
                "target": scores,
                "target_cyrusd_20": {"prediction": scores["prediction"]},
            },
            "same_eras": {"target": blocks(found, eras)},
            "variants": [],
            "comparisons": [
                {
                    "baseline": name,
                    "metric": "corr",
                    "mean_difference": 0.00151,
                    "ci_low": 0.00042,
                    "ci_high": 0.00263,
                    "probability_of_improvement": 0.9965,
                    "n_eras": len(eras),
                }
                for name in paired
            ],
        },
    )
    gains = 1 / (np.arange(len(features)) + 2.0)
    for fold in folds:
        place = run / "folds" / f"{fold['fold']:02d}"
        place.mkdir(parents=True)
        noisy = gains * rng.uniform(0.5, 1.5, len(features)) * 1e5
        write_json(
            place / "fit.json",
            {
                "fold": fold["fold"],
                "size": 2000,
                "unit": "trees",
                "library_seconds": 61.3 * fold["fold"],
                "fit_seconds": 64.9 * fold["fold"],
                "predict_seconds": 3.21,
                "importance": dict(zip(features, noisy.tolist(), strict=True)),
                "notes": ["2 constant features were left out"],
                "details": {},
            },
        )
    exposure = rng.normal(0, 0.06, len(features))
    write_json(
        run / "exposure.json", {"features": dict(zip(features, exposure.tolist(), strict=True))}
    )
    question = "Does adapting the trees to each unlabelled era raise corr over the same trees?"
    notice = "data/ holds no Numerai files, so this run used the synthetic tournament"
    write_json(
        run / "manifest.json",
        {
            "experiment": "xgb_ttt",
            "question": question,
            "config_hash": "1a2b3c4d",
            "created_utc": "2026-11-22T08:30:00Z",
            "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": True},
            "versions": {"numerai_lab": "0.1.0", "xgboost": "3.2.0", "numpy": "2.4.6"},
            "machine": {
                "platform": "Linux-6.8-x86_64",
                "python": "3.11.9",
                "cpu_count": 8,
                "memory_mb": 32000,
            },
            "seed": 0,
            "command": "numerai-lab train configs/xgb_ttt.yaml",
            "data": {
                "source": "synthetic" if synthetic else "numerai",
                "notice": notice if synthetic else None,
                "folder": "data",
                "files": [
                    {"path": "data/train.parquet", "bytes": 48_200_000, "rows": 96000}
                    | {"sha256": "ab" * 32}
                ],
                "counts": {"rows_without_target": 1234, "rows_read": 401_234},
                "n_features": len(features),
                "n_rows": 400_000,
                "targets": ["target"],
                "horizon_days": 20,
                "first_era": 1,
                "last_era": int(eras[-1]),
                "n_eras": int(eras[-1]),
            },
            "model": {"type": "xgb", "params": {"max_depth": 5}},
            "split": {"type": "official", "chunk_eras": chunk},
            "notes": ["1,234 rows without target were dropped"],
            "folds": folds,
        },
    )
    text = "name: xgb_ttt\nmodel:\n  type: xgb\n  params: {max_depth: 5}\n"
    (run / "config.yaml").write_text(text, encoding="utf-8")
    (run / "resolved.yaml").write_text(text + "seed: 0\n", encoding="utf-8")
    return run


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file of the run; NaN stays NaN, as Python's json writes it."""
    path.write_text(json.dumps(value), encoding="utf-8")


def change_json(path: Path, **changes: Any) -> None:
    """Replace keys at the top of a JSON file."""
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | changes)


def scores_of(run: Path) -> dict[str, Any]:
    """Read scores.json of a made run."""
    return json.loads((run / "scores.json").read_text(encoding="utf-8"))
