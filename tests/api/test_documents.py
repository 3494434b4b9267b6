"""What the documents show of Python runs as it stands: the notebook, and the README's snippet."""

from __future__ import annotations

import ast
import json
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = json.loads((ROOT / "docs" / "notebook.ipynb").read_text("utf-8"))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_notebook_is_one_of_format_4():
    """What Jupyter asks of nbformat 4.5, as its schema has it."""
    assert set(NOTEBOOK) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert {"name", "display_name"} <= set(NOTEBOOK["metadata"]["kernelspec"])
    ids = [cell["id"] for cell in NOTEBOOK["cells"]]
    assert len(set(ids)) == len(ids) > 10
    for cell in NOTEBOOK["cells"]:
        assert re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", cell["id"])
        assert isinstance(cell["metadata"], dict)
        assert all(isinstance(line, str) for line in cell["source"])
        keys = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []  # numbers in a document would be of nobody's run
            assert cell["execution_count"] is None
            keys |= {"outputs", "execution_count"}
        else:
            assert cell["cell_type"] == "markdown"
        assert set(cell) == keys


def executed(code: str, names: dict) -> object:
    """Run a cell as Jupyter does and return the value of its last expression, None without one."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return (
        None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    )


@pytest.mark.slow  # several models at the notebook's own size
def test_the_notebook_goes_from_data_to_a_report(checkout):
    names: dict = {}
    shown = [
        executed("".join(cell["source"]), names)
        for cell in NOTEBOOK["cells"]
        if cell["cell_type"] == "code"
    ]
    assert shown[-1].read_text().startswith("<!doctype html>")
    assert shown[-1].is_relative_to("runs/xgb")
    table = shown[3]
    assert table.loc["corr", "ci_low"] < table.loc["corr", "mean"] < table.loc["corr", "ci_high"]
    assert shown[4]["prediction"].iloc[0].startswith("xgb.Ridge/")
    assert shown[7].between(0, 1).all()


def test_the_snippet_of_the_readme_runs(checkout, monkeypatch):
    import numerai_lab

    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    small = {
        "data.synthetic": {"n_eras": 60, "rows_per_era": 60, "n_features": 12},
        "split": {"type": "walk_forward", "first_train_eras": 30, "chunk_eras": 20},
        "model.params.num_boost_round": 5,
    }
    train, load = numerai_lab.api.train, numerai_lab.api.load
    monkeypatch.setattr(
        numerai_lab, "train", lambda *a, **k: train(*a, **k, overrides=small), raising=False
    )
    monkeypatch.setattr(
        numerai_lab, "load", lambda *a, **k: load(*a, **k, overrides=small), raising=False
    )
    names: dict = {}
    exec(snippet, names)
    assert names["run"].name == "xgb"
    assert len(names["scores"].per_era)
