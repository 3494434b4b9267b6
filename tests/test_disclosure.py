"""What must not leave the process: keys, passwords in addresses, what a terminal would obey."""

import ast
import os
import sys
from pathlib import Path

import pytest

import numerai_lab
from cluster_lab import local_workers
from numerai_lab.disclosure import (
    child_environment,
    keys_hidden,
    presentable,
    without_passwords,
    without_signatures,
)
from numerai_lab.errors import LabError, UserError
from numerai_lab.experiment import Reporter
from numerai_lab.tournament.server.access import api_url
from numerai_lab.tournament.server.api import Tournament, TournamentError
from stand_in import KEYS

KEY = "K3Y-0123456789"
NAMES = (
    *("NUMERAI_SECRET_KEY", "NUMERAI_PUBLIC_ID", "WORK_NUMERAI_SECRET_KEY", "numerai_secret_key"),
    *("NUMERAI_SECRET_KEY_OLD", "NUMERAI_SECRET", "NUMERAI_API_KEY", "NUMERAI_API_TOKEN"),
    *("MY_NUMERAI_X_SECRET_2", "NUMERAI_PASSWORD", "NUMERAI_PUBLICID"),
)


def test_a_child_gets_no_key_whatever_it_is_called():
    environ = {name: f"{KEY}-{name}" for name in NAMES}
    copies = {"BACKUP": f"x{KEY}-NUMERAI_SECRETy", "LINE": f"a {KEY}-NUMERAI_API_KEY"}
    fine = {"PATH": "/bin", "NUMERAI_API_URL": "https://x", "SLACK_TOKEN": "theirs", "EMPTY": ""}
    assert child_environment({**environ, **copies, **fine}) == fine
    assert child_environment({"NUMERAI_SECRET_KEY": "a", "HOME": "/a"}) == {"HOME": "/a"}


def test_keys_come_back_after_they_were_hidden(monkeypatch):
    monkeypatch.setenv("NUMERAI_SECRET_KEY_2", KEY)
    with pytest.raises(KeyError), keys_hidden():
        _ = os.environ["NUMERAI_SECRET_KEY_2"]
    assert os.environ["NUMERAI_SECRET_KEY_2"] == KEY


@pytest.mark.slow
def test_workers_of_this_machine_get_no_key(monkeypatch):
    monkeypatch.setenv("NUMERAI_SECRET_KEY_2", KEY)
    with local_workers(cold=True) as cluster:
        found = cluster.on_all(os.getenv, "NUMERAI_SECRET_KEY_2", "none")
    assert set(found.values()) == {"none"}


def test_every_process_that_is_started_is_given_an_environment():
    """Or it would inherit the keys."""
    root = Path(numerai_lab.__file__).parent
    calls = []
    for path in sorted(root.rglob("*.py")):
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if "subprocess." in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("subprocess."):
                calls.append((path.name, {one.arg for one in node.keywords}))
    assert len(calls) >= 4
    assert [name for name, given in calls if "env" not in given] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ftp://u:KEY@h/", "ftp://***@h/"),
        ("'https://u:K/E@Y@host:80/x'", "'https://***@host:80/x'"),
        ("socks5h://u:KEY@h:1, s3://KEY@bucket/k", "socks5h://***@h:1, s3://***@bucket/k"),
        ("https://u:KEY#1@h/x?sig=KEY", "https://***@h/x?..."),
        ("no address: u:p@h, https://h:8080/a@b", "no address: u:p@h, https://h:8080/a@b"),
        ("http://[::1 http://h/ mail@h", "http://[::1 http://h/ mail@h"),
    ],
)
def test_passwords_in_addresses(text, shown):
    assert without_signatures(text) == shown
    assert "KEY" not in without_passwords(text).partition("?")[0]
    error = LabError(text, where=text, fix=text)
    assert str(error) == "{0}: {0}; {0}".format(without_passwords(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b]0;title\x07x\x1b]8;;http://h\x1b\\link", "xlink"),
        ("\x9b2Jx\x1bcx\x00\x08\r\x7f", "xx"),
        ("right\u202eleft\u2066", "rightleft"),
        ("caf\udce9 \ud800", "caf\\xe9 \\ud800"),
        ("two\nlines\tπ – ok", "two\nlines\tπ – ok"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text, shown):
    assert presentable(text) == shown
    assert str(LabError(text)) == shown


@pytest.mark.parametrize(
    "address", [f"ftp://u:{KEY}@h/", f"http://u:{KEY}@h/", f"https://u:{KEY}@[::1", f"x:{KEY}@h://"]
)
def test_a_wrong_address_of_the_api_is_told_without_its_password(lab, monkeypatch, address):
    monkeypatch.setenv("NUMERAI_API_URL", address)
    done = lab("data", "list", "--json")
    assert done.code == 2
    assert KEY not in (done.out + done.err).replace(f"x:{KEY}@h://", "")
    assert "is neither an https address nor http on this machine" in done.err


def test_an_address_with_a_password_is_not_in_a_repr():
    url = api_url({"NUMERAI_API_URL": f"https://u:{KEY}@127.0.0.1:9"})
    assert KEY not in repr(Tournament(url=url))


@pytest.mark.parametrize(
    "proxy", ["http://u:{}@127.0.0.1:9", "ftp://u:{}@h/", "http://u:{}@[::1", "socks5://u:{}@h:1"]
)
def test_a_proxy_is_told_without_its_password(monkeypatch, proxy):
    monkeypatch.setenv("HTTPS_PROXY", proxy.format(KEY))
    monkeypatch.setenv("NO_PROXY", "")
    api = Tournament(KEYS, url="https://192.0.2.1", attempts=1)
    with pytest.raises(TournamentError) as caught:
        api.models()
    assert KEY not in str(caught.value)


def test_a_run_is_passed_on_without_passwords(lab, tmp_path, tournament, tiny_config, monkeypatch):
    secret = f"ftp://u:{KEY}@h/x?sig={KEY}"
    tiny_config.write_text(tiny_config.read_text() + f'question: "as {secret}"\n')
    named = f"question=is it {secret}"
    monkeypatch.setattr(sys, "argv", ["numerai-lab", "train", "--set", named])
    monkeypatch.setenv("NUMERAI_SECRET_KEY_2", "0123456789")
    done = lab("train", tiny_config, "--run-dir", tmp_path / "run", "--set", named, "--json")
    assert done.code == 0, done.err
    assert "the config has an address with a password or signature" in done.err
    holding = {
        path.name: path.stat().st_mode & 0o777
        for path in (tmp_path / "run").rglob("*")
        if path.is_file() and KEY.encode() in path.read_bytes()
    }
    assert holding == {"config.yaml": 0o600, "resolved.yaml": 0o600}
    assert KEY not in done.out + done.err


def test_sentences_of_a_run_are_clean_on_the_screen_and_in_its_log(tmp_path, capsys):
    with Reporter() as reporter:
        reporter.log_to(tmp_path / "log.jsonl")
        reporter.say(f"reading ftp://u:{KEY}@h/\x1b[2J")
        reporter.warn(f"reading ftp://u:{KEY}@h/\x1b[2J")
        reporter.log_to(None)
    told = capsys.readouterr().err
    assert told == "reading ftp://***@h/\nwarning: reading ftp://***@h/\n"
    assert KEY not in (tmp_path / "log.jsonl").read_text()


def test_user_errors_keep_their_parts():
    error = UserError("wrong", where="a", fix="do")
    assert (error.what, error.where, error.fix, str(error)) == ("wrong", "a", "do", "a: wrong; do")
    assert UserError("wrong").where is None
