"""HTTP as an unattended submission needs it: checked, timed, retried, and without keys in errors.

numerapi posts without a timeout, turns network errors and HTTP 4xx into `{}` and never checks the
status of an upload (read in its base_api.py and utils.py, 3.1.1); this takes the place of that.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter

from numerai_lab.disclosure import SHORTEST_SECRET, without_controls, without_signatures
from numerai_lab.tournament.server.access import is_loopback
from numerai_lab.tournament.server.bounded_json import MOST_BYTES, read_json
from numerai_lab.tournament.server.deadline import within
from numerai_lab.tournament.server.headers import is_packed, retry_after, time_in
from numerai_lab.tournament.server.problems import (
    TournamentError,
    Unavailable,
    host_of,
    network_errors,
)

_CHUNK = 64 * 2**10
_GRACE_SECONDS = 0.5
"""What a whole answer may take beyond the timeout: a read that stood still is told as such."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting between tries: exponential, with jitter so that clients do not march in step.

    The n-th wait is uniform in [half, whole] of `min(longest, first * 2**n)` seconds; a server's
    Retry-After is a lower bound, up to `longest_retry_after` (longer: give up and say so).
    """

    first: float = 1.0
    longest: float = 30.0
    longest_retry_after: float = 120.0
    random: Callable[[], float] = field(default=random.random, repr=False)

    def seconds(self, attempt: int, retry_after: float | None) -> float:
        """Return the wait after the failed try number `attempt` (0, 1, ...)."""
        whole = min(self.longest, self.first * 2.0**attempt)
        return max(whole * (0.5 + self.random() / 2), retry_after or 0.0)


class _LoopbackOnly(HTTPAdapter):
    """Plain http stays on this machine, redirects included."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        if not is_loopback(request.url or ""):
            raise requests.exceptions.InvalidSchema("plain http to another machine")
        return super().send(request, *args, **kwargs)


