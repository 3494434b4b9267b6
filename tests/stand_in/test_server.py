"""The stand-in server itself: strict queries, rounds, files, faults; and numerapi itself on it."""

import io
import json
import shutil
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numerapi
import pandas as pd
import pyarrow.parquet as pq
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from numerai_lab.data.reading.files import SYNTHETIC_MARK
from numerai_lab.stand_in import StandInSettings, start_stand_in
from numerai_lab.stand_in.faults import Fault, Faults
from numerai_lab.stand_in.graphql import QueryError, parse, project
from numerai_lab.stand_in.schedule import Clock, Rounds
from numerai_lab.tournament.server.api import Rejected, Tournament
from stand_in import KEYS, OPEN, PUBLIC, SECRET

moments = st.datetimes(datetime(2023, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


@pytest.fixture
def api(stand_in):
    with Tournament(KEYS, url=stand_in.url, sleep=lambda _: None) as tournament:
        yield tournament


@pytest.fixture
def numerais_client(stand_in, monkeypatch):
    """numerapi as it is, pointed at the stand-in the only way it knows."""
    monkeypatch.setattr(numerapi.base_api, "API_TOURNAMENT_URL", stand_in.url)
    return numerapi.NumerAPI(PUBLIC, SECRET, verbosity="CRITICAL", show_progress_bars=False)


def submit(api, content=b"id,prediction\n", model="alpha"):
    model_id = api.model_id(model)
    address = api.upload_auth(model_id)
    api.put(address.url, content)
    return api.create_submission(address.filename, model_id)


@contextmanager
def serving(settings):
    """A stand-in in a thread of this process."""
    server = start_stand_in(settings)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def live(stand_in, name="v5.3/live.parquet"):
    with Tournament(url=stand_in.url) as tournament:
        content = requests.get(tournament.dataset_url(name), timeout=10).content
    return pq.read_table(io.BytesIO(content))


def test_numerapi_itself_submits_and_lists(numerais_client, stand_in):
    assert numerais_client.get_current_round() == 1385
    models = numerais_client.get_models()
    assert set(models) == {"alpha", "beta"}
    ids = live(stand_in)["id"].to_pylist()
    frame = pd.DataFrame({"id": ids, "prediction": [(i + 1) / 99 for i in range(len(ids))]})
    made = numerais_client.upload_predictions(df=frame, model_id=models["beta"])
    (listed,) = numerais_client.submission_ids(models["beta"])
    assert listed["id"] == made
    (theirs,) = stand_in.state()["submissions"]
    assert theirs["problem"] is None
    assert theirs["rows"] == len(ids)
    assert numerais_client.get_submission_filenames(model_id=models["beta"]) == [
        {"round_num": 1385, "tournament": 8, "filename": theirs["filename"]}
    ]
    assert numerais_client.submission_scores(models["beta"]) == []
    assert numerais_client.list_rounds(limit=2)[1]["number"] == 1384
    assert numerais_client.get_competitions()[0]["number"] == 1385


def test_numerapi_itself_downloads(numerais_client, tmp_path, tournament):
    assert "v5.3/train.parquet" in numerais_client.list_datasets()
    path = numerais_client.download_dataset("v5.3/train.parquet", str(tmp_path / "train.parquet"))
    assert pd.read_parquet(path).equals(pd.read_parquet(tournament / "train.parquet"))


@pytest.mark.filterwarnings("default")
def test_numerapi_itself_doubles_a_file_when_the_range_is_ignored(
    numerais_client, stand_in, tmp_path, tournament
):
    """The pitfall that downloads of the lab avoid; if this fails, numerapi has mended it."""
    content = (tournament / "train.parquet").read_bytes()
    (tmp_path / "train.parquet.temp").write_bytes(content[:1000])
    stand_in.fault("file", "ignore_range", times=-1)
    path = tmp_path / "train.parquet"
    numerais_client.download_dataset("v5.3/train.parquet", str(path))
    assert path.read_bytes() == content[:1000] + content


def test_numerapi_itself_does_not_notice_a_refused_upload(numerais_client, stand_in):
    """The pitfall that `Tournament.put` avoids."""
    stand_in.fault("put", "403")
    frame = pd.DataFrame({"id": ["a"], "prediction": [0.5]})
    with pytest.raises(ValueError, match="was not uploaded"):
        # It learns of it only because this server looks for the file.
        numerais_client.upload_predictions(df=frame, model_id=numerais_client.get_models()["alpha"])


def test_an_unknown_field_is_refused(api):
    with pytest.raises(Rejected, match='Cannot query field "nmae" on "models"'):
        api.query("query { account { models { nmae } } }")
    with pytest.raises(Rejected, match='Cannot query field "acount"'):
        api.query("query { acount { username } }")
    with pytest.raises(Rejected, match="Syntax error"):
        api.query("query { account { username ")


def test_only_the_fields_asked_for_are_answered(api):
    assert api.query("{ account { username } }") == {"account": {"username": "newcomer"}}


def test_arguments_are_read_inline_and_from_variables():
    query = parse(
        'query($a: Int! $b: String) { rounds(number: 0 tournament: $a, name: "x y" b: $b) { id } }',
        {"a": 8},
    )
    assert query.field == "rounds"
    assert query.arguments == {"number": 0, "tournament": 8, "name": "x y", "b": None}
    assert query.selection == {"id": {}}


def test_a_selection_is_projected_at_every_depth():
    value = {"a": [{"b": {"c": 1, "d": 2}, "e": 3}, {"b": None, "e": 4}]}
    selection = parse("{ x { a { b { c } } } }", {}).selection
    assert project(value, selection, "x") == {"a": [{"b": {"c": 1}}, {"b": None}]}
    with pytest.raises(QueryError, match='"d" on "a"'):
        project(value, {"a": {"d": {}}}, "x")


@given(moments)
def test_numerais_week(now):
    rounds = Rounds().until(now, 11)
    assert rounds[0].open_time <= now < rounds[0].open_time + timedelta(days=3)
    for later, earlier in pairwise(rounds):
        assert later.number == earlier.number + 1
        assert earlier.open_time < earlier.close_staking_time < earlier.close_time
        assert earlier.close_time < later.open_time
    weekdays = [item.open_time.weekday() for item in rounds]
    assert set(weekdays) == {1, 2, 3, 4, 5}
    for item in rounds:
        weekend = item.open_time.weekday() == 5
        assert item.close_staking_time - item.open_time == timedelta(hours=50 if weekend else 1)


@given(moments, st.floats(0.5, 10_000))
def test_with_a_round_every_so_many_minutes_one_is_always_open(now, minutes):
    rounds = Rounds(minutes)
    current = rounds.current(now)
    assert current is not None
    assert current.open_time <= now < current.close_staking_time
    later = rounds.current(now + timedelta(minutes=minutes))
    assert later.number == current.number + 1


def test_a_frozen_clock_stands_and_a_running_one_goes():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = Clock(start, running=False)
    assert clock.now() == start
    clock.set(start + timedelta(days=1), running=True)
    assert start + timedelta(days=1) < clock.now() < start + timedelta(days=1, minutes=5)


def test_a_round_closes_in_the_middle(api, stand_in):
    stand_in.fault("submission_upload_auth", "close_round")
    submit(api)
    (late,) = stand_in.state()["submissions"]
    assert late["late"]
    assert late["round"] == 1385
    stand_in.control(set_time="2026-03-04T11:00:00Z")
    with pytest.raises(Rejected, match="not open"):
        submit(api)


def test_rounds_can_be_given(api, stand_in):
    mine = {"number": 9, "open_time": OPEN, "close_staking_time": "2026-03-03T12:30:00Z"}
    stand_in.control(rounds=[mine])
    assert api.current_round().number == 9
    stand_in.control(set_time="2026-03-03T12:30:00Z")
    assert stand_in.state()["current_round"] is None
    stand_in.control(rounds=None)
    assert api.current_round().number == 1385


def test_a_second_submission_is_a_second_submission(api, stand_in):
    first, second = submit(api), submit(api)
    model = api.model_id("alpha")
    address = api.upload_auth(model)
    api.put(address.url, b"x")
    api.create_submission(address.filename, model)
    again = api.create_submission(address.filename, model)
    assert first != second
    listed = stand_in.state()["submissions"]
    assert len(listed) == 4
    assert [item["selected"] for item in listed] == [False, False, False, True]
    assert listed[-1]["id"] == again
    submit(api, model="beta")
    assert stand_in.state()["submissions"][3]["selected"]


def test_what_was_not_uploaded_cannot_be_submitted(api):
    model = api.model_id("alpha")
    address = api.upload_auth(model)
    with pytest.raises(Rejected, match="not uploaded"):
        api.create_submission(address.filename, model)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda rows: rows, None),
        (lambda rows: rows[:-1], "the ids are not those of the round's live file"),
        (lambda rows: [*rows, rows[0]], "the ids are not those of the round's live file"),
        (lambda rows: [(i, 1.5) for i, _ in rows], "a prediction is not between 0 and 1"),
        (lambda rows: [(i, "nan") for i, _ in rows], "a prediction is not between 0 and 1"),
        (lambda rows: [(i, "") for i, _ in rows], "a prediction is not a number"),
        (lambda rows: [(i, 0.5) for i, _ in rows], "all predictions are the same"),
    ],
)
def test_what_is_wrong_with_a_submission_is_kept(api, stand_in, change, problem):
    ids = live(stand_in)["id"].to_pylist()
    rows = change([(id_, (n + 1) / 100) for n, id_ in enumerate(ids)])
    lines = ["id,prediction", *(f"{id_},{value}" for id_, value in rows)]
    submit(api, "\n".join(lines).encode())
    (entry,) = stand_in.state()["submissions"]
    assert entry["problem"] == problem


