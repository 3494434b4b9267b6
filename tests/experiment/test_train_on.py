"""`train_on`: learning another target, an average, or what a benchmark leaves of the main one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from numerai_lab.cli import run as run_lab
from numerai_lab.config import RESIDUAL, Synthetic, config_hash
from numerai_lab.data import generate_tournament
from numerai_lab.errors import ConfigError
from numerai_lab.experiment import read_experiment
from numerai_lab.experiment.member_configs import member_experiments
from numerai_lab.experiment.training_label import check_train_on, residuals
from numerai_lab.models import get_model, info_of
from numerai_lab.models.conformance.toy import TARGETS, toy_frame
from numerai_lab.scoring import gaussian_rank_per_era

WORLD = Synthetic(n_eras=230, rows_per_era=60, n_features=16, n_regimes=1, seed=3)
CONFIG = """\
name: plain
data: {{source: numerai, dir: "{folder}"}}
split: {{type: walk_forward, first_train_eras: 170, chunk_eras: 28}}
scoring: {{bootstrap: {{samples: 200}}}}
threads: 1
model: {{type: ridge, params: {{alpha: 1.0}}}}
"""


def test_a_residual_is_what_a_regression_within_eras_leaves():
    frame = toy_frame(0, rows_per_era=np.full(5, 80))
    target = frame.target(TARGETS[0]).copy()
    benchmark = np.random.default_rng(1).normal(size=frame.n_rows)
    target[3] = np.nan
    benchmark[[5, 9]] = np.nan
    benchmark[frame.row_eras == frame.eras[2]] = 0.5
    some = np.flatnonzero(frame.row_eras == frame.eras[3])
    benchmark[some[:20]] = np.nan
    left = residuals(frame, target, benchmark)
    assert np.isnan(left[[3, 5, 9]]).all()
    assert np.isnan(left[160:320]).all()  # constant in one era, too few rows in the other
    known = np.flatnonzero(~np.isnan(left[:80]))
    assert len(known) == 77
    ranks = gaussian_rank_per_era(benchmark[known], np.array([0, len(known)]))
    design = np.column_stack([np.ones(len(known)), ranks])
    fit = design @ np.linalg.lstsq(design, target[known].astype(float), rcond=None)[0]
    np.testing.assert_allclose(left[known], target[known] - fit, atol=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tournament whose benchmark predicts more than a hundred training eras, and a config."""
    place = tmp_path_factory.mktemp("train_on")
    generate_tournament(place / "data", WORLD)
    (place / "plain.yaml").write_text(CONFIG.format(folder=place / "data"))
    return place


@pytest.fixture
def train(folder, lab, monkeypatch, tmp_path):
    """Train the config with settings; returns what was said and the run."""
    monkeypatch.chdir(folder)

    def call(name: str, *settings: str, more: tuple[str, ...] = ()):
        runs = ("--runs-dir", tmp_path / "runs")
        sets = [part for one in (f"name={name}", *settings) for part in ("--set", one)]
        told = lab("train", "plain.yaml", *sets, *runs, *more, "--json")
        found = sorted((tmp_path / "runs" / name).glob("*")) if told.code == 0 else [None]
        return told, found[-1]

    return call


@pytest.fixture(scope="module")
def plain(folder):
    """The run of the config as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_lab(["train", "plain.yaml", "--quiet"]) == 0
    (found,) = (folder / "runs" / "plain").iterdir()
    return found


def alike(one: Path, other: Path) -> float:
    """Correlation of two runs' ranks on the rows that the first one predicts."""
    read = [pd.read_parquet(run / "predictions.parquet").set_index("id") for run in (one, other)]
    mine, theirs = (table["prediction"] for table in read)
    return float(np.corrcoef(mine.rank(), theirs.reindex(mine.index).rank())[0, 1])


def mean(run: Path, metric: str) -> float:
    return json.loads((run / "scores.json").read_text())["scores"]["prediction"][metric]["mean"]


