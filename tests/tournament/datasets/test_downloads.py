"""Downloads against the stand-in: only whole, checked files arrive, whatever the server does."""

import json
import shutil
import signal
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

from data_files import parts, sha256
from numerai_lab.data import LOCK_NAME, read_lock
from numerai_lab.errors import MachineError
from numerai_lab.tournament.datasets import check as check_
from numerai_lab.tournament.datasets import (
    download_files,
    fetch,
)
from numerai_lab.tournament.server.api import Unavailable

TRAIN, LIVE = "v5.3/train.parquet", "v5.3/live.parquet"


FAULTS = (
    *("500", "403", "cut", "cut_body", "truncated", "corrupt"),
    *("ignore_range", "wrong_range", "not_json"),
)


NEXT_ROUND = "2026-03-04T12:05:00Z"


@pytest.fixture
def said():
    return []


@pytest.fixture
def get(api, tmp_path, said):
    """Download names to tmp_path."""

    def call(*names, **options):
        return download_files(api, tmp_path, names or [TRAIN], say=said.append, **options)

    return call


def test_a_file_arrives_whole_and_is_recorded(get, tmp_path, tournament):
    (done,) = get()
    assert done.action == "downloaded"
    assert done.path.read_bytes() == (tournament / "train.parquet").read_bytes()
    entry = read_lock(tmp_path)[TRAIN]
    assert entry == done.entry
    assert entry.sha256 == sha256(done.path)
    assert entry.bytes == done.path.stat().st_size
    assert (entry.rows, entry.columns) == (2400, 2 + 12 + 5 + 1)
    assert entry.downloaded.startswith("2026-03-03T12:05:0")  # the server's clock
    assert entry.stand_in
    assert entry.round is None
    assert parts(tmp_path) == []


def test_a_file_that_is_current_is_not_downloaded_again(get, stand_in):
    get()
    before = stand_in.state()["file_bytes"][TRAIN]
    (again,) = get()
    assert again.action == "unchanged"
    assert stand_in.state()["file_bytes"][TRAIN] == before + 1  # the first byte, to compare


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("500", {"times": 3}),
        ("429", {"times": 2}),
        ("403", {"times": 2}),
        ("cut", {"times": 3}),
        ("hang", {}),
        ("cut_body", {"times": 3, "skip": 1}),
        ("cut_body", {"times": 1, "share": 0.0, "skip": 1}),
        ("truncated", {"skip": 1}),
        ("corrupt", {"skip": 1}),
        ("not_json", {}),
    ],
)
def test_the_file_arrives_in_spite_of(get, api, stand_in, tournament, kind, options, tmp_path):
    api.transport.timeout_seconds = 1.0 if kind == "hang" else 20.0
    stand_in.fault("file", kind, **options)
    (done,) = get()
    assert done.path.read_bytes() == (tournament / "train.parquet").read_bytes()
    assert stand_in.state()["faults"]["waiting"] == []
    assert parts(tmp_path) == []


def test_a_cut_download_goes_on_where_it_was(get, stand_in, tournament):
    stand_in.fault("file", "cut_body", skip=1, share=0.75)
    (done,) = get()
    size = done.path.stat().st_size
    sent = stand_in.state()["file_bytes"][TRAIN]
    assert size <= sent <= size + 2
    assert done.path.read_bytes() == (tournament / "train.parquet").read_bytes()


@pytest.mark.parametrize("kind", ["ignore_range", "wrong_range"])
def test_a_range_that_is_not_honoured_never_reaches_the_file(get, stand_in, tournament, kind):
    """numerapi would append the whole file, or the wrong bytes, to the half it has."""
    stand_in.control(
        faults=[
            {"op": "file", "kind": "cut_body", "skip": 1},
            {"op": "file", "kind": kind, "skip": 1},
        ]
    )
    (done,) = get()
    assert stand_in.state()["faults"]["happened"] == ["file:cut_body", f"file:{kind}"]
    assert done.path.read_bytes() == (tournament / "train.parquet").read_bytes()


def test_a_part_that_is_longer_than_the_servers_file_starts_over(get, stand_in, tournament):
    stand_in.control(
        faults=[
            {"op": "file", "kind": "cut_body", "skip": 1},
            {"op": "file", "kind": "416", "skip": 1},
        ]
    )
    (done,) = get()
    assert stand_in.state()["faults"]["happened"] == ["file:cut_body", "file:status"]
    assert stand_in.state()["file_bytes"][TRAIN] > 1.4 * done.entry.bytes
    assert done.path.read_bytes() == (tournament / "train.parquet").read_bytes()


def test_a_part_of_another_content_is_not_gone_on_with(api, stand_in, tmp_path, get):
    """The live file changes with the round while a download is cut off."""
    stand_in.fault("file", "cut_body", skip=1, times=-1)
    with pytest.raises(Unavailable, match="bytes are kept"):
        get(LIVE)
    assert len(parts(tmp_path)) == 2
    stand_in.control(clear_faults=True, set_time=NEXT_ROUND)
    (done,) = get(LIVE)
    fresh = tmp_path / "elsewhere"
    (whole,) = download_files(api, fresh, [LIVE], say=print)
    assert sha256(done.path) == sha256(whole.path)


