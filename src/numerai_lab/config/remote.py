"""Files that are named by a URL: whatever fsspec knows (s3://, gs://, https://, file://)."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import IO, Any, Self

from numerai_lab.errors import UserError


class RemoteFile(type(Path())):  # type: ignore[misc]  # PosixPath or WindowsPath
    """A file at a URL, to be read like a path; only what reading parquet needs works."""

    def __str__(self) -> str:
        scheme, _, rest = super().__str__().replace(os.sep, "/").partition(":/")
        root = "/" if scheme in ("file", "local") else ""
        return f"{scheme}://{root}{rest}"

    def _found(self) -> tuple[Any, str]:
        try:
            import fsspec
        except ImportError:
            raise UserError(
                "a URL needs fsspec, which is not installed",
                where=str(self),
                fix="install it with pip install numerai_lab[dask]",
            ) from None
        try:
            found: tuple[Any, str] = fsspec.core.url_to_fs(str(self))
        except (ImportError, ValueError) as error:
            raise UserError(f"cannot be reached: {error}", where=str(self)) from None
        return found

    def resolve(self, strict: bool = False) -> Self:  # noqa: ARG002 - a path's signature
        """A URL is absolute."""
        return self

    def is_file(self) -> bool:
        """Whether there is such a file."""
        system, path = self._found()
        return bool(system.isfile(path))

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        system, path = self._found()
        return bool(system.isdir(path))

    def open(self, mode: str = "rb", *_: Any, **__: Any) -> IO[Any]:
        """Open it for reading.

        Raises
        ------
        UserError : the server sends files from their beginning only; parquet ends with its index.
        """
        system, path = self._found()
        opened: IO[Any] = system.open(path, mode)
        try:
            opened.seek(-1, os.SEEK_END)
            opened.read(1)
            opened.seek(0)
        except ValueError:
            opened.close()
            raise UserError(
                "the server does not send parts of a file (HTTP Range)",
                where=str(self),
                fix="download the file, or serve it from one that does",
            ) from None
        return opened

    @property
    def n_bytes(self) -> int:
        """Its size."""
        system, path = self._found()
        return int(system.size(path))

    def fingerprint(self) -> str:
        """Hash what its server says about it: size, time, ETag.

        Hashing its bytes would download all of it, on every worker.
        """
        system, path = self._found()
        info = system.info(path)
        # For http the key that fsspec makes is of the URL alone.
        told = [system.ukey(path), *(info.get(name) for name in ("size", "ETag", "Last-Modified"))]
        return hashlib.sha256(str(told).encode()).hexdigest()


def local_or_remote(value: Any) -> Any:
    """Turn text into a path, or a URL into a `RemoteFile`; leave everything else as it is."""
    if not isinstance(value, str):
        return value
    return RemoteFile(value) if "://" in value else from_home(Path(value))


def from_home(path: Path) -> Path:
    """Return a path whose `~` or `~user` at its beginning is that user's home folder.

    Raises
    ------
    ValueError : there is no such user.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home folder for '{path.parts[0]}'") from None
