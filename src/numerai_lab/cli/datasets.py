"""data download, list, verify, prune: Numerai's files on this disk."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from numerai_lab.cli import describing, prices, stores
from numerai_lab.cli.options import Json, Quiet, SetOption
from numerai_lab.cli.output import emit, kept, warn_on_stderr

if TYPE_CHECKING:
    from numerai_lab.config import Experiment

app = typer.Typer(help="Numerai's files: get them, look at them, check them.", no_args_is_help=True)
app.command()(stores.prepare)
app.command("prices")(prices.prices)
app.command()(describing.describe)

Config = Annotated[
    str | None,
    typer.Argument(metavar="[CONFIG]", help="experiment whose data to use, e.g. configs/xgb.yaml"),
]
Dir = Annotated[
    Path | None, typer.Option("--dir", help="folder for the vX.Y folders; the config's, or data")
]
Version = Annotated[
    str | None, typer.Option("--version", help="as v5.3; the config's, or the server's newest")
]


@dataclass(frozen=True)
class _Place:
    """Where files go and which are wanted: from the config, overruled by options."""

    folder: Path
    version: str | None
    experiment: Experiment | None


def _place(
    config: str | None, overrides: list[str] | None, directory: Path | None, version: str | None
) -> _Place:
    from numerai_lab.errors import UserError
    from numerai_lab.tournament import place_of

    experiment = None
    if config is not None:
        from numerai_lab.experiment import read_experiment

        experiment = read_experiment(config, None, tuple(overrides or ()), tunable=True).experiment
        source = experiment.data.source
        if source not in ("auto", "numerai"):
            raise UserError(
                f"its data are not Numerai's files (source: {source})",
                where=config,
                fix="name an experiment on Numerai's data, or leave the config out",
            )
        directory = directory or experiment.data.dir
        version = version or experiment.data.version
    folder, named = place_of(directory or Path("data"))
    return _Place(folder, version or named, experiment)


@app.command()
def download(
    config: Config = None,
    version: Version = None,
    files: Annotated[
        str | None,
        typer.Option(
            "--files",
            help="train,validation,live,features,benchmarks,meta,example or file names; "
            "by default what the experiment reads",
        ),
    ] = None,
    directory: Dir = None,
    overrides: SetOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Get files as the server has them now; resumes, checks, and replaces nothing by worse."""
    from numerai_lab.cli.progress import download_progress
    from numerai_lab.errors import UserError
    from numerai_lab.tournament import (
        RoundNotOpen,
        Tournament,
        choose_files,
        choose_version,
        download_files,
        needed_groups,
    )

    place = _place(config, overrides, directory, version)
    groups = needed_groups(place.experiment)
    if files is not None:
        groups = [name.strip() for name in files.split(",") if name.strip()]
        if not groups:
            raise UserError("no file is named", where="--files", fix="name some, as train,live")
    with Tournament() as tournament:
        listed = tournament.datasets()
        chosen = choose_version(place.version, listed)
        names = choose_files(groups, chosen, listed)
        _warn_of_flat_files(place.folder)
        number = None
        if any(Path(name).name.startswith("live") for name in names):
            try:
                number = tournament.current_round().number
            except RoundNotOpen:
                warn_on_stderr("there is no current round: the live file is that of the last one")
        with download_progress(quiet) as progress:
            outcomes = download_files(
                tournament,
                place.folder,
                names,
                progress=progress,
                say=warn_on_stderr,
                round_number=number,
            )
    kept(f"{len(outcomes)} files are in {place.folder}")
    if as_json:
        emit(
            {
                "folder": str(place.folder),
                "version": chosen,
                "files": [
                    {**asdict(item.entry), "path": str(item.path), "action": item.action}
                    for item in outcomes
                ],
            }
        )
        return
    for item in outcomes:
        sys.stdout.write(f"{item.action:<12}{_size(item.entry.bytes):>9}  {item.path}\n")


def _warn_of_flat_files(folder: Path) -> None:
    flat = [name for name in ("train.parquet", "validation.parquet") if (folder / name).is_file()]
    if flat:
        warn_on_stderr(
            f"{folder} holds {' and '.join(flat)} itself, which is read before any vX.Y folder: "
            f"move it away, or set data.version in the config"
        )


@app.command("list")
def list_files(
    config: Config = None,
    version: Version = None,
    directory: Dir = None,
    overrides: SetOption = None,
    as_json: Json = False,
) -> None:
    """Show the server's files beside what is here, and what is out of date."""
    from numerai_lab.data import read_lock
    from numerai_lab.tournament import (
        RoundNotOpen,
        Tournament,
        choose_version,
        is_safe,
        stale_files,
    )
    from numerai_lab.tournament import list_files as list_all

    place = _place(config, overrides, directory, version)
    with Tournament() as tournament:
        listed = tournament.datasets()
        chosen = choose_version(place.version, listed)
        names = [name for name in listed if name.startswith(f"{chosen}/")]
        if unsafe := [name for name in names if not is_safe(name)]:
            warn_on_stderr(f"left out {len(unsafe)} names that no file can have, as '{unsafe[0]}'")
            names = [name for name in names if is_safe(name)]
        rows = list_all(tournament, place.folder, names)
        try:
            number: int | None = tournament.current_round().number
        except RoundNotOpen:
            number = None
        notices = stale_files(
            read_lock(place.folder), chosen, now=tournament.server_now(), round_number=number
        )
    for sentence in notices:
        warn_on_stderr(sentence)
    if as_json:
        emit(
            {
                "folder": str(place.folder),
                "version": chosen,
                "round": number,
                "files": [asdict(row) for row in rows],
                "notices": notices,
            }
        )
        return
    sys.stdout.write(f"data {chosen} at the server, beside {place.folder / chosen}\n")
    sys.stdout.write(f"{'file':<35}{'server':>9}{'here':>10}  {'downloaded':<11}state\n")
    for row in rows:
        date = row.entry.downloaded[:10] if row.entry else ""
        sys.stdout.write(
            f"{row.name.split('/', 1)[1]:<35}{_size(row.bytes):>9}{_size(row.local_bytes):>10}"
            f"  {date:<11}{row.status}\n"
        )


