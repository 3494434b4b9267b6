"""Measurements of `bench_memory.py`: their file, and the tables made of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from measure import spread

KINDS = ("lgbm", "xgb in core", "xgb external")
SIDES = ("first", "second", "notebook")
BESIDE_MB = 300
PEAK_TARGETS = {"lgbm": 1.3, "xgb in core": 2.3, "xgb external": 0.35}
WALL_TARGETS = {"lgbm": 0.55, "xgb in core": 0.75, "xgb external": 0.75}
FIRST_TREE_TARGET, GROWTH_TARGET, EXTERNAL_GROWTH_TARGET = 0.10, 2.1, 1.05


@dataclass(frozen=True)
class Measured:
    """One whole train, from the start of its process to its scores.

    Attributes
    ----------
    eras : training eras. repeat : from 0; runs of one repeat are a side-by-side comparison.
    library : lgbm or xgb. kind : one of `KINDS`, or "notebook".
    side : one of `SIDES`: the lab's first run on the data (conversion and all), its second one,
        or the notebook's.
    date : UTC day.
    wall, cpu : seconds. peak_mb : MiB.
    imports : wall seconds from the start of the process until all modules were imported.
    first_tree : wall seconds from the start of the process until the first tree was there.
    others : cores kept busy by everything else on the machine.
    """

    eras: int
    repeat: int
    library: str
    kind: str
    side: str
    date: str
    wall: float
    cpu: float
    peak_mb: float
    imports: float
    first_tree: float
    others: float


@dataclass(frozen=True)
class Setting:
    """What all runs of one file have in common."""

    machine: str
    rows_per_era: int
    features: int
    trees: int

    def raw_mb(self, eras: int) -> float:
        """MiB of the training rows' features, one byte a value."""
        return eras * self.rows_per_era * self.features / 2**20


@dataclass
class Results:
    """All runs of one setting."""

    setting: Setting
    runs: list[Measured]

    def save(self, path: Path) -> None:
        """Write them as a whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        content = {"setting": asdict(self.setting), "runs": [asdict(run) for run in self.runs]}
        part.write_text(json.dumps(content, indent=1))
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what `save` wrote."""
        content = json.loads(path.read_text())
        runs = [Measured(**run) for run in content["runs"]]
        return cls(Setting(**content["setting"]), runs)

    def done(self, eras: int, repeat: int, library: str) -> bool:
        """Say whether the runs of one turn are there; they are added all at once."""
        return any((r.eras, r.repeat, r.library) == (eras, repeat, library) for r in self.runs)

    def sizes(self) -> list[int]:
        """Return the numbers of training eras, ascending."""
        return sorted({run.eras for run in self.runs})

    def values(
        self, eras: int, kind: str, side: str, of: Callable[[Measured], float]
    ) -> list[float]:
        """Return one value of each repeat, in their order; empty if it was not measured."""
        name = "notebook" if side == "notebook" else kind
        library = kind.partition(" ")[0]
        found = [
            run
            for run in self.runs
            if (run.eras, run.library, run.kind, run.side) == (eras, library, name, side)
        ]
        return [of(run) for run in sorted(found, key=lambda run: run.repeat)]


def tables(results: Results) -> str:
    """Return all tables as Markdown, medians with minimum and maximum."""
    setting = results.setting
    dates = sorted({run.date for run in results.runs})
    repeats = {
        sum(1 for r in results.runs if r.side == "notebook" and r.eras == e and r.library == lib)
        for e in results.sizes()
        for lib in ("lgbm", "xgb")
    } - {0}
    others = [run.others for run in results.runs]
    head = (
        f"{setting.machine}; {' to '.join(sorted({dates[0], dates[-1]}))}; "
        f"n={'-'.join(str(n) for n in sorted(repeats))}, median [lowest, highest].\n"
        f"{setting.features} features, {setting.rows_per_era:,} rows an era, {setting.trees} trees "
        "of depth 5 on a tenth of the features. Raw: training rows x features x 1 byte. Everything "
        f"else on the machine kept {spread(others)} cores busy."
    )
    rows = [(eras, kind) for eras in results.sizes() for kind in KINDS]
    rows = [row for row in rows if results.values(*row, "notebook", _wall)]
    parts = [head, _peaks(results, rows), _walls(results, rows), _first_trees(results, rows)]
    growth = _growth(results)
    return "\n\n".join([*parts, *([growth] if growth else [])])


