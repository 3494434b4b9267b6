"""data download, list, verify and prune; and runs that record what they read."""

import io
import json
import shutil
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from data_files import parts
from numerai_lab.data import LOCK_NAME, read_lock
from numerai_lab.errors import DataError
from numerai_lab.tournament.datasets import (
    find_leftovers,
)
from numerai_lab.tournament.server.api import Backoff

TRAIN, LIVE = "v5.3/train.parquet", "v5.3/live.parquet"


def test_download_takes_what_the_experiment_needs(pointed, lab, tiny_config, tmp_path):
    text = tiny_config.read_text().replace("data:", "data: #")
    lines = [line for line in text.splitlines() if not line.startswith("data:")]
    config = tmp_path / "needs.yaml"
    config.write_text("\n".join([*lines, "data: {source: numerai, dir: files}"]) + "\n")
    done = lab("data", "download", config, "--json")
    assert done.code == 0, done.err
    assert [Path(item["name"]).name for item in done.json["files"]] == [
        "features.json",
        "train.parquet",
        "validation.parquet",
        "meta_model.parquet",
        "train_benchmark_models.parquet",
        "validation_benchmark_models.parquet",
    ]
    assert {item["action"] for item in done.json["files"]} == {"downloaded"}
    config.write_text(config.read_text().replace("scoring: {", "scoring: {benchmark: none, "))
    assert len(lab("data", "download", config, "--json").json["files"]) == 4


def test_a_run_records_what_it_was_trained_on(pointed, lab, tiny_config, tmp_path, tournament):
    config = tmp_path / "recorded.yaml"
    config.write_text(tiny_config.read_text().replace(str(tournament), "files"))
    assert lab("data", "download", config).code == 0
    trained = lab("train", config, "--json")
    assert trained.code == 0, trained.err
    manifest = json.loads((Path(trained.json["run_dir"]) / "manifest.json").read_text())
    recorded = {Path(item["path"]).name: item for item in manifest["data"]["files"]}
    locked = read_lock(tmp_path / "files")[TRAIN]
    assert recorded["train.parquet"]["downloaded"]["sha256"] == locked.sha256
    assert recorded["train.parquet"]["downloaded"]["downloaded"] == locked.downloaded
    assert recorded["train.parquet"]["downloaded"]["name"] == TRAIN
    # What comes from a stand-in is never taken for Numerai's.
    assert manifest["data"]["source"] == "synthetic"
    assert "was downloaded from a stand-in on this machine" in manifest["data"]["notice"]


def test_a_file_that_changed_since_its_download_is_not_recorded_as_it(
    pointed, lab, tiny_config, tmp_path, tournament
):
    config = tmp_path / "changed.yaml"
    config.write_text(tiny_config.read_text().replace(str(tournament), "files"))
    assert lab("data", "download", config).code == 0
    path = tmp_path / "files" / TRAIN
    pd.read_parquet(path).iloc[:-1].to_parquet(path)
    trained = lab("train", config, "--json")
    assert "train.parquet has other bytes than were downloaded" in trained.err
    manifest = json.loads((Path(trained.json["run_dir"]) / "manifest.json").read_text())
    recorded = {Path(item["path"]).name: item["downloaded"] for item in manifest["data"]["files"]}
    assert recorded["train.parquet"] is None
    assert recorded["validation.parquet"]["rows"] == 1200


def test_a_config_can_pin_the_version(pointed, lab, tiny_config, tmp_path, tournament):
    shutil.copytree(tournament, tmp_path / "files" / "v5.2")
    shutil.copytree(tournament, tmp_path / "files" / "v5.3")
    config = tmp_path / "pinned.yaml"
    old = f'dir: "{tournament}"'
    assert old in tiny_config.read_text()
    hashes = set()
    for version in ("v5.2", "v5.3"):
        config.write_text(tiny_config.read_text().replace(old, f"dir: files, version: {version}"))
        run = lab("train", config, "--json").json["run_dir"]
        manifest = json.loads((Path(run) / "manifest.json").read_text())
        assert Path(manifest["data"]["folder"]).name == version
        hashes.add(manifest["config_hash"])
    assert len(hashes) == 2
    config.write_text(tiny_config.read_text().replace(old, "dir: files, version: v5.4"))
    for source in ("numerai", "auto"):  # a version that is asked for is never made up
        missing = lab("train", config, "--set", f"data.source={source}")
        assert missing.code == 2
        assert "nor a v5.4 folder" in missing.err
        assert "numerai-lab data download" in missing.err


