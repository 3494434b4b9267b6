"""What a trial of `tune` costs beyond its fits: xgb, 400 trees, two inner folds, half of the eras.

One study in this process. A trial lasts from its beginning to that of the next one, so that all the
study does in between counts: asking Optuna, writing to its database, pruning, scoring, telling.

    python benchmarks/bench_tune.py [trials] [trees]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import REAL_DATA, machine_line, spread
from numerai_lab.experiment import Reporter, read_experiment
from numerai_lab.models import get_model
from numerai_lab.tuning import TuneOptions, tune

Clocks = tuple[float, float]


def clocks() -> Clocks:
    return time.perf_counter(), time.process_time()


class Timed(Reporter):
    """Notes when each piece of work begins."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.began: list[tuple[str, Clocks]] = []

    def work(self, label: str, unit: str = "") -> None:
        """Note it, and tell as usual."""
        self.began.append((label, clocks()))
        super().work(label, unit)


def timed(model: Any, name: str, spent: list[tuple[Clocks, Clocks]]) -> None:
    """Have a method of a model note when it begins and ends."""
    usual = getattr(model, name)

    def method(*arguments: Any) -> Any:
        start = clocks()
        result = usual(*arguments)
        spent.append((start, clocks()))
        return result

    setattr(model, name, method)


def inside(spent: list[tuple[Clocks, Clocks]], first: Clocks, last: Clocks, clock: int) -> float:
    return sum(b[clock] - a[clock] for a, b in spent if a[0] >= first[0] and b[0] <= last[0])


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    trees = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    market = REAL_DATA / "market"
    if not (market / "train.parquet").exists():
        sys.exit(f"skipped: no real data in {market}")
    print(machine_line())
    fits: list[tuple[Clocks, Clocks]] = []
    predictions: list[tuple[Clocks, Clocks]] = []
    xgb = get_model("xgb")
    timed(xgb, "fit", fits)
    timed(xgb, "predict", predictions)
    overrides = (
        f"model.params.num_boost_round={trees}",
        "model.params.eta={tune: float, low: 0.02, high: 0.08, log: true, default: 0.05}",
        "tune={prune: true, folds: 2}",
    )
    resolved = read_experiment("configs/xgb.yaml", str(market), overrides, tunable=True)
    reporter = Timed()
    with tempfile.TemporaryDirectory() as folder, reporter:
        options = TuneOptions(Path(folder), Path(folder) / "tuned.yaml", trials=trials)
        found = tune(resolved, options, reporter)
    assert found is not None
    print(f"trials: {found.facts['n_trials']}, inner folds: {found.facts['folds']}")
    for kind, clock in (("wall", 0), ("CPU", 1)):
        beyond, with_prediction, seconds, spent_beyond = [], [], [], []
        for (label, start), (_, end) in zip(reporter.began, reporter.began[1:], strict=False):
            if not label.startswith("trial"):
                continue

            fitting = inside(fits, start, end, clock)
            predicting = inside(predictions, start, end, clock)
            whole = end[clock] - start[clock]
            seconds.append(whole)
            spent_beyond.append(whole - fitting - predicting)
            beyond.append((whole - fitting - predicting) / fitting)
            with_prediction.append((whole - fitting) / fitting)
        print(
            f"{kind}: a trial {spread(seconds)} s, of which all but fits and predictions "
            f"{spread(spent_beyond, 2)} s; over the fits: {spread(beyond, 3)} (target .05); "
            f"predictions counted too: {spread(with_prediction, 3)}"
        )


if __name__ == "__main__":
    main()
