"""Log loss, accuracy and macro-F1: equal to scikit-learn's, from probabilities asked for anew."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.metrics import accuracy_score, f1_score, log_loss

from numerai_lab.experiment import find_run
from numerai_lab.scoring import class_scores
from tiny import TINY_CONFIG

VALUES = (0.0, 0.25, 0.5, 0.75, 1.0)
NAMES = ("log_loss", "accuracy", "macro_f1")
ALL = [part for name in NAMES for part in ("--extra", name)]
SPLITS = {
    "classes": "{type: walk_forward, first_train_eras: 30, chunk_eras: 10, purge_eras: 4}",
    "tested": "{type: holdout, train: {to: 25}, validate: {to: 42}, test: {from: 45}, "
    "purge_eras: 4}",
}


def theirs(target, shares, values=VALUES) -> dict[str, float]:
    """What scikit-learn says of one era."""
    classes = np.searchsorted(values, target)
    found = shares.argmax(axis=1)
    return {
        "log_loss": log_loss(classes, shares, labels=np.arange(len(values))),
        "accuracy": accuracy_score(classes, found),
        "macro_f1": f1_score(classes, found, average="macro"),
    }


def draw(seed, n=80, classes=VALUES):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(5), n)
    return rng.choice(classes, n).astype(np.float32), shares


@pytest.mark.parametrize("classes", [VALUES, VALUES[1:3]], ids=["all occur", "two occur"])
def test_scores_are_those_of_scikit_learn(classes):
    target, shares = draw(1, classes=classes)
    assert class_scores(shares, VALUES, target) == pytest.approx(theirs(target, shares), rel=1e-12)
    narrow = shares.astype(np.float32)
    assert class_scores(narrow, VALUES, target) == pytest.approx(theirs(target, shares), rel=1e-6)


def test_what_was_sure_and_wrong_costs_as_much_as_there():
    target = np.array([0, 0.5, 1, 1], dtype=np.float32)
    sure = np.eye(5)[[0, 2, 4, 1]]
    found = class_scores(sure, VALUES, target)
    assert found == pytest.approx(theirs(target, sure), rel=1e-12)
    assert found["log_loss"] == pytest.approx(-np.log(np.finfo(float).eps) / 4)


def test_rows_without_a_label_are_left_out_and_unknown_classes_are_not():
    target, shares = draw(2)
    target[::7] = np.nan
    known = ~np.isnan(target)
    wanted = theirs(target[known], shares[known])
    assert class_scores(shares, VALUES, target) == pytest.approx(wanted, rel=1e-12)
    target[1:5] = 2.0  # never seen in training, so given no probability
    known = ~np.isnan(target)
    with_none = np.column_stack([shares, np.zeros(len(shares))])
    wanted = theirs(target[known], with_none[known], (*VALUES, 2.0))
    assert class_scores(shares, VALUES, target) == pytest.approx(wanted, rel=1e-12)
    nothing = class_scores(shares, VALUES, np.full(80, np.nan, dtype=np.float32))
    assert all(np.isnan(nothing[name]) for name in NAMES)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tournament):
    """Runs of trees that learnt classes, one of them with a test; read them only."""
    from numerai_lab.cli import run

    folder = tmp_path_factory.mktemp("classes")
    for name, split in SPLITS.items():
        text = TINY_CONFIG.format(folder=tournament).replace("name: tiny", f"name: {name}")
        text = text.replace(SPLITS["classes"], split).replace(
            "params: {", "params: {head: classes, "
        )
        (folder / f"{name}.yaml").write_text(text)
        train = ["train", folder / f"{name}.yaml", "--runs-dir", folder / "runs", "--quiet"]
        assert run([str(part) for part in train]) == 0
    return folder / "runs"


def by_hand(run, eras) -> dict[str, float]:
    """Means over eras, from the boosters in the run's folds and the tournament's files."""
    manifest = run.manifest()
    folder = Path(manifest["data"]["folder"])
    rows = pd.concat(pd.read_parquet(folder / f"{n}.parquet") for n in ("train", "validation"))
    rows["number"] = rows["era"].astype(int)
    per_era = []
    for fold in manifest["folds"]:
        model = run.fold_dir(fold["fold"]) / "model"
        booster = xgboost.Booster(model_file=model / "booster.ubj")
        names = json.loads((model / "meta.json").read_text())["feature_names"]
        for first, last in eras(fold):
            for _, era in rows[rows["number"].between(first, last)].groupby("number"):
                features = era[names].to_numpy(dtype=np.int8)
                shares = booster.inplace_predict(features, missing=-1).astype(np.float64)
                shares /= shares.sum(axis=1, keepdims=True)
                per_era.append(theirs(era["target"].to_numpy(), shares))
    return pd.DataFrame(per_era).mean().to_dict()


def test_evaluate_asks_the_folds_models_for_them(lab, runs):
    run = find_run("classes", runs)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    result = lab("evaluate", run.path, *ALL, "--extra", "mae", "--json")
    assert result.code == 0, result.err
    scores = result.json["extra"]["target"]["prediction"]
    assert list(scores) == ["mae", *NAMES]
    wanted = by_hand(run, lambda fold: fold["judged_eras"])
    found = {name: scores[name]["mean"] for name in NAMES}
    assert found == pytest.approx(wanted, rel=1e-5)
    assert scores["accuracy"]["n_eras"] == scores["mae"]["n_eras"]
    assert scores["accuracy"]["sharpe"] is None
    assert set(result.json["scores"]["prediction"]).isdisjoint(NAMES)
    some = lab("evaluate", run.path, *ALL, "--from", 40, "--to", 45, "--json").json
    some = some["extra"]["target"]["prediction"]
    assert (some["log_loss"]["first_era"], some["log_loss"]["last_era"]) == (40, 45)
    shown = lab("evaluate", run.path, "--extra", "macro_f1").out
    assert "  macro_f1 " in shown[shown.index("scores asked for on target") :]
    assert {path: path.read_bytes() for path in before} == before


def test_eras_kept_for_a_test_have_them_too(lab, runs):
    run = find_run("tested", runs)
    result = lab("evaluate", run.path, "--test", *ALL, "--json")
    assert result.code == 0, result.err
    scores = result.json["extra"]["target"]["prediction"]
    wanted = by_hand(run, lambda fold: fold["test_eras"])
    assert {name: scores[name]["mean"] for name in NAMES} == pytest.approx(wanted, rel=1e-5)


def test_where_there_are_none_the_reason_is_said(lab, runs, final_runs, tournament, tmp_path):
    run = find_run("classes", runs).path
    number = find_run("tiny", final_runs).path
    file = run / "predictions.parquet"
    for asked, reason in (
        ((number,), "the trees learnt the target as a number, and give no probabilities"),
        ((run, "--target", "target_ender_60"), "classes are learnt of target, not of target_ender"),
        ((run, "--data", tournament), "the folds' models are asked for them on the run's own data"),
        ((file, "--data", tournament), "a file of predictions has no probabilities of classes"),
    ):
        result = lab("evaluate", *asked, "--extra", "accuracy", "--json")
        assert result.code == 0, result.err
        assert f"no accuracy: {reason}" in result.err
        assert any(reason in sentence for sentence in result.json["warnings"])
        assert result.json["extra"] == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            "model:\n  type: ridge\n  params: {alpha: 1.0}\n",
            "model 'ridge' predicts one number a row, and no probabilities of classes",
        ),
        (
            "neutralize: {proportion: 0.5}\nmodel:\n  type: xgb\n"
            "  params: {head: classes, num_boost_round: 2}\n",
            "the predictions are neutralised, which probabilities of classes cannot be",
        ),
    ],
)
def test_other_models_and_neutralised_ones_have_none(lab, tournament, tmp_path, change, reason):
    text = TINY_CONFIG.format(folder=tournament)
    (tmp_path / "other.yaml").write_text(text[: text.index("model:")] + change)
    run = tmp_path / "run"
    assert lab("train", tmp_path / "other.yaml", "--run-dir", run).code == 0
    result = lab("evaluate", run, "--extra", "log_loss", "--json")
    assert result.code == 0, result.err
    assert f"no log_loss: {reason}" in result.err


def test_a_damaged_model_is_told_before_it_is_asked(lab, runs, tmp_path):
    import shutil

    from damage import flip

    run = tmp_path / "run"
    shutil.copytree(find_run("classes", runs).path, run)
    flip(run / "folds" / "02" / "model" / "booster.ubj")
    result = lab("evaluate", run, "--extra", "log_loss")
    assert result.code == 2
    assert "booster.ubj is not what was written" in result.err
