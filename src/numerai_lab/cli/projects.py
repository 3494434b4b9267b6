"""init: a folder to work in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from numerai_lab.cli.options import Json
from numerai_lab.cli.output import emit
from numerai_lab.errors import check_name


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new folder, or . for this one")],
    as_json: Json = False,
) -> None:
    """Write a folder to work in: configs, submit.yaml, cron and systemd files, a README."""
    from numerai_lab.config import start_project

    check_name(folder)
    written = start_project(folder)
    if as_json:
        emit({"folder": str(folder.absolute()), "files": [str(path) for path in written]})
        return
    for path in written:
        sys.stdout.write(f"{path}\n")
