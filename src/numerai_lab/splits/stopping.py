"""The inner slice that early stopping watches."""

from __future__ import annotations

from numerai_lab.arrays import Eras
from numerai_lab.config import EarlyStopping
from numerai_lab.errors import SplitError
from numerai_lab.splits.folds import in_gap, purge_for


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
