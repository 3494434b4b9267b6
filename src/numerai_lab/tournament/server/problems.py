"""What can go wrong with the server: the errors, and network trouble told in one sentence."""

from __future__ import annotations

import contextlib
import http.client
import re
import ssl
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import requests
import urllib3

from numerai_lab.errors import LabError, UserError
from numerai_lab.tournament.server.access import URL_VARIABLE, is_loopback

_CHECK_NETWORK = "check the network of this machine"
_START_STAND_IN = f"start `numerai-lab dev-server` there, or unset {URL_VARIABLE} for Numerai"


class TournamentError(LabError):
    """The server or the network did not do its part; exit code 1."""


class Unavailable(TournamentError):
    """Worth another try: no connection, a timeout, HTTP 429 or 5xx, an address that expired.

    Attributes
    ----------
    outcome_unknown : the request may have been carried out although no answer came. Ask the
        server before sending it again.
    retry_after : seconds that the server asked to wait, or None.
    status : HTTP status, or None when there was no answer.
    """

    def __init__(
        self,
        what: str,
        *,
        outcome_unknown: bool = False,
        retry_after: float | None = None,
        status: int | None = None,
        where: str | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.outcome_unknown, self.retry_after, self.status = outcome_unknown, retry_after, status


class Rejected(UserError):
    """The server understood and said no: wrong keys, an unknown model; the same again is no use."""


class WrongKeys(Rejected):
    """The server does not accept the keys."""


class RoundNotOpen(Rejected):
    """There is no round that takes submissions now."""


def host_of(url: str) -> str:
    """Return the part of a URL that may be shown: its host, without path and signature."""
    try:
        netloc = urlsplit(url).netloc
    except ValueError:  # as http://[::1
        return "the server"
    return netloc.rsplit("@", 1)[-1] or "the server"


@contextlib.contextmanager
def network_errors(
    url: str, timeout_seconds: float, redact: Callable[[str], str]
) -> Iterator[None]:
    """Turn what requests and urllib3 raise into Unavailable, or TournamentError if no try helps.

    Parameters
    ----------
    url : what was asked; only its host is shown. redact : takes secrets out of a reason.
    """
    where = host_of(url)
    try:
        yield
    except (
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
        # What is no URL at all: urllib3 and the standard library find it out in their own ways.
        urllib3.exceptions.LocationParseError,
        UnicodeError,
        ValueError,
    ) as error:
        if isinstance(error, requests.exceptions.InvalidProxyURL):
            raise TournamentError(
                "the address of the proxy is wrong",
                where=where,
                fix="correct HTTPS_PROXY (or ALL_PROXY) in the environment",
            ) from None
        raise TournamentError(
            "the address that was given is neither https nor http on this machine",
            where=where,
            fix="report it if it comes from Numerai",
        ) from None
    except requests.exceptions.ConnectTimeout:
        raise Unavailable(
            f"no connection within {timeout_seconds:g} s", where=where, fix=_CHECK_NETWORK
        ) from None
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
        raise Unavailable(
            f"no complete answer within {timeout_seconds:g} s",
            where=where,
            outcome_unknown=True,
            fix="try again later",
        ) from None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        if isinstance(_cause(error), ssl.SSLCertVerificationError):
            raise TournamentError(
                f"the server's TLS certificate is not accepted ({redact(_reason(error))})",
                where=where,
                fix="check this machine's date, its certificates and any proxy",
            ) from None
        never_sent = _never_sent(error)
        what = "there is no connection" if never_sent else "the connection broke"
        way = _START_STAND_IN if is_loopback(url) else _CHECK_NETWORK
        raise Unavailable(
            f"{what} ({redact(_reason(error))})",
            where=where,
            outcome_unknown=not never_sent,
            fix=way if never_sent else "try again later",
        ) from None


def _never_sent(error: BaseException) -> bool:
    """Return whether the connection itself could not be made, so that no request was sent."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ProxyError)


def _cause(error: BaseException) -> BaseException:
    """Return the innermost of the errors that requests and urllib3 wrap into one another."""
    while True:
        wrapped = (getattr(error, "reason", None), *error.args)
        inner = next((item for item in wrapped if isinstance(item, BaseException)), None)
        if inner is None:
            return error
        error = inner


def _reason(error: BaseException) -> str:
    """Return the cause's own words, short, without objects and addresses."""
    cause = _cause(error)
    if isinstance(cause, urllib3.exceptions.IncompleteRead | http.client.IncompleteRead):
        return "the answer was cut off"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    text = str(getattr(cause, "strerror", None) or cause or type(cause).__name__)
    # "HTTPConnection(host='x', port=1): Failed to ...: [Errno 111] Connection refused"
    text = re.sub(r".*\[Errno -?\d+\] ", "", text)
    return text.rsplit("): ", 1)[-1].strip(" .)")[:120]
