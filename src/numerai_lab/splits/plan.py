"""From a config's `split` and the eras there are, to folds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from numerai_lab.arrays import Eras
from numerai_lab.config import BlockedSplit, HoldoutSplit, OfficialSplit, Split, WalkForwardSplit
from numerai_lab.errors import SplitError
from numerai_lab.splits.folds import (
    Fold,
    Plan,
    check_fold,
    make_fold,
    overlap_eras,
    purge_for,
    with_test,
)
from numerai_lab.splits.holdout import holdout_ranges


def plan_folds(
    split: Split, eras: Eras, horizon_days: int, scored_days: int = 0, *, trains: bool = True
) -> Plan:
    """Decide which eras train, which are judged and which are kept for a test, fold by fold.

    A training era t may teach a later judged era j only if t + purge < j, in era numbers; the same
    holds of training and judged eras before a test era.

    Parameters
    ----------
    split : the config's section.
    eras : int32, strictly increasing numbers of the labelled eras.
    horizon_days : longest horizon among the targets trained on, in trading days; decides the
        purge when the config says `auto`.
    scored_days : longest horizon among the targets that judged eras are scored on; where it is
        longer, it decides the purge between those and test eras.
    trains : whether anything is trained; without it folds have judged eras alone, and a holdout
        may begin with the first era.

    Raises
    ------
    SplitError
        When the eras do not suffice, or a fold would train on nothing or judge nothing.

    Examples
    --------
    Numerai's own windows, on eras 1 to 780:

    >>> from numerai_lab.config import OfficialSplit
    >>> plan = plan_folds(OfficialSplit(type="official"), np.arange(1, 781, dtype=np.int32), 20)
    >>> [(int(f.train[-1]), int(f.judged[0]), int(f.judged[-1])) for f in plan.folds]
    [(148, 157, 312), (304, 313, 468), (460, 469, 624), (616, 625, 780)]
    """
    if len(eras) == 0:
        raise SplitError("there are no labelled eras to split", where="split")
    if not trains:
        return _untrained(split, eras)
    purge = purge_for(horizon_days) if split.purge_eras == "auto" else split.purge_eras
    notes = _gap_notes("purge_eras", purge, horizon_days)
    if isinstance(split, OfficialSplit):
        folds = list(_official(split, eras, purge, notes))
    elif isinstance(split, WalkForwardSplit):
        folds = list(_walk_forward(split, eras, purge, notes))
    elif isinstance(split, BlockedSplit):
        folds = list(_blocked(split, eras, purge, notes, horizon_days))
    else:
        before_test = purge
        if split.purge_eras == "auto":
            before_test = max(purge, purge_for(scored_days))
        folds = [_holdout(split, eras, purge, before_test, notes)]
    folds = [_thinned(fold, split) for fold in folds]
    for fold in folds:
        check_fold(fold)
    return Plan(tuple(folds), tuple(notes))


def _untrained(split: Split, eras: Eras) -> Plan:
    """Return the folds of a split with the eras that are judged in each, and nothing else."""
    if isinstance(split, HoldoutSplit) and split.test is None:
        bounds = split.validate_
        first = int(eras[0]) if bounds.from_ is None else bounds.from_
        last = int(eras[-1]) if bounds.to is None else bounds.to
        judged = [_some_between(eras, first, last)]
    elif isinstance(split, HoldoutSplit):
        raise SplitError(
            "a test is of a model that is trained here, and nothing is",
            where="split.test",
            fix="leave split.test out",
        )
    else:
        judged = [fold.judged for fold in plan_folds(split, eras, 0).folds]
    none = eras[:0]
    folds = (Fold(i, none, own, 0, 0, none) for i, own in enumerate(judged, start=1))
    return Plan(tuple(folds), ())


def known_before(eras: Eras, judged: Eras | None) -> Eras:
    """Return the eras whose features are known before any judged era is.

    Parameters
    ----------
    eras : int32, increasing numbers of all eras there are, labelled or not.
    judged : those of a fold; None where nothing is judged, as in the final fit: all eras.

    Returns
    -------
    In blocked splits, too, eras before the first judged one only: of the eras after it a model
    sees those it trains on, and no other.
    """
    return eras if judged is None else eras[eras < judged.min()]


def labelled_before(eras: Eras, judged: Eras | None, purge_eras: int) -> Eras:
    """Return the eras whose labels are known before any judged era is.

    Parameters
    ----------
    eras, judged : as in `known_before`. purge_eras : era numbers left out before the judged ones.
    """
    return eras if judged is None else eras[eras + purge_eras < judged.min()]


def _gap_notes(name: str, gap: int, horizon_days: int) -> list[str]:
    overlap = overlap_eras(horizon_days)
    if gap >= overlap:
        return []
    return [
        f"scores are optimistic: {name} is {gap}, but labels of {horizon_days} trading days "
        f"overlap for {overlap} eras, so judged eras share returns with training eras"
    ]


def _official(split: OfficialSplit, eras: Eras, purge: int, notes: list[str]) -> Iterator[Fold]:
    first = int(eras[0])
    needs = f"2 chunks of {split.chunk_eras}"
    starts = _chunk_starts(split, eras, first + split.chunk_eras, needs, notes)
    for index, start in enumerate(starts, start=1):
        judged = _between(eras, start, start + split.chunk_eras - 1)
        yield _past_fold(split, index, eras, (first, start), judged, purge)


def _walk_forward(
    split: WalkForwardSplit, eras: Eras, purge: int, notes: list[str]
) -> Iterator[Fold]:
    first = int(eras[0])
    needs = f"first_train_eras {split.first_train_eras} and a chunk of {split.chunk_eras}"
    starts = _chunk_starts(split, eras, first + split.first_train_eras, needs, notes)
    for index, start in enumerate(starts, start=1):
        judged = _between(eras, start, start + split.chunk_eras - 1)
        begin = start - split.first_train_eras if split.window == "rolling" else first
        yield _past_fold(split, index, eras, (begin, start), judged, purge)


def _chunk_starts(
    split: OfficialSplit | WalkForwardSplit,
    eras: Eras,
    start: int,
    needs: str,
    notes: list[str],
) -> list[int]:
    """First era numbers of the judged chunks; says how many eras are left over."""
    first, last = int(eras[0]), int(eras[-1])
    smaller = "chunk_eras" if split.type == "official" else "first_train_eras"
    # Where only every n-th era is present, a chunk ends with the last one that can be in it.
    step = int(np.gcd.reduce(np.diff(eras))) if len(eras) > 1 else 1
    reach = last + step - 1
    starts = list(range(start, last + 1, split.chunk_eras))
    incomplete = bool(starts) and starts[-1] + split.chunk_eras - 1 > reach
    if incomplete and not split.partial_chunk:
        over = _between(eras, starts.pop(), last)
        notes.append(
            f"the last {len(over)} eras ({_span(over)}) are not judged: they do not fill a chunk "
            f"of {split.chunk_eras} (split.partial_chunk: true judges them)"
        )
    if not starts:
        least = start - first + (1 if split.partial_chunk else split.chunk_eras)
        made_of = "" if split.partial_chunk else f" ({needs})"
        raise SplitError(
            f"{split.type} needs {least} era numbers{made_of}, the data has "
            f"{reach - first + 1} ({first}-{last})",
            where="split",
            fix=f"give a smaller split.{smaller}, or use another split.type",
        )
    return starts


def _past_fold(
    split: OfficialSplit | WalkForwardSplit,
    index: int,
    eras: Eras,
    window: tuple[int, int],
    judged: Eras,
    purge: int,
) -> Fold:
    begin, start = window
    longer = "chunk_eras" if split.type == "official" else "first_train_eras"
    if len(judged) == 0:
        raise SplitError(
            f"no eras to judge: the data has none numbered {start}-{start + split.chunk_eras - 1}",
            where=f"split, fold {index}",
            fix="give a larger split.chunk_eras, or choose data.eras without that gap",
        )
    fold = make_fold(index, eras, _between(eras, begin, start - 1), judged, purge)
    if len(fold.train) == 0:
        raise SplitError(
            f"no eras to train on: eras {begin}-{start - 1} before the first judged era "
            f"{judged[0]}, less a purge of {purge}, leave none",
            where=f"split, fold {index}",
            fix=f"give a larger split.{longer}",
        )
    return fold


def _blocked(
    split: BlockedSplit, eras: Eras, purge: int, notes: list[str], horizon_days: int
) -> Iterator[Fold]:
    embargo = purge if split.embargo_eras == "auto" else split.embargo_eras
    notes.append(
        "scores are optimistic: in blocked folds later eras teach earlier ones, which no live "
        "model can do"
    )
    if split.embargo_eras != "auto":  # else the note about the purge says it
        notes += _gap_notes("embargo_eras", embargo, horizon_days)
    if len(eras) < split.n_blocks:
        raise SplitError(
            f"{split.n_blocks} blocks need {split.n_blocks} eras, the data has {len(eras)}",
            where="split.n_blocks",
            fix="give fewer blocks",
        )
    for index, judged in enumerate(np.array_split(eras, split.n_blocks), start=1):
        fold = make_fold(index, eras, eras, judged, purge, embargo)
        if len(fold.train) == 0:
            raise SplitError(
                f"no eras to train on: besides eras {_span(judged)}, a purge of {purge} and an "
                f"embargo of {embargo} leave none of {len(eras)}",
                where=f"split, fold {index}",
                fix="give more blocks, or load more eras",
            )
        yield fold


def _holdout(
    split: HoldoutSplit, eras: Eras, purge: int, before_test: int, notes: list[str]
) -> Fold:
    (begin, end), (start, stop), test = holdout_ranges(split, eras, purge)
    judged = _some_between(eras, start, stop)
    window = _between(eras, begin, end)
    fold = make_fold(1, eras, window, judged, purge)
    if len(fold.train) == 0:
        raise SplitError(
            f"no eras to train on: the data has {len(window)} eras in {begin}-{end} and a purge "
            f"of {purge} before era {judged[0]} leaves none",
            where="split.train",
            fix="begin earlier with split.train, or later with split.validate",
        )
    purged = len(window) - len(fold.train)
    if purged and split.train.to is not None:
        notes.append(
            f"training ends at era {fold.train[-1]}, not {split.train.to}: {purged} eras purged "
            f"before era {judged[0]} (purge {purge})"
        )
    return fold if test is None else _kept_for_test(split, fold, eras, test, before_test, notes)


def _some_between(
    eras: Eras, start: int, stop: int, what_for: str = "to judge", where: str = "split.validate"
) -> Eras:
    found = _between(eras, start, stop)
    if len(found) == 0:
        raise SplitError(
            f"no eras {what_for}: the data has none in {start}-{stop} (it has {_span(eras)})",
            where=where,
            fix="choose a range that the data covers",
        )
    return found


def _kept_for_test(
    split: HoldoutSplit,
    fold: Fold,
    eras: Eras,
    test: tuple[int, int],
    purge: int,
    notes: list[str],
) -> Fold:
    kept = _some_between(eras, *test, "for the test", "split.test")
    parts = with_test(fold, eras, kept, purge)
    if len(parts.judged) == 0:
        raise SplitError(
            f"no eras to judge: a purge of {purge} before test era {kept[0]} leaves none of "
            f"{_span(fold.judged)}",
            where="split.validate",
            fix="begin sooner with split.validate, or later with split.test",
        )
    purged = len(fold.judged) - len(parts.judged)
    if purged and split.validate_.to is not None:
        notes.append(
            f"validation ends at era {parts.judged[-1]}, not {split.validate_.to}: {purged} eras "
            f"purged before test era {kept[0]} (purge {purge})"
        )
    return parts


def _thinned(fold: Fold, split: Split) -> Fold:
    """Keep every train_step-th training era."""
    numbers = fold.train.astype(np.int64)
    kept = fold.train[(numbers - 1) % split.train_step == split.train_offset]
    if len(kept) == 0:
        raise SplitError(
            f"no eras to train on: none of {len(fold.train)} ({_span(fold.train)}) has "
            f"(number - 1) % {split.train_step} == {split.train_offset}",
            where=f"split.train_step, fold {fold.index}",
            fix="choose another train_offset or a smaller train_step",
        )
    return replace(fold, train=kept)


def final_eras(split: Split, eras: Eras) -> Eras:
    """Return the eras of the fit that goes live: all, or what the split's own rule leaves.

    `train_step` thins them and a rolling window keeps its length, as in every fold.
    """
    if split.type == "walk_forward" and split.window == "rolling":
        eras = eras[eras > eras[-1] - split.first_train_eras]
    kept: Eras = eras[(eras.astype(np.int64) - 1) % split.train_step == split.train_offset]
    return kept


def _between(eras: Eras, first: int, last: int) -> Eras:
    return eras[(eras >= first) & (eras <= last)]


def _span(eras: Eras) -> str:
    return f"{eras[0]}-{eras[-1]}"
