"""What a network adds to own momentum on daily prices: learned, correlation, and many random ones.

    .venv/bin/python benchmarks/network_on_prices.py PRICES.parquet OUT.jsonl --random 50

Data, folds, model and portfolio of configs/momentum.yaml; the columns of each graph are made once
for all eras, which is what folds would make of them, as no label is looked at. `unrolled` is
trained once, on the training eras of the first fold, and used in all. `made-up` instead of a file
is the panel of configs/prices.yaml, which has sectors. Differences of the yearly Sharpe to own
momentum are paired by week, in two periods, to 2012 and after it, as is that of the learned graph
to the others. A line is written as soon as it is known, and what is there is not computed again;
`--table` prints them.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.arrays import Float64, Int8
from numerai_lab.config import Bootstrap
from numerai_lab.data import load_data, weekly_returns_of
from numerai_lab.eraframe import EraFrame
from numerai_lab.experiment import read_experiment
from numerai_lab.features import Past, StepContext, get_transform
from numerai_lab.models import FitContext, get_model
from numerai_lab.scoring import (
    Earned,
    Market,
    hold,
    portfolio_weights,
    sharpe_difference,
    summarize_portfolio,
)
from numerai_lab.splits import plan_folds, purge_for

HOLD_DAYS = 5
PERIODS = {"to 2012": (None, 2012), "2013 on": (2013, None)}
UNROLLED = {"graph": "unrolled", "target": "scaled_5", "most_graphs": 6, "epochs": 12}
SERIES = ("weeks", "gross", "net", "turnover", "capacity")


class Lab:
    """The rows, the folds and the market of one file of prices."""

    def __init__(self, prices: str) -> None:
        given = None if prices == "made-up" else prices
        self.experiment = read_experiment("configs/momentum.yaml", given, ()).experiment
        data = self.experiment.data
        found = load_data(data, say=print, features=["feature_return_1"], keep_unlabelled=True)
        assert found.known is not None
        assert found.folder is not None
        self.known, self.labelled, self.dates = found.known, found.frame, found.era_dates
        self.plan = plan_folds(self.experiment.split, found.frame.eras, HOLD_DAYS, HOLD_DAYS)
        earned = weekly_returns_of(found.folder)
        self.tickers = pa.array(earned.tickers)
        self.market = Market(earned.weeks, earned.returns, earned.traded)

    def columns(self, **params: Any) -> Int8:
        """Make the columns of all eras of the labelled rows."""
        kind = get_transform("network_momentum")
        step: Any = kind(kind.Params.model_validate({"type": "network_momentum", **params}))
        step.settings = {"seed": self.experiment.seed, "drops": [], "graphs": []}
        if params.get("graph") == "unrolled":
            train = self.labelled.select_eras(self.plan.folds[0].train)
            told = StepContext(
                self.experiment.seed,
                "target_5",
                purge_for(HOLD_DAYS),
                raw_names=self.labelled.feature_names,
                say=lambda said: print(said, flush=True),
                past=self._past,
            )
            step.fit(train, told)
        parts = []
        for era, _ in self.labelled.iter_eras():
            own = self.labelled.between(era, era)
            parts.append(step.apply(own, self._past(era, step.history_eras)))
        return np.concatenate(parts)

    def _past(self, era: int, n: int) -> Past:
        rows = self.known.between(era - n, era - 1)
        return Past(rows, rows.between(0, -1))

    def earned(self, columns: Int8) -> Earned:
        """Fit max_sharpe on each fold, predict its judged eras, and hold the predictions."""
        names = tuple(f"c{i}" for i in range(columns.shape[1]))
        frame = replace(self.labelled, features=columns, feature_names=names)
        kind = get_model("max_sharpe")
        params = kind.Params.model_validate({"shrinkage": 0.1, "targets": {"scaled_5": 1.0}})
        weights, opened = [], []
        for fold in self.plan.folds:
            model = kind(params)
            ctx = FitContext(0, "target_5", ("target_5", "scaled_5"), purge_for(HOLD_DAYS))
            model.fit(frame.select_eras(fold.train), ctx)
            judged = frame.select_eras(fold.judged)
            prediction = model.predict(judged.without_targets()).astype(np.float64)
            weights.append(self._weights(judged, prediction))
            opened.append(np.searchsorted(self.market.weeks, judged.eras))
        return hold(
            np.concatenate(weights),
            np.concatenate(opened),
            self.market,
            hold_days=HOLD_DAYS,
            cost_bp=10.0,
            participation=0.01,
        )

    def _weights(self, rows: EraFrame, prediction: Float64) -> Float64:
        sigma = rows.side_column("volatility").to_numpy()
        place = pc.index_in(rows.entity, value_set=self.tickers).to_numpy()
        found = np.zeros((rows.n_eras, len(self.tickers)))
        for i, (_, mine) in enumerate(rows.iter_eras()):
            found[i, place[mine]] = portfolio_weights(prediction[mine], sigma[mine])
        return found

    def period(self, one: Earned, first: int | None, last: int | None) -> Earned:
        """Cut the weeks of some years out."""
        years = np.array([self.dates[week].year for week in one.weeks.tolist()])
        inside = (years >= (first or 0)) & (years <= (last or 9999))
        cut = {key: getattr(one, key)[inside] for key in ("weeks", "gross", "net", "turnover")}
        return replace(one, **cut, capacity=one.capacity[inside])


def judged(lab: Lab, one: Earned, own: Earned) -> dict[str, Any]:
    """Summarise one portfolio by period, beside own momentum."""
    found: dict[str, Any] = {}
    for name, (first, last) in PERIODS.items():
        mine, theirs = lab.period(one, first, last), lab.period(own, first, last)
        if not len(mine.weeks):
            found[name] = None
            continue
        how = HOLD_DAYS, Bootstrap(), 0
        found[name] = {
            **summarize_portfolio(mine, *how).as_dict(),
            "gross_to_own": sharpe_difference(mine, theirs, *how),
            "net_to_own": sharpe_difference(mine, theirs, *how, net=True),
        }
    return found


def read_earned(line: dict[str, Any]) -> Earned:
    """Return the weeks of a line."""
    gross, net, turnover, capacity = (np.array(line[key], dtype=np.float64) for key in SERIES[1:])
    weeks = np.array(line["weeks"], dtype=np.int32)
    return Earned(weeks, gross, net, turnover, capacity, n_lost=0, n_unopened=0)


def table(lab: Lab, path: Path) -> None:
    """Print what is known, random graphs as their median."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    named = {line["name"]: line for line in lines if not line["name"].startswith("random")}
    draws = [line for line in lines if line["name"].startswith("random")]
    learned, how = read_earned(named["both"]), (HOLD_DAYS, Bootstrap(), 0)
    for period, years in PERIODS.items():
        if not named["own"][period]:
            continue
        print(period)
        for name, line in named.items():
            print(f"  {name:12s} {_told(line[period])}")
        for name in ("correlation", "unrolled", "sector"):
            if name not in named:
                continue
            a, b = (lab.period(one, *years) for one in (learned, read_earned(named[name])))
            told = [(net, sharpe_difference(a, b, *how, net=net)) for net in (False, True)]
            print(
                f"  learned - {name}: "
                + ", ".join(
                    f"{'net' if net else 'gross'} {one['difference']:+.2f} "
                    f"[{one['ci'][0]:+.2f}, {one['ci'][1]:+.2f}]"
                    for net, one in told
                )
            )
        for kind in ("gross", "net") if draws else ():
            apart = [line[period][f"{kind}_to_own"]["difference"] for line in draws]
            low, middle, high = np.percentile(apart, [5, 50, 95])
            print(
                f"  {len(draws)} random, {kind}: median difference to own {middle:+.2f}, "
                f"5 % to 95 % of draws {low:+.2f} to {high:+.2f}"
            )


