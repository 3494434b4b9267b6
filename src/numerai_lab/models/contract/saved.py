"""What a model keeps in JSON beside its library's own files: parameters and facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from numerai_lab.errors import ModelError

_META = "meta.json"
_AGAIN = "train the model again"

P = TypeVar("P", bound=BaseModel)


def save_meta(folder: Path, params: BaseModel, facts: Mapping[str, Any]) -> None:
    """Write a model's parameters and facts to `meta.json` in an existing folder.

    Parameters
    ----------
    facts : JSON values by name; `params` is taken.
    """
    written = params.model_dump(mode="json", by_alias=True, exclude_none=True)
    save_facts(folder / _META, {"params": written, **facts})


def load_meta(folder: Path, params_class: type[P]) -> tuple[P, dict[str, Any]]:
    """Read what `save_meta` wrote: the parameters, and the facts.

    Raises
    ------
    ModelError
        The file is gone or damaged, or this version refuses the parameters.
    """
    facts = load_facts(folder / _META)
    try:
        return params_class.model_validate(facts.pop("params", None)), facts
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(["params", *map(str, first["loc"])])
        raise ModelError(
            f"the model was saved with parameters that this version refuses: {place}: "
            + first["msg"].removeprefix("Value error, "),
            where=str(folder / _META),
            fix=_AGAIN,
        ) from None


def save_facts(path: Path, facts: Mapping[str, Any]) -> None:
    """Write JSON values by name to a new file."""
    path.write_text(json.dumps(facts, indent=1), encoding="utf-8")


def load_facts(path: Path) -> dict[str, Any]:
    """Read what `save_facts` wrote. Raises ModelError where the file is gone or damaged."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"what was saved with the model cannot be read ({type(error).__name__}: {error})",
            where=str(path),
            fix=_AGAIN,
        ) from None
    if not isinstance(facts, dict):
        raise ModelError(
            "what was saved with the model is not a JSON object", where=str(path), fix=_AGAIN
        )
    return facts
