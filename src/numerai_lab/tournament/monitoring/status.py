"""`status`: what was submitted, what the server made of it, and whether the models still hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numerai_lab.errors import LabError
from numerai_lab.experiment import RunDir, find_final
from numerai_lab.tournament.monitoring.ageing import about_age, about_refresh
from numerai_lab.tournament.monitoring.bands import bands
from numerai_lab.tournament.monitoring.decay import ROUNDS, YEAR_ROUNDS, Verdict, judge_live
from numerai_lab.tournament.monitoring.round_lines import SHOWN_ROUNDS, about_rounds, round_lines
from numerai_lab.tournament.monitoring.slot_status import SlotStatus, Status
from numerai_lab.tournament.monitoring.validation_scores import Promise, read_promise
from numerai_lab.tournament.monitoring.watched import Entry
from numerai_lab.tournament.records import DamagedRecord, Journal, Receipt, State
from numerai_lab.tournament.refreshing import receipts as receipts_of_refreshes
from numerai_lab.tournament.server import (
    Keys,
    Round,
    Submission,
    Tournament,
    api_url,
    is_stand_in,
    keys_of,
    read_time,
)

_LISTED_ROUNDS = 100
_ASKED_ROUNDS = YEAR_ROUNDS + _LISTED_ROUNDS
"""Rounds whose scores are asked for: those with 60-day targets resolve some 65 rounds later."""
NAMES = {
    ("corr", 20): ("v2_corr20", "canon_corr", "corr20"),
    ("corr", 60): ("corr60", "canon_corr60"),
    ("mmc", 20): ("mmc", "canon_mmc"),
    ("mmc", 60): ("mmc60", "canon_mmc60"),
}
"""(our name, horizon in trading days) -> names at Numerai, the first that has scores is taken.

Source: display names in answers of `submissionScores` as public clients of the API record them;
the API itself documents none.
"""


def read_status(
    looked_at: Sequence[Entry],
    state: State,
    runs_dir: Path,
    environ: Mapping[str, str] = os.environ,
    *,
    connect: Callable[..., Tournament] = Tournament,
) -> Status:
    """Ask receipts, runs and the server about slots; what cannot be had is said, not raised.

    Parameters
    ----------
    environ : has the keys of each account. connect : makes the client; tests pass their own.
    """
    url = api_url(environ)

    def client(keys: Keys | None) -> Tournament:
        # A person waits for this: two tries, not those of an unattended submission.
        return connect(keys, url=url, attempts=2)

    server = _ask_rounds(client)
    slots = tuple(
        _slot_status(entry, state, runs_dir, server, client, environ) for entry in looked_at
    )
    at, current = server.at, server.current
    return Status(
        at=(at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds"),
        server=url,
        stand_in=is_stand_in(url),
        round=current.number if current else None,
        round_open=current.is_open(at) if current and at else None,
        slots=slots,
        problem=None if server.error is None else str(server.error),
        problem_code=0 if server.error is None else server.error.exit_code,
        elsewhere=_elsewhere(state),
    )


def _elsewhere(state: State) -> str | None:
    found = state.elsewhere()
    if not found:
        return None
    told = ", ".join(f"{n} of {server}" for server, n in sorted(found.items()))
    return f"receipts of other servers do not count here: {told}"


@dataclass(frozen=True)
class _Server:
    """Rounds by number, the server's time, the round that opened last; or why there are none."""

    rounds: Mapping[int, Round] = field(default_factory=dict)
    at: datetime | None = None
    current: Round | None = None
    error: LabError | None = None


def _ask_rounds(client: Callable[[Keys | None], Tournament]) -> _Server:
    try:
        with client(None) as tournament:
            rounds = {one.number: one for one in tournament.recent_rounds(_LISTED_ROUNDS)}
            at = tournament.server_now()
    except LabError as error:
        return _Server(error=error)
    opened = [one for one in rounds.values() if one.open_time <= at]
    return _Server(rounds, at, max(opened, key=lambda one: one.number, default=None))