def _told(one: dict[str, Any]) -> str:
    parts = [f"gross {one['sharpe_gross']:.2f} net {one['sharpe_net']:.2f}"]
    for kind in ("gross", "net"):
        apart = one[f"{kind}_to_own"]
        low, high = apart["ci"]
        parts.append(f"{kind} - own {apart['difference']:+.2f} [{low:+.2f}, {high:+.2f}]")
    return ", ".join([*parts, f"{one['n_weeks']} weeks, traded {one['turnover']:.0f} x a year"])


def main() -> None:
    """Measure what is asked for and not there yet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("prices", help="a file, or made-up")
    parser.add_argument("out", type=Path)
    parser.add_argument("--random", type=int, default=10)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    lab = Lab(asked.prices)
    if asked.table:
        table(lab, asked.out)
        return
    there = asked.out.read_text().splitlines() if asked.out.exists() else []
    done = {json.loads(line)["name"] for line in there}
    own_columns = lab.columns(columns="own")
    own = lab.earned(own_columns)
    wanted: dict[str, dict[str, Any]] = {
        "own": {"columns": "own"},
        "both": {"columns": "both"},
        "network": {"columns": "network"},
        **{f"random {i}": {"graph": "random", "draw": i} for i in range(asked.random)},
        "correlation": {"graph": "correlation"},
        "unrolled": UNROLLED,
    }
    sector = lab.labelled.side.get("sector")
    if sector is not None and sector.null_count < len(sector):
        wanted["sector"] = {"graph": "sector"}
    for name, params in wanted.items():
        if name in done:
            continue
        start = time.process_time()
        one = lab.earned(lab.columns(**params))
        line = {"name": name, **judged(lab, one, own), "seconds": time.process_time() - start}
        line |= {key: np.round(getattr(one, key), 8).tolist() for key in SERIES}
        with asked.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        first = next(line[period] for period in PERIODS if line[period])
        print(name, f"{line['seconds']:.0f} s", _told(first), flush=True)


if __name__ == "__main__":
    main()
