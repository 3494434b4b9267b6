"""Many runs: listed as asked for, tagged, and removed only where nothing needs them."""

import json
import shutil

import pytest

from damage import rewritten
from numerai_lab.checksums import write_sealed
from numerai_lab.experiment import RunDir, locked, read_labels


def renamed(run, name, **changes):
    """Make a run one of another experiment, with a changed manifest and corr."""
    folder = run.parents[1] / name / run.name
    shutil.copytree(run, folder)
    return rewritten(folder, experiment=name, **changes)


@pytest.fixture
def many(tiny_run, tmp_path):
    """A folder of runs: `tiny`, the same as `twin`, and `real`, as if on Numerai's rows."""
    folder, _ = tiny_run
    shutil.copytree(folder / "runs", tmp_path / "runs")
    (tiny,) = (tmp_path / "runs" / "tiny").iterdir()
    renamed(tiny, "twin", created_utc="2026-01-01T00:00:00.000001+00:00")
    data = json.loads((tiny / "manifest.json").read_text())["data"]
    files = [{**data["files"][0], "sha256": "0" * 64}, *data["files"][1:]]
    real = renamed(tiny, "real", data={**data, "source": "numerai", "files": files})
    resolved = real / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace("max_depth: 2", "max_depth: 7"))
    rewritten(real, config_hash="0" * 8)
    scores = json.loads((real / "scores.json").read_text())
    scores["scores"]["prediction"]["corr"]["mean"] = 0.5
    scores["scores"]["prediction"]["mmc"] = {"mean": 0.25, "sharpe": 1.5}
    write_sealed(real / "scores.json", scores)
    return {path.parent.name: path for path in (tmp_path / "runs").glob("*/*")}


@pytest.fixture
def listed(lab, many):
    def call(*arguments):
        return lab("runs", "--runs-dir", many["tiny"].parents[1], *arguments)

    return call


def names(result):
    assert result.code == 0, result.err
    return [row["experiment"] for row in result.json["runs"]]


def test_runs_in_the_order_and_with_the_numbers_asked_for(listed):
    assert sorted(names(listed("--json"))[1:]) == ["real", "tiny"]  # began at the same time
    assert names(listed("--sort", "corr", "--json"))[0] == "real"
    assert names(listed("--sort", "max_depth", "--json"))[0] == "real"
    assert names(listed("--filter", "corr>.4", "--json")) == ["real"]
    assert names(listed("--filter", "model.params.max_depth=2", "--json")) == ["twin", "tiny"]
    assert names(listed("--filter", "max_depth!=2", "--filter", "name=r*", "--json")) == ["real"]
    assert names(listed("--filter", "synthetic=no", "--json")) == ["real"]
    assert names(listed("--filter", "eta=.1", "--sort", "name", "--json")) == [
        "real",
        "tiny",
        "twin",
    ]


def test_a_table_of_the_columns_asked_for(listed):
    result = listed("--columns", "mmc,mmc.sharpe,max_depth,synthetic", "--group", "none", "--json")
    (real,) = [row for row in result.json["runs"] if row["experiment"] == "real"]
    assert real["values"] == {"mmc": 0.25, "mmc.sharpe": 1.5, "max_depth": 7, "synthetic": "no"}
    shown = listed("--columns", "mmc,max_depth", "--group", "none").out
    (line,) = [line for line in shown.splitlines() if line.startswith("real/")]
    assert line.split()[-2:] == ["0.2500", "7"]


def test_groups_are_named_and_every_run_says_whose_it_is(listed, many):
    shown = listed("--group", "data", "--metric", "mmc").out.splitlines()
    heads = [line for line in shown if line and not line.startswith(" ")]
    assert len(heads) == 2
    assert sum(head.startswith("SYNTHETIC") for head in heads) == 1
    (real,) = [line for line in shown if line.strip().startswith("real ")]
    assert "0.2500" in real
    assert any(many["real"].name in line for line in shown)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sort", "sharp"), "did you mean 'sharpe'"),
        (("--filter", "corr"), "is no condition"),
        (("--filter", "corr>much"), "'much' is no number"),
        (("--metric", "corrr"), "did you mean 'corr'"),
        (("--group", "week"), "experiment, data, model, none"),
        (("--columns", "type"), "several settings end in 'type'"),
    ],
)
def test_a_mistaken_wish_is_told(listed, arguments, said):
    result = listed(*arguments)
    assert result.code == 2
    assert said in result.err


def test_filters_that_no_run_meets_are_said_and_no_empty_folder(listed):
    told = listed("--filter", "name=tiny", "--filter", "name=real")
    assert (told.code, "none of the 3 runs in" in told.out) == (0, True)
    assert told.out.rstrip().endswith("has name=tiny and name=real")


