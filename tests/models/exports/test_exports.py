"""Exported models put together: to any depth, with columns of their own, and checked."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from blends import Blend, Member, columns_of
from honest_model import Honest
from numerai_lab.errors import ModelError
from numerai_lab.models import Exported, ModelInfo, assemble_exported, check_model, get_model
from numerai_lab.models.exports import KINDS
from numerai_lab.scoring.runtime import gaussian_ranks, unit_ranks
from ttt_world import context, regime_frame


def fitted(train, kind, names, **params):
    model_type = get_model(kind)
    model = model_type(model_type.Params.model_validate(params))
    model.fit(columns_of(train, names), context())
    return Member(model, tuple(names))


@pytest.fixture(scope="module", params=[np.int8, np.float32])
def nested(request):
    """A blend of trees and of a blend of an ensemble, an adapted model and trees again."""
    train = regime_frame(1, n_eras=40, n_rows=60, dtype=request.param)
    names = train.feature_names
    rounds = {"num_boost_round": 4, "max_depth": 2}
    few = {"num_iterations": 4, "num_leaves": 4, "min_data_in_leaf": 5}
    adapt = {"strength": 0.7, "trees": {"num_boost_round": 4, "max_depth": 2, "bags": 2}}
    inside = Blend(
        [
            fitted(train, "lgbm_ensemble", names[8:2:-1], lightgbm=few, seeds=2, weights="equal"),
            fitted(train, "xgb_ttt", names[10:1:-1], **rounds, auxiliary={"codes": 1}, adapt=adapt),
            fitted(train, "xgb", names[3:9], **rounds),
        ],
        [0.5, 0.2, 0.3],
        names[11:0:-1],
        train.features.dtype.name,
    )
    outside = [fitted(train, "xgb", names[::-2], **rounds, objective="reg:logistic"), inside]
    return Blend(outside, [0.25, 0.75], names, train.features.dtype.name)


def test_a_blend_within_a_blend_predicts_as_the_models_do(nested):
    judged = regime_frame(2, n_eras=3, n_rows=300, dtype=np.dtype(nested.dtype).type)
    expected = nested.predict(judged)
    given = columns_of(judged, (*judged.feature_names[5:], *judged.feature_names[:5]))
    exported = assemble_exported(nested.export(), given.feature_names, nested.dtype)
    assert exported.kinds.keys() == {"blend", "trees", "adaptive"}
    for _, rows in given.iter_eras():
        features = given.features[rows]
        before = features.copy()
        np.testing.assert_allclose(exported.predict(features), expected[rows], rtol=0, atol=1e-6)
        np.testing.assert_array_equal(features, before)
    assert len(np.unique(expected)) > 100


def test_a_blend_of_lightgbm_s_own_is_one_of_trees():
    train = regime_frame(1, n_eras=20, n_rows=60)
    model = fitted(
        train,
        "lgbm_ensemble",
        train.feature_names,
        lightgbm={"num_iterations": 2, "num_leaves": 3},
        seeds=3,
        weights=[0.5, 0.0, 0.5],
    )
    exported = model.export()
    assert (exported.kind, exported.settings, exported.arrays) == (
        "blend",
        {"weights": [0.5, 0.5]},
        {},
    )
    assert [part.kind for part in exported.parts] == ["trees", "trees"]
    assert assemble_exported(exported, train.feature_names, "int8").kinds.keys() == {
        "blend",
        "trees",
    }


def test_every_kind_of_the_table_is_a_module_with_predict():
    assert all(module.endswith(".runtime") for module in KINDS.values())
    leaf = Exported("", {"weights": []}, {}, ("f0",), "int8")
    for kind, module in KINDS.items():
        if ".nets." in module and find_spec("torch") is None:
            continue  # their package cannot be imported; `make nets` comes here with torch
        assembled = assemble_exported(replace(leaf, kind=kind), ("f0",), "int8")
        assert callable(assembled.kinds[kind])


TREES = {
    "roots": np.array([0], np.int32),
    "depths": np.array([0], np.int32),
    "feature": np.array([0], np.int32),
    "left": np.array([0], np.int32),
    "right": np.array([0], np.int32),
    "threshold": np.zeros(1),
    "missing_left": np.zeros(1, bool),
    "value": np.ones((1, 1)),
    "base": np.zeros(1),
}
LEAF = Exported(
    "trees",
    {"link": "identity"},
    {f"trees/{name}": array for name, array in TREES.items()},
    ("f0", "f1"),
    "int8",
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "tree"}, "there is no kind 'tree', did you mean 'trees'"),
        ({"runtime": "my_runtime"}, "kind 'trees' is .*: an own kind needs another name"),
        ({"feature_names": ("f0", "g", "h")}, "takes 2 features that it is not given: g, h"),
        ({"feature_names": ("f0", "f0")}, "names a feature twice"),
        ({"dtype": "float32"}, "takes float32 features, it is given int8"),
        ({"settings": {"link": np.float64}}, "the settings of .* are not JSON values"),
        ({"settings": {"link": ("a", "b")}}, "the settings of .* are not JSON values"),
        ({"arrays": {"a": np.array([None])}}, "array 'a' of .* is not a NumPy array of numbers"),
        ({"arrays": {"a": [1.0]}}, "array 'a' of .* is not a NumPy array of numbers"),
    ],
)
def test_what_does_not_fit_is_refused_at_any_depth(change, said):
    names = ("f0", "f1", "f2")
    assemble_exported(LEAF, names, "int8")
    wrong = replace(LEAF, **change)
    with pytest.raises(ModelError, match=f"(?s){said}.*submit its predictions"):
        assemble_exported(wrong, names, "int8")
    within = Exported("blend", {"weights": [1, 1]}, {}, ("f1", "f0"), "int8", (LEAF, wrong))
    with pytest.raises(ModelError, match=f"(?s){said}"):
        assemble_exported(within, names, "int8")


def test_what_a_member_predicts_is_checked():
    """A rank would hide what is not finite."""
    rows = np.zeros((3, 2), np.int8)
    bad = replace(LEAF, arrays={**LEAF.arrays, "trees/value": np.array([[np.nan]])})
    whole = Exported("blend", {"weights": [0.5, 0.5]}, {}, ("f0", "f1"), "int8", (LEAF, bad))
    exported = assemble_exported(whole, ("f0", "f1"), "int8")
    with pytest.raises(ValueError, match=r"'trees' numbered 2 gives \(3,\) values, 3 not finite"):
        exported.predict(rows)


OWN = """\
import numpy as np
from {other} import shifted
from numerai_lab.scoring.runtime import unit_ranks

