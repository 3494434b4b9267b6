"""CONTRIBUTING.md's example of an own model, as somebody's package: it is installed and it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from numerai_lab.experiment import find_final, load_final
from numerai_lab.tournament import export
from tournament_runs import train_final

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")


def block(language: str, number: int = 0) -> str:
    """Return a code block of a language, without the indentation of its list."""
    pattern = re.compile(rf"^( *)```{language}\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
    indent, lines = pattern.findall(TEXT)[number]
    return "".join(line.removeprefix(indent) for line in lines.splitlines(keepends=True))


@pytest.fixture
def my_package(tmp_path, monkeypatch):
    """Install the example with the entry point it shows."""
    installed = tmp_path / "installed"
    info = installed / "my_package-1.0.dist-info"
    info.mkdir(parents=True)
    (installed / "my_package.py").write_text(block("python"))
    (installed / "my_package_runtime.py").write_text(block("python", 1))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
    group, entry = block("toml").splitlines()
    assert group == '[project.entry-points."numerai_lab.models"]'
    entry = entry.replace('"', "")
    (info / "entry_points.txt").write_text(f"[numerai_lab.models]\n{entry}\n")
    monkeypatch.syspath_prepend(installed)


def test_the_example_is_listed_keeps_every_promise_and_runs(my_package, lab, tiny_config, tmp_path):
    assert "signs            features added up with the sign they have\n" in lab("models").out
    checked = lab("models", "signs", "--check")
    assert checked.out == "signs keeps every promise of the protocol\n", checked.err
    config = tmp_path / "signs.yaml"
    written = block("yaml")
    assert "extends: xgb.yaml" in written
    config.write_text(written.replace("xgb.yaml", "tiny.yaml").replace("[xgb]", "[tiny]"))
    result = lab("train", config, "--runs-dir", tmp_path / "runs", "--json")
    assert result.code == 0, result.err
    assert {c["baseline"] for c in result.json["comparisons"]} >= {"tiny"}


def test_the_example_runs_at_numerai(my_package, tournament, container, tmp_path):
    train_final(tmp_path, tournament, "signs", model="{type: signs, params: {least: 0.001}}")
    final = load_final(find_final("latest:signs", tmp_path / "runs"))
    bundle = export(
        final,
        check=True,
        python=container,
        live_features=(20,),
        live_rows=100,
        say=lambda _: None,
    )
    assert bundle.checks[0].difference == 0
    assert b"my_package" not in bundle.path.read_bytes()


def test_every_name_of_the_table_is_exported():
    import numerai_lab.models

    names = re.findall(r"\b(ModelInfo|FitReport|ModelChoice|Variant|Needs|Exported)\b", TEXT)
    assert len(set(names)) == 6
    assert all(name in numerai_lab.models.__all__ for name in names)
