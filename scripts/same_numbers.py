#!/usr/bin/env python3
"""Do the shipped configs still predict, and score, what they did at another revision?

    .venv/bin/python scripts/same_numbers.py REVISION [CONFIG ...]

Trains every config (or those named, as `xgb`) on a small synthetic tournament twice, with the
code of REVISION and with that of this working tree, each as its own shipped config says, with
few trees. Compares bit by bit: the predictions of all folds and their ids, those of the final
model on the live file, and every number in scores.json that both have. Exit code 0: all equal;
1: something differs. A config whose data are not there is named as not tried.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
SMALL = [
    "data.source=synthetic",
    "data.synthetic={n_eras: 200, rows_per_era: 80, n_features: 24, n_regimes: 2}",
    "split={type: walk_forward, first_train_eras: 130, chunk_eras: 30}",
    "scoring.bootstrap={samples: 200}",
    "threads=1",
    "compare_to=[]",
]
NETS = ("mlp", "mixer", "era_set", "mtm", "era_rnn")
FEW_TREES = {
    **{net: ["model.params.epochs=2"] for net in NETS},
    "lgbm_ensemble": ["model.params.n_estimators=20"],
    "lgbm_offsets": ["model.params.n_estimators=20"],
    "lgbm_deep": [
        *("model.params.n_estimators=20", "model.params.lightgbm={min_data_in_leaf: 100}"),
    ],
    "lgbm_deep_small": [
        *("model.params.n_estimators=20", "model.params.lightgbm={min_data_in_leaf: 100}"),
    ],
    "mixer_lgbm": [
        "model.params.n_estimators=20",
        "transforms=[{type: embedding, folds: 2, model: {type: mixer, params: {epochs: 1}}}]",
    ],
    "random_forest": ["model.params.n_estimators=20"],
    "extra_trees": ["model.params.n_estimators=20"],
    "ridge": [],
    "max_sharpe": [],
    "stack": [],
    "residual": ["model.params.second.params.num_boost_round=20"],
}
PRICES = ("prices", "momentum", "stock_")
"""What configs on prices begin with: they have a made-up market of their own."""
SMALL_PRICES = [
    "data.prices.made_up={n_tickers: 30, n_days: 900}",
    "split={type: walk_forward, first_train_eras: 60, chunk_eras: 30}",
    *SMALL[3:],
]
WORLDS = {"xgb_ttt": "data.synthetic.world=linked_strong"}
NEEDS = {"xgb_legacy_2018": "the 2018 tournament's sample"}
if find_spec("torch") is None:
    NEEDS |= dict.fromkeys(
        [*NETS, "momentum_unrolled", "stock_rnn", "stock_transformer"], "torch (make nets)"
    )


def settings(name: str) -> list[str]:
    """Return the --set values that make a config small."""
    if name.startswith(PRICES):
        return SMALL_PRICES
    kind = next((key for key in WORLDS if name.startswith(key)), "")
    few = FEW_TREES.get(name, ["model.params.num_boost_round=20"])
    return [*SMALL, *few, *([WORLDS[kind]] if kind else [])]


def train(source: Path, config: Path, into: Path, name: str) -> Path:
    """Train with the code of `source`; return the run's directory."""

    def lab(*arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", "from numerai_lab.cli import main; main()", *arguments],
            cwd=into,
            env={**os.environ, "PYTHONPATH": str(source / "src"), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{name} with {source}: exit code {done.returncode}\n{done.stderr}")

    sets = [part for value in settings(name) for part in ("--set", value)]
    run = into / "run"
    lab("train", str(config), "--final", "--run-dir", str(run), "--quiet", *sets)
    live = next(into.glob("data/*/*/live.parquet"))
    lab("predict", str(run), "--features", str(live), "--out", str(into / "live.csv"))
    return run


def numbers(value: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number in a JSON value with its place."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from numbers(item, f"{place}.{key}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from numbers(item, f"{place}[{i}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, float(value)


def _same(before: pa.ChunkedArray, after: pa.ChunkedArray) -> bool:
    """Compare two columns; eras may be numbers in the one and labels ("0575") in the other."""
    one, two = (column.combine_chunks() for column in (before, after))
    if one.type != two.type and pa.types.is_integer(one.type):
        two = two.cast(one.type)
    return bool(one.equals(two))


def differences(old: Path, new: Path) -> list[str]:
    """Say where two runs, each beside the `live.csv` of its final model, differ."""
    found = []
    before, after = (pq.read_table(run / "predictions.parquet") for run in (old, new))
    for column in before.column_names:
        if column not in after.column_names:
            found.append(f"predictions.parquet has no column '{column}' any more")
        elif not _same(before[column], after[column]):
            found.append(f"predictions.parquet, column '{column}'")
    if (old.parent / "live.csv").read_bytes() != (new.parent / "live.csv").read_bytes():
        found.append("the final model's predictions of live.parquet")
    was, now = (
        # the record of files has their sizes, which grow with a score that is added
        {place: n for place, n in numbers(json.loads(text)) if not place.startswith(".record.")}
        for text in ((run / "scores.json").read_text() for run in (old, new))
    )
    changed = [place for place in was if place in now and was[place] != now[place]]
    gone = [place for place in was if place not in now]
    found += [f"scores.json{place}: {was[place]} -> {now[place]}" for place in changed[:5]]
    if len(changed) > 5:
        found.append(f"scores.json: {len(changed) - 5} numbers more")
    if gone:
        print(f"  scores.json: {len(gone)} numbers are gone, the first is {gone[0][1:]}")
    return found


def main() -> None:
    """Compare all configs, or those named."""
    if len(sys.argv) < 2:
        sys.exit(str(__doc__))
    revision, wanted = sys.argv[1], sys.argv[2:]
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        old = Path(temporary) / "old"
        old.mkdir()
        archive = Path(temporary) / "old.tar"
        subprocess.run(["git", "archive", "-o", archive, revision], cwd=ROOT, check=True)
        with tarfile.open(archive) as tar:
            tar.extractall(old, filter="data")
        there = {path.stem for path in (ROOT / "configs").glob("*.yaml")} - {"submit"}
        for name in wanted or sorted(there):
            if name in NEEDS:
                print(f"{name}: not tried, it needs {NEEDS[name]}")
                continue
            if not (old / "configs" / f"{name}.yaml").is_file():
                print(f"{name}: not tried, {revision} has no such config")
                continue
            runs = []
            for which, source in (("old", old), ("new", ROOT)):
                into = Path(temporary) / name / which
                into.mkdir(parents=True)
                runs.append(train(source, source / "configs" / f"{name}.yaml", into, name))
            found = differences(*runs)
            print(f"{name}: {'equal' if not found else 'DIFFERS'}", flush=True)
            for line in found:
                print(f"  {line}")
            wrong += bool(found)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
