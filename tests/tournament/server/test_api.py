"""The API client against the stand-in: what it says, what it repeats, what it never shows."""

import gzip
import json
import logging
from datetime import UTC, datetime, timedelta

import numerapi
import pytest

from numerai_lab.tournament.server.access import (
    Keys,
)
from numerai_lab.tournament.server.api import (
    Backoff,
    Rejected,
    RoundNotOpen,
    Tournament,
    TournamentError,
    Unavailable,
    WrongKeys,
)
from stand_in import KEYS, OPEN, PUBLIC, SECRET

NOW = datetime.fromisoformat(OPEN)


CHUNKED = ("Transfer-Encoding", "chunked")


def test_a_submission_from_address_to_confirmation(api, stand_in):
    model = api.model_id("alpha")
    address = api.upload_auth(model)
    api.put(address.url, b"id,prediction\n")
    made = api.create_submission(address.filename, model)
    (listed,) = api.submissions(model)
    assert (listed.id, listed.filename, listed.round) == (made, address.filename, 1385)
    assert listed.selected
    assert listed.inserted_at == NOW
    (theirs,) = stand_in.state()["submissions"]
    assert theirs["id"] == made
    assert theirs["model"] == "alpha"


def test_the_current_round_and_its_times(api, stand_in):
    current = api.current_round()
    assert current.number == 1385
    assert current.open_time == datetime(2026, 3, 3, 12, tzinfo=UTC)
    assert current.is_open(api.server_now())
    stand_in.control(set_time="2026-03-03T13:00:00Z")
    late = api.current_round()
    assert late.number == 1385
    assert not late.is_open(api.server_now())


def test_between_rounds_there_is_no_current_one(api, stand_in):
    stand_in.control(set_time="2026-03-04T11:00:00Z")
    with pytest.raises(RoundNotOpen):
        api.current_round()


def test_the_time_is_the_servers_not_this_machines(api, stand_in):
    stand_in.control(set_time="2031-05-06T07:08:09Z")
    api.datasets()
    seen = api.server_now()
    assert timedelta(0) <= seen - datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC) < timedelta(seconds=5)


def test_recent_rounds_are_newest_first_and_old_ones_resolve(api):
    rounds = api.recent_rounds(7)
    assert [item.number for item in rounds] == list(range(1385, 1378, -1))
    assert {item.open_time.weekday() for item in rounds} == {1, 2, 3, 4, 5}


def test_an_unknown_model_names_the_nearest(api):
    with pytest.raises(Rejected, match=r"no model 'alhpa', did you mean 'alpha'\?"):
        api.model_id("alhpa")


def test_scores_are_read_with_their_types(api, stand_in):
    stand_in.control(
        scores={"alpha": [{"roundNumber": 7, "displayName": "v2_corr20", "value": 0.02}]}
    )
    (score,) = api.submission_scores(api.model_id("alpha"))
    assert (score.round, score.name, score.value, score.resolved) == (7, "v2_corr20", 0.02, True)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("500", {}),
        ("503", {}),
        ("429", {}),
        ("cut", {}),
        ("cut_body", {}),
        ("accept_then_cut", {}),
        ("truncated", {}),
        ("not_json", {}),
        ("error", {"message": "Internal server error"}),
        ("hang", {}),
        ("slow", {"seconds": 3}),
        ("drip", {"seconds": 0.2}),
    ],
)
def test_a_query_is_repeated_until_it_is_answered(api, stand_in, waits, kind, options):
    times = 4
    if kind in ("hang", "slow", "drip"):
        times, api.transport.timeout_seconds = 1, 1.0
    stand_in.fault("rounds", kind, times=times, **options)
    assert api.current_round().number == 1385
    assert len(waits.seconds) == times
    assert stand_in.state()["requests"]["rounds"] == times + 1


@pytest.mark.parametrize(
    "kind",
    [
        *("500", "cut", "hang", "accept_then_cut", "accept_then_hang", "cut_body", "not_json"),
        *("error", "drip", "accept_then_drip"),
    ],
)
def test_a_mutation_that_may_have_been_done_is_never_repeated(api, stand_in, waits, kind):
    model = api.model_id("alpha")
    address = api.upload_auth(model)
    api.put(address.url, b"id,prediction\n")
    more = {"seconds": 0.2} if "drip" in kind else {"message": "Internal server error"}
    stand_in.fault("create_submission", kind, **more)
    api.transport.timeout_seconds = 1.0 if "hang" in kind or "drip" in kind else 20.0
    with pytest.raises(Unavailable) as caught:
        api.create_submission(address.filename, model)
    assert caught.value.outcome_unknown
    assert waits.seconds == []
    state = stand_in.state()
    assert state["requests"]["create_submission"] == 1
    done = kind.startswith("accept") or kind == "cut_body"
    assert [item.filename for item in api.submissions(model)] == [address.filename] * done


def test_a_mutation_that_was_refused_for_haste_is_repeated(api, stand_in, waits):
    model = api.model_id("alpha")
    address = api.upload_auth(model)
    api.put(address.url, b"id,prediction\n")
    stand_in.fault("create_submission", "429", times=2, retry_after=7)
    api.create_submission(address.filename, model)
    assert len(waits.seconds) == 2
    assert min(waits.seconds) >= 7
    assert len(stand_in.state()["submissions"]) == 1


def test_a_retry_after_that_is_too_long_is_told_instead_of_waited_for(api, stand_in, waits):
    stand_in.fault("rounds", "429", times=-1, retry_after=3600)
    with pytest.raises(Unavailable) as caught:
        api.current_round()
    assert caught.value.retry_after == 3600
    assert waits.seconds == []


