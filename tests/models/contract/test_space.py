"""Every model ships a space that its own parameters take."""

from typing import ClassVar

import pytest

from numerai_lab.errors import ModelError
from numerai_lab.models import Params, get_model, list_models, shipped_spaces

NEEDED = {
    "stack": {"members": {"a": {"type": "ridge"}, "b": {"type": "xgb"}}},
    "transformed": {"model": {"type": "xgb"}},
}
"""What a config must write."""


@pytest.mark.parametrize("name", [entry.name for entry in list_models() if entry.available])
def test_every_model_ships_one(name):
    spaces = shipped_spaces(get_model(name).Params, NEEDED.get(name))
    assert spaces
    assert all(len(space.ends) >= 2 for space in spaces.values())


def test_one_that_the_parameters_do_not_take_is_named():
    class Odd(Params):
        SPACE: ClassVar[dict] = {"depth": {"tune": "int", "low": 1, "high": 9}}
        depth: int = 1

    assert list(shipped_spaces(Odd)) == [("depth",)]

    class Wrong(Odd):
        SPACE: ClassVar[dict] = {"dept": {"tune": "int", "low": 1, "high": 9}}

    with pytest.raises(ModelError, match=r"space of dept does not go .* with the value 1"):
        shipped_spaces(Wrong)

    class None_(Odd):
        SPACE: ClassVar[dict] = {"depth": {"low": 1, "high": 9}}

    with pytest.raises(ModelError, match="expected a space"):
        shipped_spaces(None_)


def test_what_a_config_wrote_must_go_with_it():
    params = get_model("xgb").Params
    with pytest.raises(ModelError, match=r"space of eta .*with these parameters.*write spaces"):
        shipped_spaces(params, {"learning_rate": 0.1})


def test_models_shows_it(lab):
    told = lab("models", "xgb").out
    assert "    max_depth: {tune: int, low: 3, high: 8}\n" in told
    assert lab("models", "xgb", "--json").json["space"]["eta"]["log"] is True
