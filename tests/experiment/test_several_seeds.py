"""`train --seeds N`: runs of their own, what the seed changes, and what is not better than that."""

import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from damage import flip
from numerai_lab.cli import run as run_command
from numerai_lab.experiment import (
    Reporter,
    RunDir,
    TrainOptions,
    find_run,
    read_experiment,
    told_of_seeds,
    train_seeds,
)
from tiny import TINY_CONFIG

HALF = "model.params.subsample=0.5"


def config_of(folder, tournament, name):
    path = folder / f"{name}.yaml"
    path.write_text(TINY_CONFIG.format(folder=tournament).replace("name: tiny", f"name: {name}"))
    return path


@pytest.fixture(scope="module")
def measured(tmp_path_factory, tournament):
    """A folder of runs: `tiny` with three seeds, and `deeper` with one."""
    folder = tmp_path_factory.mktemp("seeds")
    for name, *more in (("tiny", "--seeds", 3), ("deeper", "--set", "model.params.max_depth=3")):
        config = config_of(folder, tournament, name)
        given = [config, "--set", HALF, "--runs-dir", folder / "runs", "--quiet", *more]
        assert run_command(["train", *map(str, given)]) == 0
    return folder


@pytest.fixture
def seeds(measured, tmp_path, tiny_config):
    """A copy of those runs, and `train` on them."""
    shutil.copytree(measured / "runs", tmp_path / "runs")
    return tmp_path / "runs"


def corr(run):
    table = pd.read_parquet(run.per_era_path)
    return table[table["prediction"] == "prediction"].set_index("era")["corr"]


def test_each_seed_has_a_run_and_the_first_one_tells_of_all(seeds):
    first = find_run("tiny", seeds)
    told = told_of_seeds(first)
    runs = [RunDir((first.path / row["run"]).resolve()) for row in told["runs"]]
    assert [run.manifest()["seed"] for run in runs] == [row["seed"] for row in told["runs"]]
    assert runs[0].manifest()["seed"] == 0
    assert len({run.manifest()["seed"] for run in runs}) == len(list(seeds.glob("tiny/*"))) == 3
    means = [corr(run).mean() for run in runs]
    assert [row["mean"] for row in told["runs"]] == pytest.approx(means)
    assert told["mean"] == pytest.approx(np.mean(means))
    assert told["std"] == pytest.approx(np.std(means, ddof=1))
    bound = stats.t.ppf(0.975, 2) * np.sqrt(2) * told["std"]
    assert told["another_seed"] == pytest.approx(bound)
    page = (first.path / "report.html").read_text()
    assert "3 seeds tell little of how they vary" in page
    assert told["ci_low"] < told["mean"] < told["ci_high"]
    for row, run in zip(told["runs"], runs, strict=True):
        difference = corr(run) - corr(runs[0])
        assert row["difference"] == pytest.approx(difference.mean())
        assert row["ci_low"] <= row["difference"] <= row["ci_high"]


def test_one_more_seed_trains_one_run_and_final_is_of_the_first(seeds, tiny_config, lab):
    before = {path.name for path in seeds.glob("tiny/*")}
    given = ("--set", HALF, "--runs-dir", seeds, "--final", "--json")
    result = lab("train", tiny_config, *given, "--seeds", 4)
    assert result.code == 0, result.err
    after = {path.name for path in seeds.glob("tiny/*")}
    assert before < after
    assert len(after) == 4
    assert result.json["seeds"]["n_seeds"] == 4
    assert result.json["run_dir"] == str(find_run("tiny", seeds).path)
    assert len(list(seeds.glob("tiny/*/final"))) == 1
    assert result.json["final"]
    assert "only the run with seed 0 gets a final model" in result.err
    assert result.err.count("has no run on these rows and folds yet") == 1
    shown = lab("evaluate", result.json["run_dir"], "--json").json
    assert shown["seeds"] == result.json["seeds"]
    assert "seeds" not in lab("evaluate", result.json["run_dir"], "--from", 40, "--json").json
    text = lab("evaluate", result.json["run_dir"]).out
    assert "4 seeds: corr" in " ".join(text.split())
    assert "tell little" not in " ".join(text.split())
    page = (RunDir(find_run("tiny", seeds).path).path / "report.html").read_text()
    assert 'id="seeds"' in page
    assert "with the noise of eras and of seeds" in page


