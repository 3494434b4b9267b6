"""The list of runs for the terminal: two lines a run, in groups, within 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numerai_lab.disclosure import presentable
from numerai_lab.report.figures import ABSENT, eras, interval, number

if TYPE_CHECKING:
    from rich.console import RenderableType

_LONGEST_VALUE = 40
"""Characters of a setting that are shown; --json has it whole."""

_MOST_SETTINGS = 6
"""Settings of a run that are shown, and one more if that is all; --json has them all."""

_MEAN_NOTHING_ALONE = ("type", "from", "to", "step")


def render_runs(runs: Sequence[Mapping[str, Any]], metric: str = "corr") -> RenderableType:
    """Render runs with their headline numbers; below each its date, data and differing settings.

    Parameters
    ----------
    runs : rows of `list_runs`: mappings with `experiment`, `run` (its directory),
        `state` ("finished", or how far it got), `corr`, `ci_low`, `ci_high`, `sharpe`,
        `first_era`, `last_era`, `final` (whether it has a final model), `created_utc`,
        `data` (with `label`), `continues` (the run whose final model it grew), `trained_for`
        (the experiment whose member or baseline it is, if nobody asked for it) and `differs`
        (setting -> value, None where they cannot be read), `origin` (where the predictions come
        from, if a config does not tell it all), `test` (eras kept for a test, looks at them,
        corr of the last one), `tags` and `note`; any may be absent or None. What `choose` adds to
        rows decides: `shown` is the summary in place of corr's, `group` names the group, `values`
        are columns in place of the usual ones.
    metric : what `shown` is of.

    Without `group`, runs are grouped by experiment. Groups are in the order of their last run
    where runs are listed by time, else in that of their first.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    if not runs:
        return Text("no runs yet, or none like that")
    times = [str(run.get("created_utc") or "") for run in runs]
    groups = _grouped(runs, by_last=times == sorted(times))
    if any("values" in run for run in runs):
        return Group(*(_table(name, members) for name, members in groups.items()))
    own_name = all(name == _experiment(run) for name, members in groups.items() for run in members)
    width = max(25, *(len(n) for run in runs if len(n := _name(run, own_name)) <= 30))
    head = _cells("run", metric, "95 % interval", "sharpe", "eras", "model", width)
    parts: list[RenderableType] = [Text(head, style="bold")]
    for name, members in groups.items():
        parts += [Text(presentable(name), style="bold")] if name else []
        short = _short_keys(key for run in members for key in run.get("differs") or ())
        for run in members:
            parts.append(Text(_numbers(run, width, own_name)))
            told = [] if own_name else [Path(run.get("run") or ABSENT).name]
            below = Text(presentable("  ".join([*told, *_facts(run, short)])), style="dim")
            parts.append(Padding(below, (0, 0, 0, 4), expand=False))
    return Group(*parts)


def _experiment(run: Mapping[str, Any]) -> str:
    return str(run.get("experiment") or ABSENT)


