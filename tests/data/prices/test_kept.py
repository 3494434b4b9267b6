"""Weekly rows on disk that `data prune` shows, and those it removes."""

import shutil
from pathlib import Path

from price_files import make


def test_prune_shows_weekly_rows_and_removes_what_nothing_can_read(lab, made, tmp_path):
    parent = tmp_path / "data" / "prices"
    whole, broken = parent / ("a" * 12), parent / ("b" * 12)
    left, other = parent / f".{'c' * 12}.x1.part", parent / "notes"
    for folder in (whole, broken, left, other):
        shutil.copytree(made.folder.path, folder)
    (broken / "prices.json").write_text("{}")
    prune = ("data", "prune", "--dir", tmp_path / "data", "--json")
    shown = {Path(row["path"]).name: row for row in lab(*prune).json["prices"]}
    assert set(shown) == {whole.name, broken.name, left.name}
    assert "cannot be read" in shown[broken.name]["why"]
    assert shown[left.name]["why"] == "a making that was cut off"
    assert "whole" in shown[whole.name]["why"]
    assert not any(row["removed"] for row in shown.values())
    lab(*prune, "--yes")
    assert sorted(p.name for p in parent.glob("[!.]*")) == [whole.name, other.name]
    assert not left.exists()
    told = lab("data", "prune", "--dir", tmp_path / "data", "--yes", "--prices").out
    assert f"removed {whole}" in told
    assert not whole.exists()
    assert other.exists()


def test_rows_that_could_not_be_made_again_say_so(lab, prices, tmp_path):
    one = make(tmp_path, prices)
    (tmp_path / "prices.parquet").unlink()
    told = lab("data", "prune", "--dir", tmp_path / "cache", "--yes").out
    assert "prices.parquet is gone, so it could not be made again" in told
    assert one.folder.path.exists()
