"""transforms: which steps can add columns to the features, and what their parameters mean."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from numerai_lab.cli.options import Json
from numerai_lab.cli.output import emit


def transforms(
    name: Annotated[str | None, typer.Argument(metavar="[TRANSFORM]")] = None,
    as_json: Json = False,
) -> None:
    """List the steps that `transforms:` takes, or explain one's parameters."""
    from numerai_lab.features import get_transform, list_transforms
    from numerai_lab.models import describe_fields

    if name is None:
        found = list_transforms()
        if as_json:
            emit({"transforms": found})
            return
        for one, summary in found.items():
            sys.stdout.write(f"{one:<16} {summary}\n")
        return
    kind = get_transform(name)
    rows = [row for row in describe_fields(kind.Params) if row.key != "type"]
    if as_json:
        told = {"summary": kind.info.summary, "state": kind.info.state}
        emit({"transform": name, **told, "params": [row._asdict() for row in rows]})
        return
    sys.stdout.write(f"{name}: {kind.info.summary} ({kind.info.state})\n\n")
    for row in rows:
        default = f" = {row.default}" if row.default else ""
        sys.stdout.write(f"{row.key}: {row.type}{default}\n    {row.description}\n")
