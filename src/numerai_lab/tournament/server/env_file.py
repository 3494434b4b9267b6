"""The file with keys that cron reads, since cron has no environment of the user's."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

from numerai_lab.errors import UserError

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def read_env_file(path: Path) -> dict[str, str]:
    """Read NAME=VALUE lines, of which no other user may read any.

    Empty lines and lines that begin with `#` are skipped, `export` and quotes around a value are
    allowed. Messages name lines and variables, never values.

    Raises
    ------
    UserError : no such file; readable by others (mode other than 0600 or 0400), or owned by
        somebody else; a line that is not NAME=VALUE.
    """
    where = str(path)
    try:
        status, text = path.stat(), path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError("no such file", where=where, fix="write it, then chmod 600 it") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UserError(f"cannot be read ({reason})", where=where) from None
    if sys.platform != "win32":
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077:
            raise UserError(
                f"holds keys and others may read it (mode {mode:04o})",
                where=where,
                fix=f"chmod 600 {path}",
            )
        if status.st_uid not in (os.geteuid(), 0):
            raise UserError("holds keys and belongs to another user", where=where, fix="copy it")
    values = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise UserError("expected NAME=VALUE", where=f"{where}:{number}")
        value = match[2].strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        values[match[1]] = value[1:-1] if quoted else value
    return values
