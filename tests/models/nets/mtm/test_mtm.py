"""`mtm`: promises of a model, groups, masks, pretraining, the twin from scratch, exports."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import context, judged_frame, train_frame
from numerai_lab.errors import ModelError
from numerai_lab.models import Artefacts, assemble_exported, check_model, info_of
from numerai_lab.models.nets.batches import unlabelled_batch
from numerai_lab.models.nets.mtm import MTM, MTMParams
from numerai_lab.models.nets.mtm.masks import draw, schedule

TINY = {
    "epochs": 2, "width": 8, "hidden": 8, "layers": 1, "heads": 2, "n_groups": 3,
    "points": 3, "pretrain_epochs": 1,
}  # fmt: skip
CPU = torch.device("cpu")


def params_of(**params):
    return MTMParams.model_validate({**TINY, **params})


def fitted(frame=None, ctx=None, **params):
    model = MTM(params_of(**params))
    report = model.fit(train_frame() if frame is None else frame, ctx or context())
    return model, report


def test_it_keeps_every_promise_of_a_model():
    few = {"epochs": 1, "eras_per_batch": 24}  # steps: it is fitted some fifteen times
    check_model(MTM, {**TINY, "era_layers": 1, "joint_weight": 0.5, "masks": "auto", **few})


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_exported_it_predicts_the_same_with_gaps(dtype):
    frame = train_frame(missing=0.2, dtype=dtype)
    params = {"loss": "cross_entropy", "auxiliary_targets": {"target_other": 0.5}, "seeds": 2}
    ctx = context(targets=("target", "target_other"))
    model, _ = fitted(frame, ctx, era_layers=1, learning_rate=0.02, layers=2, **params)
    judged = judged_frame(missing=0.3, dtype=dtype)
    exported = assemble_exported(model.export(), judged.feature_names, judged.features.dtype.name)
    predicted = model.predict(judged)
    for _, rows in judged.iter_eras():
        assert np.abs(exported.predict(judged.features[rows]) - predicted[rows]).max() < 1e-6
    assert np.std(predicted) > 1e-4


def test_the_twin_from_scratch_stands_beside_it_and_is_kept(tmp_path):
    model, report = fitted()
    twin, _ = fitted(pretrain_epochs=0)
    judged = judged_frame()
    shown = model.predict_in_detail(judged)
    assert np.array_equal(shown.variants["scratch"], twin.predict(judged))
    assert np.abs(shown.variants["scratch"] - shown.predictions).max() > 1e-4
    assert MTM.twin_of_variant(model.params) == ("scratch", "mtm", twin.params)
    model.save(tmp_path)
    again = MTM.load(tmp_path).predict_in_detail(judged)
    assert np.array_equal(again.variants["scratch"], shown.variants["scratch"])
    assert not info_of(MTM, twin.params).variants
    assert twin.predict_in_detail(judged).variants == {}
    told = report.details["training"]
    assert len(told["scratch"][0]["loss"]) == len(told["nets"][0]["loss"]) == 2


def test_pretrained_weights_are_made_once_and_from_earlier_eras_only(tmp_path):
    known = train_frame(n_eras=30).without_targets()
    place = Artefacts(tmp_path, "toy", 3, {}, 40, 20, say=lambda _: None)
    ctx = context(unlabelled=known, artefacts=place)
    first, report = fitted(ctx=ctx)
    (kept,) = tmp_path.glob("mtm-*")
    made = (kept / "weights.npz").stat().st_mtime_ns
    second, _ = fitted(ctx=ctx, learning_rate=0.002)  # what comes after does not matter to it
    assert (kept / "weights.npz").stat().st_mtime_ns == made
    assert [use["features_to"] for use in place.used] == [30]
    assert not np.array_equal(first.predict(judged_frame()), second.predict(judged_frame()))
    told = report.details["training"]["pretraining"]
    assert (told["rows"], told["first"], told["last"]) == (29 * 30, 1, 30)
    assert told["held_out"] == [20]
    more = context(unlabelled=train_frame(n_eras=32).without_targets(), artefacts=place)
    _, report = fitted(ctx=more, reuse_earlier=True)  # as a later fold may
    assert list(tmp_path.glob("mtm-*")) == [kept]
    assert report.details["training"]["pretraining"] == told
    late = replace(place, first_judged=30)
    with pytest.raises(ModelError, match="has seen features up to era 30, and era 30 is judged"):
        fitted(ctx=context(unlabelled=known, artefacts=late))


def doubled(n_eras):
    """Rows whose features 4 to 7 are copies of 0 to 3."""
    frame = train_frame(n_eras=n_eras, rows=40)
    features = frame.features.copy()
    features[:, 4:] = features[:, :4]
    return replace(frame, features=features)


def test_pretraining_learns_what_groups_tell_of_one_another():
    frame = doubled(24)
    names = frame.feature_names
    groups = {"a": list(names[:4]), "b": list(names[4:])}
    params = {"masks": "group", "width": 32, "hidden": 32, "dropout": 0.0, "weight_decay": 0.0}
    _, report = fitted(
        frame, groups=groups, epochs=1, pretrain_epochs=30, pretrain_rate=0.02, **params
    )
    told = report.details["training"]["pretraining"]
    for group in told["groups"]:
        assert group["features"] == 4
        assert group["mean"] == pytest.approx(2.0, rel=0.1)
        assert group["linear"] < 0.01
        assert group["net"] < 0.5 * group["mean"]
    assert told["loss"][-1] < told["loss"][0] * 0.8
    net = np.mean([group["net"] for group in told["groups"]])
    (said,) = (note for note in report.notes if note.startswith("a hidden group is rebuilt"))
    assert f"an error of {net:.2f} (mean square, in bins)" in said
    assert said.endswith(
        "a ridge regression on the other groups 0.00, which the net beats in 0 of 2 groups"
    )


def test_missing_values_are_never_counted():
    frame = train_frame(n_eras=25)
    features = frame.features.copy()
    features[:, 2] = -1
    groups = {"gone": [frame.feature_names[2]]}
    _, report = fitted(replace(frame, features=features), groups=groups)
    gone, other = report.details["training"]["pretraining"]["groups"]
    assert gone == {"name": "gone", "features": 1, "net": None, "mean": None, "linear": None}
    assert other["name"] == "other"
    assert other["features"] == 7
    assert other["mean"] > 0


def test_what_is_hidden_is_not_read():
    """Behind a mask neither outputs nor the loss of other cells depend on what is hidden."""
    model, _ = fitted(era_layers=0)
    (net,) = model.nets
    bins = judged_frame().features[:20]
    batch = unlabelled_batch(bins, [0, 20], CPU)
    torch.manual_seed(1)
    mask = draw(batch, net.n_groups, 1, params_of(masks="group", hidden_share=[0.5, 0.5]))
    hidden = mask.groups[:, net.group_of].numpy()
    assert 0.2 < hidden.mean() < 0.8
    other = unlabelled_batch(np.where(hidden, 4 - bins, bins).astype(np.int8), [0, 20], CPU)
    with torch.inference_mode():
        one, two = net.masked(batch, mask), net.masked(other, mask)
    assert torch.equal(one[0], two[0])
    assert not torch.equal(one[1], two[1])


def test_labels_are_not_read_where_targets_are_hidden():
    model, _ = fitted(joint_weight=1.0, masks="auto")
    (net,) = model.nets
    batch = unlabelled_batch(judged_frame().features[:20], [0, 20], CPU)
    labelled = replace(batch, labels=torch.randn(20, 1))
    with torch.inference_mode():
        assert torch.equal(net(batch), net(labelled))
        torch.manual_seed(1)
        mask = draw(batch, net.n_groups, 1, params_of(masks="cell", hidden_share=[0.5, 0.5]))
        hidden, outputs = mask.targets[:, 0], net.masked(labelled, mask)[0]
        differ = (outputs != net.masked(batch, mask)[0])[:, 0]
    assert torch.equal(differ, ~hidden)


@pytest.mark.parametrize(
    ("masks", "hidden"),
    [
        ("cell", 0.3), ("group", 0.3), ("row", 0.3), ("suffix", 0.45), ("targets_hidden", 0),
        ("reference", 1 - 0.7 * 0.55),
    ],
)  # fmt: skip
def test_masks_hide_their_share(masks, hidden):
    params = params_of(
        masks=masks, hidden_share=[0.2, 0.4], era_layers=1, pretrain_epochs=0, joint_weight=1.0
    )
    torch.manual_seed(0)
    (told,) = schedule(params, 10)
    assert told["mode"] == masks
    assert told["hidden"] == pytest.approx(hidden, abs=0.04)


def test_auto_draws_by_weight():
    params = params_of(masks="auto", auto_weights={"cell": 3, "suffix": 1})
    torch.manual_seed(0)
    told = {of["mode"]: of["drawn"] for of in schedule(params, 10)}
    assert told["cell"] == pytest.approx(0.75, abs=0.06)
    assert told["cell"] + told["suffix"] == 1


def test_groups_share_the_features_out_and_say_so():
    frame = train_frame()
    names = frame.feature_names
    groups = {"a": [names[3], names[0]], "b": [names[3], names[5], "feature_absent"], "c": ["x"]}
    model, report = fitted(frame, groups=groups)
    assert model.own["groups"] == [
        {"name": "a", "columns": [0, 3]},
        {"name": "b", "columns": [5]},
        {"name": "other", "columns": [1, 2, 4, 6, 7]},
    ]
    assert (
        "3 groups of features: 1 features named again belong to their first group, 5 in none form "
        "'other', 2 named are not trained on" in report.notes
    )
    with pytest.raises(ModelError, match="none of the 1 features in groups is among the 8"):
        fitted(frame, groups={"a": ["x"]})
    ctx = context(feature_sets=groups)
    assert fitted(frame, ctx, groups=["b", "a"])[0].own["groups"][0]["columns"] == [3, 5]
    with pytest.raises(ModelError, match="the data have no set of features 'd'"):
        fitted(frame, ctx, groups=["a", "d"])


def test_features_that_correlate_are_clustered():
    model, _ = fitted(doubled(12), n_groups=4)
    pairs = {tuple(group["columns"]) for group in model.own["groups"]}
    assert pairs == {(0, 4), (1, 5), (2, 6), (3, 7)}


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"hidden_share": [0.5, 1.5]}, r"hidden_share: \[0.5, 1.5\] is no range within 0 and 1"),
        ({"masks": "row"}, "masks: row hides whole rows"),
        ({"masks": "targets_hidden"}, "there is nothing to pretrain on"),
        ({"masks": "cell", "hidden_share": [0, 0]}, "hides nothing"),
        ({"width": 9}, "width: 9 is not a multiple of heads: 2"),
    ],
)
def test_what_teaches_nothing_is_refused(params, problem):
    with pytest.raises(ValidationError, match=problem):
        params_of(**params)


def test_bad_rows_are_refused_and_one_era_is_enough():
    one = train_frame(n_eras=1)
    assert np.isfinite(fitted(one)[0].predict(judged_frame())).all()
    with pytest.raises(ModelError, match="fewer than two values"):
        fitted(replace(one, targets=np.zeros_like(one.targets)))
    high = one.features.copy()
    high[3, 1] = 9
    with pytest.raises(ModelError, match="has the value 9 in era 1"):
        fitted(replace(one, features=high))


CONFIG = """
extends: tiny.yaml
name: masked
model:
  type: mtm
  params: {epochs: 1, width: 8, hidden: 8, heads: 2, groups: [small, medium], pretrain_epochs: 1}