class Transport:
    """One HTTP session: TLS verified, no redirect to plain http, no credentials from .netrc.

    Parameters
    ----------
    secrets : texts that must never be shown; replaced by *** in every error, unless shorter than
        `disclosure.SHORTEST_SECRET`.
    timeout_seconds : for connecting, for each read, and for a whole answer: its header, and its
        body unless that is a file.
    attempts : tries of a request that may be repeated.
    clock, sleep : seconds that only grow, and waiting; tests pass their own.
    """

    def __init__(
        self,
        secrets: tuple[str, ...] = (),
        *,
        timeout_seconds: float = 30.0,
        attempts: int = 5,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._secrets = tuple(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)
        self.timeout_seconds, self.attempts = timeout_seconds, attempts
        self.backoff = backoff or Backoff()
        self.clock, self.sleep = clock, sleep
        self._server_time: tuple[datetime, float] | None = None
        self._session = _new_session()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def redact(self, text: str) -> str:
        """Return text without secrets, signatures of signed URLs, and control characters."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return without_signatures(without_controls(text))

    def server_now(self) -> datetime | None:
        """Return the server's time, UTC, from its last Date header; None before any answer."""
        if self._server_time is None:
            return None
        said, at = self._server_time
        return said + timedelta(seconds=self.clock() - at)

    def post_json(
        self,
        url: str,
        body: Any,
        headers: Mapping[str, str],
        *,
        repeatable: bool,
        check: Callable[[Any], None],
    ) -> tuple[int, Any]:
        """POST JSON and return (status, JSON answered) of an answer below 500 other than 429.

        The JSON is None where a refusal (HTTP 4xx) has none.

        Parameters
        ----------
        repeatable : doing it twice is harmless. If not, it is sent again only while it certainly
            was not carried out (nothing was sent, or HTTP 429).
        check : is given the JSON, and raises what its words mean; on Unavailable it is tried again.

        Raises
        ------
        Unavailable : after all attempts; `outcome_unknown` where it may have been carried out.
        """

        def ask() -> tuple[int, Any]:
            status, answered = self._answer(
                "POST", url, json=body, headers=dict(headers), allow_redirects=False
            )
            reason = ""
            try:
                read = read_json(answered)
            except UnicodeDecodeError:
                read, reason = None, ", not UTF-8"
            except ValueError as error:
                read, reason = None, f", {str(error)[:80]}"
            if read is not None or status >= 400:
                check(read)
                return status, read
            # A proxy's or hotel's page, or an answer that was cut short.
            raise Unavailable(
                f"the answer is not JSON (HTTP {status}, {len(answered)} bytes{reason})",
                where=host_of(url),
                status=status,
                outcome_unknown=True,
                fix="check the address and any proxy, then try again later",
            )

        return self._tries(ask, repeatable=repeatable)

    def put(self, url: str, data: bytes) -> None:
        """PUT bytes to a signed URL; the status is checked. Doing it twice is harmless.

        Raises
        ------
        Unavailable : no success after all attempts; for HTTP 4xx after the first (`status`): the
            address has expired or is wrong, and a new one may do.
        """
        status, body = self._tries(
            lambda: self._answer("PUT", url, data=data, allow_redirects=False), repeatable=True
        )
        if not 200 <= status < 300:
            reason = self.redact(body.decode("utf-8", "replace").strip()[:120])
            raise Unavailable(
                f"the upload was refused with HTTP {status}" + (f" ({reason})" if reason else ""),
                where=host_of(url),
                status=status,
                fix="run again: a new upload address is asked for",
            )

    @contextlib.contextmanager
    def get(self, url: str, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """Open a GET whose body is read by the caller in pieces; one try, any status.

        `headers` go on top of `Accept-Encoding: identity`: sizes must be those of the file.

        Raises
        ------
        Unavailable : no answer.
        """
        with network_errors(url, self.timeout_seconds, self.redact):
            response = self._request(
                "GET", url, headers={"Accept-Encoding": "identity", **headers}, stream=True
            )
        with response:
            yield response

    def pieces(self, response: requests.Response) -> Iterator[bytes]:
        """Yield the body of a `get` as it comes; as much as comes, so the caller counts.

        Raises
        ------
        Unavailable : the connection broke, stood still or ended too early.
        TournamentError : it is packed although that was not asked for, so its size says nothing.
        """
        if is_packed(response.headers):
            raise TournamentError(
                "the file comes packed "
                f"({without_controls(response.headers['Content-Encoding'])[:20]}), which was not "
                "asked for, so its size cannot be checked",
                where=host_of(response.url),
                fix="check any proxy, then try again later",
            )
        while True:
            with network_errors(response.url, self.timeout_seconds, self.redact):
                piece: bytes = response.raw.read1(_CHUNK, decode_content=False)
            if not piece:
                return
            yield piece

    def _tries(self, ask: Callable[[], T], *, repeatable: bool) -> T:
        for attempt in range(self.attempts):
            try:
                return ask()
            except Unavailable as error:
                error.outcome_unknown = error.outcome_unknown and not repeatable
                too_long = (error.retry_after or 0) > self.backoff.longest_retry_after
                if error.outcome_unknown or too_long or attempt == self.attempts - 1:
                    raise
                self.sleep(self.backoff.seconds(attempt, error.retry_after))
        raise AssertionError("attempts must be at least 1")

    def _answer(self, method: str, url: str, **options: Any) -> tuple[int, bytes]:
        """One request with its whole body, inside the timeout. Raises Unavailable."""
        body = bytearray()

        def read(response: requests.Response) -> None:
            with response:
                while piece := response.raw.read1(_CHUNK, decode_content=True):
                    body.extend(piece)
                    if len(body) > MOST_BYTES:
                        raise TournamentError(
                            f"the answer is larger than {MOST_BYTES >> 20} MB",
                            where=host_of(url),
                            fix="check the address and any proxy, then try again later",
                        )

        with network_errors(url, self.timeout_seconds, self.redact):
            response = self._request(method, url, read, stream=True, **options)
        status = response.status_code
        if status == 429 or status >= 500:
            raise Unavailable(
                "the server asks to slow down (HTTP 429)"
                if status == 429
                else f"the server failed (HTTP {status})",
                where=host_of(url),
                outcome_unknown=status != 429,
                retry_after=retry_after(response.headers),
                status=status,
                fix="try again later",
            )
        return status, bytes(body)

    def _request(
        self,
        method: str,
        url: str,
        read: Callable[[requests.Response], None] = lambda _: None,
        **options: Any,
    ) -> requests.Response:
        """Send a request and `read` its answer, all of it inside the timeout.

        Raises TimeoutError, and what requests raises.
        """
        session = self._session
        # A proxy of the environment knows nothing of this machine's loopback.
        session.trust_env = not is_loopback(url)

        def ask() -> tuple[requests.Response, float]:
            response = session.request(method, url, timeout=self.timeout_seconds, **options)
            answered = self.clock()
            read(response)
            return response, answered

        try:
            response, answered = within(self.timeout_seconds + _GRACE_SECONDS, ask)
        except TimeoutError:
            self._session = _new_session()  # the other one is still in use
            raise
        date = time_in(response.headers, "Date")
        # Files may come from a cache; the API's own clock is the one that counts.
        if date is not None and method == "POST":
            self._server_time = date, answered
        return response


def _new_session() -> requests.Session:
    session = requests.Session()
    session.mount("http://", _LoopbackOnly())
    # An auth object of our own keeps requests from putting a .netrc entry in its place.
    session.auth = _unchanged
    return session


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