def test_no_connection_is_certain_not_to_have_done_anything(waits):
    api = Tournament(KEYS, url="http://127.0.0.1:9", attempts=3, sleep=waits)
    with pytest.raises(
        Unavailable, match=r"there is no connection \(Connection refused\)"
    ) as caught:
        api.create_submission("a.csv", "m")
    assert not caught.value.outcome_unknown
    assert len(waits.seconds) == 2


def test_the_status_of_an_upload_is_checked(api, stand_in):
    address = api.upload_auth(api.model_id("alpha"))
    stand_in.fault("put", "403", times=-1)
    with pytest.raises(Unavailable, match="refused with HTTP 403") as caught:
        api.put(address.url, b"x")
    assert caught.value.status == 403
    assert stand_in.state()["requests"]["put"] == 1
    stand_in.control(clear_faults=True)
    stand_in.fault("put", "500", times=2)
    api.put(address.url, b"x")
    assert stand_in.state()["uploads"] == 1


def test_an_upload_address_expires(api, stand_in):
    address = api.upload_auth(api.model_id("alpha"))
    stand_in.control(advance=3600)
    with pytest.raises(Unavailable, match="HTTP 403"):
        api.put(address.url, b"x")


def test_wrong_keys_are_the_users_to_mend(stand_in):
    api = Tournament(Keys(PUBLIC, "not-the-secret"), url=stand_in.url)
    with pytest.raises(WrongKeys, match="does not accept the keys") as caught:
        api.models()
    assert caught.value.exit_code == 2
    assert "not-the-secret" not in str(caught.value)
    with pytest.raises(Rejected, match="NUMERAI_PUBLIC_ID and NUMERAI_SECRET_KEY"):
        Tournament(None, url=stand_in.url).models()


def test_a_server_that_repeats_a_key_does_not_get_it_into_an_error(api, stand_in):
    stand_in.fault("account", "error", message=f"bad Token {PUBLIC}${SECRET} at https://x/y?sig=z")
    with pytest.raises(Rejected) as caught:
        api.models()
    told = str(caught.value) + repr(caught.value) + repr(api) + repr(KEYS)
    assert PUBLIC not in told
    assert SECRET not in told
    assert "sig=z" not in told
    assert "***" in told


def test_a_signed_address_is_not_shown(api):
    address = api.upload_auth(api.model_id("alpha"))
    assert "Signature" in address.url
    assert "Signature" not in repr(address)


def test_an_answer_of_another_form_is_one_sentence(api, stand_in, monkeypatch):
    monkeypatch.setattr(api.client, "raw_query", lambda *a, **k: {"data": {"account": None}})
    with pytest.raises(TournamentError, match="another form than expected"):
        api.models()


def test_our_client_has_what_numerapis_constructor_sets(stand_in):
    """It is not called, because it configures logging and reads .env; this notices a change."""
    handlers = list(logging.getLogger().handlers)
    level = logging.getLogger().level
    theirs = vars(numerapi.NumerAPI("public", "secret", verbosity="WARNING"))
    logging.getLogger().handlers[:], logging.getLogger().level = handlers, level
    ours = vars(Tournament(KEYS, url=stand_in.url).client)
    assert set(theirs) <= set(ours)
    assert ours["tournament_id"] == theirs["tournament_id"] == 8


def test_no_env_file_is_read_and_no_logging_configured(stand_in, tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("NUMERAI_PUBLIC_ID=a\nNUMERAI_SECRET_KEY=b\n")
    monkeypatch.chdir(tmp_path)
    before = list(logging.getLogger().handlers)
    assert Tournament(None, url=stand_in.url).client.token is None
    assert logging.getLogger().handlers == before


def test_backoff_grows_with_jitter_up_to_its_limit():
    low, high = Backoff(random=lambda: 0.0), Backoff(random=lambda: 1.0)
    assert [low.seconds(n, None) for n in range(7)] == [0.5, 1, 2, 4, 8, 15, 15]
    assert [high.seconds(n, None) for n in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert high.seconds(0, 12.0) == 12


def test_a_redirect_to_plain_http_elsewhere_is_not_followed(api, odd_server):
    def redirect(handler):
        handler.send_response(302)
        handler.send_header("Location", "http://192.0.2.1/file")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with (
        pytest.raises(TournamentError, match="neither https nor http on this machine"),
        api.transport.get(odd_server(redirect), {}),
    ):
        pass


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("cut", [False, True])
def test_answers_in_every_form_that_http_has(odd_server, waits, zipped, chunked, cut):
    names = [f"v5.3/{number}.parquet" for number in range(20_000)]
    body = json.dumps({"data": {"listDatasets": names}}).encode()
    body = gzip.compress(body) if zipped else body

    def answer(handler):
        handler.send_response(200)
        if zipped:
            handler.send_header("Content-Encoding", "gzip")
        handler.send_header(*CHUNKED if chunked else ("Content-Length", str(len(body))))
        handler.end_headers()
        sent = body[: len(body) // 2] if cut else body
        for start in range(0, len(sent), 5000):
            piece = sent[start : start + 5000]
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        handler.wfile.write(b"0\r\n\r\n" if chunked and not cut else b"")
        handler.close_connection = cut

    api = Tournament(url=odd_server(answer), timeout_seconds=5, attempts=2, sleep=waits)
    if cut:
        with pytest.raises(Unavailable, match="the answer was cut off"):
            api.datasets()
        assert len(waits.seconds) == 1
    else:
        assert api.datasets() == sorted(names)
