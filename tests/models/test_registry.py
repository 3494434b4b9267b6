from __future__ import annotations

from importlib.util import find_spec

import pytest

from numerai_lab.errors import ModelError
from numerai_lab.models import describe_params, get_model, libraries_of, list_models

PLUGIN = """
from numerai_lab.models import ModelInfo, Params

class Mine:
    info = ModelInfo(summary="a plugin's model", unit="fits")
    Params = Params
    def fit(self, train, ctx): ...
    def predict(self, frame): ...
    def save(self, folder): ...
    @classmethod
    def load(cls, folder): ...

class Half:
    info = "a model without parts"
    def fit(self, train, ctx): ...
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package with entry points, as pip would, and return nothing."""

    def install(
        package: str, source: str, entry_points: dict[str, str], requires: tuple[str, ...] = ()
    ) -> None:
        (tmp_path / f"{package}.py").write_text(source)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        required = "".join(f"Requires-Dist: {line}\n" for line in requires)
        (info / "METADATA").write_text(head + required)
        lines = "\n".join(f"{name} = {where}" for name, where in entry_points.items())
        (info / "entry_points.txt").write_text(f"[numerai_lab.models]\n{lines}\n")

    monkeypatch.syspath_prepend(tmp_path)
    return install


def entry(name: str, available: bool):
    (found,) = [e for e in list_models() if e.name == name and e.available == available]
    return found


def test_built_ins_are_listed_and_available():
    assert {"xgb", "lgbm_ensemble"} <= {e.name for e in list_models() if e.available}
    assert entry("xgb", True).where == "numerai_lab.models.trees.xgb:XGB"
    assert "XGBoost" in entry("xgb", True).summary


def test_an_unknown_name_is_answered_with_the_nearest_and_all():
    with pytest.raises(ModelError, match=r"no model 'xbg', did you mean 'xgb'\? .*lgbm_ensemble"):
        get_model("xbg")


def test_a_plugin_is_found(install):
    install("good_plugin_a", PLUGIN, {"mine": "good_plugin_a:Mine"})
    assert get_model("mine").info.summary == "a plugin's model"
    assert "good_plugin_a" in entry("mine", True).where


def test_a_plugin_that_fails_to_import_is_listed_with_its_reason(install):
    install("broken_plugin_b", "import no_such_library_b", {"broken": "broken_plugin_b:Mine"})
    assert "no_such_library_b" in entry("broken", False).reason
    with pytest.raises(ModelError, match=r"'broken' is not available: .*no_such_library_b"):
        get_model("broken")
    assert get_model("xgb")


def test_a_plugin_that_exits_at_import_is_listed_with_its_reason(install):
    install("raising_plugin_c", "1 / 0", {"raising": "raising_plugin_c:Mine"})
    assert "ZeroDivisionError" in entry("raising", False).reason


def test_a_class_that_is_no_model_is_listed_with_what_it_lacks(install):
    install("half_plugin_d", PLUGIN, {"half": "half_plugin_d:Half", "gone": "half_plugin_d:Gone"})
    assert entry("half", False).reason.endswith(
        "lacks predict, save, load, info (a ModelInfo), Params (a pydantic model)"
    )
    assert "Gone" in entry("gone", False).reason


def test_a_plugin_of_the_contract_before_is_told_what_has_changed(install):
    old = PLUGIN.replace(', unit="fits"', "")
    install("old_plugin_g", old, {"old": "old_plugin_g:Mine"})
    reason = entry("old", False).reason
    assert "ModelInfo needs `unit`" in reason
    assert "FitReport(size, unit) took the place of FitReport(n_trees)" in reason
    assert "ctx.stop_patience that of ctx.stop_rounds" in reason
    with pytest.raises(ModelError, match=r"'old' is not available: .*FitReport"):
        get_model("old")


def test_a_plugin_cannot_take_the_name_of_a_built_in(install):
    install("shadow_plugin_e", PLUGIN, {"xgb": "shadow_plugin_e:Mine"})
    assert "belongs to the built-in" in entry("xgb", False).reason
    assert get_model("xgb").__module__ == "numerai_lab.models.trees.xgb.model"


