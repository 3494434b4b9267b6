"""A server that sends too much, or names that lead elsewhere: nothing grows, nothing gets out."""

import gzip
import json
from types import SimpleNamespace

import pytest

from numerai_lab.errors import UserError
from numerai_lab.tournament import download_files
from numerai_lab.tournament.records.receipts import State
from numerai_lab.tournament.server.api import Tournament, TournamentError, Unavailable

NAME = "v5.3/train.parquet"
TOLD = 1000
MEGABYTE = bytes(2**20)


@pytest.fixture
def served(odd_server):
    """A server of one file, which sends it as `send(handler)` says; a client of it."""
    world = SimpleNamespace(sent=0, send=None, listed=[NAME], headers={})

    def answer(handler):
        if handler.command == "POST":
            address = f"http://127.0.0.1:{handler.server.server_address[1]}/file"
            data = {"dataset": address, "listDatasets": world.listed, "rounds": []}
            respond(handler, json.dumps({"data": data}).encode())
        elif handler.headers.get("Range") == "bytes=0-0":
            respond(handler, b"x", 206, {"Content-Range": f"bytes 0-0/{TOLD}", **world.headers})
        else:
            handler.close_connection = True
            world.send(handler)

    world.url = odd_server(answer)
    with Tournament(url=world.url, attempts=2, sleep=lambda _: None) as world.api:
        yield world


def respond(handler, body, status=200, headers=()):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in dict(headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def endless(world, **headers):
    """Send chunks of zeros until nobody reads them any more, at most 100 MB."""

    def send(handler):
        handler.send_response(206 if "Range" in handler.headers else 200)
        for name, value in {"Transfer-Encoding": "chunked", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        try:
            for _ in range(100):
                handler.wfile.write(b"100000\r\n" + MEGABYTE + b"\r\n")
                world.sent += len(MEGABYTE)
        except ConnectionError:
            pass

    return send


def test_a_file_that_does_not_end_is_given_up_at_the_size_told(served, tmp_path):
    served.send = endless(served, Content_Range=f"bytes 0-999/{TOLD}", Content_Length=str(TOLD))
    with pytest.raises(Unavailable, match=f"more than the {TOLD:,} bytes that it told"):
        download_files(served.api, tmp_path, [NAME], say=print)
    assert served.sent < 30 * len(MEGABYTE)  # what the sockets took before they were closed
    assert not (tmp_path / NAME).exists()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.part")) == 0


def test_a_file_that_comes_packed_is_refused_before_it_is_unpacked(served, tmp_path):
    packed = gzip.compress(bytes(2**20))
    served.send = lambda handler: respond(handler, packed, 200, {"Content-Encoding": "gzip"})
    with pytest.raises(TournamentError, match=r"comes packed \(gzip\), which was not asked for"):
        download_files(served.api, tmp_path, [NAME], say=print)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("size", ["", "-1", "1e3", "\u00b2", "9" * 5000, "0x10"])
def test_a_size_that_is_none_is_said(served, tmp_path, size):
    served.headers = {"Content-Range": f"bytes 0-0/{size}"}
    with pytest.raises(TournamentError, match="does not tell the file's size"):
        download_files(served.api, tmp_path, [NAME], say=print)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[" + b"[]," * 9_000_000 + b"[]]", "too large: 27,000,004 bytes would take"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"data": NaN}', "NaN is not JSON"),
        (b'{"data": "\xff"}', "not UTF-8"),
    ],
)
def test_an_answer_costs_no_more_than_it_may(odd_server, body, words):
    url = odd_server(lambda handler: respond(handler, body))
    with pytest.raises(Unavailable, match=words):
        Tournament(url=url, attempts=1).datasets()


def test_an_answer_that_unpacks_to_a_gigabyte(odd_server):
    packed = gzip.compress(bytes(65 * 2**20), 1)
    url = odd_server(lambda handler: respond(handler, packed, 200, {"Content-Encoding": "gzip"}))
    with pytest.raises(TournamentError, match="the answer is larger than 64 MB"):
        Tournament(url=url, attempts=1).datasets()


EVIL = (
    *(
        "../../x.json",
        "a/../../../x",
        "/etc/x.json",
        "C:x.json",
        "a/~/x.json",
        "a\\..\\x.json",
    ),
    *("x\x00.json", "x\x1b[2J.json", ".train.parquet.lock", "a//x.json", "x" * 300, "x.json.", ""),
)


@pytest.mark.parametrize("evil", EVIL)
def test_a_name_that_leads_elsewhere_is_not_written(odd_server, lab, tmp_path, monkeypatch, evil):
    listed = json.dumps({"data": {"listDatasets": [f"v5.3/{evil}", NAME]}}).encode()
    monkeypatch.setenv("NUMERAI_API_URL", odd_server(lambda handler: respond(handler, listed)))
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    before = sorted(tmp_path.rglob("*"))
    done = lab("data", "download", "--files", evil)
    assert done.code in (1, 2), done.out
    if evil.strip():
        assert "is not one of a file in a data version" in done.err
    assert "\x1b" not in done.err
    assert done.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(TournamentError, match="is not one of a file in a data version"):
        download_files(Tournament(), inside, [f"v5.3/{evil}"], say=print)


def test_a_name_that_leads_elsewhere_is_left_out_of_the_list(served, lab, monkeypatch):
    monkeypatch.setenv("NUMERAI_API_URL", served.url)
    served.listed = ["v5.3/../../x", "v5.3/\x1b[1mx", NAME]
    done = lab("data", "list")
    assert done.code == 0
    assert "warning: left out 2 names that no file can have, as 'v5.3/x'" in done.err
    assert "\x1b" not in done.err
    assert "train.parquet" in done.out
    served.listed = served.listed[:2]
    done = lab("data", "list")
    assert done.code == 2
    assert "the server lists no data version" in done.err


def test_a_link_in_the_place_of_a_part_is_not_followed(stand_in, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    folder = tmp_path / "data" / "v5.3"
    folder.mkdir(parents=True)
    (folder / ".features.json.part").symlink_to(mine)
    (folder / "features.json").symlink_to(mine)
    with Tournament(url=stand_in.url) as api:
        download_files(api, tmp_path / "data", ["v5.3/features.json"], say=print)
    assert mine.read_text() == "mine"
    assert not (folder / "features.json").is_symlink()
    assert "feature_sets" in (folder / "features.json").read_text()


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "", "a\\b", "C:", "~", "x\n"])
def test_records_lie_in_the_folder_of_records(tmp_path, lab, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="cannot be the name of a model"):
        State(tmp_path).folder(name)
    (tmp_path / "submit.yaml").write_text(
        f"slots: [{{name: a, run: x, model: {json.dumps(name)}}}]"
    )
    done = lab("submit", "--config", "submit.yaml")
    assert done.code == 2
    assert "slots[0].model" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["submit.yaml"]
