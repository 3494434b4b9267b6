"""Looks at the test eras of a run: each is counted before it is taken, in a record that only grows.

Eras kept for a test say something once. Whoever chooses between runs by what they score there has
made validation eras of them, so every look is written down, and shown beside the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from numerai_lab.checksums import NotAsWritten, read_sealed, write_sealed
from numerai_lab.errors import RunError
from numerai_lab.experiment.judging.summaries import MAIN
from numerai_lab.experiment.records import (
    LOOKS,
    RECORD,
    TEST_SCORES,
    Damaged,
    Owner,
    RunDir,
    check_files,
    check_owner,
    record,
    set_aside,
    versions,
)


@dataclass(frozen=True)
class Looks:
    """How often the test eras of a run were judged.

    Attributes
    ----------
    entries : the looks in order: `number`, `utc`, `version`, `command`, `baseline_of`, the run that
        was judged when this one stood beside it (None: this one itself was), and `keeps_scores`,
        whether it was to leave test_scores.json.
    lost : when an earlier record was found gone or damaged (`utc`, `problem`), and how many looks
        at least there had been (`at_least`).
    """

    entries: tuple[Mapping[str, Any], ...] = ()
    lost: tuple[Mapping[str, Any], ...] = ()

    @property
    def number(self) -> int:
        """How many looks there were; at least so many where a record was lost."""
        before = int(self.lost[-1]["at_least"]) if self.lost else 0
        return before + len(self.entries)

    @property
    def words(self) -> str:
        """How many there were, as the end of a sentence."""
        n = self.number
        times = "once" if n == 1 else f"{n} times"
        if self.lost:
            last = self.lost[-1]
            return (
                f"looked at {times} at least: the count of looks before {last['utc'][:10]} is lost "
                f"(test_looks.json {last['problem']})"
            )
        return f"looked at {times}" if n else "not looked at yet"


def has_test(manifest: Mapping[str, Any]) -> bool:
    """Whether a run keeps eras for a test; one of `train --continue` shows those of its parent."""
    if manifest.get("continued") is not None:
        return False
    return any(fold.get("test_eras") for fold in manifest.get("folds") or () if fold is not None)


def begin_looks(run: RunDir, owner: Owner) -> None:
    """Write the record of a new run, which has no look yet. Raises MachineError."""
    _write(run, owner, Looks())


def read_looks(run: RunDir) -> Looks:
    """Read how often the test eras of a run were judged.

    Raises
    ------
    Damaged : the record is gone, is not what was written, is another run's, or knows fewer looks
        than the last scores tell of.
    """
    path = run.test_looks_path
    try:
        try:
            value = read_sealed(path)
        except FileNotFoundError:
            raise NotAsWritten("is gone") from None
        check_owner(value, run.owner(), LOOKS)
        looks = Looks(tuple(value["looks"]), tuple(value["lost"]))
        told = _looks_told(run)
        if looks.number < told:
            raise NotAsWritten(f"counts {looks.number} looks, {run.test_scores_path.name} {told}")
    except NotAsWritten as error:
        raise Damaged(
            str(error),
            where=str(path),
            fix="how often the test eras were looked at is not known any more; the next "
            "`numerai-lab evaluate RUN --test` says so and counts on",
        ) from None
    return looks


def count_look(
    run: RunDir,
    command: str,
    say: Callable[[str], None],
    *,
    keeps_scores: bool,
    baseline_of: RunDir | None = None,
) -> Looks:
    """Write down one more look, before it is taken; the run's lock must be held.

    A record that is gone or damaged is set aside, which is said and stays written in the new one.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        looks = read_looks(run)
    except Damaged as error:
        kept = ""
        if run.test_looks_path.exists():
            kept = f"; moved to {set_aside(run, run.test_looks_path)}"
        say(f"{error.where}: {error.what}{kept}; nobody knows how often the test was looked at")
        lost = {"utc": now, "problem": error.what, "at_least": _looks_told(run)}
        looks = Looks(lost=(lost,))
    look = {
        "number": looks.number + 1,
        "utc": now,
        "version": versions()["numerai_lab"],
        "command": command,
        "keeps_scores": keeps_scores,
        "baseline_of": None if baseline_of is None else str(baseline_of.path.resolve()),
    }
    looks = Looks((*looks.entries, look), looks.lost)
    _write(run, run.owner(), looks)
    return looks


def read_test_scores(run: RunDir) -> dict[str, Any] | None:
    """Read what the last look left; None before the first one. Raises Damaged."""
    path = run.test_scores_path
    fix = _look_again(run)
    try:
        value: dict[str, Any] = read_sealed(path)
        own = value.pop(RECORD, None)
        check_owner(own, run.owner(), TEST_SCORES)
    except FileNotFoundError:
        return None
    except NotAsWritten as error:
        raise Damaged(str(error), where=str(path), fix=fix) from None
    check_files(run.path, own["files"], [run.test_per_era_path.name], lambda: fix)
    return value


def told_of_test(run: RunDir) -> dict[str, Any] | None:
    """Return what is shown of a run's test eras wherever the run is shown; None without any.

    Returns
    -------
    The eras (`first`, `last`, `n_eras`, dates where eras have them), `n_in_final` of which a final
    model is fitted on, `looks` (None where the record is damaged: `damage` tells), `said`, the
    same in words, `history`, the looks, and `scores`, those of the last look, or None.
    """
    manifest = run.manifest()
    if not has_test(manifest):
        return None
    facts: dict[str, Any] = next(f["test"] for f in manifest["folds"] if f.get("test_eras"))
    told = {**facts, "looks": None, "damage": None, "history": [], "scores": None}
    try:
        looks = read_looks(run)
        told |= {"looks": looks.number, "said": looks.words, "history": [*looks.entries]}
    except Damaged as error:
        told |= {"damage": str(error), "said": f"looked at nobody knows how often ({error.what})"}
    try:
        told["scores"] = read_test_scores(run)
        if told["scores"] is None and any(look["keeps_scores"] for look in told["history"]):
            raise Damaged(
                "is gone, or the look that was to write it was stopped",
                where=str(run.test_scores_path),
                fix=_look_again(run),
            )
    except Damaged as error:
        told["damage"] = told["damage"] or str(error)
    return told


def brief_of_test(told: Mapping[str, Any]) -> dict[str, Any]:
    """Shorten what `told_of_test` returns to one row: the run's own corr instead of all scores."""
    row = {key: value for key, value in told.items() if key not in ("history", "scores")}
    scores = told["scores"]
    corr = {} if scores is None else scores["scores"][MAIN].get("corr", {})
    return row | {
        "corr" if key == "mean" else key: corr.get(key) for key in ("mean", "ci_low", "ci_high")
    }


def _look_again(run: RunDir) -> str:
    return f"`numerai-lab evaluate {run.path} --test` writes it anew, which is one more look"


def _looks_told(run: RunDir) -> int:
    """Return the number of the look that left the last scores; 0 where nothing tells."""
    try:
        scores = read_test_scores(run)
        return 0 if scores is None else int(scores["test"]["looks"])
    except (RunError, KeyError, TypeError, ValueError):
        return 0


def _write(run: RunDir, owner: Owner, looks: Looks) -> None:
    value = record(owner, LOOKS, {}) | {"looks": [*looks.entries], "lost": [*looks.lost]}
    write_sealed(run.test_looks_path, value)
