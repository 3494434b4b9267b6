"""dev-server: a stand-in for Numerai on this machine, to try submitting without an account."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from numerai_lab.cli.options import Json
from numerai_lab.cli.output import emit, kept

KEYS = ("STANDIN_PUBLIC_ID", "STANDIN_SECRET_KEY")


def dev_server(
    port: Annotated[int, typer.Option("--port", help="0: any free one", min=0, max=65535)] = 8765,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="files to serve; a small invented tournament if left out"),
    ] = None,
    models: Annotated[
        str, typer.Option("--models", help="names of the made-up account's models")
    ] = "my_model,my_other_model",
    version: Annotated[
        str, typer.Option("--version", help="data version that the files are served as")
    ] = "v5.3",
    round_minutes: Annotated[
        float, typer.Option("--round-minutes", help="a new round opens this often", min=0.1)
    ] = 60.0,
    closed: Annotated[
        bool, typer.Option("--closed", help="no round is open, to practise exit code 75")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a stand-in tournament server on this machine, and say how to point the lab at it."""
    from numerai_lab.config import Synthetic
    from numerai_lab.data import cached_tournament
    from numerai_lab.errors import UserError
    from numerai_lab.stand_in import StandInSettings, start_stand_in
    from numerai_lab.tournament import is_version

    if not is_version(version):
        raise UserError(f"'{version}' is not a version", where="--version", fix="write it as v5.3")
    names = tuple(name.strip() for name in models.split(",") if name.strip())
    if not names:
        raise UserError("no model is named", where="--models", fix="name one, as my_model")
    folder = data or cached_tournament(Path("data/synthetic"), Synthetic())
    server = start_stand_in(
        StandInSettings(
            data=folder,
            port=port,
            accounts=((*KEYS, names),),
            versions=(version,),
            round_minutes=round_minutes,
            closed=closed,
        )
    )
    settings = {
        "NUMERAI_API_URL": server.url,
        "NUMERAI_PUBLIC_ID": KEYS[0],
        "NUMERAI_SECRET_KEY": KEYS[1],
    }
    kept(f"a stand-in was at {server.url}")
    if as_json:
        emit({"url": server.url, "environment": settings, "models": names, "data": str(folder)})
    else:
        rounds = f"A round opens every {round_minutes:g} minutes, so one is always open."
        if closed:
            rounds = "The last round closed an hour ago and none opens: submit ends with 75."
        exports = "".join(f"export {name}={value}\n" for name, value in settings.items())
        sys.stdout.write(
            f"A stand-in for Numerai listens on {server.url} (Ctrl-C or SIGTERM ends it).\n"
            f"Nothing here reaches Numerai, and its keys are made up. In another terminal:\n\n"
            f"{exports}\n"
            f"Models: {', '.join(names)}. {rounds}\nFiles: {folder}, as {version}.\n"
        )
    sys.stdout.flush()
    try:
        with _terminable():
            server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
        sys.stderr.write("the stand-in has ended\n")


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the server as Ctrl-C does.

    A process that was started in the background of a script, or by a build server, ignores SIGINT
    from its beginning, and `kill` is all that reaches it.
    """
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