@app.command()
def verify(
    config: Config = None,
    directory: Dir = None,
    overrides: SetOption = None,
    as_json: Json = False,
) -> None:
    """Check sizes, footers, rows and SHA-256 of what was downloaded; exit code 1 on damage."""
    from datetime import UTC, datetime

    from numerai_lab.data import read_lock
    from numerai_lab.tournament import Damaged, stale_files, verify_files

    place = _place(config, overrides, directory, None)
    found = verify_files(place.folder, warn_on_stderr)
    notices = stale_files(
        read_lock(place.folder), place.version, now=datetime.now(UTC), round_number=None
    )
    for sentence in notices:
        warn_on_stderr(sentence)
    damaged = [item for item in found if item.problem is not None]
    if as_json:
        emit(
            {
                "folder": str(place.folder),
                "files": [asdict(item) for item in found],
                "damaged": len(damaged),
                "notices": notices,
            }
        )
        if damaged:
            raise typer.Exit(Damaged.exit_code)
        return
    for item in found:
        rows = "" if item.rows is None else f"{item.rows:,}"
        sys.stdout.write(
            f"{item.name:<41}{_size(item.bytes):>9}{rows:>12}  {item.problem or 'fine'}\n"
        )
    if not found:
        sys.stdout.write(f"nothing was downloaded to {place.folder}\n")
    if damaged:
        raise Damaged(
            f"{len(damaged)} of {len(found)} files are damaged ({damaged[0].name}"
            f"{' ...' if len(damaged) > 1 else ''}: {damaged[0].problem})",
            where=str(place.folder),
            fix="run `numerai-lab data download`",
        )


@app.command()
def prune(
    config: Config = None,
    version: Annotated[
        str | None,
        typer.Option("--version", help="keep this one and later; the newest here if left out"),
    ] = None,
    directory: Dir = None,
    overrides: SetOption = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="remove them, instead of only showing")
    ] = False,
    all_stores: Annotated[
        bool, typer.Option("--stores", help="also the era stores that are in use")
    ] = False,
    all_prices: Annotated[
        bool, typer.Option("--prices", help="also whole weekly rows made of prices")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show left-overs: of downloads, versions, stores, weekly rows of prices; --yes removes."""
    from numerai_lab.config import Store
    from numerai_lab.errors import UserError
    from numerai_lab.tournament import find_leftovers, is_version, prune_files

    place = _place(config, overrides, directory, version)
    if place.version is not None and not is_version(place.version):
        raise UserError(
            f"'{place.version}' is not a version", where="--version", fix="write it as v5.3"
        )
    found = find_leftovers(place.folder, place.version)
    removed = prune_files(place.folder, found, warn_on_stderr) if yes else []
    stores_dir = place.experiment.data.store.dir if place.experiment else Store().dir
    old_stores = stores.prune_stores(stores_dir, everything=all_stores, yes=yes)
    rows = stores.prune_prices(place.folder, everything=all_prices, yes=yes)
    if yes:
        kept(f"left-overs of {place.folder} and {stores_dir} are removed")
    if as_json:
        emit(
            {
                "folder": str(place.folder),
                "found": [{**asdict(item), "path": str(item.path)} for item in found],
                "removed": [str(item.path) for item in removed],
                "stores": old_stores,
                "prices": rows,
            }
        )
        return
    for item in found:
        sys.stdout.write(f"{_size(item.bytes):>9}  {item.path}  ({item.why})\n")
    for folder in (*old_stores, *rows):
        done = "removed " if folder["removed"] else ""
        sys.stdout.write(
            f"{_size(folder['bytes']):>9}  {done}{folder['path']}  ({folder['why']})\n"
        )
    total = _size(sum(item.bytes for item in found))
    if not found and (old_stores or rows):
        pass
    elif not found:
        sys.stdout.write(f"nothing to remove in {place.folder}\n")
    elif yes:
        sys.stdout.write(f"removed {len(removed)} files, {total}\n")
    else:
        sys.stdout.write(f"{len(found)} files, {total}: run again with --yes to remove them\n")


def _size(n_bytes: int | None) -> str:
    """Write a size in the unit that reads well (1 MB = 10^6 bytes)."""
    if n_bytes is None:
        return ""
    for unit, divisor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if n_bytes >= divisor:
            return f"{n_bytes / divisor:.1f} {unit}"
    return f"{n_bytes} B"
