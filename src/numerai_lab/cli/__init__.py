"""The command line's entry point. Nothing is imported before Ctrl-C is answered with a sentence."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Entry point: run the command that the process was started with, and exit with its code."""
    try:
        from numerai_lab.streams import guard_streams

        guard_streams()
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # during imports; inside a command it has been told already
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from numerai_lab.cli.output import INTERRUPTED, fail

        code = fail("stopped before it began: run it again", INTERRUPTED, sys.argv[1:])
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code, with a sentence on stderr where it fails."""
    from numerai_lab.cli.application import run_command

    return run_command(arguments)
