"""docs/own_torch_model.md, as somebody's package: installed, tried and trained. Needs torch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the example needs torch: pip install 'torch<2.14'")

TEXT = (Path(__file__).parents[1] / "docs" / "own_torch_model.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """Return the code block of a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    return found


def test_the_example_keeps_every_promise_and_runs(lab, tiny_config, tmp_path, monkeypatch):
    installed = tmp_path / "installed"
    info = installed / "my_nets-1.0.dist-info"
    info.mkdir(parents=True)
    (installed / "my_nets.py").write_text(block("python"))
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: my_nets\nVersion: 1.0\nProvides-Extra: torch\n"
        'Requires-Dist: torch; extra == "torch"\n'
    )
    entry = block("toml").splitlines()[-1].replace('"', "")
    (info / "entry_points.txt").write_text(f"[numerai_lab.models]\n{entry}\n")
    monkeypatch.syspath_prepend(installed)
    checked = lab("models", "net", "--check")
    assert checked.out == "net keeps every promise of the protocol\n", checked.err
    config = tmp_path / "net.yaml"
    config.write_text(block("yaml").replace("xgb.yaml", "tiny.yaml").replace("[xgb]", "[tiny]"))
    result = lab("train", config, "--runs-dir", tmp_path / "runs", "--json")
    assert result.code == 0, result.err
    (manifest,) = (tmp_path / "runs" / "net").glob("*/manifest.json")
    assert '"torch": "' in manifest.read_text()
