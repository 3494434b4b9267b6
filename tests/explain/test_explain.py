"""`explain RUN`: what it keeps in the run, shows on its page, and refuses."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest

from honest_model import Honest
from numerai_lab.cli import run as run_command
from numerai_lab.models import ModelInfo
from plugins import install_model
from report_html import Page
from tiny import TINY_CONFIG

ALL = ["--permute", "3", "--json", "-q"]


def ids_of(run: Path, fold: int) -> list[str]:
    table = pq.read_table(run / "predictions.parquet")
    folds = table["fold"].to_numpy()
    return [i for i, own in zip(table["id"].to_pylist(), folds, strict=True) if own == fold]


@pytest.fixture(scope="module")
def explained(tmp_path_factory, tiny_run):
    """A copy of the tiny run with fold 2 explained: its folder and what --json said."""
    folder = tmp_path_factory.mktemp("explained")
    shutil.copytree(tiny_run[0] / "runs", folder / "runs")
    (run,) = (folder / "runs" / "tiny").iterdir()
    asked = ["explain", str(run), "--fold", "2", "--id", ids_of(run, 2)[5], "--era", "44"]
    asked += ["--expect", "feature_0000=+1", "--interactions", *ALL]
    with contextlib.redirect_stdout(io.StringIO()) as told:
        assert run_command(asked) == 0
    return run, json.loads(told.getvalue())


@pytest.fixture
def copied(explained, tmp_path):
    """A copy of that run, to be changed."""
    shutil.copytree(explained[0], tmp_path / "runs" / "tiny" / explained[0].name)
    return tmp_path / "runs" / "tiny" / explained[0].name


def test_the_table_sums_to_what_was_predicted(explained):
    run, told = explained
    table = pq.read_table(told["table"]).to_pandas().set_index("id")
    features = [name for name in table if name.startswith("feature_")]
    total = table["base"] + table[features].sum(axis=1)
    assert total.to_numpy() == pytest.approx(table["raw"].to_numpy(), abs=1e-5)
    predictions = pq.read_table(run / "predictions.parquet").to_pandas().set_index("id")
    same = predictions.loc[table.index]
    assert table["raw"].to_numpy() == pytest.approx(same["prediction"].to_numpy(), abs=1e-6)
    assert (table["era"] == same["era"].astype(int)).all()
    assert len(table) == told["explained"]["rows"] == 600
    assert told["largest_gap"] < 1e-5


def test_parts_sum_to_the_scores_they_explain(explained):
    _, told = explained
    assert sum(f["earned"] for f in told["features"]) == pytest.approx(told["corr"])
    (era,) = told["single_eras"]
    assert (era["era"], era["rows"]) == (44, {"explained": 60, "of": 60})
    assert sum(f["earned"] for f in era["features"]) == pytest.approx(era["pearson"])
    scores = pq.read_table(explained[0] / "scores_per_era.parquet").to_pandas()
    own = scores[(scores["era"] == 44) & (scores["prediction"] == "prediction")]
    assert era["corr"] == pytest.approx(own["corr"].iloc[0], abs=1e-6)


def test_a_row_is_explained_from_its_base_to_its_prediction(explained):
    run, told = explained
    (row,) = told["rows"]
    assert row["id"] == ids_of(run, 2)[5]
    whole = row["base"] + sum(f["contribution"] for f in row["features"])
    assert whole == pytest.approx(row["prediction"], abs=1e-5)
    sizes = [abs(f["contribution"]) for f in row["features"]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_row_that_stands_alone_has_its_lime(explained):
    (row,) = explained[1]["rows"]
    assert 0 < row["lime"]["fit"] <= 1
    weights = [abs(one["weight"]) for one in row["lime"]["features"]]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > 0


def test_pairs_are_of_at_most_200_rows(explained):
    found = explained[1]["interactions"]
    assert found["rows"] == 198  # 33 of each of 6 eras
    assert found["pairs"][0]["size"] >= found["pairs"][-1]["size"] > 0
    assert (
        "Interactions: what a pair adds together, 198 rows"
        in Page(Path(explained[1]["page"]).read_text(encoding="utf-8")).tables
    )


def test_groups_are_those_of_features_json(explained):
    groups = {one["group"] for one in explained[1]["groups"]}
    assert groups
    assert "all" not in groups


def test_only_the_features_asked_for_are_shuffled(explained):
    _, told = explained
    largest = {one["feature"] for one in told["features"][:3]}
    assert {one["feature"] for one in told["permutation"]["features"]} == largest


def test_the_page_says_it_all_and_asks_for_nothing(explained):
    run, told = explained
    html = Path(told["page"]).read_text(encoding="utf-8")
    page = Page(html)
    assert "tiny, explained" in page.words
    assert "Synthetic data" in page.words
    assert "contributions sum to the raw output within 1e-05" in page.words
    assert "feature_0000, expected up" in page.words
    assert page.scripts == []
    assert not re.search(r'(src|href)="(?!#)', html)
    for rows in page.tables.values():
        assert len({len(row) for row in rows}) == 1
    report = Page((run / "report.html").read_text(encoding="utf-8"))
    assert "Fold 2: the largest contributions" in report.tables


def test_the_same_is_found_again(lab, explained, copied):
    again = lab("explain", copied, "--fold", "2", *ALL).json
    for key in ("features", "permutation", "dependence", "groups"):
        assert again[key] == explained[1][key], key


def test_fewer_rows_are_counted_and_the_last_fold_is_the_default(lab, copied):
    told = lab("explain", copied, "--rows", "60", "--permute", "0", "--json", "-q").json
    assert told["fold"] == 3
    assert told["explained"] == {"rows": 60, "of": 360, "eras": 2}
    assert told["permutation"]["features"] == []
    page = Page((copied / "explain.html").read_text(encoding="utf-8"))
    assert {"Fold 2", "Fold 3"} <= set(re.findall(r"Fold \d", page.words))


def test_the_fold_is_the_one_that_judges_what_is_asked_for(lab, copied):
    told = lab("explain", copied, "--era", "33", "--permute", "0", "--json", "-q").json
    assert told["fold"] == 1
    two = lab("explain", copied, "--era", "33", "--era", "52")
    assert two.code == 2
    assert "is judged by folds 1, 3, which have a model each" in two.err


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["--fold", "9"], "has folds 1-3, and no fold 9"),
        (["--era", "5"], "--era: no fold judges era 5, they judge eras 31-56"),
        (["--fold", "1", "--era", "44"], "fold 1 judges eras 31-40, and not 44"),
        (["--id", "nobody"], "--id: no judged row has the id 'nobody'"),
        (["--expect", "feature_9=1"], "'feature_9' is not a feature of the run, did you mean"),
        (["--expect", "feature_0000"], "is not FEATURE=+1 or FEATURE=-1"),
        (["--expect", "feature_0000=2"], "is not FEATURE=+1 or FEATURE=-1"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(lab, explained, asked, sentence):
    result = lab("explain", explained[0], *asked, "-q")
    assert result.code == 2
    assert sentence in result.err
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1


def test_what_a_config_expects_must_be_a_feature(lab, tmp_path, tournament):
    config = tmp_path / "tiny.yaml"
    config.write_text(TINY_CONFIG.format(folder=tournament) + "expect: {feature_000: 1}\n")
    result = lab("train", config, "--plan")
    assert result.code == 2
    assert "expect.feature_000: 'feature_000' is not a feature of the experiment" in result.err
    config.write_text(config.read_text().replace("feature_000: 1", "feature_0000: 2"))
    result = lab("config", "check", config)
    assert result.code == 2
    assert "expect.feature_0000" in result.err


def test_a_damaged_model_is_not_explained(lab, copied):
    model = copied / "folds" / "03" / "model" / "booster.ubj"
    model.write_bytes(model.read_bytes()[:-1])
    result = lab("explain", copied, "-q")
    assert result.code == 2
    assert "booster.ubj" in result.err
    shutil.rmtree(copied / "folds" / "03")
    gone = lab("explain", copied, "-q")
    assert gone.code == 2
    assert "has no fold 3" in gone.err


def test_a_damaged_explanation_is_said_and_made_anew(lab, copied):
    path = copied / "explain" / "fold_02.json"
    path.write_text(path.read_text().replace('"fold": 2', '"fold": 3', 1))
    assert lab("report", copied).code == 0
    report = Page((copied / "report.html").read_text(encoding="utf-8"))
    assert "Fold 2: the largest contributions" not in report.tables
    assert "--fold 2` writes it anew" in report.words
    assert lab("explain", copied, "--fold", "2", "--permute", "0", "-q").code == 0
    assert lab("report", copied).code == 0
    report = Page((copied / "report.html").read_text(encoding="utf-8"))
    assert "Fold 2: the largest contributions" in report.tables


def test_an_explanation_of_an_earlier_model_is_not_shown(lab, copied):
    done = copied / "folds" / "02" / "DONE"
    done.write_text(done.read_text() + " ")
    assert lab("report", copied).code == 0
    report = Page((copied / "report.html").read_text(encoding="utf-8"))
    assert "explains another model than the fold has now" in report.words


def test_an_ensemble_is_explained_by_member_and_says_what_its_total_is(lab, tmp_path, tournament):
    text = TINY_CONFIG.format(folder=tournament).replace("name: tiny", "name: members")
    head = text[: text.index("model:")]
    params = "{preset: custom, n_estimators: 4, weights: equal, seeds: 2, targets: [target]}"
    config = tmp_path / "members.yaml"
    expect = "expect: {feature_0000: +1, feature_0001: -1}\n"
    config.write_text(f"{head}{expect}model:\n  type: lgbm_ensemble\n  params: {params}\n")
    assert lab("train", config, "--runs-dir", tmp_path / "runs", "-q").code == 0
    told = lab("explain", "members", "--runs-dir", tmp_path / "runs", *ALL).json
    names = [member["name"] for member in told["members"]]
    assert len(names) > 1
    assert any("blend of ranks, which is no sum" in note for note in told["notes"])
    up, down = told["expected"]  # as its config says
    assert (up["feature"], up["sign"], down["feature"], down["sign"]) == (
        *("feature_0000", 1),
        *("feature_0001", -1),
    )
    assert up["violated"] == [
        era
        for era, along in zip(told["by_era"]["eras"], up["along"], strict=True)
        if along is not None and along < 0
    ]
    page = Path(told["page"]).read_text(encoding="utf-8")
    assert "How far each feature goes the way expected" in page
    table = pq.read_table(told["table"]).to_pandas()
    assert set(table["member"]) == set(names)
    features = [name for name in table if name.startswith("feature_")]
    total = (table["base"] + table[features].sum(axis=1)).to_numpy()
    assert total == pytest.approx(table["raw"].to_numpy(), abs=1e-5)
    assert np.ptp(table["raw"]) > 0
    some = table["id"].iloc[0]
    asked = ["--id", some, "--interactions", "--permute", "0", "--json", "-q"]
    alone = lab("explain", "members", "--runs-dir", tmp_path / "runs", *asked).json
    assert alone["rows"][0]["lime"] is None
    assert alone["interactions"] is None
    assert any("rows have no LIME" in note for note in alone["notes"])
    assert "the model cannot tell interactions of features" in alone["notes"]


class Silent(Honest):
    """Says nothing about its features."""


class Crowd(Honest):
    """Predicts what a row has beyond the others of its era."""

    info: ClassVar[ModelInfo] = ModelInfo(summary="crowd", unit="fits", transductive=True)

    def values(self, frame):
        values = super().values(frame)
        means = np.add.reduceat(values, frame.offsets[:-1]) / np.diff(frame.offsets)
        return values - np.repeat(means, np.diff(frame.offsets))


@pytest.fixture
def own_model(lab, tmp_path, monkeypatch, tournament):
    """Train a class of this file on the tiny data; returns its runs folder."""

    def train(kind):
        name = kind.__name__.lower()
        install_model(tmp_path / "installed", name, f"{__name__}:{kind.__name__}")
        monkeypatch.syspath_prepend(tmp_path / "installed")
        text = TINY_CONFIG.format(folder=tournament).replace("name: tiny", f"name: {name}")
        config = tmp_path / f"{name}.yaml"
        config.write_text(text[: text.index("model:")] + f"model: {{type: {name}}}\n")
        trained = lab("train", config, "--runs-dir", tmp_path / "runs", "-q")
        assert trained.code == 0, trained.err
        return tmp_path / "runs"

    return train


def test_a_model_that_says_nothing_is_sampled(lab, own_model):
    runs = own_model(Silent)
    told = lab("explain", "silent", "--runs-dir", runs, "--rows", "60", *ALL).json
    assert told["how"] == "sampling"
    assert any("sampled Shapley values, from 8 background rows" in note for note in told["notes"])
    assert told["largest_gap"] < 1e-5
    assert all(one["stable"] for one in told["features"][:3])


def test_a_model_whose_rows_depend_on_each_other_is_shuffled_only(lab, own_model):
    runs = own_model(Crowd)
    told = lab("explain", "crowd", "--runs-dir", runs, *ALL).json
    assert (told["how"], told["features"]) == ("permutation", [])
    assert len(told["permutation"]["features"]) == 3
    page = Page(Path(told["page"]).read_text(encoding="utf-8"))
    assert "features are shuffled within eras, and no row is explained alone" in page.words
    refused = lab("explain", "crowd", "--runs-dir", runs, "--era", "52", "-q")
    assert refused.code == 2
    assert "a row's prediction depends on other rows" in refused.err
