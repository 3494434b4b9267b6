"""models: which there are, and what their parameters mean."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from numerai_lab.cli.options import Json
from numerai_lab.cli.output import emit


def models(
    name: Annotated[str | None, typer.Argument(metavar="[MODEL]")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="test that the model keeps the protocol's promises")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the models, or explain one model's parameters."""
    from numerai_lab.models import check_model, describe_params, get_model, list_models

    if name is None:
        entries = list_models()
        if as_json:
            emit({"models": [asdict(entry) for entry in entries]})
            return
        for entry in entries:
            state = entry.summary if entry.available else f"unavailable: {entry.reason}"
            sys.stdout.write(f"{entry.name:<16} {state}\n")
        return
    if check:
        check_model(get_model(name))
        emit({"model": name, "check": "passed"}) if as_json else sys.stdout.write(
            f"{name} keeps every promise of the protocol\n"
        )
        return
    rows = describe_params(name)
    space = getattr(get_model(name).Params, "SPACE", {})
    if as_json:
        emit({"model": name, "params": [row._asdict() for row in rows], "space": space})
        return
    for row in rows:
        default = f" = {row.default}" if row.default else ""
        sys.stdout.write(f"{row.key}: {row.type}{default}\n    {row.description}\n")
    if space:
        sys.stdout.write("\n`numerai-lab tune` searches, where a config names nothing else:\n")
    for key, written in space.items():
        inside = ", ".join(f"{k}: {str(v).lower()}" for k, v in written.items())
        sys.stdout.write(f"    {key}: {{{inside}}}\n")