def test_a_difference_within_seed_noise_is_not_better(seeds, lab):
    def compared(*given):
        result = lab("compare", *given, "--runs-dir", seeds, "--json")
        assert result.code == 0, result.err
        (row,) = result.json["comparisons"]
        return row, result.err

    row, _ = compared("tiny", "deeper")
    first = find_run("tiny", seeds)
    told = told_of_seeds(first)
    label = f"tiny/{first.path.name}"
    assert row["seed_noise"] == {
        "of": [label],
        "n_seeds": [3],
        "bound": pytest.approx(told["another_seed"]),
        "within": abs(row["mean_difference"]) <= told["another_seed"],
    }
    assert row["seed_noise"]["within"]
    assert row["verdict"] == "unclear"
    assert compared("deeper", "tiny")[0]["seed_noise"] == row["seed_noise"]
    out = " ".join(lab("compare", "tiny", "deeper", "--runs-dir", seeds).out.split())
    assert f"within what another seed of {label} (3 seeds) changes" in out.replace("/ ", "/")
    # the same difference, and nobody knows what a seed changes
    flip(first.seeds_path)
    alone, err = compared("tiny", "deeper")
    assert f"{label}: what another seed changes is not known any more" in err
    assert alone["seed_noise"] is None
    assert alone["mean_difference"] == row["mean_difference"]
    shown = lab("evaluate", first.path, "--json")
    assert shown.code == 0
    assert "seeds.json" in shown.json["seeds"]["damage"]


def test_a_run_of_a_seed_that_is_gone_is_missed(seeds, lab):
    first = find_run("tiny", seeds)
    other = RunDir((first.path / told_of_seeds(first)["runs"][2]["run"]).resolve())
    shutil.rmtree(other.path)
    result = lab("compare", "tiny", "deeper", "--runs-dir", seeds, "--json")
    assert result.code == 0
    assert "what another seed changes is not known any more" in result.err
    assert str(other.path) in result.err


def test_a_model_without_chance_scores_the_same_with_every_seed(tiny_config, tmp_path, lab):
    result = lab("train", tiny_config, "--seeds", 2, "--runs-dir", tmp_path / "runs")
    assert result.code == 0, result.err
    assert "nothing in this experiment depends on the seed" in " ".join(result.out.split())


class Stops(Reporter):
    """Ctrl-C once so many folds are done, in whichever run."""

    def __init__(self, after):
        super().__init__(quiet=True)
        self.left = after

    def child(self):
        return self

    def done(self, summary, seconds):
        super().done(summary, seconds)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_a_stopped_command_goes_on_with_the_run_that_was_stopped(tiny_config, tmp_path):
    resolved = read_experiment(str(tiny_config), None, (HALF,))
    options = TrainOptions(tmp_path / "runs")
    with pytest.raises(KeyboardInterrupt), Stops(5) as reporter:
        train_seeds(resolved, 2, options, reporter)
    # by when they began: folders that are named within one second sort by their config's hash
    there = sorted(tmp_path.glob("runs/tiny/*"), key=lambda p: RunDir(p).manifest()["created_utc"])
    assert [RunDir(path).finished for path in there] == [True, False]
    with Stops(-1) as reporter:
        runs = train_seeds(resolved, 2, options, reporter)
    assert [run.path for run in runs] == there
    assert reporter.left == -2  # the one fold that was missing
    assert told_of_seeds(runs[0])["n_seeds"] == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--seeds", "1"), "1 is too few: what a seed changes is told by two or more"),
        (("--seeds", "0"), "0 is too few"),
        (("--seeds", "2", "--run-dir", "here"), "makes a run for each seed: --run-dir"),
        (("--seeds", "2", "--plan"), "--plan, which are of one run, do not go with it"),
    ],
)
def test_what_does_not_go_with_seeds(tiny_config, tmp_path, lab, given, said):
    result = lab("train", tiny_config, "--runs-dir", tmp_path / "runs", *given)
    assert result.code == 2
    assert result.err.startswith("error: --seeds: ")
    assert said in result.err
    assert not (tmp_path / "runs").exists()


def test_seeds_are_of_a_config(tmp_path, lab):
    result = lab("train", "--continue", tmp_path, "--seeds", "3")
    assert result.code == 2
    assert "--seeds, --sweep, --quick, --plan and --cluster do not go with it" in result.err