def _grouped(
    runs: Sequence[Mapping[str, Any]], *, by_last: bool
) -> dict[str, list[Mapping[str, Any]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        name = str(run["group"]) if "group" in run else _experiment(run)
        before = groups.pop(name, []) if by_last else groups.get(name, [])
        groups[name] = [*before, run]
    return groups


def _table(name: str, members: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Build the table of the columns that were asked for; a number has four decimals."""
    from numerai_lab.report.terminal import add_row, new_table

    keys = list(members[0]["values"])
    numeric = {
        key: all(isinstance(run["values"][key], int | float | None) for run in members)
        for key in keys
    }
    table = new_table([("run", False), *numeric.items()], presentable(name) or None)
    for run in members:
        folder = Path(run.get("run") or ABSENT)
        label = folder.name if name == _experiment(run) else f"{_experiment(run)}/{folder.name}"
        add_row(table, [presentable(label), *(_cell(key, run["values"][key]) for key in keys)])
    return table


def _cell(key: str, value: Any) -> str:
    if value is None or value == []:
        return ABSENT
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}" if key.startswith("model.params.") else number(value)
    return presentable(str(value))


def _cells(
    name: str, corr: str, range_: str, sharpe: str, judged: str, model: str, width: int
) -> str:
    line = f"  {name:<{width}} {corr:>7} {range_:>16} {sharpe:>6} {judged:>9} {model}"
    return line.rstrip()


def _name(run: Mapping[str, Any], own_name: bool) -> str:
    return Path(run.get("run") or ABSENT).name if own_name else _experiment(run)


def _numbers(run: Mapping[str, Any], width: int, own_name: bool) -> str:
    # A run that is not finished has no interval; its state stands there.
    state = str(run.get("state") or "finished")
    shown = run["shown"] if "shown" in run else {**run, "mean": run.get("corr")}
    ends = shown.get("ci_low"), shown.get("ci_high")
    return _cells(
        presentable(_name(run, own_name)),
        number(shown.get("mean")),
        interval(*ends, decimals=3) if state == "finished" else state,
        number(shown.get("sharpe"), 2),
        eras(run.get("first_era"), run.get("last_era")),
        "final" if run.get("final") else "",
        width,
    )


def _facts(run: Mapping[str, Any], short: Mapping[str, str]) -> Iterable[str]:
    """Say when a run began, on which data, how it is set otherwise, and what it continues."""
    created = run.get("created_utc")
    if created:
        yield datetime.fromisoformat(created).strftime("%Y-%m-%d %H:%M")
    if run.get("data"):
        yield run["data"]["label"]
    differs = run.get("differs", {})
    if differs is None:
        yield "resolved.yaml cannot be read"
    elif differs:
        yield settings_line(differs, short)
    if run.get("origin"):
        yield str(run["origin"])
    if run.get("test"):
        yield _test(run["test"])
    if run.get("continues"):
        parent = Path(run["continues"])
        yield f"grown by train --continue from {parent.name}, whose scores these are"
    if run.get("trained_for"):
        yield f"trained for {run['trained_for']}"
    if run.get("tags"):
        yield " ".join(f"#{tag}" for tag in run["tags"])
    if run.get("note"):
        yield f"note: {run['note']}"


def settings_line(differs: Mapping[str, Any], short: Mapping[str, str] | None = None) -> str:
    """Write the settings that tell a run from others of its name, the first few of many.

    What learns comes first, then the split, and the data last, whose label is shown anyway.

    Parameters
    ----------
    differs : setting -> value. short : how to call each, by its last part where left out.
    """
    named = short or {key: _short(key) for key in differs}
    last = ("split", "data")
    keys = sorted(differs, key=lambda key: last.index(top) if (top := _top(key)) in last else -1)
    most = len(keys) if len(keys) == _MOST_SETTINGS + 1 else _MOST_SETTINGS
    shown = [f"{named[key]} {_value(key, differs[key])}" for key in keys[:most]]
    more = len(keys) - len(shown)
    return ", ".join([*shown, f"and {more} more settings"] if more else shown)


def _top(key: str) -> str:
    return key.partition(".")[0]


def _test(test: Mapping[str, Any]) -> str:
    """Say which eras are kept for a test, how often they were looked at, and the last corr."""
    found = ""
    if test.get("corr") is not None:
        ends = interval(test.get("ci_low"), test.get("ci_high"), decimals=3)
        found = f": corr {number(test['corr'])} {ends}"
    return f"test {eras(test.get('first'), test.get('last'))}, {test.get('said')}{found}"


def _short_keys(keys: Iterable[str]) -> dict[str, str]:
    """Name each dotted key by its last part, where that tells which it is and no other has it."""
    last = {key: _short(key) for key in keys}
    taken = list(last.values())
    return {key: name if taken.count(name) == 1 else key for key, name in last.items()}


def _short(key: str) -> str:
    parts = key.split(".")
    return ".".join(parts[-2:]) if parts[-1] in _MEAN_NOTHING_ALONE else parts[-1]


def _value(key: str, value: Any) -> str:
    if value is None:  # a parameter that is None is the library's own default
        return "default" if key.startswith("model.params.") else "none"
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
