"""docs/features.md's own transform, as somebody's package: tried, trained and put into a bundle."""

from __future__ import annotations

import re
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "docs" / "features.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def test_the_example_keeps_every_promise_and_runs(lab, tiny_config, tmp_path, monkeypatch):
    from numerai_lab.features import check_transform, get_transform
    from numerai_lab.models import check_model, get_model

    (group, entry) = blocks("toml")[0].splitlines()
    assert group == '[project.entry-points."numerai_lab.transforms"]'
    installed = tmp_path / "installed"
    info = installed / "my_transform-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_transform\nVersion: 1.0\n")
    entry = entry.replace('"', "")
    (info / "entry_points.txt").write_text(f"[numerai_lab.transforms]\n{entry}\n")
    names = ("my_transform", "my_transform_runtime")
    for name, text in zip(names, blocks("python"), strict=True):
        (installed / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(installed)
    check_transform(get_transform("extremes"), {"bins": 7})
    steps = {"transforms": [{"type": "extremes"}], "model": {"type": "ridge"}, "placebo": 0}
    check_model(get_model("transformed"), steps)  # its form in a bundle, too
    config = tmp_path / "extremes.yaml"
    config.write_text(blocks("yaml")[-1].replace("xgb.yaml", "tiny.yaml"))
    result = lab("train", config, "--runs-dir", tmp_path / "runs", "--json")
    assert result.code == 0, result.err
    compared = {(c["prediction"], c["baseline"]) for c in result.json["comparisons"]}
    assert {("prediction", "without"), ("placebo", "without")} <= compared


def test_every_type_is_described():
    from numerai_lab.features.table import BUILT_IN

    table = TEXT.partition("| type |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(BUILT_IN)
