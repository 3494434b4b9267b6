"""Draw docs/ttt_worlds.svg: what adapting gains, era by era, in three synthetic worlds.

    python scripts/ttt_figure.py [SVG]

Each world is trained to era 149 and judged on 158-224 with `code_leaves` at strength .5, switched
on by hand, so that the third world shows what the guard is for. Takes about a minute.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from numerai_lab.config import Synthetic
from numerai_lab.data import generate_tournament

WORLDS = {
    "linked_strong": "features and signal move together",
    "linked_weak": "the signal moves a little with them",
    "covariate_shift": "only the features move",
}
CONFIG = """\
name: {world}
data: {{source: numerai, dir: "{folder}"}}
split: {{type: holdout, train: {{to: 149}}, validate: {{from: 158}}}}
scoring: {{exposure: false, fnc_feature_set: none, benchmark: none}}
threads: 1
model:
  type: xgb_ttt
  params:
    num_boost_round: 200
    max_depth: 4
    eta: 0.05
    colsample_bytree: 0.3
    adapt: {{method: code_leaves, strength: 0.5}}
"""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, GAP = 900, 300, 52, 8, 56, 40, 24
STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #444 }
.title { font-weight: 600; fill: #222 }
.grid { stroke: #8886; stroke-width: 1 }
.adapted { stroke: #1a7cc4; stroke-width: 2.5; fill: none }
.shuffled { stroke: #d55e00; stroke-width: 2; fill: none; stroke-dasharray: 6 4 }
@media (prefers-color-scheme: dark) { text { fill: #bbb } .title { fill: #eee } }"""


@dataclass(frozen=True)
class Panel:
    """One world: judged eras, and running sums of two differences of corr."""

    world: str
    eras: np.ndarray
    adapted: np.ndarray
    shuffled: np.ndarray


def run_world(world: str, folder: Path) -> Panel:
    """Train and judge in one world."""
    data = folder / "data"
    size = {"n_eras": 224, "rows_per_era": 400, "n_features": 40, "seed": 1}
    generate_tournament(data, Synthetic(world=world, **size))
    config = folder / f"{world}.yaml"
    config.write_text(CONFIG.format(world=world, folder=data))
    command = ["from numerai_lab.cli import main; main()", "train", config]
    run = [sys.executable, "-c", *map(str, command), "--runs-dir", str(folder / "runs"), "--json"]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    (table,) = folder.glob("runs/*/*/scores_per_era.parquet")
    corr = pd.read_parquet(table).pivot(index="era", columns="prediction", values="corr")
    gain = {name: (corr[name] - corr["frozen"]).cumsum() for name in ("prediction", "shuffled")}
    return Panel(
        world, corr.index.to_numpy(), gain["prediction"].to_numpy(), gain["shuffled"].to_numpy()
    )


def draw(panels: list[Panel]) -> str:
    """Return the figure as SVG, one panel beside the other on one scale."""
    lines = [line for panel in panels for line in (panel.adapted, panel.shuffled)]
    low, high = min(0.0, *(line.min() for line in lines)), max(line.max() for line in lines)
    width = (WIDTH - LEFT - RIGHT - GAP * (len(panels) - 1)) / len(panels)
    step = next(s for s in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if (high - low) / s <= 6)
    ticks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step

    def y_of(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for i, panel in enumerate(panels):
        left = LEFT + i * (width + GAP)
        span = panel.eras[-1] - panel.eras[0]
        x = left + (panel.eras - panel.eras[0]) / span * width
        parts.append(f'<text class="title" x="{left:.0f}" y="18">{panel.world}</text>')
        parts.append(f'<text x="{left:.0f}" y="36">{WORLDS[panel.world]}</text>')
        for tick in ticks:
            y = y_of(tick)
            ends = f'x1="{left:.0f}" x2="{left + width:.0f}" y1="{y:.1f}" y2="{y:.1f}"'
            parts.append(f'<line class="grid" {ends}/>')
            if i == 0:
                label = f"{tick:+.1f}" if abs(tick) > step / 2 else "0"
                place = f'x="{left - 6:.0f}" y="{y + 4:.1f}" text-anchor="end"'
                parts.append(f"<text {place}>{label}</text>")
        for name, values in (("shuffled", panel.shuffled), ("adapted", panel.adapted)):
            points = " ".join(f"{a:.1f},{y_of(b):.1f}" for a, b in zip(x, values, strict=True))
            parts.append(f'<polyline class="{name}" points="{points}"/>')
        for era, place, anchor in ((panel.eras[0], left, "start"), (panel.eras[-1], x[-1], "end")):
            parts.append(
                f'<text x="{place:.0f}" y="{HEIGHT - 22}" text-anchor="{anchor}">era {era}</text>'
            )
    key = (
        '<line class="adapted" x1="52" x2="80" y1="290" y2="290"/>'
        '<text x="86" y="294">adapted minus frozen, running sum of per-era corr</text>'
        '<line class="shuffled" x1="420" x2="448" y1="290" y2="290"/>'
        '<text x="454" y="294">the same with the codes of other eras</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">\n'
        f"<style>\n{STYLE}\n</style>\n" + "\n".join([*parts, key]) + "\n</svg>\n"
    )


def main() -> None:
    """Run the worlds and write the figure."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/ttt_worlds.svg")
    panels = []
    for world in WORLDS:
        with tempfile.TemporaryDirectory() as folder:
            panels.append(run_world(world, Path(folder)))
    target.write_text(draw(panels))
    for panel in panels:
        print(f"{panel.world}: {panel.adapted[-1]:+.2f}, shuffled {panel.shuffled[-1]:+.2f}")


if __name__ == "__main__":
    main()
