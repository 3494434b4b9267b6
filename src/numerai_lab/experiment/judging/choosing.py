"""Which of many runs are listed, in which order: by numbers, settings, tags and data."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from numerai_lab.errors import UserError, did_you_mean

Row = Mapping[str, Any]
GROUPS = ("experiment", "data", "model", "none")
STATISTICS = ("mean", "ci_low", "ci_high", "sharpe", "sharpe_hac", "max_drawdown", "hit_rate")
"""What is told of a metric; a key that is one of these means that of `--metric`."""
FACTS: Mapping[str, Callable[[Row], Any]] = {
    "name": lambda row: row.get("experiment"),
    "experiment": lambda row: row.get("experiment"),
    "run": lambda row: row.get("run"),
    "model": lambda row: row.get("model"),
    "created": lambda row: row.get("created_utc"),
    "state": lambda row: row.get("state"),
    "final": lambda row: _yes(row.get("final")),
    "synthetic": lambda row: _yes(row.get("source") == "synthetic"),
    "source": lambda row: row.get("source"),
    "data": lambda row: (row.get("data") or {}).get("label"),
    "target": lambda row: row.get("target"),
    "eras": lambda row: row.get("n_eras"),
    "folds": lambda row: row.get("folds"),
    "trained_for": lambda row: row.get("trained_for"),
    "tag": lambda row: list(row.get("tags") or ()),
    "note": lambda row: row.get("note"),
}
"""What a row is asked for by name, besides metrics and settings."""
_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"([\w.]+)\s*(>=|<=|!=|=|>|<)\s*(.*)", re.DOTALL)
_LEAST_FIRST = ("max_drawdown", "exposure_max", "exposure_rms")


@dataclass(frozen=True)
class Choice:
    """What a person asks of the list of runs.

    Attributes
    ----------
    metric : whose mean, interval and Sharpe are shown.
    sort : key to order by, the best first; None: the oldest first.
    filters : conditions that all hold, KEY=VALUE (`*` for any text), KEY!=VALUE, KEY>NUMBER ...
    columns : keys shown instead of the usual numbers.
    group : what runs stand together by, one of `GROUPS`; None: by experiment, or not at all where
        they are sorted.
    """

    metric: str = "corr"
    sort: str | None = None
    filters: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    group: str | None = None

    @property
    def grouped_by(self) -> str:
        """What runs stand together by."""
        return self.group or ("experiment" if self.sort is None else "none")


def choose(rows: Sequence[dict[str, Any]], choice: Choice) -> list[dict[str, Any]]:
    """Return the rows that are wanted, in the order wanted, with what is asked for.

    Each row gets `shown`, the statistics of the metric (empty without scores); `group`, the name of
    its group; with columns `values`, key -> value.

    Parameters
    ----------
    rows : of `list_runs`, with `metrics` and `settings`.

    Raises
    ------
    UserError : a key that no row has, a condition that is none, an unknown group.
    """
    if choice.grouped_by not in GROUPS:
        raise UserError(f"'{choice.group}' is none of {', '.join(GROUPS)}", where="--group")
    metrics = dict.fromkeys(name for row in rows for name in row.get("metrics") or ())
    if metrics and choice.metric not in metrics:
        raise UserError(
            f"no run has scores of '{choice.metric}'{did_you_mean(choice.metric, metrics)}",
            where="--metric",
            fix=f"choose one of {', '.join(metrics)}",
        )
    kept = list(rows)
    for condition in choice.filters:
        holds = _condition(condition, rows, choice.metric)
        kept = [row for row in kept if holds(row)]
    if choice.sort is not None:
        read = reader(choice.sort, rows, choice.metric, "--sort")
        kept = _ordered(kept, read, choice.sort)
    columns = {key: reader(key, rows, choice.metric, "--columns") for key in choice.columns}
    for row in kept:
        row["shown"] = (row.get("metrics") or {}).get(choice.metric, {})
        row["group"] = _group(row, choice.grouped_by)
        if columns:
            row["values"] = {key: read(row) for key, read in columns.items()}
    return kept


def reader(key: str, rows: Sequence[Row], metric: str, where: str) -> Callable[[Row], Any]:
    """Return what reads a key of a row: a statistic, a metric's mean, a fact, or a setting.

    Parameters
    ----------
    key : `corr` (its mean), `sharpe` (of `metric`), `mmc.sharpe`, a name of `FACTS`, a setting as
        `model.params.max_depth`, or the end of one that only one setting has.

    Raises
    ------
    UserError : no row has such a thing, or several settings end so.
    """
    metrics = {name for row in rows for name in row.get("metrics") or ()}
    head, _, tail = key.partition(".")
    if key in FACTS:
        return FACTS[key]
    if key in STATISTICS:
        return lambda row: (row.get("metrics") or {}).get(metric, {}).get(key)
    if key in metrics:
        return lambda row: (row.get("metrics") or {}).get(key, {}).get("mean")
    if head in metrics and tail in STATISTICS:
        return lambda row: (row.get("metrics") or {}).get(head, {}).get(tail)
    settings = dict.fromkeys(name for row in rows for name in row.get("settings") or ())
    named = [name for name in settings if name == key] or [
        name for name in settings if name.endswith(f".{key}")
    ]
    if len(named) == 1:
        (name,) = named
        return lambda row: (row.get("settings") or {}).get(name)
    if named:
        raise UserError(f"several settings end in '{key}': {', '.join(named)}", where=where)
    known = [*FACTS, *STATISTICS, *metrics, *settings, *(n.rpartition(".")[2] for n in settings)]
    raise UserError(
        f"no run has '{key}'{did_you_mean(key, known)}",
        where=where,
        fix=f"choose a score ({', '.join(sorted(metrics)) or 'none here'}), one of "
        f"{', '.join((*STATISTICS, *FACTS))}, or a setting as model.params.max_depth",
    )


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _condition(text: str, rows: Sequence[Row], metric: str) -> Callable[[Row], bool]:
    found = _CONDITION.fullmatch(text.strip())
    if found is None:
        raise UserError(
            f"'{text}' is no condition",
            where="--filter",
            fix="write KEY=VALUE, KEY!=VALUE, KEY>NUMBER or KEY<NUMBER, as name=xgb* or corr>.02",
        )
    key, sign, wanted = found.groups()
    read = reader(key, rows, metric, "--filter")
    if sign in _COMPARED:
        try:
            bound = float(wanted)
        except ValueError:
            raise UserError(f"'{wanted}' is no number", where=f"--filter {text}") from None
        compared = _COMPARED[sign]

        def is_beyond(row: Row) -> bool:
            value = read(row)
            return isinstance(value, int | float) and compared(value, bound)

        return is_beyond

    def is_like(row: Row) -> bool:
        value = read(row)
        values = value if isinstance(value, list) else [value]
        return any(_alike(one, wanted) for one in values)

    return is_like if sign == "=" else lambda row: not is_like(row)


def _alike(value: object, wanted: str) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(wanted) == value
        except ValueError:
            return False
    text = "none" if value is None else str(value)
    return fnmatchcase(text.lower(), wanted.lower())


def _ordered(
    rows: Sequence[dict[str, Any]], read: Callable[[Row], Any], key: str
) -> list[dict[str, Any]]:
    """Order numbers from the best down, text from A, what has none at the end."""
    known = [row for row in rows if read(row) not in (None, [])]
    without = [row for row in rows if read(row) in (None, [])]
    numbers = all(isinstance(read(row), int | float) for row in known)
    if numbers:
        down = key.rpartition(".")[2] not in _LEAST_FIRST
        return [*sorted(known, key=read, reverse=down), *without]
    return [*sorted(known, key=lambda row: str(read(row))), *without]


def _group(row: Row, by: str) -> str:
    found = None if by == "none" else FACTS[by](row)
    return "" if by == "none" else str(found or "unknown")
