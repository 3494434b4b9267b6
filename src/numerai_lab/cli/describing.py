"""data describe: what features and targets are like."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from numerai_lab.cli.options import DataOption, Json, Quiet, SetOption
from numerai_lab.cli.output import emit, kept


def describe(
    config: Annotated[
        str,
        typer.Argument(metavar="[CONFIG]", help="experiment on the data, or a features.json"),
    ] = "xgb",
    data: DataOption = None,
    out: Annotated[Path, typer.Option("--out", help="page")] = Path("data.html"),
    overrides: SetOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Describe features and targets: sets, gaps, correlation, drift, corr over training eras.

    Whatever looks at a label sees only eras that the first fold trains on.
    """
    from numerai_lab.describe import describe_data, describe_metadata
    from numerai_lab.experiment import Reporter, prepare, read_experiment
    from numerai_lab.report import data_lines, write_data_page

    metadata = next((one for one in (config, data) if one and one.endswith(".json")), None)
    if metadata is not None:
        found = describe_metadata(Path(metadata))
    else:
        resolved = read_experiment(config, data, tuple(overrides or ()), tunable=True)
        with Reporter(quiet=quiet) as reporter:
            found = describe_data(prepare(resolved, reporter))
    write_data_page(found, out)
    kept(f"the page is {out}")
    if as_json:
        emit({"page": str(out), **found})
        return
    for line in data_lines(found):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"page    {out}\n")
