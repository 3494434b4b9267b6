"""The space that a model ships: what `numerai-lab tune` searches where a config names none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from numerai_lab.config import Key, Space, put, read_space
from numerai_lab.errors import ConfigError, ModelError
from numerai_lab.models.contract.params import Params


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
    base = dict(written or {})
    without = {(error["loc"], error["type"]) for error in _errors(params, base)}
    shipped = params.space_for(base) if issubclass(params, Params) else {}
    for name, mapping in shipped.items():
        key = tuple(name.split("."))
        try:
            found[key] = read_space(mapping, where=f"SPACE of {params.__name__}, {name}")
        except ConfigError as error:
            raise ModelError(str(error)) from None
        for value in found[key].ends:
            for said in _errors(params, put(base, key, value)):
                if (said["loc"], said["type"]) in without:  # what else must be written, as members
                    continue
                raise ModelError(
                    f"the model's own space of {name} does not go with these parameters: with the "
                    f"value {value} ({'.'.join(map(str, said['loc']))}: {said['msg']})",
                    fix="write spaces into the config, where the values stand that are to be found",
                )
    return found


def _errors(params: type[BaseModel], written: Mapping[str, Any]) -> list[Any]:
    try:
        params.model_validate(written)
    except ValidationError as error:
        return error.errors()
    return []
