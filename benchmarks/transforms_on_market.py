"""What each transform adds on ../shared/data/market: with, placebo, without, paired per era.

    .venv/bin/python benchmarks/transforms_on_market.py OUT.jsonl [NAME ...] --split inner

XGBoost (200 trees, depth 5, eta .1, colsample .1) trained on every 4th era: inner to era 380,
judged on 389 to 566; outer to 566, judged on 583 to 800. Steps are fitted on the training eras of
each, with one seed; the model has four seeds, and the mean of the four corrs of an era is compared:
with the columns, with four draws of the placebo (draw d beside seed d - 1), and without. The rules
stand in docs/research/transforms.md. Every fit is written as it is done, so that what was stopped
goes on (`--seconds` stops it); `OUT.jsonl --table` prints the table of docs/features.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from measure import REAL_DATA
from numerai_lab.config import Bootstrap, Data
from numerai_lab.data import load_data
from numerai_lab.eraframe import EraFrame
from numerai_lab.features import Columns, Past, Pipeline, StepContext, get_transform
from numerai_lab.models import FitContext, Float32, get_model, history_before
from numerai_lab.scoring import corr_per_era, paired

SPLITS = {"inner": (380, 389, 566), "outer": (566, 583, 800)}
PURGE, STEP, SEED = 8, 4, 0
PREFIXES = {
    "momentum": ("mom", "resmom", "volmom", "season", "rev_", "macd", "px_sma", "sma_", "alpha"),
    "volatility": ("vol_", "idiovol", "downvol", "range", "maxret", "minret", "kurt", "skew"),
    "market": ("beta", "corr_mkt", "autocorr"),
    "volume": ("dvtrend", "dvvol", "illiq", "obv", "pv_corr", "size_dv", "zero", "clv", "price"),
    "oscillator": ("rsi", "stoch", "boll", "dist", "drawdown", "hit", "intraday", "overnight"),
}
NEAR = ["feature_beta_252d", "feature_idiovol_252d", "feature_mom_252_21d", "feature_size_dv_63d"]
SERIES = "made_up.csv"
LGBM = {"n_estimators": 200, "learning_rate": 0.1, "era_step": 1, "weights": "equal"}
MODELS: dict[str, dict[str, Any]] = {
    "xgb": {"num_boost_round": 200, "max_depth": 5, "eta": 0.1, "colsample_bytree": 0.1},
    "lgbm_ensemble": {"preset": "example", **LGBM},
}
MIXER = {"epochs": 3, "subsets": 6, "share": 0.5, "blocks": 2, "bottleneck": 8}
STEPS: dict[str, dict[str, Any]] = {
    "noise": {"type": "noise", "columns": 12},
    "interactions": {"type": "interactions", "top": 6, "how": ["product"]},
    "pca": {"type": "pca", "components": 8},
    "group_scores": {"type": "group_scores"},
    "relative": {"type": "relative"},
    "era_aggregates": {"type": "era_aggregates", "of": ["correlation", "first_component"]},
    "lags": {"type": "lags", "of": "target_corr", "lags": [26, 52], "top": 6},
    "decompose": {"type": "decompose", "of": "target_corr", "window": 52, "recent": 13},
    "knn_graph": {"type": "knn_graph", "by": NEAR, "k": 10, "top": 6},
    "select_gain": {"type": "select", "top": 70, "by": "gain"},
    "select_stability": {"type": "select", "top": 70, "by": "stability"},
    "select_random": {"type": "select", "top": 70, "by": "random"},
    "join": {
        "type": "join",
        "file": SERIES,
        "by": "era",
        "columns": ["made_up"],
        "available_from": "era",
    },
    "impute": {"type": "impute", "how": "era_median"},
    "embedding": {
        "type": "embedding",
        "bins": 14,
        "folds": 2,
        "model": {"type": "mixer", "params": MIXER},
    },
}
OTHER_MODEL = {"embedding": "lgbm_ensemble"}
"""All others are measured on xgb."""
WITH_GAPS = frozenset({"impute"})
"""Measured on rows of which a tenth of the values, drawn at random, are missing."""
SEEDS = (0, 1, 2, 3)


def groups(names: Sequence[str]) -> dict[str, list[str]]:
    """Share the features out by what their names begin with."""
    found: dict[str, list[str]] = {group: [] for group in PREFIXES}
    for name in names:
        own = name.removeprefix("feature_")
        for group, prefixes in PREFIXES.items():
            if own.startswith(prefixes):
                found[group].append(name)
                break
    return found


def with_gaps(known: EraFrame) -> EraFrame:
    """Take a tenth of the values away, drawn at random."""
    values = known.features_in_memory().copy()
    draw = np.random.default_rng(SEED)
    for start in range(0, len(values), 65536):
        part = values[start : start + 65536]
        part[draw.random(part.shape, dtype=np.float32) < 0.1] = -1
    return replace(known, features=values)


def write_series(folder: Path, eras: Sequence[int]) -> Path:
    """Write a series by era that means nothing: each value .95 of the last one and a shock."""
    shocks, value, lines = np.random.default_rng(SEED).standard_normal(len(eras)), 0.0, []
    for era, shock in zip(eras, shocks.tolist(), strict=True):
        value = 0.95 * value + shock
        lines.append(f"{era},{value:.6f}")
    path = folder / SERIES
    path.write_text("era,made_up\n" + "\n".join(lines) + "\n")
    return path


class Bench:
    """The rows of one split, and what is fitted on them."""

    def __init__(self, known: EraFrame, split: str, folder: Path) -> None:
        last, first, end = SPLITS[split]
        label = known.target("target")
        labelled = known.take(np.flatnonzero(~np.isnan(label)))
        eras = [era for era in labelled.eras.tolist() if era <= last and (era - 1) % STEP == 0]
        self.known = known
        self.train = labelled.select_eras(eras)
        self.judged = labelled.between(first, end)
        seen = known.between(1, first - 1).without_targets()
        self.ctx = FitContext(SEED, "target", ("target",), PURGE, unlabelled=seen, n_threads=1)
        self.groups = groups(known.feature_names)
        self.series = write_series(folder, known.eras.tolist())

    def past_at_fit(self, era: int, n: int) -> Past:
        """What a step may know before a training era."""
        assert self.ctx.unlabelled is not None
        rows = self.ctx.unlabelled.between(era - n, era - 1)
        return Past(rows, self.train.between(era - n, era - PURGE - 1))

    def past_later(self, era: int, n: int) -> Past:
        """What a step may know before a judged era."""
        history = history_before(self.known, era, n, PURGE)
        return Past(history.without_targets(), history.between(era - n, era - PURGE - 1))

    def scores(self, model: str, train: EraFrame, judged: EraFrame, seed: int) -> list[float]:
        """Fit, and return the corr of each judged era."""
        kind = get_model(model)
        one = kind(kind.Params.model_validate(MODELS[model]))
        one.fit(train, replace(self.ctx, unlabelled=None, seed=seed))
        found: Float32 = one.predict(judged.without_targets())
        matrix = found[:, None].astype(np.float64)
        corr = corr_per_era(matrix, judged.target("target"), judged.offsets)[:, 0]
        return [round(float(value), 6) for value in corr]

    def of(self, name: str, wanted: Sequence[str]) -> Iterator[tuple[str, list[float]]]:
        """Yield the scores of what is wanted: "without 0", "with 0" and "placebo 1", and so on."""
        model = OTHER_MODEL.get(name, "xgb")
        for seed in SEEDS:
            if f"without {seed}" in wanted:
                yield f"without {seed}", self.scores(model, self.train, self.judged, seed)
        if all(what.startswith("without") for what in wanted):
            return
        written = dict(STEPS[name])
        if written["type"] == "join":
            written["file"] = self.series
        pipeline = Pipeline([get_transform(written["type"]).Params.model_validate(written)])
        ctx = StepContext(
            seed=SEED,
            target="target",
            purge_eras=PURGE,
            feature_sets=self.groups,
            n_threads=1,
            say=lambda said: print(name, said, flush=True),
            past=self.past_at_fit,
        )
        made = pipeline.fit(self.train, ctx)
        later = pipeline.columns(self.judged, self.past_later)
        print(name, f"{len(pipeline.added)} columns", flush=True)
        for seed in SEEDS:
            if f"with {seed}" in wanted:
                train, judged = pipeline.frame(made), pipeline.frame(later)
                yield f"with {seed}", self.scores(model, train, judged, seed)
        for draw in (seed + 1 for seed in SEEDS):
            if f"placebo {draw}" in wanted:
                twin = pipeline.twin(draw)
                train, judged = (
                    twin.frame(twin.shuffle(twin.remade(copied(one), past), draw, SEED))
                    for one, past in ((made, self.past_at_fit), (later, self.past_later))
                )
                yield f"placebo {draw}", self.scores(model, train, judged, draw - 1)


def copied(made: Columns) -> Columns:
    """Copy the columns, which a twin permutes in place."""
    return Columns(made.raw, [block.copy() for block in made.blocks])


def base_of(name: str) -> str:
    """Return the step whose line keeps what the features alone score, as for `name`."""
    alone = name in OTHER_MODEL or name in WITH_GAPS
    return name if alone else "noise"


def table(path: Path) -> None:
    """Print a row for each transform and split."""
    done = [json.loads(line) for line in path.read_text().splitlines()]
    scores = {(d["split"], d["name"], d["what"]): d["corr"] for d in done}

    def mean(split: str, name: str, what: str) -> Any:
        numbers = range(1, 5) if what == "placebo" else SEEDS
        each = [scores.get((split, name, f"{what} {number}")) for number in numbers]
        return None if None in each else np.mean(np.array(each), axis=0)

    for split, (_, first, end) in SPLITS.items():
        print(f"\n{split}, eras {first}-{end}")
        for name in STEPS:
            base = mean(split, base_of(name), "without")
            mine, placebo = mean(split, name, "with"), mean(split, name, "placebo")
            if base is None or mine is None or placebo is None:
                continue
            eras = np.arange(first, first + len(base), dtype=np.int32)
            cells = [f"{name:16} | {np.mean(base):.4f}"]
            for a, b in ((mine, base), (placebo, base), (mine, placebo)):
                told = paired(a, b, eras, 20, Bootstrap(), SEED)
                cell = f"{told.mean_difference:+.4f} [{told.ci_low:+.4f}, {told.ci_high:+.4f}]"
                cells.append(cell.replace("0.", "."))
            print(" | ".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--split", choices=SPLITS, action="append")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no fit after these")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        table(given.out)
        return
    data = REAL_DATA / "market"
    if not data.exists():
        sys.exit(f"not measured: {data} is not there")
    config = Data(source="numerai", dir=data, targets=["target"])
    loaded = load_data(config, say=print, keep_unlabelled=True)
    assert loaded.known is not None
    lines = given.out.read_text().splitlines() if given.out.exists() else []
    done = {(d["split"], d["name"], d["what"]) for d in map(json.loads, lines)}
    with tempfile.TemporaryDirectory() as folder:
        for name in given.names or STEPS:
            rows = with_gaps(loaded.known) if name in WITH_GAPS else loaded.known
            for split in given.split or SPLITS:
                kinds = [f"with {seed}" for seed in SEEDS]
                kinds += [f"placebo {seed + 1}" for seed in SEEDS]
                if base_of(name) == name:
                    kinds = [f"without {seed}" for seed in SEEDS] + kinds
                wanted = [what for what in kinds if (split, name, what) not in done]
                if not wanted or time.process_time() > given.seconds:
                    continue
                for what, corr in Bench(rows, split, Path(folder)).of(name, wanted):
                    spent = round(time.process_time())
                    told = {"split": split, "name": name, "what": what, "corr": corr}
                    with given.out.open("a") as file:
                        file.write(json.dumps(told) + "\n")
                    print(split, name, what, f"{np.mean(corr):.4f}, {spent} s", flush=True)
                    if spent > given.seconds:
                        break


if __name__ == "__main__":
    main()