def test_the_second_plugin_of_a_name_is_refused(install):
    install("first_plugin_f", PLUGIN, {"twice": "first_plugin_f:Mine"})
    install("second_plugin_f", PLUGIN, {"twice": "second_plugin_f:Mine"})
    assert "taken by first_plugin_f" in entry("twice", False).reason
    assert get_model("twice").__module__ == "first_plugin_f"


def test_params_are_described_as_they_are_written():
    rows = {row.key: row for row in describe_params("xgb")}
    assert rows["eta"].type == "number"
    assert rows["lambda"].description.startswith("L2")
    assert rows["num_boost_round"].default == "400"
    assert rows["era_boosting.rounds"].default == "required"
    assert rows["booster"].type == "gbtree | gblinear | dart"
    assert "seed" not in rows
    assert "lambda_" not in rows


def test_every_model_describes_its_params():
    for e in list_models():
        if e.available:
            rows = describe_params(e.name)
            assert rows
            assert [row.key for row in rows if not row.description] == []


def test_a_librarys_own_default_is_shown_in_one_place(lab):
    rows = {row.key: row for row in describe_params("xgb_ttt")}
    told = {key: rows[key].default for key in ("eta", "max_depth", "refresh_leaf", "booster")}
    assert told == {"eta": "0.3", "max_depth": "6", "refresh_leaf": "1", "booster": "gbtree"}
    assert rows["eta"].description == "step size of a tree"
    assert "eta: number = 0.3\n    step size of a tree\n" in lab("models", "xgb").out
    assert " = \n" not in lab("models", "xgb_ttt").out


@pytest.mark.parametrize("name", ["lgbm", "lgbmm", "lgb_ensemble", "lightgbm_ensemble"])
def test_a_model_whose_first_word_is_near_is_proposed(lab, name):
    assert "did you mean 'lgbm_ensemble'?" in lab("models", name).err


NEEDS_NET = (
    "pytest>=9",
    "no_such_library_h<3; extra == 'net'",
    'no_such_library_i; extra == "net" and python_version < "3"',
    "pyyaml; extra == 'there'",
    "hypothesis; extra == 'there'",
)


def test_a_model_without_its_optional_library_says_what_to_install(install, lab, tiny_config):
    models = {"net": "net_plugin_h:Mine [net]", "there": "net_plugin_h:Mine [there]"}
    install("net_plugin_h", PLUGIN, models, NEEDS_NET)
    assert entry("net", False).reason == "pip install net_plugin_h[net]"
    assert "net              unavailable: pip install net_plugin_h[net]\n" in lab("models").out
    assert entry("there", True).summary == "a plugin's model"
    refused = lab("train", tiny_config, "--set", "model={type: net}")
    assert refused.code == 2
    said = "model.type: model 'net' is unavailable: pip install net_plugin_h[net]"
    assert refused.err.rstrip().endswith(said)


@pytest.mark.skipif(find_spec("torch") is not None, reason="says what is said without torch")
@pytest.mark.parametrize("name", ["mlp", "mixer", "era_set", "mtm", "era_rnn"])
def test_a_net_without_torch_says_what_to_install(lab, name):
    refused = lab("train", f"configs/{name}.yaml")
    assert refused.code == 2
    said = f"model.type: model '{name}' is unavailable: pip install numerai_lab[torch]"
    assert refused.err.rstrip().endswith(said)


def test_libraries_that_a_model_brings_are_those_not_always_there(install):
    models = {"net": "net_plugin_j:Mine [net]", "there": "net_plugin_j:Mine [there]"}
    install("net_plugin_j", PLUGIN, models, NEEDS_NET)
    own = ("net_plugin_j", "pytest")
    assert libraries_of("there") == (*own, "hypothesis")  # pyyaml is always there
    assert libraries_of("net") == (*own, "no_such_library_h", "no_such_library_i")
    assert libraries_of("xgb") == ()