def test_list_shows_both_sides_and_what_is_out_of_date(pointed, lab, tmp_path):
    lab("data", "download", "--files", "train,live,validation")
    (tmp_path / "data" / "v5.3" / "train.parquet").write_bytes(b"short")
    (tmp_path / "data" / "v5.3" / "features.json").write_text("{}")
    (tmp_path / "data" / "v5.3" / ".meta_model.parquet.part").write_bytes(b"123")
    pointed.control(set_time="2026-03-17T12:05:00Z")
    done = lab("data", "list", "--json")
    assert done.code == 0
    status = {Path(item["name"]).name: item["status"] for item in done.json["files"]}
    assert status["train.parquet"] == "damaged"
    assert status["features.json"] == "not recorded"
    assert status["meta_model.parquet"] == "partial"
    assert status["live.parquet"] == "outdated"
    assert status["validation.parquet"] == "current"
    assert status["live_example_preds.parquet"] == "absent"
    assert done.json["round"] == 1395
    told = " ".join(done.json["notices"])
    assert "live.parquet is of round 1385, the current one is 1395" in told
    assert "validation.parquet was downloaded 14 days ago" in told
    shown = lab("data", "list")
    assert shown.out.splitlines()[0] == "data v5.3 at the server, beside data/v5.3"
    assert "validation.parquet" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


def test_verify_finds_every_damage(pointed, lab, tmp_path):
    lab("data", "download", "--files", "train,validation,features,meta,benchmarks,live")
    assert lab("data", "verify").code == 0
    folder = tmp_path / "data" / "v5.3"
    content = (folder / "train.parquet").read_bytes()
    middle = len(content) // 2
    (folder / "train.parquet").write_bytes(content[:middle] + b"XX" + content[middle + 2 :])
    (folder / "validation.parquet").write_bytes(content[:-9])
    (folder / "features.json").unlink()
    meta = (folder / "meta_model.parquet").read_bytes()
    (folder / "meta_model.parquet").write_bytes(meta[:-8] + bytes(8))
    done = lab("data", "verify", "--json")
    assert done.code == 1
    problems = {Path(item["name"]).name: item["problem"] for item in done.json["files"]}
    assert problems["train.parquet"] == "its bytes have changed (sha256)"
    assert "bytes, " in problems["validation.parquet"]
    assert problems["features.json"] == "the file is gone"
    assert "damaged" in problems["meta_model.parquet"]
    assert problems["live.parquet"] is None
    assert done.json["damaged"] == 4
    told = lab("data", "verify")
    assert told.code == 1
    assert "4 of 8 files are damaged" in told.err
    assert lab("data", "download", "--files", "train,validation,features,meta").code == 0
    assert lab("data", "verify", "--json").json["damaged"] == 0


