"""Numerai's server: addresses, keys, requests checked and bounded, answers with types."""

from numerai_lab.tournament.server.access import (
    NUMERAI_API,
    Keys,
    address_of,
    api_url,
    is_loopback,
    is_stand_in,
    keys_of,
    mistaken_for,
)
from numerai_lab.tournament.server.answers import (
    Round,
    Submission,
    read_auth,
    read_flag,
    read_id,
    read_list,
    read_number,
    read_text,
    read_time,
    read_whole,
)
from numerai_lab.tournament.server.api import (
    Backoff,
    Rejected,
    RoundNotOpen,
    Tournament,
    TournamentError,
    Unavailable,
    UploadAuth,
    WrongKeys,
)
from numerai_lab.tournament.server.bounded_json import MOST_BYTES, read_json
from numerai_lab.tournament.server.env_file import read_env_file
from numerai_lab.tournament.server.headers import length_in, range_in, retry_after, time_in
from numerai_lab.tournament.server.problems import host_of
from numerai_lab.tournament.server.rounds import Now, Patience, look, parse_duration
from numerai_lab.tournament.server.ticks import Clock, Tick, tick

__all__ = [
    "MOST_BYTES",
    "NUMERAI_API",
    "Backoff",
    "Clock",
    "Keys",
    "Now",
    "Patience",
    "Rejected",
    "Round",
    "RoundNotOpen",
    "Submission",
    "Tick",
    "Tournament",
    "TournamentError",
    "Unavailable",
    "UploadAuth",
    "WrongKeys",
    "address_of",
    "api_url",
    "host_of",
    "is_loopback",
    "is_stand_in",
    "keys_of",
    "length_in",
    "look",
    "mistaken_for",
    "parse_duration",
    "range_in",
    "read_auth",
    "read_env_file",
    "read_flag",
    "read_id",
    "read_json",
    "read_list",
    "read_number",
    "read_text",
    "read_time",
    "read_whole",
    "retry_after",
    "tick",
    "time_in",
]
