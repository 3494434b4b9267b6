"""`era_set`: promises of a model, an era as a set of rows, what is exported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import context, judged_frame, train_frame
from numerai_lab.models import assemble_exported, check_model
from numerai_lab.models.conformance.toy import toy_frame
from numerai_lab.models.nets.attention import Eras
from numerai_lab.models.nets.batches import unlabelled_batch
from numerai_lab.models.nets.era_set import EraSet, EraSetParams

TINY = {"epochs": 2, "width": 8, "hidden": 8, "heads": 2, "points": 3, "layers": 2}


def fitted(params=None, frame=None):
    model = EraSet(EraSetParams.model_validate({**TINY, **(params or {})}))
    report = model.fit(train_frame() if frame is None else frame, context())
    return model, report


def test_it_keeps_every_promise_of_a_model():
    check_model(EraSet, TINY)


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_exported_it_predicts_the_same_with_gaps(dtype):
    params = {"learning_rate": 0.02, "seeds": 2, "loss": "cross_entropy"}
    model, _ = fitted(params, train_frame(missing=0.2, dtype=dtype))
    judged = judged_frame(missing=0.3, dtype=dtype)
    exported = assemble_exported(model.export(), judged.feature_names, judged.features.dtype.name)
    predicted = model.predict(judged)
    for _, rows in judged.iter_eras():
        assert np.abs(exported.predict(judged.features[rows]) - predicted[rows]).max() < 1e-6
    assert np.std(predicted) > 1e-4


def test_an_era_is_a_set_of_rows():
    """Order cannot matter, other rows of the era do, and those of other eras do not."""
    model, _ = fitted({"learning_rate": 0.05, "epochs": 6})
    (net,) = model.nets
    bins = judged_frame().features
    bins = np.concatenate([bins, bins[:7]])
    order = np.random.default_rng(0).permutation(40)

    def outputs(rows, offsets):
        with torch.inference_mode():
            return net(unlabelled_batch(rows, offsets, torch.device("cpu"))).numpy()[:, 0]

    alone = outputs(bins[:40], [0, 40])
    assert np.allclose(outputs(bins[order], [0, 40]), alone[order], atol=1e-5)
    for sizes in ([40, 1, 20], [40, 5, 13]):  # shorter eras beside it are padded
        offsets = np.cumsum([0, *sizes])
        assert np.allclose(outputs(bins[: offsets[-1]], offsets)[:40], alone, atol=1e-5)
    assert np.abs(outputs(bins[:20], [0, 20]) - alone[:20]).max() > 1e-4


def test_eras_lie_apart_and_come_together_again():
    batch = unlabelled_batch(np.zeros((9, 2), dtype=np.int8), [0, 3, 4, 9], torch.device("cpu"))
    eras, rows = Eras(batch), torch.arange(18.0).reshape(9, 2)
    apart = eras.apart(rows)
    assert apart.shape == (3, 5, 2)
    assert apart[1].tolist() == [[6.0, 7.0], *[[0.0, 0.0]] * 4]
    assert eras.padding.sum(dim=1).tolist() == [2, 4, 0]
    assert torch.equal(eras.together(apart), rows)


def test_what_the_era_tells_is_learnt():
    """A label that is the same for a whole era, the mean of a feature, is learnt from its rows."""
    rng = np.random.default_rng(4)

    def frame(first_era, n_eras):
        rows = toy_frame(7, rows_per_era=np.full(n_eras, 40), first_era=first_era)
        high = rng.integers(0, 2, size=n_eras).astype(np.float32)
        features = rows.features.copy()
        shifted = np.clip(features[:, 3] + np.repeat(2 * high - 1, 40), 0, 4)
        features[:, 3] = shifted.astype(np.int8)
        label = np.repeat(high, 40)
        return replace(rows, features=features, targets=np.stack([label, label], axis=1)), label

    train, _ = frame(1, 60)
    judged, label = frame(100, 12)
    model, report = fitted({"epochs": 12, "learning_rate": 0.02, "dropout": 0.0}, train)
    predicted = model.predict(judged.without_targets())
    assert np.corrcoef(predicted, label)[0, 1] > 0.8
    alone = np.corrcoef(judged.features[:, 3], label)[0, 1]
    assert alone < 0.7  # of a row by itself
    assert len(report.details["training"]["nets"][0]["loss"]) == 12


def test_heads_must_share_the_width():
    with pytest.raises(ValidationError, match="width: 10 is not a multiple of heads: 4"):
        EraSetParams.model_validate({"width": 10})
