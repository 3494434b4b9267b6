"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[str, typer.Argument(metavar="CONFIG", help="experiment, e.g. configs/xgb.yaml")]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data", help="folder in Numerai's layout, a profile in configs/data, or a YAML file"
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="override, e.g. model.params.max_depth=6"),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="where runs are kept")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object on stdout")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="only warnings on stderr")]
FinalRun = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="run directory, or latest:EXPERIMENT")
]
StateDir = Annotated[Path, typer.Option("--state-dir", help="where receipts are kept")]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="once for a run made before checksums: its files as they are now are right"
    ),
]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="file with the keys, chmod 600")]
RUNS = Path("runs")
STATE = Path("submissions")
