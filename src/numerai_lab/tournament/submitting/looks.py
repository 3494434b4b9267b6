"""Looking for a submission in the server's list, and when its absence means that there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from numerai_lab.tournament.records import Journal
from numerai_lab.tournament.server import Round, Submission, Tournament, Unavailable

Sleep = Callable[[float], None]

LOOKS_SECONDS = 60.0
"""How long the server's list is looked at for a submission that has just been made."""
GRACE_SECONDS = 300.0
"""Age from which a submission that the server does not list is taken as not made: ten times the
time after which an answer is given up, as the server may go on with what nobody waits for."""


def look_for(
    tournament: Tournament, journal: Journal, seconds: float, sleep: Sleep
) -> Submission | None:
    """Look for a submission by its filename; see `look_until`."""

    def ours() -> Submission | None:
        for one in tournament.submissions(journal.model_id):
            if one.filename == journal.filename or one.id == journal.submission_id:
                return one
        return None

    return look_until(ours, seconds, sleep)


def look_until(
    look: Callable[[], Submission | None], seconds: float, sleep: Sleep
) -> Submission | None:
    """Look now and again, the last time after `seconds`.

    Raises
    ------
    Unavailable : the last look was not answered, so that nothing is known.
    """
    failure: Unavailable | None = None
    for pause in _pauses(seconds):
        if pause:
            sleep(pause)
        try:
            found = look()
        except Unavailable as error:
            failure = error
            continue
        if found is not None:
            return found
        failure = None
    if failure is not None:
        raise failure
    return None


def _pauses(seconds: float) -> Iterator[float]:
    """Yield pauses before each look, longer and longer; their sum is `seconds`, at least 0."""
    yield 0.0
    pause, left = 2.0, seconds
    while left > 0:
        yield min(pause, left)
        left -= pause
        pause = min(2 * pause, 30.0)


def is_late(found: Submission, its_round: Round | None) -> bool:
    """Return whether a submission was made after the staking deadline of its round, if known."""
    if its_round is None or found.inserted_at is None:
        return False
    return found.inserted_at >= its_round.close_staking_time
