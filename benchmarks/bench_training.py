"""The whole `train` of xgb against the shortest script that does the same with the libraries.

Both read train and validation, train on eras to 0566, predict 0575-0800 and score corr per era.
Pairs run in turn, each as a process of its own: wall time, peak memory, and for the lab the share
that is not the library's own work, by wall time and by CPU time of all threads. Wall time tells
only on an idle machine.

    python benchmarks/bench_training.py [pairs]
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from measure import REAL_DATA, machine_line, ratio, run_process, spread

TREES = 400
SCRIPT = """
import sys
import numpy as np, pandas as pd
from numerai_tools.scoring import numerai_corr
from xgboost import XGBRegressor
folder, trees = sys.argv[1], int(sys.argv[2])
train = pd.read_parquet(f"{folder}/train.parquet")
features = [c for c in train.columns if c.startswith("feature_")]
train = train[train.era.astype(int) <= 566].dropna(subset=["target"])
model = XGBRegressor(n_estimators=trees, learning_rate=0.05, max_depth=5, colsample_bytree=0.1)
model.fit(train[features], train["target"])
judged = pd.read_parquet(f"{folder}/validation.parquet").dropna(subset=["target"])
judged["prediction"] = model.predict(judged[features])
scores = judged.groupby("era").apply(lambda d: numerai_corr(d[["prediction"]], d["target"]).iloc[0])
print(scores.mean(), scores.mean() / scores.std(ddof=0))
"""


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    market = REAL_DATA / "market"
    if not (market / "train.parquet").exists():
        sys.exit(f"skipped: no real data in {market}")
    raw_mb = (691_048 + 415_454) * 140 / 2**20
    print(f"{machine_line()}\nraw int8 features read: {raw_mb:.0f} MiB")
    lab, script = [], []
    overhead: dict[str, list[float]] = {"wall": [], "CPU": []}
    with_prediction: dict[str, list[float]] = {"wall": [], "CPU": []}
    with tempfile.TemporaryDirectory() as runs:
        command = [
            str(Path(sys.executable).with_name("numerai-lab")),
            "train",
            "configs/xgb.yaml",
            *("--data", str(market), "--runs-dir", runs, "--json", "--quiet"),
            *("--set", "split={type: holdout, train: {to: 566}, validate: {from: 575}}"),
            *("--set", f"model.params.num_boost_round={TREES}"),
        ]
        for _ in range(pairs):
            lab.append(run_process(command))
            script.append(run_process([sys.executable, "-c", SCRIPT, str(market), str(TREES)]))
            result = json.loads(lab[-1].stdout)
            fit = json.loads(Path(result["run_dir"], "folds/01/fit.json").read_text())
            details = fit["details"]
            for kind, all_of_it, own, predicting in (
                (
                    "wall",
                    lab[-1].wall,
                    fit["library_seconds"] + details["binning_seconds"],
                    fit["predict_seconds"],
                ),
                (
                    "CPU",
                    lab[-1].cpu,
                    details["library_cpu_seconds"],
                    fit["predict_cpu_seconds"],
                ),
            ):
                overhead[kind].append((all_of_it - own - predicting) / own)
                with_prediction[kind].append((all_of_it - own) / own)
    corr = result["scores"]["prediction"]["corr"]
    print(f"corr mean: lab {corr['mean']:.4f}, script {script[-1].stdout.split()[0]}")
    walls = [[r.wall for r in runs] for runs in (lab, script)]
    peaks = [[r.peak_mb for r in runs] for runs in (lab, script)]
    print(f"wall s: lab {spread(walls[0])}, script {spread(walls[1])}, lab/script {ratio(*walls)}")
    print(f"peak MiB: lab {spread(peaks[0], 0)}, script {spread(peaks[1], 0)}")
    print(
        f"peak lab/script {ratio(*peaks)}; target <= 2.2 raw + 400 = {2.2 * raw_mb + 400:.0f} MiB"
    )
    for kind in overhead:
        print(
            f"{kind}: all but the library's binning, training and prediction, over binning and "
            f"training: {spread(overhead[kind], 3)} (target .10); prediction counted too: "
            f"{spread(with_prediction[kind], 3)}"
        )


if __name__ == "__main__":
    main()
