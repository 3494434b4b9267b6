"""Where the tournament is and who asks: the API address and the keys of an account."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from numerai_lab.disclosure import without_passwords
from numerai_lab.errors import UserError

NUMERAI_API = "https://api-tournament.numer.ai"
"""Source: API_TOURNAMENT_URL of numerapi 3.1 (base_api.py)."""
URL_VARIABLE = "NUMERAI_API_URL"
_NEAR = 0.8
"""Likeness of two names (difflib) from which one is taken for a misprint of the other."""
_KEY = re.compile(r".*NUMERAI_(PUBLIC_ID|SECRET_KEY)")


@dataclass(frozen=True, slots=True)
class Keys:
    """An API key of a Numerai account; both halves stay out of repr, logs and errors."""

    public_id: str = field(repr=False)
    secret_key: str = field(repr=False)


def key_variables(account: str = "default") -> tuple[str, str]:
    """Return the names of the environment variables with an account's public id and secret key.

    `default` has NUMERAI_PUBLIC_ID and NUMERAI_SECRET_KEY, numerapi's own names; account `work`
    has WORK_NUMERAI_PUBLIC_ID and WORK_NUMERAI_SECRET_KEY.

    Raises
    ------
    UserError : the name cannot be part of a variable's name.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", account):
        raise UserError(
            f"the account's name {account!r} must be letters, digits, - and _",
            fix="rename the account",
        )
    prefix = "" if account == "default" else account.upper().replace("-", "_") + "_"
    return f"{prefix}NUMERAI_PUBLIC_ID", f"{prefix}NUMERAI_SECRET_KEY"


def is_key(variable: str) -> bool:
    """Return whether the lab reads half of a key from an environment variable of this name.

    `disclosure.is_secret` is the wider question: whether it may hold one, however it is called.
    """
    return _KEY.fullmatch(variable) is not None


def mistaken_for(variable: str, names: tuple[str, ...] = ()) -> str | None:
    """Return the key variable that another variable's name was probably meant to be, or None.

    Parameters
    ----------
    names : the key variables in question; by default those of account `default`.
    """
    if is_key(variable) or variable == URL_VARIABLE:
        return None
    near = difflib.get_close_matches(variable.upper(), names or key_variables(), n=1, cutoff=_NEAR)
    return near[0] if near else None


def keys_of(account: str = "default", environ: Mapping[str, str] = os.environ) -> Keys:
    """Read an account's keys from the environment.

    Raises
    ------
    UserError : a variable is not set or empty; the sentence names it.
    """
    values = []
    for name in key_variables(account):
        value = environ.get(name, "").strip()
        if not value:
            near = sorted(other for other in environ if mistaken_for(other, (name,)))
            there = f", but {near[0]} is: is it a misprint?" if near else ""
            raise UserError(
                f"the environment variable {name} is not set (keys of account '{account}'){there}",
                fix=f"rename {near[0]}"
                if near
                else "make a key at numer.ai > Settings > API keys and export both of its halves",
            )
        if not value.isascii() or not value.isprintable() or set(value) & set(" \"'"):
            raise UserError(
                f"the environment variable {name} holds characters that no key has",
                fix="copy the key again, without quotes or spaces",
            )
        values.append(value)
    return Keys(*values)


def is_loopback(url: str) -> bool:
    """Return whether a URL's host is this machine itself; False for what is no URL."""
    try:
        host = urlsplit(url).hostname or ""
        if host == "localhost":
            return True
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def api_url(environ: Mapping[str, str] = os.environ) -> str:
    """Return the address of the tournament: `NUMERAI_API_URL`, or Numerai's own.

    Raises
    ------
    UserError : not a URL, or plain http to another machine, which would show keys on the way.
    """
    url = environ.get(URL_VARIABLE, "").strip() or NUMERAI_API
    try:
        parts = urlsplit(url)
        fine = bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))
        )
        _ = parts.port  # a wrong port number is noticed here
    except ValueError:
        fine = False
    if not fine:
        raise UserError(
            f"'{without_passwords(url)}' is neither an https address nor http on this machine",
            where=URL_VARIABLE,
            fix=f"unset {URL_VARIABLE} for Numerai, or take the line that dev-server prints",
        )
    return url.rstrip("/")


def address_of(url: str) -> str:
    """Return an API address as it may be written down: without a user's name, password or query."""
    parts = urlsplit(url)
    host = parts.netloc.rsplit("@", 1)[-1].lower()
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def is_stand_in(url: str | None = None) -> bool:
    """Return whether the tournament asked is a stand-in on this machine, not Numerai.

    `url` is the API address; by default the one in use. Only loopback counts, so that nothing
    synthetic can reach a real server.
    """
    return is_loopback(api_url() if url is None else url)
