"""`tune` from a config with spaces to a plain config, and what its runs say about it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from numerai_lab.checksums import read_sealed
from numerai_lab.config import load_experiment
from tune_lab import CONFIG, TRIALS, told


def test_the_best_trial_is_what_is_written(finished):
    lab, found = finished
    assert found["n_trials"] == {"complete": TRIALS, "pruned": 0, "failed": 0, "crashed": 0}
    best = max(found["trials"], key=lambda trial: trial["score"])
    assert found["best"] == best
    experiment = load_experiment(lab.tuned).experiment
    values = {f"model.params.{k}": v for k, v in experiment.model.params.items()}
    assert values == {"model.params.num_boost_round": 3, **best["values"]}
    assert experiment.name == "small_tuned"
    assert experiment.tuned.model_dump() == {
        "first_era": 1,
        "last_era": 40,
        "trials": TRIALS,
        "study": lab.study.as_posix(),
    }
    assert experiment.question == "How deep?"
    header = lab.tuned.read_text().split("\n\n")[0]
    assert f"the best of {TRIALS} trials" in header
    assert "1-40" in header


def test_the_configs_own_values_are_tried_first(finished):
    first = finished[1]["trials"][0]
    assert first["is_default"]
    assert first["values"] == {"model.params.max_depth": 2, "model.params.eta": 0.1}
    assert finished[1]["default"] == first


def test_which_of_the_configs_own_values_are_outside_is_said(small, tournament, lab):
    outside = CONFIG.format(folder=tournament).replace(", default: 2}", "}")
    small.write(outside.replace("log: true, default: 0.1}", "log: true}"))
    told = lab(
        *(part for part in small.command if part not in ("--quiet", "--json")), "--trials", 1
    )
    outside = "max_depth is left to the library, eta is left to the library"
    assert f"the config's own values are not tried, some are not in the space: {outside}" in (
        " ".join((told.out + told.err).split())
    )


def test_trials_are_judged_on_purged_inner_folds(finished):
    folds = finished[1]["folds"]
    assert [fold["judged"] for fold in folds] == [[15, 27], [28, 40]]
    assert [fold["train"] for fold in folds] == [[1, 10], [1, 23]], "a purge of 4"


def test_sampler_seed_and_space_are_kept(finished):
    record = read_sealed(finished[0].study / "study.json")
    assert record["sampler"]["name"] == "TPESampler"
    assert record["seed"] == 0
    assert record["identity"]["space"]["model.params.max_depth"]["high"] == 4
    assert record["identity"]["eras"] == [1, 40]
    assert record["versions"]["optuna"].startswith("5.")


def test_tuned_is_compared_with_default_on_later_eras(finished):
    after = finished[1]["after"]
    assert after["train_last"] == 40
    assert after["eras"] == list(range(45, 57)), "the purge after the study's last era is left out"
    differences = [a - b for a, b in zip(after["tuned"], after["default"], strict=True)]
    mean = sum(differences) / len(differences)
    assert after["paired"]["mean_difference"] == pytest.approx(mean)


def test_every_run_of_the_tuned_config_is_marked(finished, lab, tmp_path):
    where = ["--runs-dir", tmp_path / "runs"]
    run = lab("train", finished[0].tuned, *where)
    assert run.code == 0, run.err
    (folder,) = tmp_path.glob("runs/small_tuned/*")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [fold["seen_in_tuning"] for fold in manifest["folds"]] == [10, 4, 0]
    (note,) = (note for note in manifest["notes"] if "seen in tuning" in note)
    assert "fold 1 (10 of 10 eras), fold 2 (4 of 10 eras)" in note
    assert f"best of {TRIALS} trials on eras 1-40" in note
    assert "evaluate RUN --from 45" in note
    page = (folder / "report.html").read_text()
    assert "seen in tuning: 4 of 10 eras" in page
    plan = lab("train", finished[0].tuned, "--plan")
    assert "fold 1 was seen in tuning\n" in plan.out


def test_enough_trials_are_not_made_again_and_more_go_on(small, finished):
    first = small.tune("--trials", 3)
    assert told(first) == told(finished[1])[:3]
    written = small.tuned.read_bytes()
    assert told(small.tune("--trials", 3)) == told(first)
    assert small.tuned.read_bytes() == written
    again = small.tune("--trials", TRIALS)
    assert told(again) == told(finished[1]), "as in one go: each trial has a seed of its own"
    assert again["best"]["values"] == finished[1]["best"]["values"]


def test_later_eras_change_nothing(small, finished, tournament, tmp_path):
    """Their targets reversed: the study is the same, only the comparison afterwards is not."""
    folder = tmp_path / "data"
    for path in tournament.rglob("*"):
        copy = folder / path.relative_to(tournament)
        if path.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        names = pq.read_schema(path).names if path.suffix == ".parquet" else []
        if "target" not in names:
            continue
        rows = pq.read_table(path)
        late = rows["era"].to_pandas().astype(int).to_numpy() > 40
        for name in (name for name in names if name.startswith("target")):
            values = rows[name].to_pandas().to_numpy(copy=True)
            values[late] = 1 - values[late]
            place = rows.column_names.index(name)
            column = pa.array(values, rows[name].type, from_pandas=True)
            rows = rows.set_column(place, rows.field(name), column)
        pq.write_table(rows, copy)
    small.write(CONFIG.format(folder=folder))
    found = small.tune("--trials", TRIALS)
    assert told(found) == told(finished[1])
    assert found["after"]["tuned"] != finished[1]["after"]["tuned"]


def test_half_of_the_eras_is_the_default(small, tournament):
    small.write(CONFIG.format(folder=tournament).replace("tune: {eras: {to: 40}}\n", ""))
    assert small.tune("--trials", 1)["eras"] == {"first": 1, "last": 28, "n": 28}


@pytest.mark.parametrize("score", ["sharpe_hac", "ci_low"])
def test_other_scores(small, finished, score):
    text = (small.folder / "small.yaml").read_text()
    small.write(text.replace("tune: {eras", f"tune: {{score: {score}, eras"))
    found = small.tune("--trials", 2)
    assert found["score"] == score
    assert found["best"]["score"] == max(trial["score"] for trial in found["trials"])
    assert found["trials"][1]["score"] != finished[1]["trials"][1]["score"]
    assert found["luck"]["n_trials"] == 2


def test_a_config_without_spaces_takes_the_models_own(small, tournament):
    text = CONFIG.format(folder=tournament).split("    num_boost_round")[0]
    small.write(text + "    num_boost_round: 100\n    max_depth: 3\n")
    found = small.tune("--trials", 1)
    assert found["own_space"]
    names = [parameter["name"] for parameter in found["parameters"]]
    assert "model.params.colsample_bytree" in names
    assert found["default"] is None, "eta is not written, and XGBoost's own is not in the space"


def test_eras_of_a_test_are_kept_from_the_comparison_too(small, tournament):
    split = "split: {type: holdout, train: {to: 30}, test: {from: 52}, purge_eras: 4}"
    text = CONFIG.format(folder=tournament)
    line = next(line for line in text.splitlines() if line.startswith("split"))
    small.write(text.replace(line, split))
    assert small.tune("--trials", 1)["after"]["eras"] == [45, 46, 47]


def test_what_was_tuned_before_stays_told(finished, small):
    again = finished[0].tuned.read_text().replace("name: small_tuned", "name: small")
    assert "    max_depth:" in again
    lines = [
        "    max_depth: {tune: int, low: 1, high: 3}" if "max_depth" in line else line
        for line in again.splitlines()
    ]
    small.write("\n".join([*lines, "tune: {eras: {from: 10, to: 36}}"]) + "\n")
    small.tune("--trials", 1)
    tuned = load_experiment(small.tuned).experiment.tuned
    assert (tuned.first_era, tuned.last_era) == (1, 40)
