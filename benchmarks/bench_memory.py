r"""Peak memory and time of a whole `train` on generated files: the lab against a notebook script.

By default 240 training eras and 60 later ones (the first 8 are the purge, 52 are judged) x 5,000
rows x 700 features, 1.5 million rows, and 200 trees of depth 5 on a tenth of the features. Other
sizes have judged eras in proportion, so that twice the eras are twice the rows of everything.

Every run is a process of its own. A turn is one library, one size, one repeat: the lab's first run
makes the era store and LightGBM's binned rows, its second one finds them, and the notebook reads
the same parquet; every other repeat begins with the notebook. For XGBoost a turn has both ways of
the lab, in core and from disk, each with a store of its own. Files are in the system's cache.

    python benchmarks/bench_memory.py --eras 60,120,240 --repeats 2 --out build/memory.json
    python benchmarks/bench_memory.py --draw build/memory.json

Runs are added to the file turn by turn, and turns that it has are not run again: it may be stopped
and go on, or be gathered in pieces. `--draw` prints the tables and draws the figure.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import generate, machine_line, remove_files_when_told_to_stop, run_process, today
from memory_figure import draw
from memory_results import Measured, Results, Setting, tables

PURGE = 8
JUDGED_OF_TRAINING = 13 / 60  # 240 + 8 + 52 eras are the 300 of the medium shape
LGBM = (
    "model={type: lgbm_ensemble, params: {weights: equal, era_step: 1, era_offsets: [0], "
    "lightgbm: {num_iterations: %d, max_depth: 5, num_leaves: 31, learning_rate: 0.05, "
    "feature_fraction: 0.1}}}"
)
XGB = (
    "model={type: xgb, params: {num_boost_round: %d, eta: 0.05, max_depth: 5, "
    "colsample_bytree: 0.1, memory: %s}}"
)
CONFIG = Path(__file__).parent.parent / "configs" / "xgb.yaml"


def lab_arguments(folder: Path, stores: Path, runs: Path, eras: int, model: str) -> list[str]:
    """Return the arguments of `numerai-lab train` on generated files, with this model section."""
    last = PURGE + eras
    split = f"split={{type: holdout, train: {{to: {eras}}}, validate: {{from: {last + 1}}}}}"
    return [
        *("train", str(CONFIG), "--data", str(folder), "--runs-dir", str(runs)),
        *("--json", "--quiet", "--set", split, "--set", model),
        *("--set", f"data.store={{use: always, dir: {stores}}}"),
        *("--set", "scoring.fnc_feature_set=none"),
    ]


def lab_models(library: str, trees: int) -> dict[str, str]:
    """Return the lab's ways to train with a library: kind, and model section."""
    if library == "lgbm":
        return {"lgbm": LGBM % trees}
    return {
        "xgb in core": XGB % (trees, "in_core"),
        "xgb external": XGB % (trees, "external"),
    }


def turn(library: str, eras: int, repeat: int, folder: Path, trees: int) -> list[Measured]:
    """Run the lab (twice in each way) and the notebook, one after the other."""

    def measure(kind: str, side: str, arguments: list[str]) -> Measured:
        watcher = str(Path(__file__).with_name("first_tree.py"))
        program = "notebook" if side == "notebook" else "lab"
        with tempfile.NamedTemporaryFile() as notes:
            run = run_process([sys.executable, watcher, notes.name, program, library, *arguments])
            times = json.loads(Path(notes.name).read_text())
        print(
            f"{eras} eras, {library}, repeat {repeat + 1}, {kind} {side}: {run.wall:.1f} s, "
            f"{run.peak_mb:,.0f} MiB",
            flush=True,
        )
        return Measured(
            eras=eras,
            repeat=repeat,
            library=library,
            kind=kind,
            side=side,
            date=today(),
            wall=run.wall,
            cpu=run.cpu,
            peak_mb=run.peak_mb,
            imports=times["imported"] - run.started,
            first_tree=times["first_tree"] - run.started,
            others=run.others,
        )

    def lab() -> Iterator[Measured]:
        for kind, model in lab_models(library, trees).items():
            with tempfile.TemporaryDirectory(dir=folder.parent) as made:
                arguments = lab_arguments(
                    folder, Path(made, "stores"), Path(made, "runs"), eras, model
                )
                for side in ("first", "second"):
                    yield measure(kind, side, arguments)

    def notebook() -> Iterator[Measured]:
        yield measure("notebook", "notebook", [str(folder), str(trees)])

    sides = [notebook, lab] if repeat % 2 else [lab, notebook]
    return [measured for side in sides for measured in side()]


def gather(
    results: Results, wanted: list[tuple[int, int, str]], parent: Path | None, out: Path | None
) -> None:
    """Run the turns (eras, repeat, library) that are not there yet; save after each."""
    missing = [each for each in wanted if not results.done(*each)]
    setting = results.setting
    for eras in sorted({each[0] for each in missing}):
        with tempfile.TemporaryDirectory(dir=parent) as made:
            folder = Path(made, "data")
            later = PURGE + max(2, round(eras * JUDGED_OF_TRAINING))
            sizes = {
                "--train-eras": eras,
                "--validation-eras": later,
                "--rows-per-era": setting.rows_per_era,
                "--features": setting.features,
            }
            generate(folder, *(str(part) for pair in sizes.items() for part in pair))
            for each in missing:
                if each[0] == eras:
                    _, repeat, library = each
                    results.runs += turn(library, eras, repeat, folder, setting.trees)
                    if out is not None:
                        results.save(out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--eras", default="240", help="training eras, separated by commas")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--models", default="lgbm,xgb")
    parser.add_argument("--rows-per-era", type=int, default=5000)
    parser.add_argument("--features", type=int, default=700)
    parser.add_argument("--dir", type=Path, help="where generated files lie meanwhile")
    parser.add_argument("--out", type=Path, help="JSON file that keeps and gathers the runs")
    parser.add_argument("--draw", type=Path, metavar="JSON", help="run nothing, show this file")
    parser.add_argument("--figure", type=Path, default=Path(__file__).with_name("memory.svg"))
    wanted = parser.parse_args()
    if wanted.draw is not None:
        results = Results.load(wanted.draw)
        wanted.figure.write_text(draw(results))
        print(tables(results))
        return
    remove_files_when_told_to_stop()
    setting = Setting(machine_line(), wanted.rows_per_era, wanted.features, wanted.trees)
    results = Results(setting, [])
    if wanted.out is not None and wanted.out.exists():
        results = Results.load(wanted.out)
        if results.setting != setting:
            sys.exit(f"{wanted.out} holds runs of another setting: {results.setting}")
    turns = [
        (int(eras), repeat, library)
        for eras in wanted.eras.split(",")
        for repeat in range(wanted.repeats)
        for library in wanted.models.split(",")
    ]
    gather(results, turns, wanted.dir, wanted.out)
    print(f"\n{tables(results)}")


if __name__ == "__main__":
    main()
