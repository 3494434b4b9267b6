"""Run a stand-in for tests: prints its address on the first line of stdout, then serves.

It ends when its standard input does, so that it never outlives the test that started it.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from numerai_lab.stand_in.schedule import parse_time
from numerai_lab.stand_in.server import StandInSettings, start_stand_in


def main() -> None:
    """Parse, start_stand_in, print, serve."""
    parser = argparse.ArgumentParser(prog="python -m numerai_lab.stand_in")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--account",
        action="append",
        default=[],
        metavar="PUBLIC:SECRET:MODEL,MODEL",
        help="may be repeated",
    )
    parser.add_argument("--versions", default="v5.3")
    parser.add_argument("--time", type=parse_time, help="ISO; the clock is frozen there")
    parser.add_argument("--round-minutes", type=float)
    parser.add_argument("--state", type=Path)
    options = parser.parse_args()
    accounts = []
    for text in options.account:
        public, secret, models = text.split(":")
        accounts.append((public, secret, tuple(models.split(","))))
    server = start_stand_in(
        StandInSettings(
            data=options.data,
            port=options.port,
            accounts=tuple(accounts),
            versions=tuple(options.versions.split(",")),
            now=options.time,
            running=options.time is None,
            round_minutes=options.round_minutes,
            state_file=options.state,
        )
    )
    sys.stdout.write(server.url + "\n")
    sys.stdout.flush()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
