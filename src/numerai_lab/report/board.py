"""board.html: every finished run, by data and eras, the best first; one file, opens offline."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.errors import LabError
from numerai_lab.experiment import Choice, RunDir, choose, list_runs, read_series
from numerai_lab.files import write_text
from numerai_lab.report import figures
from numerai_lab.report.figures import interval, number, percent
from numerai_lab.report.markup import Html, breakable, document, h, join, table
from numerai_lab.report.messages import banner
from numerai_lab.report.plots import asset
from numerai_lab.report.run_list import settings_line

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
NAME = "board.html"
WIDTH, HEIGHT, POINTS = 120, 28, 60
Row = Mapping[str, Any]
_HEAD = (
    *("run", "corr", "95 % interval", "curve", "sharpe hac", "mmc", "bmc", "fnc"),
    *("max drawdown", "hit rate", "began", "notes"),
)


def write_board(runs_dir: Path, path: Path | None = None) -> Path:
    """Write the leaderboard of the runs below a folder.

    Parameters
    ----------
    path : the file; None: `runs_dir/board.html`, which `refresh_board` keeps up to date.

    Raises
    ------
    MachineError : it cannot be written; an earlier page stays as it was.
    """
    target = path or runs_dir / NAME
    write_text(target, render_board(runs_dir, target.parent))
    return target


def refresh_board(runs_dir: Path) -> LabError | None:
    """Write the leaderboard anew where somebody has one; return why that was not possible.

    A run that is finished stays so, whatever becomes of this page.
    """
    if not (runs_dir / NAME).exists():
        return None
    try:
        write_board(runs_dir)
    except LabError as error:
        return error
    return None


def render_board(runs_dir: Path, seen_from: Path) -> Html:
    """Render the page; links lead from a folder to the runs' reports."""
    listed = list_runs(runs_dir)
    scored = any("corr" in (row.get("metrics") or ()) for row in listed)
    rows = choose(listed, Choice(sort="corr" if scored else None, group="data"))
    judged = [row for row in rows if row.get("metrics")]
    groups: dict[str, list[Row]] = {}
    for row in judged:
        groups.setdefault(row["group"], []).append(row)
    others = [row for row in rows if not row.get("metrics")]
    line = [
        f"{len(judged)} finished run{'' if len(judged) == 1 else 's'}",
        f"{len(groups)} data set{'' if len(groups) == 1 else 's'}",
        f"in {runs_dir.resolve().name}",
    ]
    # one after another in time: the data set with the newest run first
    newest = sorted(groups, key=lambda g: max(str(r["created_utc"]) for r in groups[g]))
    body = (
        h(
            "header",
            h("h1", "Runs"),
            h("ul", *(h("li", part) for part in line), class_="meta"),
        ),
        h(
            "main",
            *(_data_set(name, groups[name], seen_from) for name in reversed(newest)),
            _others(others),
            h("p", _READING, class_="note") if judged else h("p", "No run is finished yet."),
        ),
        h("script", asset("board.js")),
    )
    return document(f"{len(judged)} runs", asset("page.css") + asset("board.css"), POLICY, *body)


_READING = (
    "Means with their 95 % block-bootstrap intervals. Rows of one table are over the same eras of "
    "the same target and data; rows of different tables do not compare. The first of many is first "
    "by luck, too: `numerai-lab compare` tells differences with their intervals, era by era. A "
    "click on a column's name sorts by it."
)


def _data_set(name: str, rows: Sequence[Row], seen_from: Path) -> Html:
    by_eras: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = row["target"], row["n_eras"], row["first_era"], row["last_era"]
        by_eras.setdefault(key, []).append(row)
    unreal = any(row["source"] == "synthetic" for row in rows)
    words = "Made-up rows: these scores say nothing about Numerai."
    tables = (
        table(f"{target}, {figures.in_eras(*eras)}", _HEAD, _rows(there, seen_from))
        for (target, *eras), there in by_eras.items()
    )
    mark = banner("Synthetic data", words) if unreal else ""
    return h("section", h("h2", name), mark, *tables, class_="data")


def _rows(rows: Sequence[Row], seen_from: Path) -> list[list[object]]:
    return [
        [
            _named(row, seen_from),
            h("strong", number(row["corr"])),
            interval(row["ci_low"], row["ci_high"], decimals=3),
            _curve(RunDir(Path(row["run"]))),
            number(row["sharpe_hac"], 2),
            *(number(row["metrics"].get(key, {}).get("mean")) for key in ("mmc", "bmc", "fnc")),
            number(row["metrics"]["corr"].get("max_drawdown"), 3),
            percent(row["metrics"]["corr"].get("hit_rate")),
            str(row["created_utc"])[:10],
            _notes(row),
        ]
        for row in rows
    ]


def _named(row: Row, seen_from: Path) -> Html:
    folder = Path(row["run"])
    page = folder / "report.html"
    name: object = breakable(row["experiment"])
    if page.exists():
        name = h("a", name, href=os.path.relpath(page.resolve(), seen_from.resolve()))
    return h("span", name, " ", h("small", breakable(folder.name)), class_="named")


def _notes(row: Row) -> Html:
    said = [row["model"], "final model" if row["final"] else "", row.get("origin") or ""]
    said += [settings_line(row.get("differs") or {})]
    said += [f"#{tag}" for tag in row.get("tags") or ()] + [row.get("note") or ""]
    return join([h("small", part) for part in said if part])


def _curve(run: RunDir) -> Html:
    """Draw the running sum of corr as a small line; nothing where it cannot be read."""
    try:
        scores = read_series(run, "corr").scores.dropna().sort_index()
    except LabError:
        return Html("")
    total = np.concatenate([[0.0], np.cumsum(scores.to_numpy(dtype=np.float64))])
    at = np.unique(np.linspace(0, len(total) - 1, POINTS).round().astype(int))
    low, high = float(total.min()), float(total.max())
    height = (high - low) or 1.0
    points = " ".join(
        f"{WIDTH * i / (len(total) - 1):.1f},{HEIGHT * (1 - (total[i] - low) / height):.1f}"
        for i in at
    )
    zero = f"{HEIGHT * (1 - (0.0 - low) / height):.1f}"
    words = f"cumulative corr, at the end {number(float(total[-1]), 2)}"
    return h(
        "svg",
        h("title", words),
        h("line", x1=0, x2=WIDTH, y1=zero, y2=zero),
        h("polyline", points=points),
        viewBox=f"-1 -1 {WIDTH + 2} {HEIGHT + 2}",
        role="img",
        aria_label=words,
    )


def _others(rows: Sequence[Row]) -> Html:
    """List what has no scores: runs that are at work, were stopped or are damaged."""
    if not rows:
        return Html("")
    lines = (h("li", f"{row['experiment']}: {row['state']}, {row['run']}") for row in rows)
    words = f"{len(rows)} without scores"
    return h("section", h("details", h("summary", words), h("ul", *lines)))
