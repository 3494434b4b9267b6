"""Everything that talks to Numerai: downloads, rounds, submissions, receipts, model upload."""

from numerai_lab.tournament.access import address_of, mistaken_for
from numerai_lab.tournament.api import (
    Backoff,
    Keys,
    Rejected,
    Round,
    RoundNotOpen,
    Tournament,
    TournamentError,
    Unavailable,
    WrongKeys,
    api_url,
    is_stand_in,
    keys_of,
)
from numerai_lab.tournament.container_check import BundleCheck, BundleError
from numerai_lab.tournament.datasets import (
    GROUPS,
    Damaged,
    Downloaded,
    Leftover,
    Listed,
    Progress,
    Verified,
    choose_files,
    choose_version,
    download_files,
    download_live,
    find_leftovers,
    is_safe,
    is_version,
    list_files,
    needed_groups,
    place_of,
    prune_files,
    stale_files,
    verify_files,
)
from numerai_lab.tournament.desk import Desk
from numerai_lab.tournament.diagnostics import Diagnostics, diagnose
from numerai_lab.tournament.entries import entries
from numerai_lab.tournament.env_file import read_env_file
from numerai_lab.tournament.export import Bundle, export
from numerai_lab.tournament.model_upload import ModelUpload, check_not_cron, uploading
from numerai_lab.tournament.on_failure import told_if_nothing_begins
from numerai_lab.tournament.outcome import TRY_LATER, Outcome, SlotResult, redact
from numerai_lab.tournament.predict import (
    LivePredictions,
    live_file,
    predict,
    predictions_file,
    write_predictions,
)
from numerai_lab.tournament.receipts import State
from numerai_lab.tournament.records import Receipt
from numerai_lab.tournament.rounds import Patience, parse_duration
from numerai_lab.tournament.slots import (
    SUBMIT_CONFIG,
    OnFailure,
    Slot,
    SubmitConfig,
    chosen_slots,
    load_slots,
)
from numerai_lab.tournament.stand_in import StandInSettings, start_stand_in
from numerai_lab.tournament.status import Status, read_status
from numerai_lab.tournament.submit import submit

__all__ = [
    "GROUPS",
    "SUBMIT_CONFIG",
    "TRY_LATER",
    "Backoff",
    "Bundle",
    "BundleCheck",
    "BundleError",
    "Damaged",
    "Desk",
    "Diagnostics",
    "Downloaded",
    "Keys",
    "Leftover",
    "Listed",
    "LivePredictions",
    "ModelUpload",
    "OnFailure",
    "Outcome",
    "Patience",
    "Progress",
    "Receipt",
    "Rejected",
    "Round",
    "RoundNotOpen",
    "Slot",
    "SlotResult",
    "StandInSettings",
    "State",
    "Status",
    "SubmitConfig",
    "Tournament",
    "TournamentError",
    "Unavailable",
    "Verified",
    "WrongKeys",
    "address_of",
    "api_url",
    "check_not_cron",
    "choose_files",
    "choose_version",
    "chosen_slots",
    "diagnose",
    "download_files",
    "download_live",
    "entries",
    "export",
    "find_leftovers",
    "is_safe",
    "is_stand_in",
    "is_version",
    "keys_of",
    "list_files",
    "live_file",
    "load_slots",
    "mistaken_for",
    "needed_groups",
    "parse_duration",
    "place_of",
    "predict",
    "predictions_file",
    "prune_files",
    "read_env_file",
    "read_status",
    "redact",
    "stale_files",
    "start_stand_in",
    "submit",
    "told_if_nothing_begins",
    "uploading",
    "verify_files",
    "write_predictions",
]