def test_learning_what_the_benchmark_leaves_earns_more_beside_it_and_less_alone(train, plain):
    told, run = train("rest", "train_on=residual_of_benchmark", more=("--final",))
    assert told.code == 0, told.err
    assert "of benchmark benchmark_ender20, which is taken to predict each era by what was" in (
        told.err
    )
    manifest = json.loads((run / "manifest.json").read_text())
    fold = manifest["folds"][0]
    assert fold["train"]["first"] > 20  # the benchmark predicts no earlier era
    assert 100 <= fold["train"]["n_eras"] < 150
    assert any("trained on residual_of_benchmark, judged on target" in n for n in manifest["notes"])
    scores = json.loads((run / "scores.json").read_text())
    assert scores["target"] == "target"
    assert scores["trained_on"] == "trained on residual_of_benchmark, judged on target"
    assert mean(run, "bmc") > mean(plain, "bmc")
    assert mean(run, "corr") < mean(plain, "corr")
    assert mean(run, "benchmark_corr") < mean(plain, "benchmark_corr") - 0.1
    final = json.loads((run / "final" / "fit.json").read_text())
    assert final["train"]["first"] == fold["train"]["first"]


def test_a_run_may_be_the_benchmark(train, plain, lab):
    early = "split={type: walk_forward, first_train_eras: 30, chunk_eras: 20}"
    _, bench = train("bench", early)
    told, run = train("rest", f"train_on={{residual_of_run: {bench}}}")
    assert told.code == 0, told.err
    assert "each fold of which learnt from eras that end at least 8 before" in told.err
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["folds"][0]["train"]["first"] == 31
    made = manifest["made_with"]["train_on.residual_of_run"]
    assert made["path"].endswith("predictions.parquet")
    assert alike(run, bench) < alike(plain, bench) - 0.1
    again = lab(
        "train",
        "plain.yaml",
        "--set",
        "name=rest",
        "--set",
        f"train_on={{residual_of_run: {bench}}}",
        "--resume",
        "--run-dir",
        run,
        "--json",
    )
    assert again.code == 0, again.err


def test_a_run_that_has_learnt_from_what_it_predicts_is_no_benchmark(train):
    _, blocked = train("blocked", "split={type: blocked, n_blocks: 3}")
    told, _ = train("rest", f"train_on={{residual_of_run: {blocked}}}")
    assert told.code == 2
    assert "its predictions are not all out of sample" in told.err
    gone, _ = train("rest", "train_on={residual_of_run: runs/nowhere}")
    assert gone.code == 2
    assert "nowhere" in gone.err


def test_too_few_eras_with_benchmark_predictions_are_refused(train):
    short = "split={type: walk_forward, first_train_eras: 90, chunk_eras: 30}"
    told, _ = train("short", "train_on=residual_of_benchmark", short)
    assert told.code == 2
    assert "train_on: residual_of_benchmark is there in " in told.err
    assert "and 100 are the least" in told.err


MEAN = "data.averages={mean_60: [target_ender_60, target_rowan_60]}"


@pytest.mark.parametrize("model", ["ridge", "xgb"])
def test_an_average_is_learnt_and_the_main_target_is_judged(train, model):
    kind = {
        "ridge": "model={type: ridge, params: {alpha: 1.0}}",
        "xgb": "model={type: xgb, params: {num_boost_round: 4, max_depth: 2}}",
    }[model]
    told, run = train(f"mean_{model}", MEAN, "train_on=mean_60", kind)
    assert told.code == 0, told.err
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["data"]["targets"] == ["mean_60"]
    assert manifest["data"]["horizon_days"] == 60
    assert {fold["purge_eras"] for fold in manifest["folds"]} == {16}
    assert json.loads((run / "scores.json").read_text())["target"] == "target"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["train_on=target_endr_60"], "target_endr_60"),
        ([MEAN.replace("rowan", "rown"), "train_on=mean_60"], "data.averages.mean_60: 'mean_60'"),
        (["train_on=residual_of_benchmark", "scoring.benchmark=none"], "there is no benchmark"),
        (
            [
                "train_on=residual_of_benchmark",
                "model={type: stack, params: {members: {a: {type: ridge}, b: {type: max_sharpe}}}}",
            ],
            "aim: bmc for its weights",
        ),
    ],
)
def test_what_cannot_be_learnt_is_told(train, settings, said):
    told, _ = train("wrong", *settings)
    assert told.code == 2
    assert said in told.err
    assert "Traceback" not in told.err


