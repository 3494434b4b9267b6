"""Keys of accounts, the address of the tournament, and TLS."""

import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numerapi
import pytest

from numerai_lab.errors import UserError
from numerai_lab.tournament.server.access import (
    NUMERAI_API,
    Keys,
    api_url,
    is_stand_in,
    key_variables,
    keys_of,
    mistaken_for,
)
from numerai_lab.tournament.server.api import (
    Tournament,
    TournamentError,
    Unavailable,
)
from numerai_lab.tournament.server.transport import Transport
from numerai_lab.tournament.submitting.outcome import redact


def test_keys_come_from_the_environment_by_account():
    environ = {
        "NUMERAI_PUBLIC_ID": "a",
        "NUMERAI_SECRET_KEY": " b\n",
        "WORK_NUMERAI_PUBLIC_ID": "c",
    }
    assert keys_of(environ=environ) == Keys("a", "b")
    assert key_variables("my-work") == ("MY_WORK_NUMERAI_PUBLIC_ID", "MY_WORK_NUMERAI_SECRET_KEY")
    with pytest.raises(UserError, match="WORK_NUMERAI_SECRET_KEY is not set"):
        keys_of("work", environ)
    with pytest.raises(UserError, match="holds characters") as caught:
        keys_of(environ={**environ, "NUMERAI_SECRET_KEY": "two words"})
    assert "words" not in str(caught.value)


def test_only_what_can_be_a_key_is_masked():
    """Masking a text of one letter would take that letter out of every sentence."""
    environ = {"NUMERAI_PUBLIC_ID": "a", "NUMERAI_SECRET_KEY": "SECRETKEY9"}
    assert redact("a name and SECRETKEY9", environ) == "a name and ***"
    transport = Transport(("a", "SECRETKEY9"))
    assert transport.redact("a name and SECRETKEY9") == "a name and ***"


def test_names_that_are_probably_misprints():
    for name in ("NUMERAI_PUBLICID", "numerai_public_id", "NUMERAI_PUBLIC_KEY", "NUMERAI_PUBLC_ID"):
        assert mistaken_for(name) == "NUMERAI_PUBLIC_ID"
    for name in ("NUMERAI_API_URL", "WORK_NUMERAI_PUBLIC_ID", "NUMERAI_LAB_ENV", "AWS_SECRET_KEY"):
        assert mistaken_for(name) is None


@pytest.mark.parametrize(
    ("url", "fine", "stand_in"),
    [
        ("https://api-tournament.numer.ai", True, False),
        ("http://127.0.0.1:8765", True, True),
        ("http://localhost:8765/", True, True),
        ("http://[::1]:8765", True, True),
        ("http://10.0.0.7:8765", False, False),
        ("http://localhost.evil.example", False, False),
        ("http://localhost:1@evil.example", False, False),
        ("ftp://127.0.0.1", False, True),
        ("nonsense", False, False),
        ("http://127.0.0.1:port", False, True),
    ],
)
def test_only_https_or_this_machine(url, fine, stand_in):
    assert is_stand_in(url) == stand_in
    if fine:
        assert api_url({"NUMERAI_API_URL": url}) == url.rstrip("/")
    else:
        with pytest.raises(UserError, match="NUMERAI_API_URL"):
            api_url({"NUMERAI_API_URL": url})


def test_without_the_variable_it_is_numerais_own_address():
    assert api_url({}) == NUMERAI_API == numerapi.base_api.API_TOURNAMENT_URL


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_a_certificate_that_nobody_signed_is_not_accepted(tmp_path, waits):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
    made += "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout"
    subprocess.run(
        [*made.split(), str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Quiet(HTTPServer):
        def handle_error(self, *args):
            pass

    server = Quiet(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        api = Tournament(url=f"https://127.0.0.1:{server.server_address[1]}", sleep=waits)
        with pytest.raises(TournamentError, match="certificate is not accepted") as caught:
            api.current_round()
        assert not isinstance(caught.value, Unavailable)
        assert waits.seconds == []  # trying again is no use
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_tls_that_breaks_off_is_worth_another_try(stand_in, waits):
    """A handshake with something that is no TLS server, as a broken one looks."""
    api = Tournament(url=stand_in.url.replace("http:", "https:"), attempts=2, sleep=waits)
    with pytest.raises(Unavailable):
        api.current_round()
    assert len(waits.seconds) == 1


def test_netrc_does_not_take_the_place_of_the_keys(api, stand_in, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert set(api.models()) == {"alpha", "beta"}


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(api, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert api.current_round().number == 1385
