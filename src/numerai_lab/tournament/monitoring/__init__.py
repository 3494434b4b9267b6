"""What became of submissions: `status`, decay, `diagnostics`."""

from numerai_lab.tournament.monitoring.diagnostics import Diagnostics, diagnose
from numerai_lab.tournament.monitoring.slot_status import Status
from numerai_lab.tournament.monitoring.status import read_status
from numerai_lab.tournament.monitoring.watched import entries

__all__ = ["Diagnostics", "Status", "diagnose", "entries", "read_status"]
