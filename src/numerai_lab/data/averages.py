"""Averages of targets (`data.averages`): targets of their own, made when rows are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError, did_you_mean

Averages = Mapping[str, Sequence[str]]
"""The targets that each is the mean of, by its name."""


def parts_of(averages: Averages, there: Sequence[str], where: str) -> list[str]:
    """Return every target that averages are made of.

    Parameters
    ----------
    averages : those that are wanted. there : columns of the files, by the names used here.
    where : the files, for messages.

    Raises
    ------
    DataError : one of them is not in the files, or an average has the name of a column there.
    """
    for name, parts in averages.items():
        place = f"data.averages.{name}"
        if name in there:
            raise DataError(
                f"'{name}' is the name of a column in {where}: an average needs one of its own",
                where=place,
                fix="call it otherwise",
            )
        for part in parts:
            if part not in there:
                raise DataError(
                    f"'{name}' is to be the mean of '{part}' and others, and {where} has no target "
                    f"'{part}'" + did_you_mean(part, there),
                    where=place,
                    fix="name targets of the files",
                )
    return list(dict.fromkeys(part for parts in averages.values() for part in parts))


def with_averages(frame: EraFrame, averages: Averages, say: Callable[[str], None]) -> EraFrame:
    """Return the same rows with averages as targets, after those that the frame has.

    A row that lacks one of the targets has no average: a mean of the others would be another
    label. `say` is called with how many these are.
    """
    if not averages:
        return frame
    columns = [frame.targets]
    for name, parts in averages.items():
        whole = np.stack([frame.target(part) for part in parts]).mean(axis=0, dtype=np.float64)
        lacking = int(np.count_nonzero(np.isnan(whole)))
        if lacking:
            say(
                f"target {name}: {lacking:,} of {frame.n_rows:,} rows lack one of "
                f"{', '.join(parts)}, and so have no average"
            )
        columns.append(whole.astype(np.float32)[:, None])
    return replace(
        frame,
        targets=np.concatenate(columns, axis=1),
        target_names=(*frame.target_names, *averages),
    )
