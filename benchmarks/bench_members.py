"""Peak memory of ensembles, and what a stack of finished runs costs.

    .venv/bin/python benchmarks/bench_members.py [TREES] [--wide FOLDER] [--store always]
        [--only stack]

Whole `train` runs on ../shared/data/market, or on generated rows, 240 eras x 5,000 rows x 700
features (1.2 million, 840 MB as int8), which are written into FOLDER if they are not there: one
LightGBM member on all rows; the shipped lgbm_ensemble (two targets, four era offsets, nnls); a
stack of xgb, ridge and max_sharpe that trains its members, the same with its xgb in core, and the
first again, which finds them. TREES (default 20) are those of each member: memory hardly depends on
them, time does, so times are for the stack beside itself. `--only` takes runs by words in their
names.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from measure import (
    REAL_DATA,
    generate,
    lab_command,
    machine_line,
    remove_files_when_told_to_stop,
    run_process,
    today,
)

CONFIGS = Path(__file__).parent.parent / "configs"
FOLDS = "split={type: walk_forward, first_train_eras: 530, chunk_eras: 104}"
WIDE_FOLDS = "split={type: walk_forward, first_train_eras: 188, chunk_eras: 26}"
STACK = """\
extends: xgb.yaml
name: small_stack
model:
  type: stack
  params:
    members: {xgb: {from: xgb.yaml}, ridge: {from: ridge.yaml}, max_sharpe: {from: max_sharpe.yaml}}
"""


def rows(wide: Path | None) -> tuple[Path, str]:
    """Return the folder of data, and the split on it."""
    if wide is None:
        data = REAL_DATA / "market"
        if not data.exists():
            sys.exit(f"not measured: {data} is not there")
        return data, FOLDS
    if not (wide / "features.json").exists():  # the last file that is written
        generate(wide, "--train-eras", "188", "--validation-eras", "52", "--sixty")
    return wide, WIDE_FOLDS


def main() -> None:
    remove_files_when_told_to_stop()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trees", nargs="?", default="20")
    parser.add_argument("--wide", type=Path)
    parser.add_argument("--store", default="auto", help="data.store.use")
    parser.add_argument("--only", default="", help="words in the names of the runs that are made")
    wanted = parser.parse_args()
    trees = wanted.trees
    data, folds = rows(wanted.wide)
    print(f"{today()}, {machine_line()}")
    print(f"{data.name}, {trees} trees a member, store: {wanted.store}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary)
        for shipped in CONFIGS.glob("*.yaml"):
            text = shipped.read_text().replace("num_boost_round: 400", f"num_boost_round: {trees}")
            text = text.replace("n_estimators: 400", f"n_estimators: {trees}")
            (here / shipped.name).write_text(text)
        (here / "small_stack.yaml").write_text(STACK)
        in_core = "extends: xgb.yaml\nname: in_core\nmodel: {params: {memory: in_core}}\n"
        (here / "in_core.yaml").write_text(in_core)
        (here / "in_core_stack.yaml").write_text(
            STACK.replace("from: xgb.yaml", "from: in_core.yaml")
        )
        one = ["model.params.era_step=1", "model.params.weights=equal", "data.optional_targets=[]"]
        runs = {
            "one LightGBM member": ("lgbm_ensemble.yaml", one),
            "lgbm_ensemble as shipped": ("lgbm_ensemble.yaml", []),
            "stack that trains its members": ("small_stack.yaml", []),
            "stack that trains them, xgb in core": ("in_core_stack.yaml", []),
            # another weighing of the same members, whose runs are found
            "stack of finished runs": ("small_stack.yaml", ["model.params.prior_eras=26"]),
        }
        for name, (config, settings) in runs.items():
            if wanted.only not in name:
                continue
            stores = f"data.store={{use: {wanted.store}, dir: {here / 'stores'}}}"
            changes = [folds, stores, "compare_to=[]", *settings]
            run = run_process(
                lab_command(
                    *("train", str(here / config), "--data", str(data)),
                    *("--runs-dir", str(here / "runs"), "--quiet"),
                    *(part for change in changes for part in ("--set", change)),
                )
            )
            print(
                f"  {name:<35} peak {run.peak_mb:,.0f} MiB, CPU {run.cpu:.0f} s, wall "
                f"{run.wall:.0f} s, other work took {run.others:.1f} cores",
                flush=True,
            )


if __name__ == "__main__":
    main()