def test_tags_and_a_note_are_kept_shown_and_found(lab, listed, many):
    where = ("--runs-dir", many["tiny"].parents[1])
    before = {path.name: path.read_bytes() for path in many["tiny"].iterdir() if path.is_file()}
    assert lab("runs", "tag", many["tiny"], "keep", "best", *where).code == 0
    assert lab("runs", "note", f"tiny/{many['tiny'].name}", "for [later]", *where).code == 0
    assert names(listed("--filter", "tag=keep", "--json")) == ["tiny"]
    text = " ".join(listed().out.split())
    assert "#best #keep note: for [later]" in text
    assert lab("runs", "tag", many["tiny"], "best", "--remove", *where).code == 0
    assert read_labels(RunDir(many["tiny"])).tags == ("keep",)
    assert all((many["tiny"] / name).read_bytes() == was for name, was in before.items())
    assert lab("runs", "tag", many["tiny"], "a b", *where).code == 2
    newest = lab("runs", "tag", "twin", "named", *where, "--json").json
    assert (newest["run_dir"], newest["tags"]) == (str(many["twin"]), ["named"])
    assert lab("runs", "tag", "latest:twin", "named", "--remove", *where).code == 0
    (many["tiny"] / "labels.json").write_text("{}")
    told = listed()
    assert told.code == 0
    assert "labels.json" in told.err
    assert "#" not in told.out


def test_a_run_goes_whole_and_only_when_asked(lab, many):
    where = ("--runs-dir", many["tiny"].parents[1])
    asked = lab("runs", "remove", many["twin"], *where)
    assert asked.code == 2
    assert "--yes" in asked.err
    assert many["twin"].exists()
    unclear = lab("runs", "remove", many["tiny"].name, "--yes", *where)
    assert "several runs are called so" in unclear.err
    assert "no run directory" in lab("runs", "remove", "twin", "--yes", *where).err
    gone = lab("runs", "remove", f"twin/{many['twin'].name}", "--yes", *where)
    assert gone.code == 0, gone.err
    left = sorted(path.name for path in many["tiny"].parents[1].iterdir())
    assert left == ["real", "tiny"]


def test_a_run_that_another_needs_stays(lab, many):
    where = ("--runs-dir", many["tiny"].parents[1])
    member = {"run": f"../../tiny/{many['tiny'].name}", "config_hash": "", "predictions": ""}
    rewritten(many["twin"], members={"trees": member})
    rewritten(many["real"], continued={"parent": str(many["twin"]), "amount": 1})
    kept = lab("runs", "remove", many["tiny"], "--yes", *where)
    assert kept.code == 2
    assert f"needed by {many['twin']} (as its member trees)" in kept.err
    assert "grown from it" in lab("runs", "remove", many["twin"], "--yes", *where).err
    assert all(path.exists() for path in many.values())
    assert lab("runs", "remove", *many.values(), "--yes", *where).code == 0
    assert not any(path.exists() for path in many.values())


def test_the_run_of_a_slot_stays(lab, final_runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(final_runs, "runs")
    (run,) = (tmp_path / "runs" / "tiny").iterdir()
    (tmp_path / "slots.yaml").write_text("slots: [{name: mine, run: latest:tiny}]")
    kept = lab("runs", "remove", run, "--yes", "--config", "slots.yaml")
    assert kept.code == 2
    assert "slot mine means by latest:tiny" in kept.err
    (tmp_path / "slots.yaml").write_text("slots: [{name: mine, run: latest:other}]")
    assert lab("runs", "remove", run, "--yes", "--config", "slots.yaml").code == 0
    assert not run.exists()


def test_the_board_shows_runs_by_data_and_stays_up_to_date(lab, many):
    runs_dir = many["tiny"].parents[1]
    where = ("--runs-dir", runs_dir)
    written = lab("board", *where)
    assert written.code == 0, written.err
    page = runs_dir / "board.html"
    assert written.out.strip() == str(page)
    text = page.read_text().replace("<wbr>", "")
    assert text.count("<h2>") == 2  # two data sets
    assert text.count("Synthetic data") == 1
    assert f'href="tiny/{many["tiny"].name}/report.html"' in text
    assert 'src="' not in text  # opens offline
    assert text.index(">twin<") < text.index(">tiny<")  # of the same corr, in the order of time
    assert lab("runs", "note", many["twin"], "the same again", *where).code == 0
    assert "the same again" in page.read_text()
    assert lab("runs", "remove", many["twin"], "--yes", *where).code == 0
    assert "the same again" not in page.read_text()
    elsewhere = runs_dir.parent / "shown" / "b.html"
    assert lab("board", "--out", elsewhere, *where).code == 0
    assert f'href="../runs/tiny/{many["tiny"].name}/report.html"' in elsewhere.read_text()
    assert "no such folder of runs" in lab("board", "--runs-dir", runs_dir / "none").err


def test_a_board_of_runs_without_scores_says_so(lab, many):
    for run in many.values():
        (run / "DONE").unlink()
    runs_dir = many["tiny"].parents[1]
    written = lab("board", "--runs-dir", runs_dir)
    assert written.code == 0, written.err
    page = (runs_dir / "board.html").read_text()
    assert "No run is finished yet." in page
    assert "3 without scores" in page


def test_a_baseline_and_a_run_at_work_stay(lab, many):
    where = ("--runs-dir", many["tiny"].parents[1])
    tiny = f"../../tiny/{many['tiny'].name}"
    done = json.loads((many["real"] / "DONE").read_text())
    write_sealed(many["real"] / "DONE", {**done, "baselines": {"small": tiny}})
    kept = lab("runs", "remove", many["tiny"], "--yes", *where)
    assert kept.code == 2
    assert f"needed by {many['real']} (as its baseline small)" in kept.err
    with locked(RunDir(many["twin"])):
        busy = lab("runs", "remove", many["twin"], "--yes", *where)
    assert busy.code != 0
    assert "another process is working in this run directory" in busy.err
    assert all(path.exists() for path in many.values())
