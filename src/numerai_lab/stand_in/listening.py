"""The stand-in's server: a thread for each connection, one world for all."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from numerai_lab.stand_in.world import World

HOST = "127.0.0.1"


class Server(ThreadingHTTPServer):
    """A stand-in that listens; `serve_forever` answers."""

    daemon_threads = True
    block_on_close = False
    # Many short connections of a test must not be refused.
    request_queue_size = 128

    def __init__(self, port: int, world: World, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__((HOST, port), handler)
        self.world = world
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The address to put into NUMERAI_API_URL."""
        return f"http://{HOST}:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]
