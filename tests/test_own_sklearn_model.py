"""docs/own_sklearn_model.md, as somebody's package: installed, tried and trained."""

from __future__ import annotations

import re
from pathlib import Path

from plugins import install_model

TEXT = (Path(__file__).parents[1] / "docs" / "own_sklearn_model.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """Return the code block of a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    return found


def test_the_example_keeps_every_promise_and_runs(lab, tiny_config, tmp_path, monkeypatch):
    from numerai_lab.models import check_model, get_model

    group, entry = block("toml").splitlines()
    assert group == '[project.entry-points."numerai_lab.models"]'
    name, _, target = entry.replace('"', "").partition(" = ")
    installed = install_model(tmp_path / "installed", name, target)
    (installed / "my_sklearn.py").write_text(block("python"))
    monkeypatch.syspath_prepend(installed)
    check_model(get_model("histogram"), {"max_iter": 3, "max_leaf_nodes": 4})
    config = tmp_path / "histogram.yaml"
    config.write_text(block("yaml").replace("xgb.yaml", "tiny.yaml").replace("[xgb]", "[tiny]"))
    result = lab("train", config, "--runs-dir", tmp_path / "runs", "--json")
    assert result.code == 0, result.err
    assert {c["baseline"] for c in result.json["comparisons"]} >= {"tiny"}
