"""Answers that make no sense: a sentence or success, never another exception; other slots go on."""

import email.utils
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerai_lab.errors import LabError
from numerai_lab.tournament.monitoring.diagnostics import read_diagnostics, upload_diagnostics
from numerai_lab.tournament.server.api import Rejected, Tournament, TournamentError, Unavailable
from numerai_lab.tournament.server.headers import retry_after, time_in
from stand_in import KEYS
from submit_lab import ThreadStandIn

TIMES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-03-03", "12", "99:99")
TEXTS = (
    "",
    "1385",
    "-1",
    "1e999",
    "\x1b[2J",
    "\ud800",
    "http://[::1",
    "ftp://u:K3Y@h/",
    "x" * 2000,
)
ESCAPES = r"\u001b[31mred\u001b[0m \ud800"
SCALARS = st.one_of(
    st.sampled_from([None, True, False, 0, -1, 2**60, 10**400, 0.5, 1e300, *TIMES, *TEXTS]),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def fetch(api, _):
    with api.transport.get(api.dataset_url("v5.3/live.parquet"), {}):
        pass


ROUND = ("number", "openTime", "closeTime", "closeStakingTime", "roundScoreConfigs")
SCORE = ("roundNumber", "value", "percentile", "displayName", "resolved", "day", "date")
DIAGNOSTICS = ("status", "message", "erasAcceptedCount", "trainedOnVal", "validationCorrMean")
AUTH = ([], ["filename"], ["url"])
OPERATIONS = {
    "rounds": (
        lambda api, _: (api.current_round(), api.recent_rounds(3)),
        [[], [0], *([0, name] for name in ROUND)],
    ),
    "account": (
        lambda api, _: (api.models(), api.model_id("alpha")),
        [[], ["models"], ["models", 0], *(["models", 0, n] for n in ("id", "name", "tournament"))],
    ),
    "model": (
        lambda api, model: api.submissions(model),
        [
            *([], ["submissions"], ["submissions", 0], ["submissions", 0, "filename"]),
            *(["submissions", 0, "selected"], ["submissions", 0, "round"]),
            ["submissions", 0, "round", "number"],
        ],
    ),
    "submissions": (
        lambda api, model: api.submissions(model),
        [[], [0], [0, "id"], [0, "filename"], [0, "insertedAt"]],
    ),
    "submission_upload_auth": (
        lambda api, model: api.put(api.upload_auth(model).url, b"x"),
        AUTH,
    ),
    "create_submission": (
        lambda api, model: api.create_submission("a.csv", model),
        [[], ["id"]],
    ),
    "listDatasets": (lambda api, _: api.datasets(), [[], [0]]),
    "dataset": (fetch, [[]]),
    "submissionScores": (
        lambda api, model: api.submission_scores(model),
        [[], [0], *([0, name] for name in SCORE)],
    ),
    "diagnosticsUploadAuth": (lambda api, model: upload_diagnostics(api, model, b"x"), AUTH),
    "createDiagnostics": (lambda api, model: upload_diagnostics(api, model, b"x"), [[], ["id"]]),
    "diagnostics": (
        lambda api, model: read_diagnostics(api, model, "1"),
        [[], *([name] for name in DIAGNOSTICS)],
    ),
}


@pytest.fixture(scope="module")
def world(final_runs):
    """A server with a submission and a score, and a client of it."""
    server = ThreadStandIn.start(final_runs.parent / "data")
    with Tournament(KEYS, url=server.url, attempts=1, sleep=lambda _: None) as api:
        model = api.model_id("alpha")
        auth = api.upload_auth(model)
        api.put(auth.url, b"id,prediction\n")
        api.create_submission(auth.filename, model)
        score = {"roundNumber": 1380, "displayName": "v2_corr20", "value": 0.01}
        server.control(scores={"alpha": [score]})
        yield server, api, model
    server.stop()


@settings(max_examples=150)
@given(data=st.data())
def test_any_value_in_any_place_is_a_sentence_or_success(world, data):
    server, api, model = world
    op = data.draw(st.sampled_from(list(OPERATIONS)))
    call, paths = OPERATIONS[op]
    path, value = data.draw(st.sampled_from(list(paths))), data.draw(VALUES)
    server.fault(op, "odd", times=-1, path=path, value=value)
    try:
        call(api, model)
    except LabError as error:
        told = str(error)
        assert "\x1b" not in told
        assert "K3Y" not in told
        told.encode()
    finally:
        server.control(clear_faults=True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[" * 100_000, "nested too deep"),
        ('{"data": {"rounds": [{"number": 1e999}]}}', "another form"),
        ('{"data": [1]}', "not one of Numerai's API"),
        ('{"errors": {"message": [[["x"]]]}}', "no reason given"),
        (
            '{"errors": [{"message": "\\u001b[31mred\\u001b[0m \\ud800 ftp://u:K3Y@h/"}]}',
            "red \\\\ud800",
        ),
        ('{"errors": 5, "data": null}', "no reason given"),
        ("", "not JSON"),
    ],
)
def test_whole_bodies(world, body, words):
    server, api, _ = world
    server.fault("rounds", "raw", message=body)
    with pytest.raises(LabError, match=words) as caught:
        api.current_round()
    server.control(clear_faults=True)
    assert "K3Y" not in str(caught.value)


def test_a_model_without_a_name_beside_a_good_one(world):
    server, api, model = world
    for value in (None, 5, {}, "\x1b[1m"):
        server.fault("account", "odd", path=["models", 1, "name"], value=value, times=2)
        assert api.model_id("alpha") == model
        with pytest.raises(Rejected, match=r"no model 'beta' \(it has: alpha, and 1 whose name"):
            api.model_id("beta")
    server.fault("account", "odd", path=["models", 1], value=None)
    assert api.models() == {"alpha": model}


def test_a_submission_that_counts_for_no_round_yet(world):
    server, api, model = world
    (before,) = api.submissions(model)
    server.fault("model", "odd", path=["submissions", 0, "round"], value=None)
    (found,) = api.submissions(model)
    assert (found.round, found.filename) == (None, before.filename)
    for time in TIMES[:2]:  # the round tells enough
        server.fault("submissions", "odd", path=[0, "insertedAt"], value=time)
        (found,) = api.submissions(model)
        assert (found.round, found.inserted_at) == (before.round, None)
    server.fault("model", "odd", path=["submissions", 0, "round"], value=None)
    server.fault("submissions", "odd", path=[0, "insertedAt"], value=None)
    with pytest.raises(TournamentError, match="a submission without round and time"):
        api.submissions(model)


def test_numbers_as_text_are_numbers(world):
    server, api, model = world
    server.fault("rounds", "odd", path=[0, "number"], value="1385")
    assert api.current_round().number == 1385
    server.fault("submissionScores", "odd", path=[0, "value"], value="0.25")
    assert [one.value for one in api.submission_scores(model)] == [0.25]


@pytest.mark.parametrize(
    "header",
    [
        *("-0000", "nan", "inf", "1e999", "-5", "1_0", "9" * 30, "soon", "\u00b2", ""),
        *("Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -1200"),
        "Tue, 03 Mar 2026 12:00:00 -0000",
    ],
)
def test_headers_of_any_kind(odd_server, header):
    def answer(handler):
        handler.send_response(503)
        for name in ("Retry-After", "Date", "Last-Modified"):
            handler.send_header(name, header)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    waited = []
    api = Tournament(url=odd_server(answer), attempts=2, sleep=waited.append)
    with pytest.raises(Unavailable, match="HTTP 503") as caught:
        api.current_round()
    assert caught.value.retry_after in (None, 0.0)
    assert len(waited) == 1
    assert abs(api.server_now() - datetime.now(UTC)) < timedelta(days=3650)


def test_times_of_headers():
    assert retry_after({"Retry-After": "120"}) == 120
    soon = email.utils.format_datetime(datetime.now(UTC) + timedelta(hours=1))
    assert 3500 < retry_after({"Retry-After": soon}) <= 3600
    # a zone of -0000 says that the zone is not known, not that it is this machine's
    assert time_in({"Date": "Tue, 03 Mar 2026 12:00:00 -0000"}, "Date").hour == 12


SUBMITTED = [("alpha", 1385), ("gamma", 1385)]
WRONG = [
    ("account", {"path": ["models", 1, "name"], "value": None, "times": -1}, 0, ""),
    ("model", {"path": ["submissions"], "value": [None]}, 1, "another form"),
    ("submissions", {"path": [], "value": {"a": 1}}, 1, "expected a list"),
    ("submission_upload_auth", {"path": ["url"], "value": "http://[::1"}, 1, "neither https nor"),
    (
        "submission_upload_auth",
        {"path": ["filename"], "value": "\x1b[2Jx"},
        1,
        "control characters",
    ),
    ("create_submission", {"path": ["id"], "value": [[]]}, 0, "no answer to the submission"),
    ("dataset", {"path": [], "value": "http://[::1"}, 1, "neither https nor"),
    ("rounds", {"path": [0, "openTime"], "value": TIMES[0]}, 1, "a time in the year 1"),
    ("rounds", {"path": [0, "closeTime"], "value": TIMES[1]}, 1, "a time in the year 9999"),
]


@pytest.mark.parametrize(("op", "fault", "code", "words"), WRONG)
def test_other_slots_go_on_and_somebody_is_told(submit, start, op, fault, code, words):
    out = submit.folder / "told"
    path = submit.slots()
    path.write_text(f"{path.read_text()}on_failure: {{command: [sh, -c, 'cat >> {out}']}}\n")
    submit.server.fault(op, "odd", **fault)
    done = start()
    assert done.code == code, done.err
    assert words in done.err
    assert "Traceback" not in done.err
    assert "K3Y" not in done.err
    if code and op != "rounds":
        assert submit.submissions() == SUBMITTED[1:]
        assert words in out.read_text()
    submit.server.control(clear_faults=True)
    assert start().code == 0
    assert sorted(submit.submissions()) == SUBMITTED


def test_a_start_that_cannot_begin_is_told_once(submit, start):
    out = submit.folder / "told"
    path = submit.slots()
    path.write_text(f"{path.read_text()}on_failure: {{command: [sh, -c, 'cat >> {out}']}}\n")
    for _ in range(2):
        done = start(NUMERAI_API_URL="http://u:K3Y@[::1")
        assert done.code == 2
        assert done.err.count("\n") == 1
        assert "'http://***@[::1' is neither an https address" in done.err
    told = out.read_text()
    assert told.count("numerai-lab submit: nothing was begun: NUMERAI_API_URL: ") == 1
    assert "K3Y" not in told
    assert start().code == 0
