"""data prepare, and what data prune does about era stores."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from numerai_lab.cli.options import DataOption, Json, Quiet, SetOption
from numerai_lab.cli.output import emit, kept, warn_on_stderr
from numerai_lab.errors import ConfigError

if TYPE_CHECKING:
    from numerai_lab.data import StoreFound


def prepare(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="experiment whose features to convert")
    ],
    data: DataOption = None,
    overrides: SetOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Convert an experiment's features to the era store now; training does it on first use."""
    from numerai_lab.data import load_data
    from numerai_lab.experiment import Reporter, read_experiment

    resolved = read_experiment(config, data, tuple(overrides or ()), tunable=True)
    experiment = resolved.experiment
    store = experiment.data.store
    if store.use == "never":
        raise ConfigError(
            "never: training would not read what is converted here",
            where=f"{resolved.places.get('data.store.use', config)} data.store.use",
            fix="set it to auto or always, or leave it out",
        )
    always = store.model_copy(update={"use": "always"})
    with Reporter(quiet=quiet) as reporter:
        dataset = load_data(
            experiment.data.model_copy(update={"store": always}),
            say=reporter.say,
            targets=experiment.scoring.targets,
            progress=reporter.converted,
        )
    frame = dataset.frame
    facts = {
        "store": str(dataset.store),
        "n_rows": frame.n_rows,
        "n_features": frame.n_features,
        "n_eras": frame.n_eras,
        "bytes": folder_bytes(dataset.store) if dataset.store else 0,
    }
    kept(f"{dataset.store} is ready")
    if as_json:
        emit(facts)
        return
    sys.stdout.write(
        f"{facts['store']}: {frame.n_rows:,} rows x {frame.n_features:,} features of "
        f"{frame.n_eras} eras are ready\n"
    )


def folder_bytes(folder: Path) -> int:
    """Add up the files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def prune_stores(parent: Path, *, everything: bool, yes: bool) -> list[dict[str, Any]]:
    """Find stores that no source backs (or all), remove them if told to, and describe them."""
    from numerai_lab.data import list_stores, remove_store

    found = [store for store in list_stores(parent, warn_on_stderr) if everything or store.stale]
    for store in found:
        if yes:
            remove_store(store)
    return [_described(store, removed=yes) for store in found]


def prune_prices(parent: Path, *, everything: bool, yes: bool) -> list[dict[str, Any]]:
    """Find weekly rows made of prices that nothing can read (or all), and remove them if told to.

    Rows that are whole are shown in any case: each change of the prices makes new ones.
    """
    from numerai_lab.data import list_price_folders, remove_price_folder

    described = []
    for found in list_price_folders(parent):
        removed = yes and (everything or found.useless is not None)
        if removed:
            remove_price_folder(found)
        why = found.useless or "whole; --prices removes it, too, and it is made again when needed"
        if found.useless is None and found.source_gone:
            why = (
                f"whole; its source {found.source_gone} is gone, so it could not be made again "
                "(--prices removes it all the same)"
            )
        described.append(
            {"path": str(found.folder), "bytes": found.bytes, "why": why, "removed": removed}
        )
    return described


def _described(store: StoreFound, *, removed: bool) -> dict[str, Any]:
    if store.stale is None and removed:
        warn_on_stderr(f"{store.folder} was in use: the next experiment on its files makes it anew")
    return {
        "path": str(store.folder),
        "bytes": store.bytes,
        "why": store.stale or "in use",
        "removed": removed,
    }
