"""Arrays kept with facts in one file, whole or not at all, and known to be what was written."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.errors import ModelError
from numerai_lab.files import write_aside

Arrays = dict[str, npt.NDArray[Any]]
_FACTS = "facts"


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]], facts: Any) -> None:
    """Write arrays and JSON values into an `.npz`, with the SHA-256 of both.

    Raises MachineError.
    """
    told = json.dumps({"facts": facts, "sha256": _sum_of(arrays, facts)}).encode()
    every: dict[str, Any] = {_FACTS: np.frombuffer(told, dtype=np.uint8), **arrays}
    with write_aside(path) as part, part.open("wb") as file:
        np.savez(file, **every)


def read_arrays(path: Path) -> tuple[Arrays, Any]:
    """Read what `write_arrays` wrote.

    Raises
    ------
    ModelError : the file is gone, cut off, or not what was written.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        told = json.loads(arrays.pop(_FACTS).tobytes())
        facts, written = told["facts"], told["sha256"]
        problem = "" if written == _sum_of(arrays, facts) else "its SHA-256 differs"
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise ModelError(
            f"is not what was written ({problem})", where=str(path), fix="train the model again"
        )
    return arrays, facts


def _sum_of(arrays: Mapping[str, npt.NDArray[Any]], facts: Any) -> str:
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
