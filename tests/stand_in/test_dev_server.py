"""dev-server: a person is told how to point the lab at the stand-in."""

import contextlib
import json
import signal
from datetime import UTC, datetime, timedelta

import pytest

from forked import COMMAND
from numerai_lab.tournament.server.api import Tournament
from stand_in import StandIn, clean_environment
from submit_lab import ONE


@contextlib.contextmanager
def ended_by(number, process):
    """Use a server, and see that it ends by this signal; it ends in any case."""
    try:
        yield process
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "the stand-in has ended" in err
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def dev_server(tournament, forks, tmp_path):
    process = forks.start(
        "dev-server", "--port", 0, "--data", tournament, "--models", "mine", cwd=tmp_path
    )
    with ended_by(signal.SIGINT, process):
        yield process


def test_dev_server_says_how_to_point_the_lab_at_it(dev_server, monkeypatch, lab, tmp_path):
    told = []
    while not told or "Files:" not in told[-1]:
        told.append(dev_server.stdout.readline())
    exports = [line.removeprefix("export ").strip() for line in told if line.startswith("export")]
    assert [line.split("=")[0] for line in exports] == [
        "NUMERAI_API_URL",
        "NUMERAI_PUBLIC_ID",
        "NUMERAI_SECRET_KEY",
    ]
    for line in exports:
        monkeypatch.setenv(*line.split("=", 1))
    monkeypatch.chdir(tmp_path)
    with Tournament() as api:
        current = api.current_round()
        assert current.is_open(api.server_now())
        assert abs(api.server_now() - datetime.now(UTC)) < timedelta(minutes=2)
    assert lab("data", "download", "--files", "features,live").code == 0
    assert "Nothing here reaches Numerai" in "".join(told)


def test_a_closed_round_to_practise_with(tournament, forks, tmp_path, final_runs):
    process = forks.start(
        *("dev-server", "--port", 0, "--data", tournament, "--closed", "--models", "alpha"),
        cwd=tmp_path,
    )
    with ended_by(signal.SIGTERM, process):
        told = [process.stdout.readline() for _ in range(8)]
        assert "submit ends with 75" in "".join(told)
        named = [line.removeprefix("export ").strip() for line in told if "export " in line]
        given = clean_environment(**dict(line.split("=", 1) for line in named))
        (tmp_path / "submit.yaml").write_text(ONE)
        asked = ("submit", "--config", "submit.yaml", "--runs-dir", final_runs)
        code, _, err = forks.run(*asked, cwd=tmp_path, env=given)
        assert code == 75, err
        assert "is not open, it closed at" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "nowhere"], "there is no such folder"),
        (["--data", "."], "has no live.parquet"),
        (["--version", "5"], "is not a version"),
        (["--models", ","], "no model is named"),
    ],
)
def test_dev_server_mistakes_are_one_sentence(lab, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    done = lab("dev-server", *arguments)
    assert done.code == 2
    assert words in done.err


def test_a_port_that_is_taken(stand_in, lab, tournament):
    port = stand_in.url.rsplit(":", 1)[1]
    done = lab("dev-server", "--port", port, "--data", tournament)
    assert done.code == 1
    assert f"port {port} cannot be used" in done.err


def test_without_data_there_is_an_invented_tournament(forks, tmp_path):
    # as in the background of a script, where Ctrl-C is not meant for it
    unheard = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {COMMAND}"
    process = forks.start("dev-server", "--port", 0, "--json", code=unheard, cwd=tmp_path)
    with ended_by(signal.SIGTERM, process):
        told = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert told["environment"]["NUMERAI_API_URL"] == told["url"]
        assert (tmp_path / told["data"] / "live.parquet").is_file()
        with Tournament(url=told["url"]) as api:
            assert api.datasets()


def test_it_ends_with_the_process_that_started_it(tournament, forks):
    server = StandIn.start(tournament, forks)
    server.process.stdin.close()
    assert server.process.wait(timeout=60) == 0
    server.process.close()
