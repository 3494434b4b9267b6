"""One family of errors that a person reads: what is wrong, where, and the way out.

Anything raised from here is printed as one sentence without a traceback, and its class
decides the exit code: 2 is the user's to mend, 1 is not, 130 is Ctrl-C.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from numerai_lab.disclosure import presentable


class LabError(Exception):
    """Something that stopped a command, told in one sentence.

    Passwords in addresses and control characters are taken out of all three parts.

    Parameters
    ----------
    what : the rule that was broken, with the value that broke it.
    where : the place (`configs/x.yaml:14 model.params.eat`, a file, a run directory).
    fix : the way out, as an imperative ("give data.horizons", "run with --resume").
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what = presentable(what)
        self.where = where and presentable(where)
        self.fix = fix and presentable(fix)
        text = f"{self.where}: {self.what}" if self.where else self.what
        super().__init__(f"{text}; {self.fix}" if self.fix else text)


class UserError(LabError):
    """A mistake the user can mend; exit code 2."""

    exit_code = 2


class ConfigError(UserError):
    """A config that cannot be read, or does not fit the schema."""


class DataError(UserError):
    """Rows, columns or files that are missing, damaged or break a rule of the data."""


class SplitError(UserError):
    """Folds that would leak, or that have nothing to train on or to judge."""


class ModelError(UserError):
    """An unknown model, wrong parameters, or input that a model cannot take."""


class RunError(UserError):
    """A run directory that is locked, unfinished, damaged or made by another config."""


class MachineError(LabError):
    """The machine's fault, not the user's: a full disk, no memory, no permission. Exit code 1."""


def in_one_line(error: Exception, longest: int = 200) -> str:
    """Say what another library raised: its kind and its first line, without tables or dumps."""
    lines = str(error).strip().splitlines() or [""]
    text = lines[0] if len(lines[0]) <= longest else f"{lines[0][:longest]}..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def collected(broken: list[str], promise: str, told: type[Exception]) -> Iterator[None]:
    """Add to a list how a promise is broken, whatever is raised inside.

    Parameters
    ----------
    told : what a check raises to say it itself; anything else is named with its type.
    """
    try:
        yield
    except told as how:
        broken.append(f"{promise}: {how}")
    except LabError as error:
        broken.append(f"{promise}: raises {type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 - what is tried may fail in any way
        broken.append(f"{promise}: raises {in_one_line(error)}")


def check_name(path: object) -> None:
    """Check that a path is UTF-8, which is all that Arrow, XGBoost and LightGBM can open.

    Raises
    ------
    UserError : it is not, or this process cannot read it so (LC_ALL=C with UTF-8 mode off).
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(
            "the name is not UTF-8, and the libraries open no other",
            where=str(path),
            fix="rename it, or change into that folder and leave it out of the path",
        ) from None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `", did you mean 'x'?"` for the nearest known name, else an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f", did you mean '{close[0]}'?" if close else ""
