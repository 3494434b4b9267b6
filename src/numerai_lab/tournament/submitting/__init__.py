"""`submit`: every slot once per round, unattended."""

from numerai_lab.tournament.submitting.alerts import told_if_nothing_begins
from numerai_lab.tournament.submitting.outcome import TRY_LATER, Outcome, SlotResult, redact
from numerai_lab.tournament.submitting.session import Session
from numerai_lab.tournament.submitting.submit import submit

__all__ = [
    "TRY_LATER",
    "Outcome",
    "Session",
    "SlotResult",
    "redact",
    "submit",
    "told_if_nothing_begins",
]
