"""The list of runs for the terminal: two lines a run, grouped by experiment, within 80 columns."""

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


def render_runs(runs: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Render runs with their headline numbers; below each its date, data and differing settings.

    Parameters
    ----------
    runs : rows of `list_runs`, oldest first: mappings with `experiment`, `run` (its directory),
        `state` ("finished", or how far it got), `corr`, `ci_low`, `ci_high`, `sharpe`,
        `first_era`, `last_era`, `final` (whether it has a final model), `created_utc`,
        `data` (with `label`), `continues` (the run whose final model it grew) and `differs`
        (setting -> value, None where they cannot be read), `origin` (where the predictions come
        from, if a config does not tell it all) and `test` (eras kept for a test, looks at them,
        corr of the last one); any may be absent or None.

    Experiments are in the order of their newest run.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    if not runs:
        return Text("no runs yet")
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        name = run.get("experiment") or ABSENT
        groups[name] = [*groups.pop(name, []), run]  # popped, so that the newest comes last
    width = max(25, *(len(_name(run)) for run in runs if len(_name(run)) <= 30))
    head = _cells("run", "corr", "95 % interval", "sharpe", "eras", "model", width)
    parts: list[RenderableType] = [Text(head, style="bold")]
    for experiment, members in groups.items():
        parts.append(Text(presentable(experiment), style="bold"))
        short = _short_keys(key for run in members for key in run.get("differs") or ())
        for run in members:
            parts.append(Text(_numbers(run, width)))
            below = Text(presentable("  ".join(_facts(run, short))), style="dim")
            parts.append(Padding(below, (0, 0, 0, 4), expand=False))
    return Group(*parts)


def _cells(
    name: str, corr: str, range_: str, sharpe: str, judged: str, model: str, width: int
) -> str:
    line = f"  {name:<{width}} {corr:>7} {range_:>16} {sharpe:>6} {judged:>9} {model}"
    return line.rstrip()


def _name(run: Mapping[str, Any]) -> str:
    return Path(run.get("run") or ABSENT).name


def _numbers(run: Mapping[str, Any], width: int) -> str:
    # A run that is not finished has no interval; its state stands there.
    state = str(run.get("state") or "finished")
    ends = run.get("ci_low"), run.get("ci_high")
    return _cells(
        presentable(_name(run)),
        number(run.get("corr")),
        interval(*ends, decimals=3) if state == "finished" else state,
        number(run.get("sharpe"), 2),
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
        yield ", ".join(f"{short[key]} {_value(key, value)}" for key, value in differs.items())
    if run.get("origin"):
        yield str(run["origin"])
    if run.get("test"):
        yield _test(run["test"])
    if run.get("continues"):
        parent = Path(run["continues"])
        yield f"grown by train --continue from {parent.name}, whose scores these are"


def _test(test: Mapping[str, Any]) -> str:
    """Say which eras are kept for a test, how often they were looked at, and the last corr."""
    found = ""
    if test.get("corr") is not None:
        ends = interval(test.get("ci_low"), test.get("ci_high"), decimals=3)
        found = f": corr {number(test['corr'])} {ends}"
    return f"test {eras(test.get('first'), test.get('last'))}, {test.get('said')}{found}"


def _short_keys(keys: Iterable[str]) -> dict[str, str]:
    """Name each dotted key by its last part where no other has the same."""
    last = {key: key.rpartition(".")[2] for key in keys}
    taken = list(last.values())
    return {key: name if taken.count(name) == 1 else key for key, name in last.items()}


def _value(key: str, value: Any) -> str:
    if value is None:  # a parameter that is None is the library's own default
        return "default" if key.startswith("model.params.") else "none"
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
