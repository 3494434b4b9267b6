"""The space that a model ships: what `numerai-lab tune` searches where a config names none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from numerai_lab.config import Key, Space, put, read_space
from numerai_lab.errors import ConfigError, ModelError


def shipped_spaces(
    params: type[BaseModel], written: Mapping[str, Any] | None = None
) -> dict[Key, Space]:
    """Return a model's own spaces, by their keys in `model.params`; none where it ships none.

    Parameters
    ----------
    params : the class of the model's parameters, whose `SPACE` is read.
    written : parameters of a config that the searched ones go with.

    Raises
    ------
    ModelError : a space is none, or its ends do not go with what is written.
    """
    found: dict[Key, Space] = {}
    for name, mapping in getattr(params, "SPACE", {}).items():
        key = tuple(name.split("."))
        try:
            found[key] = read_space(mapping, where=f"SPACE of {params.__name__}, {name}")
            for value in found[key].ends:
                params.model_validate(put(dict(written or {}), key, value))
        except ConfigError as error:
            raise ModelError(str(error)) from None
        except ValidationError as error:
            said = error.errors()[0]
            raise ModelError(
                f"the model's own space of {name} does not go with these parameters: with the "
                f"value {value} ({'.'.join(map(str, said['loc']))}: {said['msg']})",
                fix="write spaces into the config, where the values stand that are to be found",
            ) from None
    return found
