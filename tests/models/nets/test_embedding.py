"""`embedding`: a net's bottleneck as columns, out of fold on the training eras."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="nets need torch: pip install numerai_lab[torch]")

import pyarrow as pa

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.features import Pipeline, StepContext, check_transform, get_transform
from numerai_lab.models import check_model, get_model

NET = {"type": "mlp", "params": {"epochs": 2, "width": 8, "hidden": 8}}
SMALL = {"type": "mixer", "params": {"epochs": 1, "width": 4, "subsets": 2, "bottleneck": 3}}


@pytest.mark.slow
def test_keeps_its_promises():
    check_transform(get_transform("embedding"), {"model": SMALL, "folds": 2, "columns": 3})


@pytest.mark.slow
def test_a_model_with_it_keeps_its_promises_in_a_bundle_too():
    steps = [{"type": "embedding", "model": NET, "folds": 2, "columns": 2}]
    check_model(
        get_model("transformed"),
        {"transforms": steps, "model": {"type": "ridge"}, "placebo": 0},
    )


def noisy_frame(n_eras=8, rows=40):
    rng = np.random.default_rng(5)
    n = n_eras * rows
    return EraFrame(
        features=rng.integers(0, 5, (n, 12)).astype(np.int8),
        eras=np.arange(1, n_eras + 1, dtype=np.int32),
        offsets=np.arange(n_eras + 1, dtype=np.int64) * rows,
        ids=pa.array([f"r{i}" for i in range(n)]),
        targets=rng.integers(0, 5, (n, 1)).astype(np.float32) / 4,
        feature_names=tuple(f"f{i}" for i in range(12)),
        target_names=("target",),
    )


def told_of(columns, label):
    """How much of the labels linear weights on columns explain."""
    weights, *_ = np.linalg.lstsq(columns - columns.mean(axis=0), label - label.mean(), rcond=None)
    return np.corrcoef((columns - columns.mean(axis=0)) @ weights, label)[0, 1]


def test_training_columns_know_nothing_of_their_own_labels():
    frame = noisy_frame()
    net = {
        "type": "mixer",
        "params": {
            **SMALL["params"],
            "width": 16,
            "epochs": 40,
            "learning_rate": 0.01,
            "dropout": 0.0,
        },
    }
    params = get_transform("embedding").Params.model_validate(
        {"type": "embedding", "model": net, "columns": 2, "bins": 14, "folds": 2}
    )
    pipeline = Pipeline([params])
    made = pipeline.fit(
        frame, StepContext(0, "target", 1, raw_names=frame.feature_names, n_threads=1)
    )
    label = frame.target("target")
    assert told_of(made.blocks[0], label) < 0.15
    assert told_of(pipeline.columns(frame, None).blocks[0], label) > 0.3  # labels are all noise


def test_models_without_a_bottleneck_are_refused():
    with pytest.raises(ValueError, match="'xgb' has no bottleneck to take: write mixer or mlp"):
        get_transform("embedding").Params.model_validate(
            {"type": "embedding", "model": {"type": "xgb"}}
        )


def test_too_few_eras_are_refused():
    kind = get_transform("embedding")
    step = kind(kind.Params.model_validate({"type": "embedding", "model": NET}))
    few = noisy_frame().between(1, 3)
    with pytest.raises(ModelError, match="training eras into 4 blocks"):
        step.fit(few, StepContext(0, "target", 1, raw_names=few.feature_names))
