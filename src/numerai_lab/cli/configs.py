"""config show, check, schema: look at an experiment without running it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from numerai_lab.cli.options import Config, DataOption, Json, SetOption
from numerai_lab.cli.output import emit
from numerai_lab.cli.pretraining import read_pretraining
from numerai_lab.errors import ConfigError, ModelError

app = typer.Typer(help="Look at a config without running it.", no_args_is_help=True)


@app.command("show")
def config_show(
    config: Config,
    data: DataOption = None,
    overrides: SetOption = None,
    origins: Annotated[
        bool, typer.Option("--origins", help="say beside each value where it was written")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the config as it resolves: parents, data profile and --set merged, defaults filled."""
    from numerai_lab.config import resolved_yaml
    from numerai_lab.experiment import read_experiment

    resolved = read_experiment(config, data, tuple(overrides or ()), tunable=True)
    if as_json:
        emit(resolved.experiment.model_dump(mode="json", by_alias=True))
        return
    places = resolved.places if origins else None
    sys.stdout.write(resolved_yaml(resolved.experiment, places, resolved.spaces))


@app.command("check")
def config_check(
    configs: Annotated[list[str], typer.Argument(metavar="CONFIG ...")],
    data: DataOption = None,
    overrides: SetOption = None,
    as_json: Json = False,
) -> None:
    """Check configs and report every mistake with its line; reads no data."""
    from numerai_lab.config import config_hash, found_config, pretraining_in
    from numerai_lab.experiment import read_experiment
    from numerai_lab.tournament import load_slots

    found, mistakes = {}, []
    for config in configs:
        try:
            if _holds_slots(config):
                found[config] = f"{len(load_slots(Path(config)).slots)} slots"
                continue
            if kind := pretraining_in(path := found_config(Path(config))):
                read_pretraining(path, kind)
                found[config] = f"a pretraining of {kind}"
                continue
            resolved = read_experiment(config, data, tuple(overrides or ()), tunable=True)
            found[config] = f"hash {config_hash(resolved.experiment)}"
            if resolved.spaces:
                found[config] += f", {len(resolved.spaces)} spaces for `tune`"
        except (ConfigError, ModelError) as error:
            mistakes.append(str(error))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    if as_json:
        emit({"configs": {name: what.removeprefix("hash ") for name, what in found.items()}})
        return
    for config, what in found.items():
        sys.stdout.write(f"{config}: fine ({what})\n")


def _holds_slots(config: str) -> bool:
    """Return whether a file is one of submit's and no experiment; what is wrong is told later."""
    try:
        return re.search(r"^slots:", Path(config).read_text("utf-8"), re.MULTILINE) is not None
    except (OSError, UnicodeDecodeError):
        return False


@app.command("schema")
def config_schema(as_json: Json = False) -> None:
    """Print the JSON schema of experiments, for editors."""
    from numerai_lab.config import json_schema

    schema = json_schema()
    emit(schema) if as_json else sys.stdout.write(json.dumps(schema, indent=2) + "\n")
