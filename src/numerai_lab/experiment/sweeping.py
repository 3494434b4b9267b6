"""`train --sweep KEY=A,B,C`: one experiment with a handful of values, each a run of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from numerai_lab.config import Resolved
from numerai_lab.data import Dataset, load_references
from numerai_lab.errors import UserError
from numerai_lab.experiment.beginning import TrainOptions
from numerai_lab.experiment.needed_runs import ensure_run
from numerai_lab.experiment.plan import load_rows
from numerai_lab.experiment.records import RunDir
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.experiment.train import train

MOST_VALUES = 12
"""More are a search, which `tune` does, on folds that no reported score rests on."""


@dataclass(frozen=True)
class Sweep:
    """A setting and the values it is given, as they were written."""

    key: str
    values: tuple[str, ...]

    def overrides(self) -> tuple[str, ...]:
        """Return a KEY=VALUE for each value, as --set takes it."""
        return tuple(f"{self.key}={value}" for value in self.values)


def parse_sweep(text: str) -> Sweep:
    """Read `KEY=A,B,C`; commas within brackets belong to a value.

    Raises
    ------
    UserError : no key, fewer than two values or more than `MOST_VALUES`, a value that is there
        twice or empty.

    Examples
    --------
    >>> parse_sweep("model.params.max_depth=4,5").overrides()
    ('model.params.max_depth=4', 'model.params.max_depth=5')
    >>> parse_sweep("data.targets=[a, b],[c]").values
    ('[a, b]', '[c]')
    """
    key, equals, written = text.partition("=")
    values, depth, begin = [], 0, 0
    for i, letter in enumerate(written):
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            values.append(written[begin:i].strip())
            begin = i + 1
    values.append(written[begin:].strip())
    where = f"--sweep {text}"
    if not equals or not key.strip() or "" in values:
        raise UserError(
            "expected KEY=VALUE,VALUE", where=where, fix="as in --sweep model.params.max_depth=4,5"
        )
    if len(set(values)) < len(values):
        raise UserError("a value is there twice", where=where)
    if len(values) < 2:
        raise UserError("one value is no sweep", where=where, fix=f"give it as --set {text}")
    if len(values) > MOST_VALUES:
        raise UserError(
            f"{len(values)} values; a sweep has at most {MOST_VALUES}, as it shows them all",
            where=where,
            fix="search with `numerai-lab tune`, which judges on inner folds",
        )
    return Sweep(key.strip(), tuple(values))


def named_after(resolved: Resolved, sweep: Sweep, value: str) -> Resolved:
    """Return an experiment under a name that tells its value: `xgb.max_depth-4`."""
    last = sweep.key.rpartition(".")[2]
    told = re.sub(r"[^\w.-]+", "_", value).strip("_.-") or "empty"
    name = f"{resolved.experiment.name}.{last}-{told}"
    return replace(resolved, experiment=resolved.experiment.model_copy(update={"name": name}))


def train_sweep(
    sweep: Sweep,
    read: Callable[[str], Resolved],
    options: TrainOptions,
    reporter: Reporter,
) -> tuple[RunDir, ...]:
    """Train an experiment with each value; one that has a finished run on the same data is found.

    Parameters
    ----------
    read : returns the experiment with one `Sweep.overrides` laid over it. All are read before the
        first is trained, so that a value which is no such value costs nothing.

    Returns
    -------
    The runs, in the order of the values.

    Raises
    ------
    UserError : two values that make the same name. Others as `train` does.
    """
    configs = [
        named_after(read(override), sweep, value)
        for override, value in zip(sweep.overrides(), sweep.values, strict=True)
    ]
    names = [one.experiment.name for one in configs]
    if len(set(names)) < len(names):
        raise UserError(f"two values make the same name: {', '.join(names)}", where="--sweep")
    rows_differ = sweep.key.split(".")[0] in ("data", "scoring")
    dataset: Dataset | None = None
    runs = []

    def train_one(
        other: Resolved, dataset: Dataset | None, run: RunDir | None = None, *, final: bool
    ) -> RunDir:
        path = None if run is None else run.path
        theirs = replace(options, run_dir=path, resume=run is not None, final=final)
        return train(other, theirs, reporter.child(), dataset)

    for value, config in zip(sweep.values, configs, strict=True):
        if dataset is None or rows_differ:
            dataset = load_rows(config, reporter)
            references = load_references(dataset, lambda _: None)
        label = f"{sweep.key} {value}"
        runs.append(
            ensure_run(
                label,
                config,
                dataset,
                references,
                options.runs_dir,
                train_one,
                reporter,
                final=False,
            )
        )
    return tuple(runs)
