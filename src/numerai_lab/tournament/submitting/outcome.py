"""What `submit` came to: a result for each slot, the exit code, one line that says it all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from numerai_lab.disclosure import presentable, secrets_of
from numerai_lab.errors import LabError
from numerai_lab.tournament.server import Rejected, TournamentError

TRY_LATER = 75
"""EX_TEMPFAIL of sysexits.h."""
Status = Literal["submitted", "late", "already", "dry_run", "not_open", "failed"]


@dataclass(frozen=True)
class SlotResult:
    """What became of a slot.

    Attributes
    ----------
    status : `submitted` now; `late`, after the deadline; `already`, earlier in this round;
        `dry_run`, would have been; `not_open`; `failed`.
    retry : whether another try in a moment may succeed. exit_code : of its error.
    warned : the message has been said already, as a warning, when it happened.
    gap : the rounds before this one that went by without a submission, told when one succeeds.
    """

    slot: str
    status: Status
    message: str
    submission_id: str | None = None
    exit_code: int = 0
    retry: bool = False
    warned: bool = False
    gap: str = ""

    @classmethod
    def failed(cls, slot: str, error: LabError) -> SlotResult:
        """Make the result of an error, which has been said as a warning.

        What the server or the network did may pass, even a refusal: with time left, another try
        costs nothing.
        """
        retry = isinstance(error, TournamentError | Rejected)
        return cls(slot, "failed", str(error), exit_code=error.exit_code, retry=retry, warned=True)

    def __str__(self) -> str:
        parts = [self.slot, self.status, self.submission_id or "-"]
        return "  ".join(parts if self.warned else [*parts, self.message])

    def redacted(self, environ: Mapping[str, str]) -> SlotResult:
        """Return the same without any key in its message."""
        return replace(self, message=redact(self.message, environ))

    def to_json(self) -> dict[str, str | None]:
        """Return what --json shows of it."""
        return {
            "slot": self.slot,
            "status": self.status,
            "submission_id": self.submission_id,
            "message": self.message,
        }


@dataclass(frozen=True)
class Outcome:
    """What became of all slots in a round; `round` is None where it is not known.

    Attributes
    ----------
    busy : another submit is at work. stuck : why that is no good reason to do nothing, or empty.
    """

    round: int | None
    slots: tuple[SlotResult, ...]
    busy: bool = False
    stuck: str = ""

    @property
    def exit_code(self) -> int:
        """0 done, 75 not open, 1 a slot failed, 2 all failed and it is the user's to mend."""
        if self.stuck:
            return 1
        failed = [one.exit_code for one in self.slots if one.exit_code not in (0, TRY_LATER)]
        if failed:
            return 2 if set(failed) == {2} and len(failed) == len(self.slots) else 1
        return max((one.exit_code for one in self.slots), default=0)

    @property
    def summary(self) -> str:
        """One line: how many slots came to what, and which failed; why has been said of each."""
        if self.stuck:
            return "nothing was submitted: another submit hangs"
        if self.busy and not self.slots:
            return "another submit is at work here: nothing to do"
        by_status: dict[str, list[SlotResult]] = {}
        for one in self.slots:
            by_status.setdefault(one.status, []).append(one)
        told = []
        for status, alike in by_status.items():
            failed = ", ".join(one.slot for one in alike if one.exit_code not in (0, TRY_LATER))
            word = "submitted before" if status == "already" else status.replace("_", " ")
            told.append(f"{len(alike)} {word}{f' ({failed})' * bool(failed)}")
        where = "nothing was submitted" if self.round is None else f"round {self.round}"
        return f"{where}: {', '.join(told)}"

    def redacted(self, environ: Mapping[str, str]) -> Outcome:
        """Return the same without any key in a message: a last safety net."""
        return replace(self, slots=tuple(one.redacted(environ) for one in self.slots))


def redact(text: str, environ: Mapping[str, str]) -> str:
    """Return text without the value of any key in the environment, and as it may be shown."""
    for secret in secrets_of(environ):
        text = text.replace(secret, "***")
    return presentable(text)