def test_verify_needs_no_network_and_says_what_is_not_recorded(lab, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMERAI_API_URL", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "v5.3").mkdir(parents=True)
    (tmp_path / "data" / "v5.3" / "train.parquet").write_bytes(b"junk")
    done = lab("data", "verify", "--json")
    assert done.code == 1
    assert "is not in numerai_data.lock.json" in done.err
    (tmp_path / "data" / LOCK_NAME).write_text('{"format": 1, "files": [')
    broken = lab("data", "verify")
    assert broken.code == 2
    assert "the lock file cannot be read" in broken.err


def test_prune_shows_first_and_removes_with_yes(pointed, lab, tmp_path):
    lab("data", "download", "--files", "features,meta")
    old = tmp_path / "data" / "v5.2"
    old.mkdir()
    (old / "train.parquet").write_bytes(b"12345")
    (old / "notes.txt").write_text("mine")
    (tmp_path / "data" / "v5.3" / ".train.parquet.part").write_bytes(b"123")
    (tmp_path / "data" / "v5.3" / ".train.parquet.part.json").write_text("{}")
    shown = lab("data", "prune")
    assert shown.code == 0
    assert "v5.2/train.parquet  (older than v5.3)" in shown.out
    assert "run again with --yes" in shown.out
    assert (old / "train.parquet").exists()
    done = lab("data", "prune", "--yes", "--json").json
    assert len(done["removed"]) == 3
    assert not (old / "train.parquet").exists()
    assert (old / "notes.txt").exists()
    assert (tmp_path / "data" / "v5.3" / "features.json").exists()
    assert parts(tmp_path) == []
    assert find_leftovers(tmp_path / "data") == []
    # a version that is kept on purpose
    (old / "train.parquet").write_bytes(b"12345")
    assert lab("data", "prune", "--version", "v5.2", "--json").json["found"] == []


def test_prune_forgets_removed_files_and_empty_folders(pointed, lab, tmp_path):
    lab("data", "download", "--files", "features,meta")
    (tmp_path / "data" / "v5.4").mkdir()
    (tmp_path / "data" / "v5.4" / "features.json").write_text("{}")
    assert lab("data", "prune", "--yes").code == 0
    assert read_lock(tmp_path / "data") == {}
    assert not (tmp_path / "data" / "v5.3").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["download", "--files", "trian"], 2, "did you mean 'train'"),
        (["download", "--files", ","], 2, "no file is named"),
        (["download", "--version", "5.3"], 2, "no data version '5.3', did you mean 'v5.3'"),
        (["list", "--version", "v6"], 2, "no data version 'v6'"),
        (["prune", "--version", "newest"], 2, "is not a version"),
        (["download", "nowhere.yaml"], 2, "nowhere.yaml"),
    ],
)
def test_mistakes_are_one_sentence(pointed, lab, arguments, code, words):
    done = lab("data", *arguments)
    assert done.code == code
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_synthetic_and_parquet_configs_have_nothing_to_download(pointed, lab, tiny_config):
    done = lab("data", "download", tiny_config, "--set", "data.source=synthetic")
    assert done.code == 2
    assert "source: synthetic" in done.err


def test_without_a_network_it_is_one_sentence(lab, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMERAI_API_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(Backoff, "seconds", lambda *_: 0.0)
    monkeypatch.chdir(tmp_path)
    done = lab("data", "list", "--json")
    assert done.code == 1
    assert "there is no connection (Connection refused)" in done.json["error"]


def test_files_beside_the_version_folders_are_warned_of(pointed, lab, tmp_path, tournament):
    (tmp_path / "data").mkdir()
    shutil.copy(tournament / "train.parquet", tmp_path / "data")
    done = lab("data", "download", "--files", "features")
    assert done.code == 0
    assert "read before any vX.Y folder" in done.err


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bars_on_a_terminal(pointed, lab, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for options, shown in (((), True), (("--quiet",), False)):
        screen = Terminal()
        monkeypatch.setattr(sys, "stderr", screen)
        assert (
            lab("data", "download", "--files", "train", "--dir", f"bars{shown}", *options).code == 0
        )
        assert ("v5.3/train.parquet" in screen.getvalue()) == shown


def test_quiet_off_a_terminal(pointed, lab):
    done = lab("data", "download", "--files", "train")
    assert done.err == ""
    assert done.out.count("\n") == 1


def test_a_lock_file_of_a_later_format_is_refused(tmp_path):
    (tmp_path / LOCK_NAME).write_text('{"format": 2, "files": {}}')
    with pytest.raises(DataError, match="format 2, this program writes 1"):
        read_lock(tmp_path)


def test_a_disk_that_fills_up_is_one_sentence_and_keeps_nothing(pointed, forks, tmp_path):
    code, _, error = forks.run("data", "download", "--files", "train", file_bytes=20_000)
    assert code == 1
    assert "the disk is full or a size limit is reached" in error
    assert "Traceback" not in error
    assert parts(tmp_path) == []
    assert not (tmp_path / "data" / TRAIN).exists()


def test_a_folder_that_may_not_be_written_is_one_sentence(pointed, lab, tmp_path):
    (tmp_path / "data").write_text("a file where the folder should be")
    done = lab("data", "download", "--files", "features")
    assert done.code == 1
    assert "cannot be written" in done.err


def test_two_downloads_of_one_file_at_once(pointed, lab, forks, tmp_path):
    pointed.fault("file", "slow", skip=1, seconds=20)
    first = forks.start("data", "download", "--files", "train")
    try:
        part = tmp_path / "data" / "v5.3" / ".train.parquet.part"
        deadline = time.monotonic() + 60
        while not part.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        second = lab("data", "download", "--files", "train")
        assert second.code == 2
        assert "another process is downloading v5.3/train.parquet" in second.err
        assert lab("data", "download", "--files", "meta").code == 0  # another file is no trouble
    finally:
        first.kill()
        first.communicate()
