"""The live file of the current round; names and versions; what is out of date."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from data_files import sha256
from numerai_lab.data import LockedFile, read_lock
from numerai_lab.errors import UserError
from numerai_lab.tournament.datasets import check as check_
from numerai_lab.tournament.datasets import (
    choose_files,
    choose_version,
    download_live,
    place_of,
    stale_files,
)
from numerai_lab.tournament.server.api import Rejected, RoundNotOpen, Unavailable

TRAIN, LIVE = "v5.3/train.parquet", "v5.3/live.parquet"


NEXT_ROUND = "2026-03-04T12:05:00Z"


LISTED = [
    *(f"v5.2/{name}" for name in ("train.parquet", "live.parquet", "features.json")),
    *(f"v5.10/{name}" for name in ("train.parquet", "features.json", "new_thing.parquet")),
    "readme.txt",
]


def test_the_live_file_is_of_the_current_round(api, stand_in, tmp_path):
    first = sha256(download_live(api, tmp_path, "v5.3"))
    assert read_lock(tmp_path)[LIVE].round == 1385
    before = stand_in.state()["file_bytes"][LIVE]
    assert sha256(download_live(api, tmp_path, "v5.3")) == first
    assert stand_in.state()["file_bytes"][LIVE] <= before + 2
    stand_in.control(set_time=NEXT_ROUND)
    assert sha256(download_live(api, tmp_path, "v5.3")) != first
    assert read_lock(tmp_path)[LIVE].round == 1386


def test_a_live_file_of_the_round_before_is_refused(api, stand_in, tmp_path):
    stand_in.fault("file", "stale", times=-1)
    with pytest.raises(Unavailable, match=r"no live data of round 1385 yet .*was written at"):
        download_live(api, tmp_path, "v5.3")


def test_the_same_bytes_again_are_not_those_of_a_new_round(api, stand_in, tmp_path):
    """A server that gives yesterday's file a new date is seen through."""
    download_live(api, tmp_path, "v5.3")
    later = {"number": 1386, "open_time": "2026-03-03T20:00:00Z"}
    stand_in.control(
        rounds=[
            {**later, "number": 1385, "open_time": "2026-03-03T12:00:00Z"}
            | {"close_staking_time": "2026-03-03T13:00:00Z"},
            {**later, "close_staking_time": "2026-03-03T21:00:00Z"},
        ],
        set_time="2026-03-03T20:05:00Z",
    )
    stand_in.fault("file", "stale", times=-1)
    with pytest.raises(Unavailable, match="its file is that of round 1385"):
        download_live(api, tmp_path, "v5.3")
    with pytest.raises(Unavailable, match="its file is that of round 1385"):
        download_live(api, tmp_path, "v5.3")
    stand_in.control(clear_faults=True)
    download_live(api, tmp_path, "v5.3")
    assert read_lock(tmp_path)[LIVE].round == 1386


def test_live_without_a_round_or_without_the_file(api, stand_in, tmp_path):
    with pytest.raises(UserError, match=r"no data version 'v5.4', did you mean 'v5.3'"):
        download_live(api, tmp_path, "v5.4")
    stand_in.control(hide_files=[LIVE])
    with pytest.raises(UserError, match=r"'live.parquet' is not among the files of v5.3"):
        download_live(api, tmp_path, "v5.3")
    stand_in.control(set_time="2026-03-04T11:00:00Z")
    with pytest.raises(RoundNotOpen):
        download_live(api, tmp_path, "v5.3")


def test_a_live_file_is_read_to_its_last_page(tmp_path, tournament):
    content = bytearray((tournament / "live.parquet").read_bytes())
    content[60:400] = bytes(340)  # pages, not the footer
    path = tmp_path / "live.parquet"
    path.write_bytes(content)
    pd.read_parquet(tournament / "live.parquet")
    with pytest.raises(check_.BadFile, match="damaged or cut short"):
        check_.check_file(path, LIVE)


@pytest.mark.parametrize(
    ("name", "frame", "problem"),
    [
        ("v5.3/train.parquet", {"era": ["1"], "feature_a": [1]}, "no column target"),
        ("v5.3/train.parquet", {"era": [], "feature_a": [], "target": []}, "no rows"),
        ("v5.3/live.parquet", {"id": ["n1"]}, r"no column feature\*"),
        ("v5.3/meta_model.parquet", {"prediction": [0.5]}, "no column numerai_meta_model"),
    ],
)
def test_a_file_must_have_what_its_name_promises(tmp_path, name, frame, problem):
    path = tmp_path / "file.parquet"
    pd.DataFrame(frame).to_parquet(path)
    with pytest.raises(check_.BadFile, match=problem):
        check_.check_file(path, name)


def test_versions_are_ordered_as_numbers():
    assert choose_version(None, LISTED) == "v5.10"
    assert choose_version("v5.2", LISTED) == "v5.2"
    with pytest.raises(UserError, match=r"it has: v5.2, v5.10"):
        choose_version("v4", LISTED)


def test_groups_and_file_names_become_the_servers_names():
    assert choose_files(["live", "train", "live.parquet"], "v5.2", LISTED) == [
        "v5.2/live.parquet",
        "v5.2/train.parquet",
    ]
    assert choose_files(["new_thing.parquet"], "v5.10", LISTED) == ["v5.10/new_thing.parquet"]
    with pytest.raises(UserError, match=r"'trian' is not among .*did you mean 'train'"):
        choose_files(["trian"], "v5.2", LISTED)
    with pytest.raises(UserError, match=r"'live' is not among the files of v5.10"):
        choose_files(["live"], "v5.10", LISTED)


def test_a_version_folder_is_a_place_with_a_version():
    assert place_of(Path("data")) == (Path("data"), None)
    assert place_of(Path("data/v5.3")) == (Path("data"), "v5.3")


def entry(name, downloaded, round_number=None):
    when = downloaded.isoformat()
    return LockedFile(name, 1, 1, 1, "0", None, None, when, "host", False, round_number)


def test_what_is_out_of_date_is_said():
    now = datetime(2026, 3, 20, tzinfo=UTC)
    week, day = timedelta(days=7), timedelta(days=1)
    entries = {
        item.name: item
        for item in (
            entry("v5.3/validation.parquet", now - 2 * week),
            entry("v5.3/train.parquet", now - 50 * week),
            entry("v5.3/meta_model.parquet", now - week),
            entry("v5.3/live.parquet", now - day / 2, 7),
            entry("v5.2/validation.parquet", now - 2 * week),
        )
    }
    (validation,) = stale_files(entries, "v5.3", now=now, round_number=7)
    assert validation.startswith("v5.3/validation.parquet was downloaded 14 days ago")
    live, _ = stale_files(entries, "v5.3", now=now, round_number=8)
    assert live == "v5.3/live.parquet is of round 7, the current one is 8"
    assert len(stale_files(entries, None, now=now, round_number=7)) == 2
    (old,) = stale_files(
        {"v5.3/live.parquet": entry("v5.3/live.parquet", now - 3 * day)},
        "v5.3",
        now=now,
        round_number=None,
    )
    assert "downloaded 3 days ago" in old


def test_an_unknown_file_is_refused_by_the_server(api):
    with pytest.raises(Rejected, match=r"v5.3/none.parquet"):
        api.dataset_url("v5.3/none.parquet")
