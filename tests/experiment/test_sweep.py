"""train --sweep: a run for each value, found again by the same command, and compared."""

from pathlib import Path

import pytest

SWEEP = "model.params.max_depth=2,3"


def test_each_value_is_a_run_of_its_own_name(lab, tiny_config, tmp_path):
    where = ("--runs-dir", tmp_path / "runs", "--quiet")
    found = lab("train", tiny_config, "--sweep", SWEEP, *where, "--json")
    assert found.code == 0, found.err
    told = found.json
    assert [one["value"] for one in told["runs"]] == ["2", "3"]
    names = [Path(one["run_dir"]).parent.name for one in told["runs"]]
    assert names == ["tiny.max_depth-2", "tiny.max_depth-3"]
    (row,) = told["comparisons"]
    assert row["mean_difference"] == pytest.approx(
        told["runs"][1]["mean"] - told["runs"][0]["mean"]
    )
    shown = lab("train", tiny_config, "--sweep", f"{SWEEP.replace('2,', '2, ')}", *where)
    assert shown.code == 0, shown.err
    assert len(list((tmp_path / "runs").glob("*/*/DONE"))) == 2  # found again
    assert "looks better than it is" in shown.out
    assert max(map(len, shown.out.splitlines()[2:])) <= 90
    listed = lab("runs", "--runs-dir", tmp_path / "runs", "--columns", "max_depth", "--json")
    assert [row["values"]["max_depth"] for row in listed.json["runs"]] == [2, 3]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["--sweep", "max_depth"], "expected KEY=VALUE,VALUE"),
        (["--sweep", "seed=1,1"], "twice"),
        (["--sweep", "seed=1"], "no sweep"),
        (["--sweep", f"seed={','.join(map(str, range(20)))}"], "numerai-lab tune"),
        (["--sweep", "model.params.max_deep=1,2"], "max_depth"),
        (["--sweep", SWEEP, "--final"], "do not go with it"),
        (["--sweep", "name='a b','a/b'"], "name"),
    ],
)
def test_a_sweep_that_cannot_be_trains_nothing(lab, tiny_config, tmp_path, wanted, said):
    result = lab("train", tiny_config, *wanted, "--runs-dir", tmp_path / "runs")
    assert result.code == 2
    assert said in result.err
    assert not list((tmp_path / "runs").glob("*/*"))
