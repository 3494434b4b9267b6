"""data prices: what files of daily prices hold, what is dropped and why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from numerai_lab.cli.options import Json, Quiet, SetOption
from numerai_lab.cli.output import emit, kept


def prices(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="parquet, CSV, or a folder of one file a ticker"),
    ] = None,
    config: Annotated[
        str, typer.Option("--config", help="experiment whose section data.prices holds")
    ] = "prices",
    out: Annotated[
        Path | None, typer.Option("--out", help="page; prices.html beside the rows made of them")
    ] = None,
    overrides: SetOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check daily prices, make weekly rows of them, and show what was found, with a picture.

    Without FILE it is the made-up panel.
    """
    from numerai_lab.data import price_folder, told_counts
    from numerai_lab.errors import ConfigError
    from numerai_lab.experiment import Reporter, read_experiment
    from numerai_lab.report import prices_lines, write_prices_page

    resolved = read_experiment(config, file, tuple(overrides or ()), tunable=True)
    section = resolved.experiment.data
    if section.source != "prices":
        raise ConfigError(
            f"its data are not prices (source: {section.source})",
            where=f"--config {config}",
            fix="name an experiment on prices, or leave it out",
        )
    heard: list[str] = []
    found = price_folder(section, heard.append)
    told = told_counts(found.facts["counts"], found.facts["examples"])
    with Reporter(quiet=quiet) as reporter:
        for sentence in heard:
            if sentence not in told:
                reporter.say(sentence)
    page = out or found.path / "prices.html"
    write_prices_page(found.facts, told, page)
    kept(f"the page is {page}")
    if as_json:
        emit({"folder": str(found.path), "page": str(page), "told": told, **found.facts})
        return
    for line in prices_lines(found.facts, told):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"rows    {found.path}\npage    {page}\n")