def predict(features, settings, arrays, parts):
    total = shifted(features @ arrays["beta"], settings["shift"])
    return unit_ranks(total + sum(part(features) for part in parts))
"""
OTHER = "def shifted(values, by):\n    return values + by\n"


@pytest.fixture
def own_package(tmp_path, monkeypatch):
    """Write the modules of somebody's package."""
    (tmp_path / "their_models").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "their_models"]:
        monkeypatch.delitem(sys.modules, name)

    def write(**texts):
        for name, text in {"__init__": "", **texts}.items():
            (tmp_path / "their_models" / f"{name}.py").write_text(text)

    return write


def own(**changes):
    part = Exported("scaled", {"shift": 1}, {"beta": np.ones(2)}, ("f0", "f1"), "int8")
    return replace(part, **{"runtime": "their_models.scaled", **changes})


def test_a_kind_of_another_package_brings_its_runtime(own_package):
    own_package(scaled=OWN.format(other="their_models.shifts"), shifts=OTHER)
    rows = np.array([[0, 1], [4, 4], [2, 0]], np.int8)
    within = own(parts=(own(feature_names=("f1",), arrays={"beta": np.ones(1)}),))
    whole = Exported("blend", {"weights": [1.0]}, {}, ("f0", "f1"), "int8", (within,))
    exported = assemble_exported(whole, ("f0", "f1"), "int8")
    inner = unit_ranks(rows[:, 1] + 1.0)
    expected = unit_ranks(gaussian_ranks(unit_ranks(rows.sum(axis=1) + 1 + inner)))
    np.testing.assert_array_equal(exported.predict(rows), expected.astype(np.float32))
    assert not [name for name in sys.modules if name.startswith("their_models.")]  # text alone


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import xgboost\n", "imports xgboost in line 1"),
        ("import numerai_lab.models\n", "imports numerai_lab.models in line 1"),
        ("from .shifts import shifted\n", r"imports \.shifts in line 1"),
        ("def predict(*_):\n    from their_models.shifts import shifted\n", "in line 2"),
        ("from their_models import shifts\n", "their_models is a package, not a module"),
        ("from their_models.shifts import gone\n", "gone, which their_models.shifts does not"),
        ("from their_models.gone import x\n", "their_models.gone is not there"),
        ("from numerai_lab.eraframe.frame import EraFrame\n", "eraframe.frame imports pyarrow"),
        ("def predict(:\n", "does not run: SyntaxError"),
        ("1 / 0\n", "does not run: ZeroDivisionError"),
        ("x = 1\n", "has no function predict"),
    ],
)
def test_a_runtime_that_a_bundle_cannot_have_is_refused(own_package, text, said):
    own_package(scaled=text, shifts=OTHER)
    with pytest.raises(ModelError, match=said) as caught:
        assemble_exported(own(), ("f0", "f1"), "int8")
    assert "\n" not in str(caught.value)


def test_a_runtime_that_is_not_there_is_named(own_package):
    own_package()
    for runtime in ("their_models.scaled", "no_such_package.scaled", "their_models"):
        with pytest.raises(ModelError, match=f"the runtime {runtime} is "):
            assemble_exported(own(runtime=runtime), ("f0", "f1"), "int8")


def test_one_kind_has_one_runtime(own_package):
    own_package(scaled=OWN.format(other="their_models.shifts"), shifts=OTHER, again=OTHER)
    other = own(runtime="their_models.again")
    with pytest.raises(ModelError, match=r"numbered 1 has the runtime their_models.again, another"):
        assemble_exported(own(parts=(other,)), ("f0", "f1"), "int8")


class Exports(Honest):
    """Least squares that can be bundled, by a kind of its own."""

    info = ModelInfo(summary="least squares", unit="fits", exportable=True)

    def export(self):
        arrays = {"beta": self.beta}
        features = self.trained.facts()
        return Exported("line", {}, arrays, **features, runtime="their_models.line")


LINE = """\
import numpy as np

def predict(features, settings, arrays, parts):
    known = np.nan_to_num(np.where(features == -1, np.nan, features.astype(np.float64)))
    return sum(b * column for b, column in zip(arrays["beta"], known.T, strict=True)){more}
"""


def test_check_model_tries_what_is_exported(own_package):
    own_package(line=LINE.format(more=""))
    check_model(Exports)
    own_package(line=LINE.format(more=" + 0.001"))
    with pytest.raises(ModelError, match=r"exported it predicts otherwise, 1.0e-03 apart") as told:
        check_model(Exports)
    assert "breaks 1 of the promises" in str(told.value)

    class Silent(Honest):
        info = Exports.info

    with pytest.raises(ModelError, match=r"info.exportable is set, there is no method export"):
        check_model(Silent)
