"""Peak memory and time of a whole `train` on generated files: the lab against notebook scripts.

By default 240 training eras and 52 judged ones x 5,000 rows x 700 features (1 GiB of int8), 50
trees of depth 5 on a tenth of the features. Every run is a process of its own; the lab's first run
makes the era store and LightGBM's binned rows, its second one finds them.

    python benchmarks/bench_memory.py [repeats] [training eras]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Run, machine_line, ratio, run_process, spread

TREES = 50
NOTEBOOK = """
import sys
import pandas as pd
from numerai_tools.scoring import numerai_corr
library, folder, trees = sys.argv[1], sys.argv[2], int(sys.argv[3])
train = pd.read_parquet(f"{folder}/train.parquet")
features = [c for c in train.columns if c.startswith("feature_")]
if library == "lgbm":
    from lightgbm import LGBMRegressor
    model = LGBMRegressor(n_estimators=trees, learning_rate=0.05, max_depth=5, num_leaves=31,
                          colsample_bytree=0.1, verbosity=-1)
else:
    from xgboost import XGBRegressor
    model = XGBRegressor(n_estimators=trees, learning_rate=0.05, max_depth=5, colsample_bytree=0.1)
model.fit(train[features], train["target"])
judged = pd.read_parquet(f"{folder}/validation.parquet")
judged = judged[judged.era.astype(int) > train.era.astype(int).max() + 8]
judged["prediction"] = model.predict(judged[features])
scores = judged.groupby("era").apply(lambda d: numerai_corr(d[["prediction"]], d["target"]).iloc[0])
print(scores.mean())
"""
LGBM = (
    "model={type: lgbm_ensemble, params: {weights: equal, era_step: 1, era_offsets: [0], "
    "lightgbm: {num_iterations: %d, max_depth: 5, num_leaves: 31, learning_rate: 0.05, "
    "feature_fraction: 0.1}}}"
)
XGB = (
    "model={type: xgb, params: {num_boost_round: %d, eta: 0.05, max_depth: 5, "
    "colsample_bytree: 0.1, memory: %s}}"
)


def lab_command(folder: Path, stores: Path, runs: Path, eras: int, model: str) -> list[str]:
    """Return `numerai-lab train` on the generated files, with the model section given."""
    split = f"split={{type: holdout, train: {{to: {eras}}}, validate: {{from: {eras + 9}}}}}"
    return [
        str(Path(sys.executable).with_name("numerai-lab")),
        "train",
        "configs/xgb.yaml",
        *("--data", str(folder), "--runs-dir", str(runs), "--json", "--quiet"),
        *("--set", split, "--set", model, "--set", f"data.store={{use: always, dir: {stores}}}"),
        *("--set", "scoring.fnc_feature_set=none"),
    ]


def first_tree_seconds(run: Run) -> float:
    """Wall time of a run without its training, prediction and scoring: up to the first tree."""
    fit = json.loads(Path(json.loads(run.stdout)["run_dir"], "folds/01/fit.json").read_text())
    return float(fit["fit_seconds"] - fit["library_seconds"])


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    eras = int(sys.argv[2]) if len(sys.argv) > 2 else 240
    print(machine_line())
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "data")
        generate = str(Path(__file__).with_name("generate.py"))
        sizes = ["--train-eras", str(eras), "--validation-eras", str(60)]
        subprocess.run([sys.executable, generate, str(folder), *sizes], check=True)
        raw = eras * 5000 * 700 / 2**20
        print(f"training features: {raw:.0f} MiB of int8; n={repeats}")
        kinds = {
            "lgbm": ("lgbm", LGBM % TREES),
            "xgb in core": ("xgb", XGB % (TREES, "in_core")),
            "xgb external": ("xgb", XGB % (TREES, "external")),
        }
        for name, (library, model) in kinds.items():
            first, second, script = [], [], []
            for repeat in range(repeats):
                stores = Path(parent, f"stores-{name}-{repeat}".replace(" ", "-"))
                command = lab_command(folder, stores, Path(parent, "runs"), eras, model)
                first.append(run_process(command))
                second.append(run_process(command))
                notebook = [sys.executable, "-c", NOTEBOOK, library, str(folder), str(TREES)]
                script.append(run_process(notebook))
            report(name, raw, first, second, script)


def report(name: str, raw: float, first: list[Run], second: list[Run], script: list[Run]) -> None:
    """Print one model's line of the table."""
    peaks = [[run.peak_mb for run in runs] for runs in (first, second, script)]
    cpu = [[run.cpu for run in runs] for runs in (first, second, script)]
    wall = [[run.wall for run in runs] for runs in (first, second, script)]
    print(f"\n{name}")
    print(f"  peak MiB: first {spread(peaks[0], 0)}, second {spread(peaks[1], 0)}, ", end="")
    print(f"script {spread(peaks[2], 0)}")
    print(f"  (peak - 300 MiB) / raw: first {spread([(p - 300) / raw for p in peaks[0]])}", end="")
    print(f", second {spread([(p - 300) / raw for p in peaks[1]])}")
    print(f"  wall s: first {spread(wall[0], 0)}, second {spread(wall[1], 0)}, ", end="")
    print(f"script {spread(wall[2], 0)}; second / script {ratio(wall[1], wall[2])}")
    print(f"  CPU, first / script {ratio(cpu[0], cpu[2])}, second / script {ratio(cpu[1], cpu[2])}")
    waits = [[first_tree_seconds(run) for run in runs] for runs in (first, second)]
    print(f"  s inside fit before the first tree: first {spread(waits[0], 1)}", end="")
    print(f", second {spread(waits[1], 1)}, second / first {ratio(waits[1], waits[0])}")


if __name__ == "__main__":
    main()
