"""An executor that is handed in: a run neither knows nor cares where its folds are fitted."""

import json
from dataclasses import replace

import pytest

from cluster_lab import files, predictions, said, train_tiny
from numerai_lab.errors import UserError
from numerai_lab.experiment import Here, Reporter, TrainOptions, read_experiment
from numerai_lab.experiment import train as run_training


class Backwards(Here):
    """Ends the last fold first."""

    def fit_folds(self, folds, prepared, reporter):
        yield from super().fit_folds([*reversed(folds)], prepared, reporter)


class Full(Here):
    """Has no memory left."""

    def free_memory(self):
        return replace(super().free_memory(), host=0, who="on the moon ", more_parts="more moons")


class Closed(Here):
    """Takes nothing."""

    def check(self, prepared, reporter):
        raise UserError("is closed", where="moon")


def run(config, folder, executor, *settings, **options):
    resolved = read_experiment(str(config), None, settings)
    options = TrainOptions(folder, executor=executor, **options)
    with Reporter(quiet=True) as reporter:
        return run_training(resolved, options, reporter)


def test_folds_that_end_in_another_order_make_the_same_run(tiny_config, tmp_path):
    here = train_tiny(tiny_config, tmp_path, "here", final=True)
    there = run(tiny_config, tmp_path / "there", Backwards(), final=True)
    assert files(there) == files(here)
    assert predictions(there).equals(predictions(here))
    assert there.verifiable()
    labels = [json.loads(line).get("label") for line in said(there).splitlines()]
    assert [label for label in labels if label and label.startswith("fold")][::2] == [
        "fold 3/3",
        "fold 2/3",
        "fold 1/3",
    ]


def test_what_an_executor_refuses_leaves_nothing_behind(tiny_config, tmp_path):
    with pytest.raises(UserError, match="moon: is closed"):
        run(tiny_config, tmp_path / "runs", Closed())
    with pytest.raises(UserError, match=r"fold 3 on the moon trains on .* or more moons"):
        run(tiny_config, tmp_path / "runs", Full())
    assert not list(tmp_path.glob("runs/**/manifest.json"))
