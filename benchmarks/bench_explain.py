"""Contributions of features: what they take, and that the `shap` package finds the same ones.

    .venv/bin/python benchmarks/bench_explain.py [SHARE]

2,000 trees of depth 5 are explained on one era of 7,000 rows x 780 features with a planted signal,
or on SHARE of its rows. Beside it the `shap` package explains the same trees, if it is installed
(`pip install shap`, some 300 MB; the lab does not need it), else that half is not measured, and it
says so. Each side is a process of its own; `rows` loads everything and explains nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from measure import Run, machine_line, remove_files_when_told_to_stop, run_process, today

ROWS, FEATURES, TREES = 7000, 780, 2000
SIDES = ("rows", "lab", "shap")
SAME = 1e-4
"""Values may differ by so much of the largest one: both are sums of float32."""


def frame(n_eras: int, rows: int, seed: int) -> Any:
    """Make labelled eras with a signal in the first features."""
    import pyarrow as pa

    from numerai_lab.eraframe import EraFrame

    rng, n = np.random.default_rng(seed), n_eras * rows
    features = rng.integers(0, 5, (n, FEATURES), dtype=np.int8)
    skill = (features[:, :20] - 2.0).sum(axis=1) * 0.05 + rng.normal(size=n)
    target = np.digitize(skill, np.quantile(skill, [0.05, 0.25, 0.75, 0.95])) / 4
    return EraFrame(
        features=features,
        eras=np.arange(1, n_eras + 1, dtype=np.int32),
        offsets=np.arange(n_eras + 1, dtype=np.int64) * rows,
        ids=pa.array([f"n{seed}{i:07d}" for i in range(n)]),
        targets=target.astype(np.float32)[:, None],
        feature_names=tuple(f"feature_{i:04d}" for i in range(FEATURES)),
        target_names=("target",),
    )


def train(folder: Path) -> None:
    """Fit and save the model."""
    from numerai_lab.models import FitContext, get_model

    kind = get_model("xgb")
    params = {"num_boost_round": TREES, "max_depth": 5, "eta": 0.01, "colsample_bytree": 0.1}
    model = kind(kind.Params.model_validate(params))
    model.fit(frame(4, 500, 0), FitContext(0, "target", ("target",), purge_eras=4))
    model.save(folder)


def explain(side: str, folder: Path, share: float) -> None:
    """Explain the live rows in this process; print the seconds, and keep the values."""
    from numerai_lab.models import get_model

    model: Any = get_model("xgb").load(folder)
    live = frame(1, ROWS, 1).without_targets()
    rows = np.arange(0, ROWS, round(1 / share))
    start = time.perf_counter()
    if side == "lab":
        (own,) = model.contributions(live, rows)
        np.save(folder / "lab.npy", own.values)
    elif side == "shap":
        import shap  # type: ignore[import-not-found]  # an option of whoever measures

        features = live.features[rows].astype(np.float32)
        values = shap.TreeExplainer(model.booster).shap_values(features)
        np.save(folder / "shap.npy", np.asarray(values, dtype=np.float32))
    print(time.perf_counter() - start)


def compare(share: float) -> None:
    """Run all sides and print what each took, and how far their values are apart."""
    sides = [side for side in SIDES if side != "shap" or importlib.util.find_spec("shap")]
    with tempfile.TemporaryDirectory() as temporary:
        asked = [sys.executable, __file__, str(share), "--folder", temporary, "--side"]
        run_process([*asked, "train"])
        runs: dict[str, Run] = {}
        for side in sides:
            runs[side] = run_process([*asked, side])
            seconds = float(runs[side].stdout.split()[-1])
            print(
                f"  {side:<5} {seconds:.1f} s of wall time, CPU of the process "
                f"{runs[side].cpu:.1f} s, peak {runs[side].peak_mb:,.0f} MiB, other work took "
                f"{runs[side].others:.1f} cores",
                flush=True,
            )
        if "shap" in sides:
            ours, theirs = (np.load(Path(temporary, f"{side}.npy")) for side in sides[1:])
            apart, largest = np.abs(ours - theirs).max(), np.abs(theirs).max()
            print(f"  furthest apart {apart:.1e}, largest value {largest:.3f}")
            if apart > SAME * largest:
                sys.exit("the values of shap are others")
        else:
            print("  NOT MEASURED: shap is not installed here (pip install shap)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("share", nargs="?", type=float, default=1.0)
    parser.add_argument("--side", choices=("train", *SIDES))
    parser.add_argument("--folder", type=Path)
    wanted = parser.parse_args()
    if wanted.side == "train":
        train(wanted.folder)
    elif wanted.side:
        explain(wanted.side, wanted.folder, wanted.share)
    else:
        remove_files_when_told_to_stop()
        n = len(range(0, ROWS, round(1 / wanted.share)))
        print(f"{today()}, {machine_line()}\n{n:,} rows x {FEATURES} features x {TREES:,} trees")
        compare(wanted.share)


if __name__ == "__main__":
    main()