def test_the_other_accounts_models_are_not_to_be_seen(api, stand_in):
    other = stand_in.state()["models"]["user1"]["gamma"]
    with pytest.raises(Rejected, match="Model not found"):
        api.submissions(other)


def test_no_key_is_in_the_state(stand_in):
    assert SECRET not in json.dumps(stand_in.state())


def test_a_rounds_live_file_keeps_the_mark_of_synthetic_files(stand_in):
    assert SYNTHETIC_MARK in live(stand_in).schema.metadata


def test_every_round_has_its_own_live_file(stand_in, tournament):
    first = live(stand_in)
    example = live(stand_in, "v5.3/live_example_preds.parquet")
    assert first["id"].to_pylist() == example["id"].to_pylist()
    assert live(stand_in).equals(first)
    stand_in.control(set_time="2026-03-04T12:05:00Z")
    second = live(stand_in)
    assert second.schema == first.schema
    assert not set(second["id"].to_pylist()) & set(first["id"].to_pylist())
    assert second.drop_columns(["id"]) != first.drop_columns(["id"])
    original = pq.read_table(tournament / "live.parquet")
    for name in original.column_names[2:-1]:
        assert sorted(second[name].to_pylist()) == sorted(original[name].to_pylist())


def test_ranges_as_rfc_9110_has_them(stand_in, tournament):
    with Tournament(url=stand_in.url) as api:
        url = api.dataset_url("v5.3/features.json")
    content = (tournament / "features.json").read_bytes()

    def get(**headers):
        return requests.get(url, headers=headers, timeout=10)

    whole = get()
    assert (whole.status_code, whole.content) == (200, content)
    part = get(Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(content)}"
    assert get(Range="bytes=10-").content == content[10:]
    assert get(Range=f"bytes={len(content)}-").status_code == 416
    same = {"Range": "bytes=10-", "If-Range": whole.headers["ETag"]}
    assert get(**same).status_code == 206
    assert get(**{**same, "If-Range": '"other"'}).status_code == 200
    assert requests.get(url.split("?")[0], timeout=10).status_code == 403


