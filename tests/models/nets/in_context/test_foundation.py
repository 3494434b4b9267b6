"""`tabicl`: promises of a model with a tiny random checkpoint, and what is said without one.

A wrapper around `tabicl` is tested with `tabicl` itself: without it most of these are skipped.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import context, judged_frame, train_frame
from numerai_lab.errors import ModelError
from numerai_lab.models import check_model
from numerai_lab.models.nets.in_context.foundation import TabICL, TabICLParams

SMALL = {"context_rows": 60, "context_eras": 4, "n_scores": 4, "n_estimators": 2}
TINY = {
    "max_classes": 0,
    "num_quantiles": 19,
    "embed_dim": 8,
    "col_num_blocks": 1,
    "col_nhead": 2,
    "col_num_inds": 4,
    "row_num_blocks": 1,
    "row_nhead": 2,
    "row_num_cls": 2,
    "icl_num_blocks": 1,
    "icl_nhead": 2,
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A checkpoint of random weights in the package's own form."""
    return random_checkpoint(tmp_path_factory.mktemp("tabicl") / "tiny.ckpt")


def random_checkpoint(path, **changes):
    pytest.importorskip("tabicl", reason="tabicl is tested with it: pip install 'numerai_lab[icl]'")
    from tabicl._model.tabicl import TabICL as Net

    config = {**TINY, **changes}
    torch.manual_seed(0)
    net = Net(**config)
    with torch.no_grad():
        for weight in net.parameters():
            weight += 0.3 * torch.randn(weight.shape)
    torch.save({"config": config, "state_dict": net.state_dict()}, path)
    return path


def fitted(checkpoint, frame=None, **more):
    params = TabICLParams.model_validate({**SMALL, "checkpoint": str(checkpoint), **more})
    model = TabICL(params)
    return model, model.fit(train_frame(20) if frame is None else frame, context())


@pytest.mark.slow
def test_it_keeps_every_promise_of_a_model(tiny):
    check_model(TabICL, {**SMALL, "checkpoint": str(tiny), "controls": False})


@pytest.mark.slow
def test_what_is_shown_decides_and_controls_stand_beside_it(tiny):
    model, report = fitted(tiny)
    told = model.predict_in_detail(judged_frame())
    assert set(told.variants) == {"shuffled_context", "ancient_context"}
    assert all(not np.allclose(v, told.predictions) for v in told.variants.values())
    assert np.std(told.predictions) > 0
    assert report.details["tabicl"]["context_eras"] == [17, 18, 19, 20]
    assert "4 eras, 17-20 (newest), by tiny.ckpt" in report.notes[-1]
    spread, report = fitted(tiny, context="spread", controls=False)
    assert report.details["tabicl"]["context_eras"] == [1, 7, 14, 20]
    assert spread.predict_in_detail(judged_frame()).variants == {}
    assert not np.allclose(spread.predict(judged_frame()), told.predictions)


def test_a_checkpoint_that_has_changed_since_is_not_believed(tiny, tmp_path):
    own = tmp_path / "own.ckpt"
    own.write_bytes(tiny.read_bytes())
    model, _ = fitted(own, controls=False)
    (tmp_path / "kept").mkdir()
    model.save(tmp_path / "kept")
    again = TabICL.load(tmp_path / "kept")
    assert np.array_equal(again.predict(judged_frame()), model.predict(judged_frame()))
    random_checkpoint(own, embed_dim=16)
    with pytest.raises(ModelError, match="is not the checkpoint that this model was made with"):
        TabICL.load(tmp_path / "kept").predict(judged_frame())
    own.unlink()
    with pytest.raises(ModelError, match="there is no such checkpoint"):
        TabICL.load(tmp_path / "kept").predict(judged_frame())


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 neither"])
def test_a_file_that_is_no_checkpoint_is_one_sentence(tiny, tmp_path, content):
    path = tmp_path / "some.ckpt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read as a checkpoint of tabicl"):
        fitted(path)


def test_a_checkpoint_of_another_kind_is_one_sentence(tiny, tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "half.ckpt")
    with pytest.raises(ModelError, match="cannot be read as a checkpoint of tabicl"):
        fitted(tmp_path / "half.ckpt")
    classes = random_checkpoint(tmp_path / "classes.ckpt", max_classes=3)
    with pytest.raises(ModelError, match="tells classes apart, and labels here are numbers"):
        fitted(classes)


def test_without_a_checkpoint_it_says_which_one_to_fetch(tmp_path):
    with pytest.raises(ValidationError, match="tabicl has none of its own: name the file of a"):
        TabICLParams.model_validate({})
    with pytest.raises(ModelError, match="there is no such checkpoint") as error:
        fitted(tmp_path / "none.ckpt")
    assert "numerai_lab does not download" in str(error.value.fix)


def test_without_the_library_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tabicl", None)
    (tmp_path / "some.ckpt").write_bytes(b"some")
    with pytest.raises(ModelError, match="needs a library that is not there") as error:
        fitted(tmp_path / "some.ckpt")
    assert error.value.fix == "pip install 'numerai_lab[icl]'"
