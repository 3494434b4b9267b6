"""CONTRIBUTING.md's example of an own model, as somebody's package: it is installed and it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """Return the first code block of a language, without the indentation of its list."""
    found = re.search(rf"^( *)```{language}\n(.*?)^ *```$", TEXT, re.DOTALL | re.MULTILINE)
    assert found, language
    indent = found.group(1)
    return "".join(line.removeprefix(indent) for line in found.group(2).splitlines(keepends=True))


@pytest.fixture
def my_package(tmp_path, monkeypatch):
    """Install the example with the entry point it shows."""
    installed = tmp_path / "installed"
    info = installed / "my_package-1.0.dist-info"
    info.mkdir(parents=True)
    (installed / "my_package.py").write_text(block("python"))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
    group, entry = block("toml").splitlines()
    assert group == '[project.entry-points."numerai_lab.models"]'
    entry = entry.replace('"', "")
    (info / "entry_points.txt").write_text(f"[numerai_lab.models]\n{entry}\n")
    monkeypatch.syspath_prepend(installed)


def test_the_example_is_listed_keeps_every_promise_and_runs(my_package, lab, tiny_config, tmp_path):
    assert "mean             mean of the features, a control\n" in lab("models").out
    checked = lab("models", "mean", "--check")
    assert checked.out == "mean keeps every promise of the protocol\n", checked.err
    config = tmp_path / "mean.yaml"
    written = block("yaml")
    assert "extends: xgb.yaml" in written
    config.write_text(written.replace("xgb.yaml", "tiny.yaml").replace("[xgb]", "[tiny]"))
    result = lab("train", config, "--runs-dir", tmp_path / "runs", "--json")
    assert result.code == 0, result.err
    assert {c["baseline"] for c in result.json["comparisons"]} >= {"tiny"}


def test_every_name_of_the_table_is_exported():
    import numerai_lab.models

    names = re.findall(r"\b(ModelInfo|FitReport|ModelChoice|Variant|Needs)\b", TEXT)
    assert len(set(names)) == 5
    assert all(name in numerai_lab.models.__all__ for name in names)