def test_folders_with_versions_are_served_as_they_are(tournament, tmp_path):
    shutil.copytree(tournament, tmp_path / "v5.2")
    (tmp_path / "v6.0").mkdir()
    shutil.copy(tournament / "live.parquet", tmp_path / "v6.0")
    with serving(StandInSettings(tmp_path)) as server, Tournament(url=server.url) as api:
        listed = api.datasets()
    assert "v6.0/live.parquet" in listed
    assert "v5.2/train.parquet" in listed
    assert not any(name.startswith("v5.3") for name in listed)


def test_faults_hit_what_they_are_meant_for():
    faults = Faults()
    faults.add(
        [
            {"op": "put", "kind": "500", "times": 2, "skip": 1},
            {"op": "file", "kind": "cut", "name": "live"},
        ]
    )
    hits = [faults.next("put") for _ in range(4)]
    assert [fault is not None for fault in hits] == [False, True, True, False]
    assert hits[1].status == 500
    assert faults.next("file", "v5.3/train.parquet") is None
    assert faults.next("file", "v5.3/live.parquet").kind == "cut"
    assert faults.waiting == []
    assert faults.happened == ["put:status", "put:status", "file:cut"]


def test_a_probability_is_kept_over_many_requests():
    faults = Faults()
    faults.add([{"op": "*", "kind": "cut", "times": -1, "probability": 0.25}])
    hits = sum(faults.next("rounds") is not None for _ in range(2000))
    assert 400 < hits < 600


def test_an_unknown_kind_or_control_is_refused(stand_in):
    with pytest.raises(ValueError, match="no such kind of fault: explode"):
        Fault("put", "explode")
    with pytest.raises(urllib.error.HTTPError) as caught:
        stand_in.control(sett_time=OPEN)
    assert "known: reset" in caught.value.read().decode()
    caught.value.close()


def test_submissions_outlive_the_process_with_a_state_file(tournament, tmp_path):
    state = tmp_path / "state.json"
    for expected in (1, 2):
        account = (PUBLIC, SECRET, ("alpha",))
        settings = StandInSettings(
            tournament, accounts=(account,), round_minutes=60, state_file=state
        )
        with serving(settings) as server, Tournament(KEYS, url=server.url) as api:
            submit(api)
            assert len(api.submissions(api.model_id("alpha"))) == expected
