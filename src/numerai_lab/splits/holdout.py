"""The ranges of a holdout split, with the bounds that were left open."""

from __future__ import annotations

from typing import NamedTuple

from numerai_lab.arrays import Eras
from numerai_lab.config import HoldoutSplit
from numerai_lab.errors import SplitError

Range = tuple[int, int]


class Ranges(NamedTuple):
    """First and last era number of each part, the purge between them not yet taken out."""

    train: Range
    judged: Range
    test: Range | None


def holdout_ranges(split: HoldoutSplit, eras: Eras, purge: int) -> Ranges:
    """Return which era numbers train, are judged, and are kept for a test.

    `validate.from` left open is the first era after `train.to` and the purge; `train.to` left
    open is the last era before `validate.from`, `validate.to` the last before `test.from`.

    Raises
    ------
    SplitError
        When neither `train.to` nor `validate.from` says where training ends, when ranges overlap,
        or when training comes after validation, or validation after the test.
    """
    train, judge, kept = split.train, split.validate_, split.test
    first, last = int(eras[0]), int(eras[-1])
    test: Range | None = None
    if kept is not None and kept.from_ is not None:
        test = kept.from_, last if kept.to is None else kept.to
        last = min(last, test[0] - 1)
    begin = first if train.from_ is None else train.from_
    stop = last if judge.to is None else judge.to
    if judge.from_ is not None:
        start = judge.from_
        end = start - 1 if train.to is None else train.to
    elif train.to is not None:
        end, start = train.to, train.to + 1 + purge
    else:
        raise SplitError(
            "nothing says where training ends and validation begins",
            where="split",
            fix="give split.train.to or split.validate.from",
        )
    if test is not None and max(end, start, stop) >= test[0]:
        raise SplitError(
            f"train {begin}-{end} and validate {start}-{stop} do not end before test "
            f"{test[0]}-{test[1]} begins",
            where="split",
            fix="the order is train, validate, test: begin split.test after the others",
        )
    if end >= start and begin <= stop:
        shared = f"{max(begin, start)}-{min(end, stop)}"
        raise SplitError(
            f"train {begin}-{end} and validate {start}-{stop} overlap in eras {shared}",
            where="split",
            fix="end split.train before split.validate begins",
        )
    if begin >= start:
        raise SplitError(
            f"train begins at era {begin}, validate already at era {start}",
            where="split",
            fix="train on eras before the judged ones, or use split.type: blocked",
        )
    if start > stop:
        raise SplitError(
            f"nothing is left to judge: validate would begin at era {start}, after {stop} "
            f"(train.to {end} and a purge of {purge})",
            where="split",
            fix="give an earlier split.train.to or a later split.validate.to",
        )
    return Ranges((begin, end), (start, stop), test)
