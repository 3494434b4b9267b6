"""The stand-in's HTTP: GraphQL by POST, uploads by PUT, files by GET, control at /_control."""

from __future__ import annotations

import contextlib
import email.utils
import itertools
import json
import re
import socket
import struct
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

from numerai_lab.stand_in.control import apply_control
from numerai_lab.stand_in.datasets import Served
from numerai_lab.stand_in.faults import BEFORE, Fault
from numerai_lab.stand_in.graphql import QueryError, parse, project
from numerai_lab.stand_in.listening import Server
from numerai_lab.stand_in.model_operations import MODEL_OPERATIONS
from numerai_lab.stand_in.operations import NOT_SIGNED_IN, OPERATIONS

_PIECE = 256 * 1024
_JSON = "application/json"
_SPOILT = 1024


class _Cut(Exception):
    """Close the connection here: with a reset, or with an end that comes too early."""

    def __init__(self, *, reset: bool = True) -> None:
        super().__init__()
        self.reset = reset


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "StandIn"
    sys_version = ""
    # Whole answers in one packet, at once: header and body apart would cost 40 ms each.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        """GraphQL, or control."""
        body = self._body()
        if urlsplit(self.path).path == "/_control":
            self._control(body)
            return
        with self._cutting():
            self._graphql(body)

    def do_PUT(self) -> None:
        """Take an upload at its signed address."""
        with self._cutting():
            body = self._body()
            fault = self._fault("put")
            if self._ended_before(fault):
                return
            world = self.server.world
            name = unquote(urlsplit(self.path).path.removeprefix("/upload/"))
            with self.server.lock:
                until = world.addresses.get(name)
                fine = until is not None and world.now < until
                if fine:
                    world.uploads[name] = body
            status, answer = (200, b"") if fine else (403, b"<Code>AccessDenied</Code>")
            self._after(fault)
            self._send(status, answer, "application/xml", fault)

    def do_GET(self) -> None:
        """Send a file, or the state."""
        path = unquote(urlsplit(self.path).path)
        if path == "/_control":
            with self.server.lock:
                state = self.server.world.to_json()
            self._send(200, json.dumps(state).encode(), _JSON)
            return
        with self._cutting():
            self._file(path.removeprefix("/files/"))

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the Date header: the server's own clock."""
        if timestamp is None:
            timestamp = self.server.world.now.timestamp()
        return email.utils.formatdate(timestamp, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: requests are counted in the state."""

    def _graphql(self, body: bytes) -> None:
        world = self.server.world
        try:
            asked = json.loads(body)
            query = parse(str(asked["query"]), asked.get("variables") or {})
        except (ValueError, KeyError, TypeError, IndexError, QueryError) as error:
            self._errors(f"Syntax error: {error}", None)
            return
        fault = self._fault(query.field)
        if self._ended_before(fault):
            return
        try:
            with self.server.lock:
                operation = (OPERATIONS | MODEL_OPERATIONS).get(query.field)
                if operation is None:
                    raise QueryError(f'Cannot query field "{query.field}" on "{query.kind}".')
                account = world.account_of(self.headers.get("Authorization", ""))
                do = partial(operation, world, query.arguments, account, self.server.url)
                if fault is not None and fault.kind == "accept_later":
                    world.later.append((world.now + timedelta(seconds=fault.seconds), do))
                else:
                    value = do()
            if fault is not None and fault.kind == "accept_later":
                self._hang(fault.seconds)
                raise _Cut
            with self.server.lock:
                data = project(value, query.selection, query.field)
        except QueryError as error:
            self._errors(str(error), fault)
            return
        self._after(fault)
        if fault is not None and fault.kind == "odd":
            data = _put(data, fault.path, fault.value)
        self._send(200, json.dumps({"data": {query.field: data}}).encode(), _JSON, fault)

    def _file(self, name: str) -> None:
        fault = self._fault("file", name)
        if self._ended_before(fault):
            return
        world = self.server.world
        with self.server.lock:
            opened = world.rounds.until(world.now, 2)
            if fault is not None and fault.kind == "stale":
                opened = opened[1:]
            served = world.datasets.serve(name, opened[0] if opened else None)
        if served is None or "X-Signature=" not in self.path:
            self._send(403, b"<Code>AccessDenied</Code>", "application/xml")
            return
        first, last = 0, served.size - 1
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if self.headers.get("If-Range", served.etag) != served.etag:
            asked = None
        if fault is not None and fault.kind == "ignore_range":
            asked = None
        headers = {
            "ETag": served.etag,
            "Last-Modified": email.utils.format_datetime(served.modified, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        if asked is not None:
            first = int(asked[1])
            last = min(int(asked[2]), last) if asked[2] else last
            if first > last:
                headers["Content-Range"] = f"bytes */{served.size}"
                self._send(416, b"", "application/xml", None, headers)
                return
            if fault is not None and fault.kind == "wrong_range":
                first //= 2
            headers["Content-Range"] = f"bytes {first}-{last}/{served.size}"
        body = Slice(served, first, last)
        with self.server.lock:
            share = fault.share if fault is not None and fault.kind == "cut_body" else 1.0
            world.file_bytes[name] += int(len(body) * share)
        kind = "application/octet-stream"
        self._send(206 if asked else 200, body, kind, fault, headers)

    def _control(self, body: bytes) -> None:
        try:
            with self.server.lock:
                apply_control(self.server.world, json.loads(body))
                state = self.server.world.to_json()
        except (ValueError, KeyError, TypeError) as error:
            self._send(400, json.dumps({"error": str(error)}).encode(), _JSON)
            return
        self._send(200, json.dumps(state).encode(), _JSON)

    def _fault(self, op: str, name: str = "") -> Fault | None:
        """Count the request and return the fault that hits it; clock faults happen here."""
        with self.server.lock:
            world = self.server.world
            world.do_what_is_due()
            world.requests[op] += 1
            fault = world.faults.next(op, name)
            if fault is not None and fault.kind == "advance":
                world.clock.set(world.now + timedelta(seconds=fault.seconds))
            if fault is not None and fault.kind == "close_round":
                current = world.rounds.latest(world.now)
                if current is not None:
                    world.clock.set(max(world.now, current.close_staking_time))
        return fault

    def _ended_before(self, fault: Fault | None) -> bool:
        """Answer a fault that ends the request before anything is done."""
        if fault is None or fault.kind not in BEFORE:
            return False
        if fault.kind == "hang":
            self._hang(fault.seconds)
        if fault.kind == "drip":
            self._drip(fault.seconds)
        if fault.kind in ("cut", "hang", "drip"):
            raise _Cut
        if fault.kind == "status":
            self._status(fault)
        elif fault.kind == "raw":
            self._send(200, fault.message.encode(), _JSON)
        elif fault.kind == "not_json":
            self._send(200, b"<html>Sign in to this network</html>", "text/html")
        else:
            self._errors(fault.message if fault.kind == "error" else NOT_SIGNED_IN, None)
        return True

    def _after(self, fault: Fault | None) -> None:
        """Let an answer get lost after the thing was done."""
        if fault is None or not fault.kind.startswith("accept_then"):
            return
        if fault.kind == "accept_then_hang":
            self._hang(fault.seconds)
        if fault.kind == "accept_then_drip":
            self._drip(fault.seconds)
        if fault.kind == "accept_then_status":
            self._status(fault)
        raise _Cut

    def _hang(self, seconds: float) -> None:
        """Wait, but no longer than the client does."""
        self.connection.settimeout(seconds)
        with contextlib.suppress(OSError):
            self.connection.recv(1)

    def _drip(self, seconds: float) -> None:
        """Send a header that never ends, until the client has had enough of it."""
        for byte in itertools.chain(b"HTTP/1.1 200 OK\r\nX-Slow: ", itertools.repeat(ord("x"))):
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(seconds)

    def _status(self, fault: Fault) -> None:
        headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
        self._send(fault.status, b"<html>error</html>", "text/html", None, headers)
        self.wfile.flush()

    def _errors(self, message: str, fault: Fault | None) -> None:
        body = json.dumps({"errors": [{"message": message}], "data": None}).encode()
        self._send(200, body, _JSON, fault)

    def _send(
        self,
        status: int,
        body: bytes | Slice,
        kind: str,
        fault: Fault | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        shape = fault.kind if fault is not None else ""
        size = share = len(body)
        if fault is not None and shape in ("truncated", "cut_body"):
            share = int(size * fault.share)
            size = share if shape == "truncated" else size
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        pause = 0.0
        piece = _PIECE
        if fault is not None and shape == "slow" and share:
            pieces = min(share, max(2, int(fault.seconds * 20)))
            piece, pause = -(-share // pieces), fault.seconds / pieces
        for start in range(0, share, piece):
            content = body[start : min(start + piece, share)]
            if shape == "corrupt":
                good = max(0, size - _SPOILT - start)
                content = content[:good] + bytes(len(content[good:]))
            self.wfile.write(content)
            if pause:
                self.wfile.flush()
                time.sleep(pause)
        if shape == "cut_body":
            raise _Cut(reset=False)

    @contextlib.contextmanager
    def _cutting(self) -> Any:
        try:
            yield
        except _Cut as cut:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.wfile.flush()
                if cut.reset:
                    no_linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))


def _put(data: Any, path: Sequence[str | int], value: Any) -> Any:
    """Return a copy of data with a value in the place of one field, where there is such a place."""
    if not path:
        return value
    first, *rest = path
    if isinstance(data, dict) and first in data:
        return {**data, first: _put(data[str(first)], rest, value)}
    if isinstance(data, list) and isinstance(first, int) and first < len(data):
        return [*data[:first], _put(data[first], rest, value), *data[first + 1 :]]
    return data


class Slice:
    """Bytes first..last of a file, read as they are sent: files may be larger than the memory."""

    def __init__(self, served: Served, first: int, last: int) -> None:
        self._served, self._first, self._size = served, first, last - first + 1

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        content = self._served.content
        if isinstance(content, bytes):
            return content[self._first + start : self._first + stop]
        with content.open("rb") as file:
            file.seek(self._first + start)
            return file.read(stop - start)
