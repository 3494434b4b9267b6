"""A fold: which eras train, which are judged, and the gaps between them.

Gaps are counted in era NUMBERS. With every 4th era present, a purge of 8 takes away the one or
two eras inside the gap, not the eight nearest ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Eras
from numerai_lab.errors import SplitError


def _no_eras() -> Eras:
    return np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One model's eras.

    Attributes
    ----------
    index : number of the fold, from 1.
    train : int32, sorted era numbers to train on.
    judged : int32, sorted era numbers to predict and score.
    purge_eras : era numbers left out before every judged era.
    embargo_eras : era numbers left out after every judged era.
    dropped : int32, the eras of the data that lie in these gaps.
    test : int32, sorted era numbers kept for a test, which come after all others; mostly none.
    test_purge_eras : era numbers left out before every test era.
    """

    index: int
    train: Eras
    judged: Eras
    purge_eras: int
    embargo_eras: int
    dropped: Eras
    test: Eras = field(default_factory=_no_eras)
    test_purge_eras: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The folds of a run, in order, and sentences about them that a person must see."""

    folds: tuple[Fold, ...]
    notes: tuple[str, ...]


def overlap_eras(horizon_days: int) -> int:
    """Return how many weekly eras a label of `horizon_days` trading days reaches ahead."""
    return math.ceil(horizon_days / 5)


def purge_for(horizon_days: int) -> int:
    """Return the purge, in eras, that Numerai's protocol uses for a horizon.

    The label of an era reaches `ceil(days / 5)` weekly eras ahead; four more keep apart what
    moves slowly. This gives Numerai's 8 for 20 trading days and 16 for 60.

    Source: Numerai's walk-forward protocol for its benchmark models.

    Examples
    --------
    >>> purge_for(20), purge_for(60)
    (8, 16)
    """
    return overlap_eras(horizon_days) + 4


def in_gap(eras: Eras, judged: Eras, purge_eras: int, embargo_eras: int) -> npt.NDArray[np.bool_]:
    """Say which eras are too near to a judged one to be trained on, bool [len(eras)].

    An era t is, when it is judged itself, or t + purge_eras >= j > t for a judged era j, or
    t > j >= t - embargo_eras.
    """
    following = np.searchsorted(judged, eras, side="left")
    # One column of padding on each side: nothing judged before the first, after the last.
    padded = np.concatenate([[-(2**40)], judged.astype(np.int64), [2**40]])
    ahead = padded[following + 1] - eras
    behind = eras - padded[np.searchsorted(judged, eras, side="right")]
    near: npt.NDArray[np.bool_] = (ahead <= purge_eras) | (behind <= embargo_eras)
    return near


def make_fold(
    index: int, eras: Eras, window: Eras, judged: Eras, purge_eras: int, embargo_eras: int = 0
) -> Fold:
    """Take the gaps around the judged eras out of a training window.

    Parameters
    ----------
    eras : all eras of the data.
    window : the eras that may train, before the gaps are taken out.
    """
    gap = in_gap(eras, judged, purge_eras, embargo_eras)
    train = window[~in_gap(window, judged, purge_eras, embargo_eras)]
    dropped = eras[gap & ~np.isin(eras, judged)]
    return Fold(index, train, judged, purge_eras, embargo_eras, dropped)


def with_test(fold: Fold, eras: Eras, test: Eras, test_purge_eras: int) -> Fold:
    """Keep eras for a test, and take those out of a fold that are too near to them.

    What is selected on judged eras has seen their labels, so these keep the purge, too.

    Parameters
    ----------
    eras : all eras of the data. test : the eras to keep, which come after the judged ones.
    """
    gap = in_gap(eras, test, test_purge_eras, 0) & ~np.isin(eras, test)
    judged = fold.judged[~in_gap(fold.judged, test, test_purge_eras, 0)]
    return replace(
        fold,
        train=fold.train[~in_gap(fold.train, test, test_purge_eras, 0)],
        judged=judged,
        dropped=np.union1d(fold.dropped, eras[gap]).astype(np.int32),
        test=test,
        test_purge_eras=test_purge_eras,
    )


def check_dates(fold: Fold, dates: Mapping[int, date]) -> None:
    """Check the gaps of a fold once more, in days, where the dates of eras are known.

    Two weeks with n whole weeks between them have dates that are more than 7 * n days apart.

    Raises
    ------
    SplitError
        When a training era lies nearer to a judged one than the purge or embargo, in days.
    """
    if not dates:
        return

    def days(eras: Eras) -> Eras:
        return np.array([dates[era].toordinal() for era in eras.tolist()], dtype=np.int32)

    def refuse(near: Eras, what: str, to_what: str) -> None:
        if len(near):
            era = int(near[0])
            raise SplitError(
                f"{what} {era} ({dates[era]}) is nearer to {to_what} ({len(near)} such eras)",
                where=f"fold {fold.index}",
                fix="check the dates of data.columns.era",
            )

    train, judged, test = days(fold.train), days(fold.judged), days(fold.test)
    for eras, when in ((fold.train, train), (fold.judged, judged)):
        near = eras[in_gap(when, test, 7 * fold.test_purge_eras, 0)]
        refuse(near, "era", f"a test era than {fold.test_purge_eras} weeks before it")
    bad = fold.train[in_gap(train, judged, 7 * fold.purge_eras, 7 * fold.embargo_eras)]
    far = f"{fold.purge_eras} weeks before it, or {fold.embargo_eras} after it"
    refuse(bad, "training era", f"a judged era than {far}")


def check_fold(fold: Fold) -> None:
    """Check that nothing trained on can know what is judged.

    Raises
    ------
    SplitError
        When a fold has nothing to train on or to judge, when an era is on both sides, or when a
        training era lies within the purge before or the embargo after a judged one, or when a
        training or judged era lies within the purge before a test era, or does not come before it.
    """
    where = f"fold {fold.index}"
    for eras, purpose in ((fold.train, "train on"), (fold.judged, "judge")):
        if len(eras) == 0:
            raise SplitError(f"there are no eras to {purpose}", where=where)
    for eras, part in ((fold.train, "training"), (fold.judged, "judged")):
        _check_before_test(fold, eras, part)
    bad = fold.train[in_gap(fold.train, fold.judged, fold.purge_eras, fold.embargo_eras)]
    if len(bad) == 0:
        return
    both = np.intersect1d(bad, fold.judged)
    if len(both):
        what = f"era {both[0]} is trained on and judged ({len(both)} such eras)"
        raise SplitError(what, where=where, fix="take it out of one of the two")
    era = int(bad[0])
    nearest = int(fold.judged[np.argmin(np.abs(fold.judged - era))])
    side, gap = ("before", "purge") if era < nearest else ("after", "embargo")
    width = fold.purge_eras if era < nearest else fold.embargo_eras
    raise SplitError(
        f"training era {era} is {abs(era - nearest)} eras {side} judged era {nearest}, inside "
        f"the {gap} of {width} ({len(bad)} such eras)",
        where=where,
        fix=f"take the eras of the {gap} out of the training eras",
    )


def _check_before_test(fold: Fold, eras: Eras, part: str) -> None:
    if len(fold.test) == 0:
        return
    first = int(fold.test[0])
    late = eras[eras + fold.test_purge_eras >= first]
    if len(late):
        raise SplitError(
            f"{part} era {late[0]} is not more than {fold.test_purge_eras} eras before the first "
            f"test era, {first} ({len(late)} such eras)",
            where=f"fold {fold.index}",
            fix="keep later eras for the test, or end the others sooner",
        )
