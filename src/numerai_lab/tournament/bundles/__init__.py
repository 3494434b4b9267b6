"""What Numerai runs: a final model as one file, checked and uploaded."""

from numerai_lab.tournament.bundles.container_check import BundleCheck, BundleError
from numerai_lab.tournament.bundles.export import Bundle, export
from numerai_lab.tournament.bundles.model_upload import ModelUpload, check_not_cron, uploading

__all__ = [
    "Bundle",
    "BundleCheck",
    "BundleError",
    "ModelUpload",
    "check_not_cron",
    "export",
    "uploading",
]
