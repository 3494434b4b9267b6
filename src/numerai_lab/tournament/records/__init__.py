"""What is kept about submissions: slots, receipts, journals, uploaded models."""

from numerai_lab.tournament.records.model_uploads import (
    UploadRecord,
    last_upload,
    read_uploads,
    write_upload,
)
from numerai_lab.tournament.records.receipts import State, utc_text
from numerai_lab.tournament.records.record_files import (
    DamagedRecord,
    Journal,
    Origin,
    Receipt,
    read_json,
    set_aside,
)
from numerai_lab.tournament.records.slots import (
    SUBMIT_CONFIG,
    OnFailure,
    OwnCommand,
    Slot,
    SubmitConfig,
    chosen_slots,
    load_slots,
)

__all__ = [
    "SUBMIT_CONFIG",
    "DamagedRecord",
    "Journal",
    "OnFailure",
    "Origin",
    "OwnCommand",
    "Receipt",
    "Slot",
    "State",
    "SubmitConfig",
    "UploadRecord",
    "chosen_slots",
    "last_upload",
    "load_slots",
    "read_json",
    "read_uploads",
    "set_aside",
    "utc_text",
    "write_upload",
]
