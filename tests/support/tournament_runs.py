"""Small finished runs with a final model, for tests of what comes after training."""

from pathlib import Path

import pyarrow.parquet as pq

from numerai_lab.cli import run

CONFIG = """\
name: {name}
data: {{source: numerai, dir: "{folder}", missing: {missing}}}
split: {{type: walk_forward, first_train_eras: 30, chunk_eras: 30, purge_eras: 4}}
scoring: {{exposure: false, fnc_feature_set: none, bootstrap: {{samples: 100}}}}
threads: 1
neutralize: {neutralize}
model: {model}
"""
XGB = "{type: xgb, params: {num_boost_round: 12, max_depth: 3, eta: 0.3}}"


def train_final(
    parent: Path, folder: Path, name: str, model: str = XGB, neutralize="null", missing="{}"
) -> Path:
    """Train an experiment with its final model and return its run directory."""
    config = parent / f"{name}.yaml"
    config.write_text(
        CONFIG.format(name=name, folder=folder, model=model, neutralize=neutralize, missing=missing)
    )
    runs = parent / "runs"
    assert run(["train", str(config), "--final", "--quiet", "--runs-dir", str(runs)]) == 0
    return next((runs / name).iterdir())


def with_labels(folder: Path, first: int, last: int, values) -> None:
    """Give eras of the data in a folder other labels: NaN, or a function of them."""
    path = folder / "data" / "validation.parquet"
    table = pq.read_table(path).to_pandas()
    of = table["era"].astype(int).between(first, last)
    table.loc[of, "target"] = values(table.loc[of, "target"])
    table.to_parquet(path)
