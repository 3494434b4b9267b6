"""Standard output and error that never stop the work.

What their encoding cannot write is written in other characters, and what cannot be written at
all (a full disk, a closed stream, a pipe that nobody reads) is kept in mind instead of raised:
whether it matters is decided once, at the end of a command, by what the command was asked for.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO, cast

from numerai_lab.disclosure import half_shown

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_ASCII = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—―−─━", "-"),
        **dict.fromkeys("│┃", "|"),
        **dict.fromkeys("‘’", "'"),
        **dict.fromkeys("“”", '"'),
        **{"…": "...", "→": "->", "×": "x", "·": "*", "•": "*", "≥": ">=", "≤": "<=", "\xa0": " "},
    }
)
_ERRORS = "numerai_lab.readable"


class _Watched(io.FileIO):
    """A file whose writes do not fail: the first error is kept as `lost`.

    Parameters
    ----------
    number : its file descriptor, which stays open. closed : nobody has opened it for us.
    """

    def __init__(self, number: int, *, closed: bool) -> None:
        super().__init__(number, "wb", closefd=False)
        self.lost: OSError | None = None
        self._closed_for_us = closed

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of it, also where one call takes a part only, or nothing for now."""
        view = memoryview(data).cast("B")
        size = len(view)
        try:
            if self._closed_for_us:
                raise OSError(errno.EBADF, "it is closed")
            while view:
                written = cast("int | None", super().write(view))
                if written is None:
                    select.select([], [self], [])
                view = view[written or 0 :]
        except OSError as error:
            self.lost = self.lost or error
        return size


def guard_streams() -> None:
    """Put streams that never fail in the place of this process's standard output and error.

    Called once, when a process begins. A file descriptor below 3 that is closed is opened on the
    null device: else the next file opened would get its number, and what a library prints past
    Python would go into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
            os.set_inheritable(null, True)
    codecs.register_error(_ERRORS, readable)
    sys.stdout = _guarded(sys.stdout, 1)
    sys.stderr = _guarded(sys.stderr, 2)


def lost(stream: TextIO) -> OSError | None:
    """Return the error by which something written to a guarded stream was lost, if any was."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return raw.lost if isinstance(raw, _Watched) else None


def readable(error: UnicodeError) -> tuple[str, int]:
    r"""Write in ASCII what an encoding lacks (an error handler of `codecs`).

    Dashes, arrows and quotes become those of ASCII; a byte of a file's name that is not UTF-8, and
    any other character, is spelt out: `\xff`, `\u0142`.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_ASCII)
    shown = (half_shown(c) if "\ud800" <= c <= "\udfff" else c for c in text)
    return "".join(shown).encode("ascii", "backslashreplace").decode("ascii"), error.end


def _guarded(stream: TextIO | None, number: int) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper | None):
        return stream  # somebody else's, who has put it there
    if stream is not None:
        stream.flush()
        if not isinstance(getattr(stream.buffer, "raw", stream.buffer), io.FileIO):
            stream.reconfigure(errors=_ERRORS)  # a console of Windows, which takes no bytes
            return stream
        number = stream.fileno()
    unbuffered = stream is not None and stream.write_through
    raw = _Watched(number, closed=stream is None)
    return io.TextIOWrapper(
        cast("io.BufferedWriter", raw) if unbuffered else io.BufferedWriter(raw),
        encoding="utf-8" if stream is None else stream.encoding,
        errors=_ERRORS,
        line_buffering=number == 2 or (stream is not None and stream.line_buffering),
        write_through=unbuffered,
    )
