"""The two ranges of a holdout split, with the bounds that were left open."""

from __future__ import annotations

from numerai_lab.arrays import Eras
from numerai_lab.config import HoldoutSplit
from numerai_lab.errors import SplitError

Range = tuple[int, int]


def holdout_ranges(split: HoldoutSplit, eras: Eras, purge: int) -> tuple[Range, Range]:
    """Return (first, last) era number to train on, before the purge, and to judge.

    `validate.from` left open is the first era after `train.to` and the purge; `train.to` left
    open is the last era before `validate.from`.

    Raises
    ------
    SplitError
        When neither `train.to` nor `validate.from` says where training ends, when the ranges
        overlap, or when training comes after validation.
    """
    train, judge = split.train, split.validate_
    first, last = int(eras[0]), int(eras[-1])
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
    return (begin, end), (start, stop)