@pytest.mark.parametrize("kind", ["truncated", "corrupt"])
def test_a_good_file_is_never_replaced_by_a_bad_one(get, stand_in, tmp_path, kind):
    get(LIVE)
    good, lock = sha256(tmp_path / LIVE), (tmp_path / LOCK_NAME).read_text()
    stand_in.control(set_time=NEXT_ROUND)
    stand_in.fault("file", kind, skip=1, times=-1)
    with pytest.raises(check_.BadFile, match="twice in a row; the file that was there is kept"):
        get(LIVE)
    assert sha256(tmp_path / LIVE) == good
    assert (tmp_path / LOCK_NAME).read_text() == lock
    assert parts(tmp_path) == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "500",
                    "403",
                    "cut",
                    "cut_body",
                    "truncated",
                    "corrupt",
                    "ignore_range",
                    "wrong_range",
                    "not_json",
                ]
            ),
            st.floats(0.01, 0.99),
        ),
        max_size=8,
    )
)
def test_whatever_happens_the_file_is_the_old_or_the_new_one(
    api, stand_in, tmp_path, tournament, faults
):
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    stand_in.reset()
    names = ["v5.3/meta_model.parquet"]
    (old,) = download_files(api, tmp_path, names, say=print)
    good = sha256(old.path)
    (tmp_path / LOCK_NAME).unlink()  # so that it is looked at again
    old.path.write_bytes(old.path.read_bytes()[:-7])
    bad = sha256(old.path)
    stand_in.control(
        faults=[{"op": "file", "kind": kind, "share": share} for kind, share in faults]
    )
    try:
        download_files(api, tmp_path, names, say=print)
    except (Unavailable, check_.BadFile):
        assert sha256(old.path) == bad
    else:
        assert sha256(old.path) == good
    stand_in.control(clear_faults=True)
    download_files(api, tmp_path, names, say=print)
    assert sha256(old.path) == good
    assert read_lock(tmp_path)[names[0]].sha256 == good


def test_a_server_that_is_down_leaves_one_sentence_and_what_came(get, stand_in, tmp_path):
    stand_in.fault("file", "cut_body", skip=1, share=0.4)
    stand_in.fault("file", "503", skip=1, times=-1)
    with pytest.raises(
        Unavailable, match=r"HTTP 503\); [\d,]+ bytes are kept; run again"
    ) as caught:
        get()
    assert "train.parquet" in str(caught.value)
    kept = (tmp_path / "v5.3" / ".train.parquet.part").stat().st_size
    stand_in.control(clear_faults=True)
    before = stand_in.state()["file_bytes"][TRAIN]
    (done,) = get()
    assert stand_in.state()["file_bytes"][TRAIN] - before <= done.entry.bytes - kept + 2


def test_a_connection_that_crawls_is_given_up_and_resumed(get, stand_in, monkeypatch):
    monkeypatch.setattr(fetch, "WINDOW", 0.3)
    stand_in.fault("file", "slow", skip=1, seconds=20, name="features")
    (done,) = get("v5.3/features.json")  # 600 bytes at 30 a second would take 20 seconds
    assert json.loads(done.path.read_text())["feature_sets"]
    assert stand_in.state()["requests"]["file"] == 3


def test_files_that_were_there_already_are_recorded_if_they_match(
    get, stand_in, tmp_path, tournament, said
):
    (tmp_path / "v5.3").mkdir()
    shutil.copy(tournament / "train.parquet", tmp_path / TRAIN)
    (done,) = get()
    assert done.action == "recorded"
    assert done.entry.sha256 == sha256(done.path)
    assert "was there already" in said[0]
    assert stand_in.state()["file_bytes"][TRAIN] == 1


def test_a_damaged_file_of_the_right_size_is_replaced(get, tmp_path, tournament, said):
    (tmp_path / "v5.3").mkdir()
    content = (tournament / "train.parquet").read_bytes()
    (tmp_path / TRAIN).write_bytes(content[:-500] + bytes(500))
    (done,) = get()
    assert done.action == "downloaded"
    assert done.path.read_bytes() == content
    assert "damaged" in said[0]


def test_progress_adds_up_to_the_size(get, stand_in):
    class Watch:
        done = total = 0
        ended = False

        def begin(self, name, total, done):
            self.total, self.done = total, done

        def advance(self, n_bytes):
            self.done += n_bytes

        def end(self):
            self.ended = True

    watch = Watch()
    stand_in.fault("file", "cut_body", skip=1, share=0.6)
    (done,) = get(progress=watch)
    assert watch.done == watch.total == done.entry.bytes
    assert watch.ended


def test_tls_is_verified_on_every_request(get, stand_in, monkeypatch):
    """numerapi resumes with verify=False."""
    verified = []
    send = HTTPAdapter.send

    def watched(self, request, *args, **kwargs):
        verified.append((request.method, "Range" in request.headers, kwargs["verify"]))
        return send(self, request, *args, **kwargs)

    monkeypatch.setattr(HTTPAdapter, "send", watched)
    stand_in.fault("file", "cut_body", skip=1)
    get()
    assert ("GET", True, True) in verified
    assert {verify for _, _, verify in verified} == {True}


def test_a_disk_without_room_is_noticed_before_the_download(get, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(MachineError, match=r"the disk has 0.0 GB free, the file needs"):
        get()
    assert parts(tmp_path) == []


def test_killed_in_the_middle_it_goes_on(pointed, get, forks, tmp_path, tournament):
    pointed.fault("file", "slow", skip=1, seconds=10)
    process = forks.start("data", "download", "--files", "train")
    part = tmp_path / "data" / "v5.3" / ".train.parquet.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert part.stat().st_size > 0
    code, _, err = forks.run("data", "download", "--files", "train")
    assert code == 0, err
    path = tmp_path / "data" / TRAIN
    assert path.read_bytes() == (tournament / "train.parquet").read_bytes()
    assert read_lock(tmp_path / "data")[TRAIN].sha256 == sha256(path)
