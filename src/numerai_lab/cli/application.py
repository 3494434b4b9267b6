"""All commands together: parse, call one function, print. Heavy imports stay inside them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from numerai_lab.cli import (
    bundles,
    comparing,
    configs,
    datasets,
    dev_server,
    experiments,
    explain,
    imports,
    models,
    pages,
    pretraining,
    projects,
    refreshing,
    runs,
    tournament,
    transforms,
    tuning,
)
from numerai_lab.cli.output import INTERRUPTED, ended, fail
from numerai_lab.errors import LabError, MachineError, check_name
from numerai_lab.machine import check_address_space, short_of_memory

app = typer.Typer(
    name="numerai-lab",
    help="Era-aware experiments for the Numerai tournament: from one YAML to a judged run.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

COMMANDS: tuple[Callable[..., None], ...] = (
    experiments.train,
    experiments.evaluate,
    comparing.compare,
    pages.report,
    pages.board,
    explain.explain,
    tuning.tune,
    pretraining.pretrain,
    models.models,
    transforms.transforms,
    tournament.predict,
    tournament.submit,
    refreshing.refresh,
    bundles.export,
    bundles.upload,
    bundles.diagnostics,
    bundles.status,
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(runs.app, name="runs")
app.add_typer(configs.app, name="config")
app.add_typer(datasets.app, name="data")
app.command()(projects.init)
app.command("import")(imports.import_)
app.command("dev-server")(dev_server.dev_server)


def print_version(asked: bool) -> None:
    """Print the version and those of the libraries, and stop, for --version."""
    if asked:
        import platform
        from importlib import metadata

        sys.stdout.write(f"numerai_lab {metadata.version('numerai_lab')}\n")
        sys.stdout.write(f"python {platform.python_version()}\n")
        wanted = [one for one in metadata.requires("numerai_lab") or () if '"dev"' not in one]
        for name in dict.fromkeys(re.split(r"[^\w-]", one, maxsplit=1)[0] for one in wanted):
            try:
                told = metadata.version(name)
            except metadata.PackageNotFoundError:
                told = "not installed"
            sys.stdout.write(f"{name} {told}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="the version")
    ] = False,
) -> None:
    """Era-aware experiments for the Numerai tournament: from one YAML to a judged run."""


@cache
def commands() -> Any:
    """Put the commands together; once, for a process that runs several."""
    return typer.main.get_command(app)


def run_command(arguments: list[str]) -> int:
    """Run one command and return its exit code; a command that ends with typer.Exit chose it.

    A user's mistake becomes one sentence on stderr and exit code 2.
    """
    arguments = [from_home_folder(argument) for argument in arguments]
    return ended(_attempt(arguments), arguments)


def _attempt(arguments: list[str]) -> int:
    try:
        if not {"--help", "--version"} & set(arguments):
            check_address_space()
        code = commands().main(args=arguments, prog_name="numerai-lab", standalone_mode=False)
        if code == INTERRUPTED:
            sentence = "stopped; what was finished is kept: run it again"
            return fail(sentence, INTERRUPTED, arguments)
    except TyperException as error:  # a wrong option or argument
        return fail(error.format_message(), 2, arguments)
    except Exception as error:
        short = None if isinstance(error, MachineError) else short_of_memory(error)
        known = short or error
        if isinstance(known, LabError):
            return fail(str(known), known.exit_code, arguments)
        if isinstance(known, UnicodeEncodeError) and known.reason == "surrogates not allowed":
            try:
                check_name(known.object)
            except LabError as not_utf8:
                return fail(str(not_utf8), not_utf8.exit_code, arguments)
        if isinstance(known, OSError):
            return fail(f"{known.filename or 'a file'}: {known.strerror or known}", 1, arguments)
        raise
    # typer.Exit comes back as its code: a command that has printed its result and failed
    return code if isinstance(code, int) else 0


def from_home_folder(argument: str) -> str:
    """Put a home folder for `~` where no shell has: `--data=~/x`, or an argument of a program."""
    option, equals, value = argument.partition("=")
    if option.startswith("--") and equals and option != "--set":
        return f"{option}={Path(value).expanduser()}" if value.startswith("~/") else argument
    return str(Path(argument).expanduser()) if argument.startswith("~/") else argument
