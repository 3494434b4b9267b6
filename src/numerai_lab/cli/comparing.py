"""compare: runs beside each other, on the terminal or as a page."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from numerai_lab.cli.options import RUNS, DataOption, Json, RunsDir
from numerai_lab.cli.output import SYNTHETIC, emit, kept, show, warn_on_stderr


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN ...",
            help="the first one is the baseline; also files of predictions (.parquet, .csv)",
        ),
    ],
    data: DataOption = None,
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="corr, mmc, bmc, payout ...; sharpe, sharpe_hac, drawdown; mmc.sharpe_hac",
        ),
    ] = "corr",
    across_data: Annotated[
        bool, typer.Option("--across-data", help="also runs that were judged on different data")
    ] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="also write one page, offline")
    ] = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Paired per-era difference between runs: interval, periods, and what could be told at all.

    Of three and more, every pair on the eras that all have. A file of predictions is judged as the
    first run was, on its rows or on those of --data.
    """
    from numerai_lab.experiment import (
        compare_series,
        correlations,
        in_words,
        open_sides,
        side_by_side,
    )
    from numerai_lab.report import render_comparison, render_matrix, write_comparison

    sides = open_sides(runs, runs_dir, metric, warn_on_stderr, data=data)
    rows = compare_series(sides, metric, warn_on_stderr, across_data=across_data)
    held = None
    if len(sides) > 2 or html is not None:
        held = side_by_side(sides, metric, warn_on_stderr)
    base = rows[0]
    told = [(base["baseline"], base["baseline_mean"], base["baseline_data"])]
    told += [(row["prediction"], row["mean"], row["data"]) for row in rows]
    synthetic = any(rows_of["synthetic"] for _, _, rows_of in told)
    if html is not None and held is not None:
        eras = held.scores.index.to_numpy()
        alike, n = correlations(sides, eras, warn_on_stderr)
        whole = replace(held, correlations=alike, n_correlated=n)
        write_comparison(
            whole, _named_briefly(rows), html, what=in_words(metric), synthetic=synthetic
        )
        kept(f"the page is {html}")
    if as_json:
        side = {} if held is None else {"side_by_side": held.as_dict()}
        emit({"comparisons": rows, **side, **({} if html is None else {"html": str(html)})})
        return
    for name, value, rows_of in told:
        number = "none" if value is None else f"{value:+.4f}"
        sys.stdout.write(f"{name}: {in_words(metric)} {number}, {rows_of['label']}\n")
    show(render_comparison(_named_briefly(rows), in_full=True))
    if held is not None and len(sides) > 2:
        show(render_matrix(held))
    if synthetic:
        sys.stdout.write(SYNTHETIC)
    if html is not None:
        sys.stdout.write(f"page    {html}\n")


def _named_briefly(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return comparisons with runs called by their experiment, where no other has the same."""
    labels = [rows[0]["baseline"], *(row["prediction"] for row in rows)]
    names = [label.partition("/")[0] for label in labels]
    brief = {
        label: name if names.count(name) == 1 else label
        for label, name in zip(labels, names, strict=True)
    }
    return [
        {**row, "prediction": brief[row["prediction"]], "baseline": brief[row["baseline"]]}
        for row in rows
    ]
