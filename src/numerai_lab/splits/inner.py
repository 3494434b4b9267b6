"""Splits within the training eras: for early stopping, out-of-fold predictions and trials."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from numerai_lab.arrays import Eras
from numerai_lab.config import EarlyStopping, Split
from numerai_lab.errors import SplitError
from numerai_lab.splits.folds import Fold, check_fold, in_gap, make_fold, purge_for
from numerai_lab.splits.plan import final_eras


@dataclass(frozen=True)
class InnerPart:
    """Training eras `first`..`last`, predicted by what was trained on those to `last_train_era`."""

    first: int
    last: int
    last_train_era: int


def inner_parts(eras: Eras, folds: int, purge_eras: int) -> list[InnerPart]:
    """Cut eras into folds + 1 equal parts and walk forward over all but the first.

    Parameters
    ----------
    eras : int32, sorted training eras.
    folds : parts to predict, each from all eras before it.
    purge_eras : era numbers left out before each predicted part.

    Raises
    ------
    SplitError
        The eras are too few for that.
    """
    parts = np.array_split(eras, folds + 1)
    if len(parts[-1]) == 0 or parts[0][0] > parts[1][0] - purge_eras - 1:
        raise SplitError(
            f"cutting the {len(eras)} training eras into {folds + 1} parts, with a purge of "
            f"{purge_eras} eras, leaves nothing of the first to train on",
            fix="give more training eras, or fewer parts",
        )
    return [_part(part, purge_eras) for part in parts[1:]]


@dataclass(frozen=True, eq=False)
class InnerBlock:
    """Training eras `judged`, predicted by what was trained on `train`: eras on either side."""

    train: Eras
    judged: Eras


def inner_blocks(eras: Eras, folds: int, purge_eras: int) -> list[InnerBlock]:
    """Cut eras into blocks, each predicted from all others but those near to it on both sides.

    For predictions of every training era that another model is to learn from: labels of eras on
    either side overlap with a block's own. A walk forward (`inner_parts`) has none of the first.

    Parameters
    ----------
    eras : int32, sorted training eras.
    folds : number of blocks, of which each era is in one.
    purge_eras : era numbers left out before and after each block.

    Raises
    ------
    SplitError
        The eras are too few for that.
    """
    blocks = []
    for judged in np.array_split(eras, folds):
        train = eras[~in_gap(eras, judged, purge_eras, purge_eras)]
        if len(judged) == 0 or len(train) == 0:
            raise SplitError(
                f"cutting the {len(eras)} training eras into {folds} blocks, with a purge of "
                f"{purge_eras} eras on both sides of each, leaves one without eras to train on",
                fix="give more training eras, or another number of blocks",
            )
        blocks.append(InnerBlock(train, judged))
    return blocks


def inner_trials(eras: Eras, purge_eras: int, least: int) -> list[InnerPart]:
    """Cut eras into two trials: the third quarter after the first half, the last after the rest.

    Parameters
    ----------
    eras : int32, sorted training eras.
    purge_eras : era numbers left out before each judged quarter.
    least : eras that must be left on either side.

    Returns
    -------
    Empty where fewer than `least` are left anywhere.
    """
    n = len(eras)
    trials = []
    for start, stop in ((n // 2, 3 * n // 4), (3 * n // 4, n)):
        judged = eras[start:stop]
        if len(judged) < least:
            return []
        trial = _part(judged, purge_eras)
        if np.count_nonzero(eras <= trial.last_train_era) < least:
            return []
        trials.append(trial)
    return trials


def _part(judged: Eras, purge_eras: int) -> InnerPart:
    first = int(judged[0])
    return InnerPart(first, int(judged[-1]), first - purge_eras - 1)


def inner_folds(split: Split, eras: Eras, purge_eras: int, folds: int) -> tuple[Fold, ...]:
    """Cut eras as `inner_parts` does, into folds that train as a split's own: thinned, rolling.

    Parameters
    ----------
    eras : int32, sorted; none but these is trained on or judged.
    purge_eras : era numbers left out before each judged part.

    Raises
    ------
    SplitError : the eras are too few, or a fold would train on none.
    """
    made = []
    for index, part in enumerate(inner_parts(eras, folds, purge_eras), start=1):
        judged = eras[(eras >= part.first) & (eras <= part.last)]
        made.append(_trained_as(split, index, eras, eras[eras < part.first], judged, purge_eras))
    return tuple(made)


def fold_after(split: Split, eras: Eras, last: int, purge_eras: int) -> Fold | None:
    """Return the fold that trains on all eras up to `last` and is judged on those after a purge.

    Returns
    -------
    None where there is no era after the purge.

    Raises
    ------
    SplitError : it would train on none.
    """
    judged = eras[eras > last + purge_eras]
    if len(judged) == 0:
        return None
    return _trained_as(split, 1, eras, eras[eras <= last], judged, purge_eras)


def _trained_as(
    split: Split, index: int, eras: Eras, window: Eras, judged: Eras, purge_eras: int
) -> Fold:
    fold = make_fold(index, eras, window, judged, purge_eras)
    if len(fold.train):
        fold = replace(fold, train=final_eras(split, fold.train))
    check_fold(fold)
    return fold


def inner_slice(eras: Eras, stopping: EarlyStopping, horizon_days: int) -> tuple[Eras, Eras]:
    """Cut the end off a training window, for early stopping to watch.

    Parameters
    ----------
    eras : int32, sorted eras of the training window.
    stopping : how many era numbers, counted from the last one, are watched.
    horizon_days : longest horizon trained on, in trading days; decides the purge for `auto`.

    Returns
    -------
    (train, stop), both int32 and sorted, with the purge between them.

    Raises
    ------
    SplitError
        When nothing remains to train on.
    """
    purge = purge_for(horizon_days) if stopping.purge_eras == "auto" else stopping.purge_eras
    if len(eras) == 0:
        raise SplitError("there are no eras to take a slice from", where="early_stopping")
    watched = eras > int(eras[-1]) - stopping.eras
    stop = eras[watched]
    train = eras[~watched]
    train = train[~in_gap(train, stop, purge, 0)]
    if len(train) == 0:
        raise SplitError(
            f"no eras to train on: of eras {eras[0]}-{eras[-1]}, the last {stopping.eras} are "
            f"watched and {purge} before them purged",
            where="early_stopping",
            fix="give a smaller early_stopping.eras, or leave early_stopping out",
        )
    return train, stop