def _slot_status(
    entry: Entry,
    state: State,
    runs_dir: Path,
    server: _Server,
    client: Callable[[Keys | None], Tournament],
    environ: Mapping[str, str],
) -> SlotStatus:
    warnings: list[str] = []
    receipts: list[Receipt] = []
    pending: list[Journal] = []
    try:
        receipts = state.receipts(entry.slot)
        for journal in state.journals(entry.slot):
            if isinstance(journal, DamagedRecord):
                warnings.append(str(journal))
            else:
                pending.append(journal)
    except LabError as error:
        warnings.append(str(error))
    run, promise, why_none = _promise(entry, receipts, runs_dir, warnings)

    failure = server.error
    submissions: list[Submission] | None = None
    corr: list[tuple[int, float]] = []
    mmc: list[tuple[int, float]] = []
    horizon = promise.horizon_days if promise else 20
    if entry.served:
        warnings.append(
            "a model was uploaded to it, so submit leaves out its slot in submit.yaml: Numerai "
            "takes no predictions for it"
        )
    if failure is None:
        try:
            with client(keys_of(entry.account, environ)) as tournament:
                if entry.kind == "model" and entry.model not in tournament.models():
                    return _not_there(entry, run, warnings)
                model_id = tournament.model_id(entry.model)
                submissions = tournament.submissions(model_id)
                corr = _resolved(tournament, model_id, "corr", horizon)
                mmc = _resolved(tournament, model_id, "mmc", horizon)
        except LabError as error:
            failure = error

    lines = round_lines(receipts, pending, submissions, server.rounds)
    first = min((one.round for one in receipts), default=None)
    if entry.since is not None:
        begun = read_time(entry.since)
        later = (one.number for one in server.rounds.values() if one.open_time >= begun)
        first = min(later, default=None)
    warnings += about_rounds(lines, server.rounds, server.at, first)
    if promise is not None and promise.suspicion is not None:
        warnings.append(f"validation is {promise.suspicion}")
    verdict: Verdict | str = why_none
    expected: dict[str, Any] | None = None
    if promise is not None:
        of_run = (promise.eras, promise.corr, promise.horizon_days, promise.bootstrap)
        verdict = judge_live(corr, *of_run)
        expected = asdict(bands(corr, *of_run))
    refreshed: Sequence[Mapping[str, Any]] = ()
    try:
        refreshed = receipts_of_refreshes(entry.slot, runs_dir)
    except LabError as error:
        warnings.append(str(error))
    if refreshed:
        warnings += about_refresh(refreshed[-1])
    if run is not None and Path(run).is_dir():
        warnings += about_age(RunDir(Path(run)), server.at or datetime.now(UTC))
    judged = verdict if isinstance(verdict, Verdict) else None
    if judged is not None and judged.standing in ("decayed", "above"):
        warnings.append(judged.sentence())
    return SlotStatus(
        **_named(entry, run),
        synthetic=run is not None and RunDir(Path(run)).is_synthetic(),
        rounds=tuple(lines[:SHOWN_ROUNDS]),
        problem=None if failure is None else str(failure),
        problem_code=0 if failure is None else failure.exit_code,
        promised=promise.means if promise else {},
        live={"corr": _mean(corr[-ROUNDS:]), "mmc": _mean(mmc[-ROUNDS:])},
        n_resolved=len(corr[-ROUNDS:]),
        n_resolved_mmc=len(mmc[-ROUNDS:]),
        n_judged=len(promise.eras) if promise else 0,
        corr=tuple(corr),
        bands=expected,
        verdict=None if judged is None else {**asdict(judged), "sentence": judged.sentence()},
        unjudged=None if isinstance(verdict, Verdict) else verdict,
        refreshed=dict(refreshed[-1]) if refreshed else None,
        warnings=tuple(warnings),
    )


def _named(entry: Entry, run: str | None) -> dict[str, Any]:
    return {
        "slot": entry.slot,
        "model": entry.model,
        "account": entry.account,
        "kind": entry.kind,
        "run": None if run is None else _shown(run),
    }


def _not_there(entry: Entry, run: str | None, warnings: Sequence[str]) -> SlotStatus:
    """Return the status of a model that was uploaded to another server than this one."""
    said = f"this server has no model '{entry.model}': it was uploaded to another one"
    return SlotStatus(
        **_named(entry, run),
        unjudged="the server knows nothing of it",
        warnings=(*warnings, said),
    )


def _promise(
    entry: Entry, receipts: Sequence[Receipt], runs_dir: Path, warnings: list[str]
) -> tuple[str | None, Promise | None, str]:
    """Return the run behind the last submission or upload, else that of the next submission.

    With it, what it promised, or None and why there is nothing to compare with.
    """
    why_none = "there is no run to compare with"
    run: RunDir | None = None
    made = [one.origin.run for one in receipts if one.origin is not None]
    made = [entry.run] if entry.kind == "model" and entry.run is not None else made
    try:
        run = RunDir(Path(made[-1])) if made and Path(made[-1]).is_dir() else None
        if run is None and entry.run is not None:
            run = find_final(entry.run, runs_dir)
        return (None, None, why_none) if run is None else (str(run.path), read_promise(run), "")
    except LabError as error:
        warnings.append(str(error))
        if run is not None:
            why_none = "the run to compare with is damaged"
        elif entry.run is not None and Path(entry.run).is_dir():
            why_none = "the run to compare with cannot be used"
        return entry.run if run is None else str(run.path), None, why_none


def _shown(run: str) -> str:
    """Return a run's directory in one form, whichever way receipts and submit.yaml name it."""
    path = Path(run)
    if not path.is_dir():  # a name such as latest:xgb, of which no run was found
        return run
    whole, here = path.resolve(), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)


def _resolved(
    tournament: Tournament, model_id: str, metric: str, horizon_days: int
) -> list[tuple[int, float]]:
    """Return (round, score) of the last resolved rounds, oldest first."""
    for name in NAMES[metric, 60 if horizon_days == 60 else 20]:
        scores = tournament.submission_scores(
            model_id, name=name, last_n_rounds=_ASKED_ROUNDS, resolved=True, newest=True
        )
        last: dict[int, tuple[int, float]] = {}
        for score in scores:
            # A round has one score a day; the last one counts.
            if score.resolved and score.name == name and score.value is not None:
                last[score.round] = max(
                    last.get(score.round, (-1, 0.0)), (score.day or 0, score.value)
                )
        if last:
            return [(number, last[number][1]) for number in sorted(last)[-YEAR_ROUNDS:]]
    return []


def _mean(scores: Sequence[tuple[int, float]]) -> float | None:
    return sum(value for _, value in scores) / len(scores) if scores else None