def test_going_on_from_a_fit_learns_the_residual_of_new_eras(folder, lab, tmp_path):
    """Equal to a fit on all eras: the sums of `ridge` are those of the same labels."""
    data = tmp_path / "data"
    data.mkdir()

    def write(last: int) -> None:
        for path in (folder / "data").iterdir():
            rows = pd.read_parquet(path) if path.stem in ("train", "validation") else None
            if rows is None:
                (data / path.name).write_bytes(path.read_bytes())
            else:
                rows[rows["era"].astype(int) <= last].to_parquet(data / path.name)

    config = tmp_path / "weekly.yaml"
    config.write_text(CONFIG.format(folder=data) + "train_on: residual_of_benchmark\n")
    command = ["train", config, "--final", "--runs-dir", tmp_path / "runs", "--json"]
    write(205)
    parent = Path(lab(*command).json["run_dir"])
    write(230)
    grown = lab("train", "--continue", parent, *command[3:])
    assert grown.code == 0, grown.err
    whole = Path(lab(*command).json["run_dir"])
    one, other = (
        get_model("ridge").load(path / "final" / "model").coefficients
        for path in (Path(grown.json["run_dir"]), whole)
    )
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_a_member_learns_an_average_and_the_stack_purges_for_it(train):
    stack = (
        "model={type: stack, params: {members: {a: {type: ridge, params: {alpha: 1.0}}, "
        "b: {type: ridge, params: {alpha: 1.0}, train_on: mean_60}}}}"
    )
    told, run = train("stack", MEAN, stack)
    assert told.code == 0, told.err
    assert json.loads((run / "manifest.json").read_text())["data"]["horizon_days"] == 60
    (member,) = (run.parent.parent / "stack.b").iterdir()
    facts = json.loads((member / "manifest.json").read_text())
    assert facts["data"]["targets"] == ["mean_60"]
    assert json.loads((member / "scores.json").read_text())["target"] == "target"


def test_a_models_file_says_what_a_member_learns(folder):
    (folder / "rest.yaml").write_text(
        (folder / "plain.yaml").read_text().replace("name: plain", "name: rest")
        + "train_on: residual_of_benchmark\n"
    )
    stack = folder / "of_files.yaml"
    members = "{a: {from: plain.yaml}, b: {from: rest.yaml}}"
    stack.write_text(
        "extends: plain.yaml\nname: of_files\n"
        f"model: {{type: stack, params: {{members: {members}}}}}\n"
    )
    resolved = read_experiment(str(stack), None, ())
    params = get_model("stack").Params.model_validate(resolved.experiment.model.params)
    found = member_experiments(resolved, params)
    assert [found[name].experiment.label for name in "ab"] == ["target", RESIDUAL]
    assert config_hash(found["a"].experiment) != config_hash(found["b"].experiment)


@pytest.mark.parametrize("kind", ["online", "looking back"])
def test_models_that_are_shown_labels_otherwise_are_refused(kind, folder):
    resolved = read_experiment(str(folder / "plain.yaml"), None, ("train_on=mean_60",))
    ttt = get_model("xgb_ttt")
    written = {
        "online": {"adapt": {"method": "nearest_eras", "refit_eras": 13}},
        "looking back": {"auxiliary": {"task": "era_forecast"}},
    }[kind]
    params = ttt.Params.model_validate(written)
    with pytest.raises(ConfigError, match="and these are of the main target; leave train_on out"):
        check_train_on(resolved.experiment, ttt(params), info_of(ttt, params))