"""


def test_a_run_shows_the_twin_and_what_was_pretrained(lab, tiny_config, tmp_path):
    config = tmp_path / "masked.yaml"
    config.write_text(CONFIG)
    result = lab("train", config, "--runs-dir", tmp_path / "runs", "--final", "--json")
    assert result.code == 0, result.err
    (run,) = (tmp_path / "runs" / "masked").glob("*/")
    page = (run / "report.html").read_text()
    assert "same net, not pretrained" in page
    assert "Error of what was rebuilt, by group" in page
    for name in ("small", "medium", "other", "reference"):
        assert f">{name}</th>" in page
    rebuilt = page.split("<caption>Error of what was rebuilt, by group")[1].split("</table>")[0]
    *each, whole = (
        [float(v) for v in re.findall(r">(\d\.\d+)</td>", row)] for row in rebuilt.split("<tr>")[2:]
    )
    assert whole == pytest.approx(np.mean(each, axis=0), abs=1e-4)
    told = json.loads((run / "folds" / "01" / "fit.json").read_text())
    (used,) = told["artefacts"]
    assert used["labels_to"] is None
    pretraining = told["details"]["training"]["pretraining"]
    assert pretraining["last"] == used["features_to"]
    judged = pd.read_parquet(run / "predictions.parquet")
    assert "scratch" in judged.columns
    bundle = lab("export", run, "--out", tmp_path / "model.pkl", "--runs-dir", tmp_path / "runs")
    assert bundle.code == 0, bundle.err
