"""What may leave this process: text without passwords and control characters, no key in a child.

Sentences quote what others wrote: addresses with a password in them, a server's words, names of
files. They end in terminals, logs, mails and reports, so they are cleaned where they are made.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

SHORTEST_SECRET = 8
"""Characters from which a value is a secret; masking a shorter text would only garble messages."""

# NUMERAI_PUBLIC_ID, WORK_NUMERAI_SECRET_KEY, NUMERAI_SECRET_KEY_OLD, MY_NUMERAI_API_KEY_2 ...
_SECRET = re.compile(r".*NUMERAI.*(PUBLIC_?ID|SECRET|KEY|TOKEN|PASS).*", re.IGNORECASE)
# A password ends at the last @ before the path. One with a slash in it goes up to the last @ of
# all, unless what stands before that slash is a host and its port.
_USERINFO = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)"
    r"(?:[^\s/?#'\"]*@|[^\s/?#'\":@]*:(?!\d+(?:[/?#\s'\",;)]|$))[^\s'\"]*@)",
    re.IGNORECASE,
)
_QUERY = re.compile(r"([a-z][a-z0-9+.-]*://[^\s?'\"]+)\?[^\s'\"]+", re.IGNORECASE)
# ESC [ ... letter (colours, cursor), ESC ] ... BEL or ESC \ (titles, links), ESC and one more.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
# C0 but tab and newline, DEL, C1, and the marks that turn the direction of what follows.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def is_secret(variable: str) -> bool:
    """Return whether an environment variable holds a key of Numerai's, by its name."""
    return _SECRET.fullmatch(variable) is not None


def secrets_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keys in an environment, the longest first, without those too short to mask."""
    found = {value.strip() for name, value in environ.items() if is_secret(name)}
    return tuple(sorted((s for s in found if len(s) >= SHORTEST_SECRET), key=len, reverse=True))


def child_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a process that is started: without keys, whatever they are called.

    A variable goes by its name, and by its value where that holds a key that another one has.

    Parameters
    ----------
    environ : by default this process's.
    """
    everything = os.environ if environ is None else environ
    secrets = secrets_of(everything)
    return {
        name: value
        for name, value in everything.items()
        if not is_secret(name) and not any(secret in value for secret in secrets)
    }


@contextlib.contextmanager
def keys_hidden() -> Iterator[None]:
    """Take the keys out of this process's environment, for a library that starts processes."""
    kept = child_environment()
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name not in kept}
    try:
        yield
    finally:
        os.environ.update(hidden)


def without_passwords(text: str) -> str:
    """Hide user names and passwords in the addresses of a text: `ftp://u:KEY@h/` -> `ftp://***@h/`.

    >>> without_passwords("no answer from https://u:KEY@example.org:8080/a")
    'no answer from https://***@example.org:8080/a'
    """
    return _USERINFO.sub(r"\g<scheme>***@", text) if "://" in text else text


def without_signatures(text: str) -> str:
    """Hide user names, passwords and queries (the signatures of signed addresses)."""
    return _QUERY.sub(r"\1?...", without_passwords(text)) if "://" in text else text


def for_others(value: Any) -> Any:
    """Return what a JSON file holds that is passed on: each text `without_signatures`."""
    if isinstance(value, str):
        return without_signatures(value)
    if isinstance(value, Mapping):
        return {for_others(name): for_others(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [for_others(item) for item in value]
    return value


def without_controls(text: str) -> str:
    r"""Remove what a terminal would obey: escape sequences and control characters.

    Tabs and ends of lines stay. Halves of surrogate pairs, which no encoding can write, are spelt
    out: a byte of a file's name that is not UTF-8 as `\xff`, any other half as `\ud800`.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _CONTROLS.sub("", _ESCAPES.sub("", text))
    return "".join(half_shown(c) if "\ud800" <= c <= "\udfff" else c for c in text)


def half_shown(half: str) -> str:
    r"""Spell out half of a surrogate pair: `\xff` for a byte of a file's name, else `\ud800`."""
    number = ord(half)
    return f"\\x{number - 0xDC00:02x}" if 0xDC80 <= number <= 0xDCFF else f"\\u{number:04x}"


def presentable(text: str) -> str:
    """Return a text as it may be shown: without passwords of addresses and control characters."""
    return without_passwords(without_controls(text))
