"""What became of submissions: `status`, decay, `diagnostics`."""

from numerai_lab.tournament.monitoring.ageing import about_age, about_refresh
from numerai_lab.tournament.monitoring.diagnostics import Diagnostics, diagnose
from numerai_lab.tournament.monitoring.needed import check_no_slot_needs
from numerai_lab.tournament.monitoring.slot_status import Status
from numerai_lab.tournament.monitoring.status import read_status
from numerai_lab.tournament.monitoring.watched import entries

__all__ = [
    "Diagnostics",
    "Status",
    "about_age",
    "about_refresh",
    "check_no_slot_needs",
    "diagnose",
    "entries",
    "read_status",
]
