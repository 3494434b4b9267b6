"""What commands print: results on stdout, errors and warnings on stderr."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numerai_lab.disclosure import presentable
from numerai_lab.streams import lost

if TYPE_CHECKING:
    import pandas as pd

UNREAD = 141
"""128 + SIGPIPE, as other commands end when `head` has read enough of them."""
INTERRUPTED = 130
"""128 + SIGINT: stopped by Ctrl-C."""
_kept: list[str] = []


def kept(what: str) -> None:
    """Say what a command has done by now, whatever becomes of its output: "the run is runs/x"."""
    _kept.append(what)


def ended(code: int, arguments: list[str]) -> int:
    """Return how a command ends that would end with `code`, looking at what became of its output.

    What is printed on stdout and lost is the loss of the result, unless the result is `kept`.
    """
    done = "; ".join(_kept)
    _kept.clear()
    sys.stdout.flush()
    problem = lost(sys.stdout)
    if problem is None:
        return code
    why = f"stdout could not be written ({problem.strerror})"
    if done:
        warn_on_stderr(f"{why}; {done}")
        return code
    if problem.errno == errno.EPIPE and code == 0:
        return UNREAD
    if code == 0:
        return fail(f"{why}: the result is lost; send it to where there is room", 1, arguments)
    return code


SYNTHETIC = "\n*** SYNTHETIC DATA: these scores say nothing about Numerai ***\n\n"
"""Stands below every table of such scores."""


def emit(value: dict[str, Any]) -> None:
    """Print one JSON object on stdout."""
    sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")


def show(*renderables: Any) -> None:
    """Print tables: in colour on a terminal, as plain 80-column text elsewhere."""
    from rich.console import Console

    from numerai_lab.report import to_text

    if sys.stdout.isatty():
        console = Console()
        for renderable in renderables:
            console.print(renderable)
    else:
        sys.stdout.write("\n".join(to_text(renderable) for renderable in renderables) + "\n")


def warn_on_stderr(sentence: str) -> None:
    """Say a sentence beside the result."""
    sys.stderr.write(f"warning: {presentable(sentence)}\n")


def refresh_board_of(runs_dir: Path) -> None:
    """Write the leaderboard anew where there is one; a problem with it is said, and no more."""
    from numerai_lab.report import refresh_board

    problem = refresh_board(runs_dir)
    if problem is not None:
        warn_on_stderr(f"the board of runs could not be written anew: {problem}")


def show_scores(scores: dict[str, Any], name: str) -> None:
    """Print the score table and comparisons; warnings have been said on stderr already."""
    from numerai_lab.report import render_comparison, render_extra, render_portfolio, render_scores

    show(render_scores({**scores, "warnings": []}, name))
    if "extra" in scores:
        show(render_extra(scores["extra"], name))
    if scores["comparisons"]:
        show(render_comparison(scores["comparisons"], experiment=name))
    if "portfolio" in scores:
        show(render_portfolio(scores["portfolio"], name))
    if scores["source"] == "synthetic":
        sys.stdout.write(SYNTHETIC)


def show_curve(scores: pd.Series[float]) -> None:
    """Draw the running sum of scores, indexed by era, where stdout is a terminal."""
    import numpy as np

    from numerai_lab.report import can_write_dots, curve_lines

    if not sys.stdout.isatty():
        return
    eras = scores.index.to_numpy(dtype=np.int64)
    dots = can_write_dots(sys.stdout.encoding)
    lines = curve_lines(eras, np.asarray(scores, dtype=np.float64), dots=dots)
    if lines:
        sys.stdout.write("\n".join(["", "cumulative corr by era", *lines, "", ""]))


def fail(message: str, code: int, arguments: list[str]) -> int:
    """Print an error: a sentence on stderr, and with --json also an object on stdout."""
    message = presentable(message)
    sys.stderr.write(f"error: {message}\n")
    if "--json" in arguments:
        emit({"error": message, "exit_code": code})
    return code
