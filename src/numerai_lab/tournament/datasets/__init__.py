"""Numerai's files: downloaded so that only whole and checked ones arrive, listed, verified."""

from numerai_lab.tournament.datasets.download import Downloaded, download_files
from numerai_lab.tournament.datasets.fetch import Progress
from numerai_lab.tournament.datasets.freshness import stale_files
from numerai_lab.tournament.datasets.inventory import (
    Damaged,
    Leftover,
    Listed,
    Verified,
    find_leftovers,
    list_files,
    prune_files,
    verify_files,
)
from numerai_lab.tournament.datasets.live import download_live
from numerai_lab.tournament.datasets.names import (
    GROUPS,
    choose_files,
    choose_version,
    is_safe,
    is_version,
    needed_groups,
    place_of,
)

__all__ = [
    "GROUPS",
    "Damaged",
    "Downloaded",
    "Leftover",
    "Listed",
    "Progress",
    "Verified",
    "choose_files",
    "choose_version",
    "download_files",
    "download_live",
    "find_leftovers",
    "is_safe",
    "is_version",
    "list_files",
    "needed_groups",
    "place_of",
    "prune_files",
    "stale_files",
    "verify_files",
]
