"""What a submission must be before it leaves: Numerai's own rules, and two of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from numerai_lab.errors import DataError
from numerai_lab.tournament.records import DamagedRecord
from numerai_lab.tournament.server import Unavailable


class StaleLive(Unavailable):
    """The live file is still that of the round before; it will be replaced."""


class OddLive(Unavailable):
    """The live file has far fewer rows than usual, or far more; it may be replaced."""


LEAST, MOST = 0.8, 2.0
"""Shares of the last submission's rows that pass: rounds follow one another by days, and between
neighbouring eras the number of stocks changes by a few per cent."""
LEAST_OF_RUN, MOST_OF_RUN = 0.5, 2.0
"""Shares of the rows per era that a run has judged, which may be years old."""


def check_rows(n_rows: int, usual: int, whose: str, where: str, *, first: bool) -> None:
    """Check that a live file is about as long as usual: one that was cut off reads well.

    Parameters
    ----------
    usual : rows to compare with. whose : says of what they are. first : they are of the run's eras,
        as there is no earlier submission.

    Raises
    ------
    OddLive : it is not.
    """
    least, most = (LEAST_OF_RUN, MOST_OF_RUN) if first else (LEAST, MOST)
    if least * usual <= n_rows <= most * usual:
        return
    raise OddLive(
        f"the live file has {n_rows:,} rows, {whose} had {usual:,}: "
        f"{'fewer' if n_rows < usual else 'more'} than can be right",
        where=where,
        fix="try again later, or submit it all the same with --force",
    )


def check_submission(submission: pd.DataFrame, live_ids: pa.Array, where: str) -> None:
    """Check a submission against the live ids.

    Parameters
    ----------
    submission : columns id and prediction. live_ids : string [n_rows], of the live file.

    Raises
    ------
    DataError : an id that is missing, unknown or there twice; NaN; a value outside (0, 1);
        predictions that are all the same; or anything else Numerai's validation refuses.
    """
    # numerai_tools brings scipy.stats and sklearn: .7 s that a start with nothing to submit saves
    from numerai_tools.submissions import validate_submission_numerai

    ids, values = submission["id"], submission["prediction"].to_numpy(dtype=np.float64)
    expected = live_ids.to_pylist()
    if len(ids) != len(expected) or set(ids) != set(expected):
        strangers = len(set(ids) - set(expected))
        raise DataError(
            f"{len(ids)} predictions for {len(expected)} live ids ({strangers} unknown)",
            where=where,
            fix="predict the live file of this round",
        )
    if not np.isfinite(values).all():
        bad = int(np.count_nonzero(~np.isfinite(values)))
        raise DataError(f"{bad} predictions are NaN or infinite", where=where, fix="train again")
    if values.min() <= 0 or values.max() >= 1:
        raise DataError("predictions must be between 0 and 1", where=where, fix="rank them")
    if values.min() == values.max():
        raise DataError(
            f"all {len(values)} predictions are the same",
            where=where,
            fix="look at the run's model: it tells no stock from another",
        )
    try:
        validate_submission_numerai(pd.Series(expected), submission)
    except AssertionError as error:
        raise DataError(f"Numerai's validation refuses it ({error})", where=where) from None


def check_new(submission: pd.DataFrame, previous: Path, previous_round: int) -> None:
    """Check that a submission is not that of an earlier round.

    Parameters
    ----------
    previous : the CSV that was submitted then; without it there is nothing to compare.

    Raises
    ------
    DamagedRecord : the CSV cannot be read.
    StaleLive : most ids are those of the earlier round: the live file was not replaced yet.
    DataError : other ids, but the same predictions row by row, which features cannot explain.
    """
    if not previous.is_file():
        return
    try:
        before = pd.read_csv(previous, dtype={"id": str}, keep_default_na=False)
        ids, values = set(before["id"]), before["prediction"].to_numpy(dtype=np.float64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedRecord(previous, f"{type(error).__name__}: {error}") from None
    # a stock has another id in every era, so a few in common are too many already
    shared = len(ids & set(submission["id"]))
    if 2 * shared > min(len(ids), len(submission)):
        raise StaleLive(
            f"the live file still has the ids of round {previous_round}",
            fix="try again in a few minutes",
        )
    now = submission["prediction"].to_numpy(dtype=np.float64)
    # values are ranks with ties kept, so equal values are equal ranks
    if len(now) == len(values) and np.allclose(now, values, rtol=0, atol=1e-12):
        raise DataError(
            f"the predictions are those of round {previous_round}, row by row, for other stocks",
            where=str(previous),
            fix="look at the model: it does not read the features",
        )
