"""What a model and a run tell each other, in words that fit any learner."""

from __future__ import annotations

import json
import pickle
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from numerai_lab.errors import ModelError, RunError
from numerai_lab.experiment.judging.variants import variant_facts, variant_pairs, variants_of
from numerai_lab.experiment.predicting import predict_blind
from numerai_lab.experiment.records.rundir import continued_by
from numerai_lab.models import Artefacts, FitContext, ModelInfo, Variant, size_and_unit
from numerai_lab.models.conformance.toy import toy_frame, toy_out_of_fold
from numerai_lab.report.run_shapes import Fit


class Overflows:
    info = ModelInfo(
        summary="predicts infinity", unit="epochs", not_finite_hint="a smaller step is the way out"
    )

    def predict(self, frame):
        return np.full(frame.n_rows, np.inf, dtype=np.float32)


class OverflowsAndKnowsNothing(Overflows):
    info = ModelInfo(summary="predicts infinity", unit="epochs")


def test_the_way_out_of_infinite_predictions_is_the_models_own():
    frame = toy_frame(0)
    with pytest.raises(ModelError, match=r"infinity in .* rows") as caught:
        predict_blind(Overflows(), frame)
    assert caught.value.fix == "a smaller step is the way out"
    with pytest.raises(ModelError, match=r"infinity in .* rows") as caught:
        predict_blind(OverflowsAndKnowsNothing(), frame)
    assert not caught.value.fix


def test_facts_of_older_runs_are_read_as_those_of_today():
    assert size_and_unit({"size": 7, "unit": "epochs"}) == (7, "epochs")
    assert size_and_unit({"n_trees": 5}) == (5, "trees")
    assert size_and_unit({}) == (None, "")
    old = Fit.model_validate({"n_trees": 5, "fit_seconds": 1.0})
    assert (old.size, old.unit) == (5, "trees")
    assert Fit.model_validate({"size": None, "unit": None}).size is None


def test_what_a_refreshed_model_grew_by_is_read_from_manifests_of_any_age():
    assert continued_by({"amount": 5, "unit": "epochs"}) == 5
    assert continued_by({"rounds": 3}) == 3


def test_variants_are_compared_with_what_was_declared_before_them():
    plain, near = (
        Variant("plain", "unchanged"),
        Variant("near", "changed", compared_with=("plain",)),
    )
    info = ModelInfo(summary="two variants", unit="fits", variants=(plain, near))
    pairs = [("prediction", "plain"), ("near", "plain"), ("prediction", "near")]
    assert variant_pairs(info.variants, ["prediction", "plain", "near", "else"]) == pairs
    assert variant_pairs(info.variants, ["prediction", "near"]) == pairs[-1:]
    assert info.control is None
    for wrong, said in (
        ((near, plain), "'near' is compared with 'plain', and no variant"),
        ((plain, plain), "'plain' is taken already"),
        ((Variant("prediction", "itself"),), "'prediction' is taken already"),
    ):
        with pytest.raises(ModelError, match=said):
            ModelInfo(summary="wrong", unit="fits", variants=wrong)


def test_variants_of_a_run_are_those_it_declared_or_todays_of_its_model():
    own = (Variant("mine", "my own", control=True, reading="a reading"),)
    manifest = {"model": {"type": "gone", "variants": variant_facts(own)}}
    assert variants_of(json.loads(json.dumps(manifest))) == own
    older = variants_of({"model": {"type": "xgb_ttt"}})
    assert [variant.name for variant in older] == ["frozen", "joint", "shuffled"]
    assert variants_of({"model": {"type": "a package that was removed"}}) == ()
    for damaged in (7, [7], [{"name": "mine"}], [{"compared_with": []}]):
        with pytest.raises(RunError, match="no variants of a model"):
            variants_of({"model": {"type": "gone", "variants": damaged}})


def test_a_context_travels_whole_but_for_what_a_worker_adds():
    """A field that is added to the context is not dropped on its way to a worker."""
    stays = {"weights", "stop", "unlabelled", "members", "artefacts", "unfinished"}
    added = {*stays, "earlier", "progress", "pace", "say", "world", "peers", "n_threads"}
    others = {field.name for field in fields(FitContext)} - added
    given = FitContext(
        seed=3,
        target="a",
        targets=("a", "b"),
        purge_eras=8,
        stop_patience=7,
        device="cuda",
        weights=np.ones(4, dtype=np.float32),
        stop=toy_frame(0),
        unlabelled=toy_frame(1),
        members=toy_out_of_fold(["a"], toy_frame(2)),
        artefacts=Artefacts(Path(), "", 3, {}, None, 30, print),
        n_threads=16,
        unfinished=Path("unfinished"),
        alone=True,
        sparing=True,
        replayed=2,
        feature_sets={"small": ("feature_a",)},
        progress=lambda *_: None,
        pace=lambda _: None,
    )
    for field in fields(FitContext):  # one that is added must be given above
        assert field.name in added or getattr(given, field.name) != field.default, field.name
    arrived = pickle.loads(pickle.dumps(given.travelling(2)))
    assert {name: getattr(arrived, name) for name in others} == {
        name: getattr(given, name) for name in others
    }
    assert [name for name in stays if getattr(arrived, name) is not None] == []
    assert [name for name in stays if getattr(given, name) is None] == []
    assert arrived.n_threads == 2
