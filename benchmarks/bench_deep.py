"""What configs/lgbm_deep.yaml costs: CPU seconds of a few hundred of its trees, times what is left.

    .venv/bin/python benchmarks/bench_deep.py [TREES]

Trains the config on ../shared/data/market (eras 1-740, later ones judged) with a third of TREES
(default 300) and with all of them. The difference is the cost of a tree; reading, binning and
scoring are in both. Trees of such small steps grow alike: the first are as deep as the last.
CPU seconds, because wall time tells of the machine's other work.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from measure import REAL_DATA, Run, lab_command, machine_line, run_process, today

CONFIG = Path(__file__).parent.parent / "configs" / "lgbm_deep.yaml"
ALL_TREES = 30_000
SPLIT = "split={type: holdout, train: {to: %d}, validate: {from: %d}}"


def train(trees: int, last: int) -> Run:
    """Run a whole `train` with so many of the trees."""
    with tempfile.TemporaryDirectory() as runs:
        return run_process(
            lab_command(
                *("train", str(CONFIG), "--data", str(REAL_DATA / "market")),
                *("--runs-dir", runs, "--quiet", "--set", "compare_to=[]"),
                *("--set", f"model.params.n_estimators={trees}"),
                *("--set", SPLIT % (last, last + 9)),
            )
        )


def main() -> None:
    trees = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    if not (REAL_DATA / "market").exists():
        sys.exit(f"not measured: {REAL_DATA / 'market'} is not there")
    few, last = trees // 3, 740
    print(
        f"{today()}, {machine_line()}\nmarket, trained on eras 1-{last}, later ones judged",
        flush=True,
    )
    cpu = {}
    for n in (few, trees):
        run = train(n, last)
        cpu[n] = run.cpu
        print(
            f"  {n:>6} trees: CPU {run.cpu:.0f} s, wall {run.wall:.0f} s; other work took "
            f"{run.others:.1f} cores",
            flush=True,
        )
    tree = (cpu[trees] - cpu[few]) / (trees - few)
    hours = (cpu[trees] + tree * (ALL_TREES - trees)) / 3600
    print(f"  a tree: {tree:.2f} CPU s; {ALL_TREES:,} trees, extrapolated: {hours:.1f} CPU hours")


if __name__ == "__main__":
    main()
