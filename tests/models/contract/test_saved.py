"""What models keep in JSON: read back as written, and refused in one sentence if it cannot be."""

import json

import numpy as np
import pytest

from numerai_lab.errors import ModelError
from numerai_lab.models import TrainedFeatures, get_model
from ttt_world import context, regime_frame


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A fitted xgb_ttt, saved: its own meta.json, and that of the trees in `frozen`."""
    folder = tmp_path_factory.mktemp("model")
    model_class = get_model("xgb_ttt")
    params = {"num_boost_round": 3, "max_depth": 2, "adapt": {"trees": {"lambda": 7.0}}}
    model = model_class(model_class.Params.model_validate(params))
    model.fit(regime_frame(1, n_eras=30, n_rows=30), context())
    model.save(folder)
    return folder


def meta_with(saved, tmp_path, content):
    """A folder like `saved`, its meta.json replaced."""
    for path in saved.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "meta.json").unlink()
    (tmp_path / "meta.json").write_text(content)
    return tmp_path


def test_parameters_come_back_by_their_names_in_a_config(saved):
    written = json.loads((saved / "meta.json").read_text())["params"]
    assert written["adapt"]["trees"]["lambda"] == 7
    assert get_model("xgb_ttt").load(saved).params.adapt.trees.lambda_ == 7


def test_a_saved_model_of_a_method_that_was_removed_is_refused(saved, tmp_path):
    meta = json.loads((saved / "meta.json").read_text())
    meta["params"]["adapt"]["method"] = "self_refresh"
    folder = meta_with(saved, tmp_path, json.dumps(meta))
    with pytest.raises(ModelError) as caught:
        get_model("xgb_ttt").load(folder)
    assert str(caught.value).count("\n") == 0
    assert "params.adapt.method: method self_refresh was removed" in caught.value.what
    assert caught.value.where == str(folder / "meta.json")
    assert caught.value.fix == "train the model again"


@pytest.mark.parametrize("content", ["", "{", "[1]", '"text"', "nothing"])
def test_damaged_facts_are_one_sentence(saved, tmp_path, content):
    folder = meta_with(saved, tmp_path, content)
    with pytest.raises(ModelError, match=r"meta\.json: what was saved with the model"):
        get_model("xgb_ttt").load(folder)


def test_facts_that_are_gone_are_one_sentence(saved, tmp_path):
    folder = meta_with(saved, tmp_path, "")
    (folder / "meta.json").unlink()
    with pytest.raises(ModelError, match=r"cannot be read \(FileNotFoundError"):
        get_model("xgb_ttt").load(folder)


def test_features_are_saved_as_every_model_so_far_has_saved_them():
    """Files that are kept have these two keys; a model that renames them opens none of these."""
    kept = json.loads('{"feature_names": ["b", "a"], "dtype": "float32", "weights": [1.0]}')
    features = TrainedFeatures.from_facts(kept)
    assert features == TrainedFeatures(("b", "a"), np.dtype(np.float32))
    assert json.loads(json.dumps(features.facts())) == {
        "feature_names": ["b", "a"],
        "dtype": "float32",
    }
    assert TrainedFeatures() != features
