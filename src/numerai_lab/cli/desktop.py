"""Opening a page where there is a desktop, for --open."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from numerai_lab.cli.output import warn_on_stderr
from numerai_lab.disclosure import child_environment

Open = Annotated[bool, typer.Option("--open", help="open the page, where there is a desktop")]


def opener(platform: str, environ: Mapping[str, str]) -> str | None:
    """Return the program that opens a file on a person's screen; None where there is no screen."""
    if platform == "darwin":
        return shutil.which("open")
    if platform == "win32":
        return shutil.which("explorer")
    if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        return shutil.which("xdg-open", path=environ.get("PATH"))
    return None


def open_page(path: Path) -> None:
    """Open a page, and go on at once; where that cannot be, say so: the page is there."""
    program = opener(sys.platform, os.environ)
    if program is None:
        warn_on_stderr(f"--open: there is no desktop here; the page is {path}")
        return
    try:
        process = subprocess.Popen(
            [program, str(path.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=child_environment(),
        )
    except OSError as error:
        warn_on_stderr(f"--open: {program} did not start ({error.strerror}); the page is {path}")
        return
    # a browser may stay as long as the desktop does: nobody waits for it here
    threading.Thread(target=process.wait, daemon=True).start()