def _wall(run: Measured) -> float:
    return run.wall


def _cpu(run: Measured) -> float:
    return run.cpu


def _peak(run: Measured) -> float:
    return run.peak_mb


def _first(run: Measured) -> float:
    return run.first_tree


def _waited(run: Measured) -> float:
    return run.first_tree - run.imports


def _peaks(results: Results, rows: list[tuple[int, str]]) -> str:
    lines = []
    for eras, kind in rows:
        raw = results.setting.raw_mb(eras)
        peaks = [results.values(eras, kind, side, _peak) for side in SIDES]
        over = [[(peak - BESIDE_MB) / raw for peak in side] for side in peaks]
        lines.append(
            [
                _size(results, eras),
                f"{raw:,.0f}",
                kind,
                *(spread(side, 0) for side in peaks),
                *(spread(side) for side in over),
                f"{PEAK_TARGETS[kind]:g}",
            ]
        )
    names = [f"{side} MiB" for side in SIDES]
    names += [f"{side}, (peak - {BESIDE_MB} MiB) / raw" for side in SIDES]
    return _markdown(["training rows", "raw MiB", "peak memory of", *names, "target"], lines)


def _walls(results: Results, rows: list[tuple[int, str]]) -> str:
    lines = []
    for eras, kind in rows:
        wall = [results.values(eras, kind, side, _wall) for side in SIDES]
        cpu = [results.values(eras, kind, side, _cpu) for side in SIDES]
        lines.append(
            [
                _size(results, eras),
                kind,
                *(spread(side, 0) for side in wall),
                *(_ratio(wall[side], wall[2]) for side in (0, 1)),
                f"{WALL_TARGETS[kind]:g}",
                *(_ratio(cpu[side], cpu[2]) for side in (0, 1)),
            ]
        )
    names = [f"{side} s" for side in SIDES]
    names += ["first / notebook", "second / notebook", "target"]
    names += ["CPU, first / notebook", "CPU, second / notebook"]
    return _markdown(["training rows", "read to scores", *names], lines)


def _first_trees(results: Results, rows: list[tuple[int, str]]) -> str:
    lines = []
    for eras, kind in rows:
        whole = [results.values(eras, kind, side, _first) for side in SIDES]
        waited = [results.values(eras, kind, side, _waited) for side in SIDES]
        lines.append(
            [
                _size(results, eras),
                kind,
                *(spread(side, 1) for side in whole),
                _ratio(whole[1], whole[0]),
                *(spread(side, 1) for side in waited),
                _ratio(waited[1], waited[0]),
                _ratio(waited[1], waited[2]),
                f"{FIRST_TREE_TARGET:g}",
            ]
        )
    names = [f"{side} s" for side in SIDES] + ["second / first"]
    names += [f"without imports: {side} s" for side in SIDES]
    names += [f"without imports: second / {side}" for side in ("first", "notebook")] + ["target"]
    return _markdown(["training rows", "process start to first tree", *names], lines)


def _growth(results: Results) -> str:
    lines = []
    sizes = results.sizes()
    pairs = [(eras, 2 * eras) for eras in sizes if 2 * eras in sizes]
    for (few, many), kind in ((pair, kind) for pair in pairs for kind in KINDS):
        columns = []
        for of in (_wall, _cpu, _peak):
            for side in SIDES:
                pieces = (results.values(eras, kind, side, of) for eras in (many, few))
                both = [*zip(*pieces, strict=False)]  # one size may have been run more often
                columns.append(spread([large / small for large, small in both]) if both else "-")
        target = f"{GROWTH_TARGET:g}"
        if kind == "xgb external":
            target += f", peak {EXTERNAL_GROWTH_TARGET:g}"
        lines.append([f"{_size(results, few)} to {_size(results, many)}", kind, *columns, target])
    if not lines:
        return ""
    names = [f"{what}, {side}" for what in ("wall", "CPU", "peak") for side in SIDES]
    return _markdown(["training rows", "twice the rows", *names, "target"], lines)


def _size(results: Results, eras: int) -> str:
    return f"{eras * results.setting.rows_per_era:,}"


def _ratio(a: Sequence[float], b: Sequence[float]) -> str:
    return spread([x / y for x, y in zip(a, b, strict=True)])


def _markdown(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
