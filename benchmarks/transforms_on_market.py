"""What each transform adds on ../shared/data/market: with, placebo, without, paired per era.

    .venv/bin/python benchmarks/transforms_on_market.py OUT.jsonl [NAME ...] [--draws 4]

XGBoost (200 trees, depth 5, eta .1, colsample .1) trained on every 4th era: inner to era 380,
judged on 389 to 566; outer to 566, judged on 583 to 800. Steps are fitted on the training eras of
each. Every fit is written as it is done, so that what was stopped goes on; `OUT.jsonl --table`
prints the table of docs/features.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from measure import REAL_DATA
from numerai_lab.config import Bootstrap, Data
from numerai_lab.data import load_data
from numerai_lab.eraframe import EraFrame
from numerai_lab.features import Past, Pipeline, StepContext, get_transform
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
STEPS: dict[str, list[dict[str, Any]]] = {
    "noise": [{"type": "noise", "columns": 12}],
    "interactions": [{"type": "interactions", "top": 6, "how": ["product"]}],
    "pca": [{"type": "pca", "components": 8}],
    "group_scores": [{"type": "group_scores"}],
    "relative": [{"type": "relative"}],
    "era_aggregates": [{"type": "era_aggregates", "of": ["correlation", "first_component"]}],
    "lags": [{"type": "lags", "of": "target_corr", "lags": [26, 52], "top": 6}],
    "decompose": [{"type": "decompose", "of": "target_corr", "window": 52, "recent": 13}],
    "knn_graph": [{"type": "knn_graph", "by": NEAR, "k": 10, "top": 6}],
    "select_gain": [{"type": "select", "top": 70, "by": "gain"}],
    "embedding": [
        {"type": "embedding", "folds": 2, "model": {"type": "mixer", "params": {"epochs": 3}}}
    ],
    "select_stability": [{"type": "select", "top": 70, "by": "stability"}],
}


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


class Bench:
    """The rows of one split, and what is fitted on them."""

    def __init__(self, known: EraFrame, split: str, trees: int) -> None:
        last, first, end = SPLITS[split]
        label = known.target("target")
        labelled = known.take(np.flatnonzero(~np.isnan(label)))
        eras = [era for era in labelled.eras.tolist() if era <= last and (era - 1) % STEP == 0]
        self.known, self.split, self.trees = known, split, trees
        self.train = labelled.select_eras(eras)
        self.judged = labelled.between(first, end)
        seen = known.between(1, first - 1).without_targets()
        self.ctx = FitContext(SEED, "target", ("target",), PURGE, unlabelled=seen, n_threads=1)
        self.groups = groups(known.feature_names)

    def past_at_fit(self, era: int, n: int) -> Past:
        """What a step may know before a training era."""
        assert self.ctx.unlabelled is not None
        rows = self.ctx.unlabelled.between(era - n, era - 1)
        return Past(rows, self.train.between(era - n, era - PURGE - 1))

    def past_later(self, era: int, n: int) -> Past:
        """What a step may know before a judged era."""
        history = history_before(self.known, era, n, PURGE)
        return Past(history.without_targets(), history.between(era - n, era - PURGE - 1))

    def scores(self, train: EraFrame, judged: EraFrame, seed: int = SEED) -> list[float]:
        """Fit, and return the corr of each judged era."""
        kind = get_model("xgb")
        params = {"num_boost_round": self.trees, "max_depth": 5, "eta": 0.1}
        model = kind(kind.Params.model_validate({**params, "colsample_bytree": 0.1}))
        model.fit(train, replace(self.ctx, unlabelled=None, seed=seed))
        predictions: Float32 = model.predict(judged.without_targets())
        one = predictions[:, None].astype(np.float64)
        corr = corr_per_era(one, judged.target("target"), judged.offsets)[:, 0]
        return [round(float(value), 6) for value in corr]

    def without(self, seed: int = SEED) -> list[float]:
        """Score the features alone."""
        return self.scores(self.train, self.judged, seed)

    def of(self, name: str, draws: Sequence[int]) -> dict[str, list[float]]:
        """Return scores by "with" and the number of each draw."""
        steps = [get_transform(s["type"]).Params.model_validate(s) for s in STEPS[name]]
        pipeline = Pipeline(steps)
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
        found = {}
        if 0 in draws:
            found["with"] = self.scores(pipeline.frame(made), pipeline.frame(later))
        for draw in range(1, max(draws, default=0) + 1):
            twin = pipeline.twin(draw)
            made = twin.shuffle(twin.remade(made, self.past_at_fit), draw, SEED)
            later = twin.shuffle(twin.remade(later, self.past_later), draw, SEED)
            if draw in draws:
                found[str(draw)] = self.scores(twin.frame(made), twin.frame(later))
        return found


def table(path: Path) -> None:
    """Print a row for each transform and split."""
    done = [json.loads(line) for line in path.read_text().splitlines()]
    scores = {(d["split"], d["name"], d["what"]): d["corr"] for d in done}
    for split, (_, first, end) in SPLITS.items():
        base = scores.get((split, "", "without"))
        if base is None:
            continue
        eras = np.arange(first, first + len(base), dtype=np.int32)
        print(f"\n{split}, {len(base)} eras {first}-{end}, without: corr {np.mean(base):.4f}")
        others = [np.mean(v) for (s, _, w), v in scores.items() if s == split and "seed" in w]
        print("  other seeds:", ", ".join(f"{value:.4f}" for value in others))
        for name in STEPS:
            mine = scores.get((split, name, "with"))
            placebos = [
                v for (s, n, w), v in scores.items() if (s, n) == (split, name) and w.isdigit()
            ]
            if mine is None or not placebos:
                continue
            placebo = np.mean(placebos, axis=0)
            cells = [f"{name:18}"]
            for a, b in ((mine, base), (placebo, base), (mine, placebo)):
                told = paired(np.array(a), np.array(b), eras, 20, Bootstrap(), SEED)
                cells.append(
                    f"{told.mean_difference:+.4f} [{told.ci_low:+.4f}, {told.ci_high:+.4f}]"
                )
            print(" | ".join(cells), f"| {len(placebos)} draws")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--split", choices=SPLITS)
    parser.add_argument("--seeds", action="store_true", help="features alone, three other seeds")
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
    done = set()
    if given.out.exists():
        lines = given.out.read_text().splitlines()
        done = {(d["split"], d["name"], d["what"]) for d in map(json.loads, lines)}
    benches = {s: Bench(loaded.known, s, given.trees) for s in SPLITS if given.split in (None, s)}

    def write(split: str, name: str, what: str, corr: list[float]) -> None:
        with given.out.open("a") as file:
            told = {"split": split, "name": name, "what": what, "trees": given.trees, "corr": corr}
            file.write(json.dumps(told) + "\n")
        print(split, name, what, f"{np.mean(corr):.4f}", flush=True)

    for split, bench in benches.items():
        if (split, "", "without") not in done:
            write(split, "", "without", bench.without())
    for seed in (1, 2, 3) if given.seeds else ():
        for split, bench in benches.items():
            if (split, "", f"seed {seed}") not in done:
                write(split, "", f"seed {seed}", bench.without(seed))
    for last in range(1, given.draws + 1):  # one draw of each first, so that all are seen early
        for name in given.names or STEPS:
            for split, bench in benches.items():
                wanted = [0, last] if last == 1 else [last]
                keys = {0: "with"} | {draw: str(draw) for draw in wanted if draw}
                open_ = [draw for draw in wanted if (split, name, keys[draw]) not in done]
                if open_:
                    for what, corr in bench.of(name, open_).items():
                        write(split, name, what, corr)


if __name__ == "__main__":
    main()
