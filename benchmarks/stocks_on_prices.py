"""What nets of stocks find in daily prices, beside ridge, xgb and own momentum; in two periods.

    .venv/bin/python benchmarks/stocks_on_prices.py PRICES.parquet OUT stock_rnn:mse:0 --period 2012
    .venv/bin/python benchmarks/stocks_on_prices.py PRICES.parquet OUT --period 2012 --table

The rows, targets and portfolio of configs/momentum.yaml. `--period 2012`: eras from the 261st to
the end of 2012, in two folds; `--period 2016`: 2013 to 2016, by one fit on all eras before.
Names are TYPE:LOSS:SEED, with `:shuffled` the control of another stock's past and `:alone` that of
no past, or `ridge`, `xgb`, `own`, `max_sharpe` (all features, `scaled_5`), `ridge_scaled`
(likewise). Each is predicted once and kept in OUT; `--table` prints corr with `target_5` and the
Sharpe of the 5-day portfolio, with 95 % block-bootstrap intervals, and differences paired by week.
The rules stand in docs/prices.md.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from numerai_lab.arrays import Eras, Float32, Float64
from numerai_lab.config import Bootstrap
from numerai_lab.data import load_data, weekly_returns_of
from numerai_lab.experiment import read_experiment
from numerai_lab.models import FitContext, get_model, history_before, history_eras_of, info_of
from numerai_lab.scoring import (
    Earned,
    Market,
    corr_per_era,
    hold,
    interval_of_mean,
    portfolio_weights,
    sharpe_difference,
    summarize_portfolio,
)
from numerai_lab.splits import purge_for

HOLD_DAYS = 5
FIRST, FOLD_ERAS, INNER_YEAR = 260, 176, 2012
TARGETS = ("target_5", "scaled_5")
NET = {"window": 8, "width": 32, "epochs": 3, "learning_rate": 0.002, "eras_per_batch": 4}
LOSSES: dict[str, dict[str, Any]] = {
    "mse": {},
    "corr": {"loss": "corr"},
    "sharpe": {"loss": "sharpe", "target": "scaled_5", "eras_per_batch": 12},
}
OWN: dict[str, Any] = {
    "transforms": [{"type": "network_momentum", "columns": "own", "only": True}],
    "placebo": 0,
    "model": {
        "type": "max_sharpe",
        "params": {"shrinkage": 0.1, "targets": {"scaled_5": 1.0}},
    },
}
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ridge": ("ridge", {"alpha": 1.0}),
    "ridge_scaled": ("ridge", {"alpha": 1.0, "targets": {"scaled_5": 1.0}}),
    "max_sharpe": ("max_sharpe", {"shrinkage": 0.1, "targets": {"scaled_5": 1.0}}),
    "xgb": (
        "xgb",
        {"num_boost_round": 100, "eta": 0.05, "max_depth": 4, "colsample_bytree": 0.3},
    ),
    "own": ("transformed", OWN),
}


class Lab:
    """The rows of one file of prices, its market, and the folds of a period."""

    def __init__(self, prices: str, period: int) -> None:
        self.experiment = read_experiment("configs/momentum.yaml", prices, ()).experiment
        found = load_data(self.experiment.data, say=print, keep_unlabelled=True)
        assert found.known is not None
        assert found.folder is not None
        years = np.array([found.era_dates[era].year for era in found.frame.eras.tolist()])
        last = found.frame.eras[years <= period][-1]
        self.frame = found.frame.between(0, int(last))
        self.known = found.known.between(0, int(last))
        earned = weekly_returns_of(found.folder)
        self.tickers = pa.array(earned.tickers)
        self.market = Market(earned.weeks, earned.returns, earned.traded)
        eras = self.frame.eras
        if period == INNER_YEAR:
            judged = eras[FIRST:]
            parts = [judged[i : i + FOLD_ERAS] for i in range(0, len(judged), FOLD_ERAS)]
        else:
            parts = [eras[years[: len(eras)] > INNER_YEAR]]
        purge = purge_for(HOLD_DAYS)
        self.folds = [(eras[eras < part[0] - purge], part) for part in parts]
        self.judged = self.frame.select_eras(np.concatenate(parts))

    def predicted(self, name: str) -> Float32:
        """Fit what a name means on each fold, and predict its judged eras, float32 [n_rows]."""
        kind, params, seed = meant(name)
        model_class = get_model(kind)
        checked = model_class.Params.model_validate(params)
        parts = []
        for train, judged in self.folds:
            model = model_class(checked)
            rows = self.known.between(0, int(judged[0]) - 1).without_targets()
            ctx = FitContext(
                seed,
                TARGETS[0],
                TARGETS,
                purge_for(HOLD_DAYS),
                unlabelled=rows if info_of(model_class, checked).unlabelled else None,
                n_threads=1,
            )
            report = model.fit(self.frame.select_eras(train), ctx)
            print(name, int(judged[0]), *report.notes, sep="; ", flush=True)
            parts += [self._of_era(model, era) for era in judged.tolist()]
        return np.concatenate(parts)

    def _of_era(self, model: Any, era: int) -> Float32:
        own = self.frame.between(era, era).without_targets()
        n = history_eras_of(model)
        if not n:
            return np.asarray(model.predict(own))
        history = history_before(self.known, era, n, purge_for(HOLD_DAYS), TARGETS)
        return np.asarray(model.predict(own, history=history))

    def earned(self, prediction: Float64) -> Earned:
        """Hold predictions as the portfolio of a run holds them."""
        rows = self.judged
        sigma = rows.side_column("volatility").to_numpy()
        place = pc.index_in(rows.entity, value_set=self.tickers).to_numpy()
        weights = np.zeros((rows.n_eras, len(self.tickers)))
        for i, (_, mine) in enumerate(rows.iter_eras()):
            weights[i, place[mine]] = portfolio_weights(prediction[mine], sigma[mine])
        opened = np.searchsorted(self.market.weeks, rows.eras)
        return hold(
            weights,
            opened,
            self.market,
            hold_days=HOLD_DAYS,
            cost_bp=10.0,
            participation=0.01,
        )

    def corr(self, prediction: Float64) -> Float64:
        """Return the corr of each judged era with `target_5`."""
        label = self.judged.target(TARGETS[0])
        return corr_per_era(prediction, label, self.judged.offsets).reshape(-1)


def meant(name: str) -> tuple[str, dict[str, Any], int]:
    """Return model, parameters and seed of a name."""
    if name in OTHERS:
        return (*OTHERS[name], 0)
    kind, loss, seed, *more = name.split(":")
    params: dict[str, Any] = {**NET, **LOSSES[loss]}
    if more == ["shuffled"]:
        params["past"] = "shuffled"
    if more == ["alone"]:
        params["window"] = 1
    return kind, params, int(seed)


def table(lab: Lab, folder: Path) -> None:
    """Print what is known of a period."""
    eras, how = lab.judged.eras, (HOLD_DAYS, Bootstrap(), 0)
    found = {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}
    corrs = {name: lab.corr(values.astype(np.float64)) for name, values in found.items()}
    earned = {name: lab.earned(values.astype(np.float64)) for name, values in found.items()}
    print(f"{len(eras)} eras, {lab.judged.n_rows} rows")
    for name in found:
        one = summarize_portfolio(earned[name], *how)
        told = [f"{name:28s} corr {_mean(corrs[name], eras)}"]
        told.append(f"gross {_sharpe(one.sharpe_gross, one.sharpe_gross_ci)}")
        told.append(f"net {_sharpe(one.sharpe_net, one.sharpe_net_ci)} x{one.turnover:.0f}")
        for other in ("ridge", "own", "max_sharpe", name + ":shuffled", name + ":alone"):
            if other not in found or other == name:
                continue
            told.append(f"- {other}: corr {_mean(corrs[name] - corrs[other], eras)}")
            for net in (False, True):
                apart = sharpe_difference(earned[name], earned[other], *how, net=net)
                told.append(f"{'net' if net else 'gross'} {_apart(apart)}")
        print(" ".join(told))
        thirds = [np.nanmean(part) for part in np.array_split(corrs[name], 3)]
        print(" " * 28, "corr by thirds", *(f"{value:+.4f}" for value in thirds))


def _mean(scores: Float64, eras: Eras) -> str:
    known = np.isfinite(scores)
    low, high, _ = interval_of_mean(scores[known], eras[known], HOLD_DAYS, Bootstrap(), 0)
    return f"{scores[known].mean():+.4f} [{low:+.4f}, {high:+.4f}]"


def _sharpe(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None or interval is None:
        return "none"
    return f"{value:+.2f} [{interval[0]:+.2f}, {interval[1]:+.2f}]"


def _apart(one: dict[str, Any]) -> str:
    return _sharpe(one["difference"], one["ci"])


def main() -> None:
    """Measure what is asked for and not there yet, or print what is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("prices", help="a file, or made-up")
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--period", type=int, choices=[2012, 2016], default=2012)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    folder = asked.out / str(asked.period)
    folder.mkdir(parents=True, exist_ok=True)
    lab = Lab(asked.prices, asked.period)
    if asked.table:
        table(lab, folder)
        return
    for name in asked.names:
        place = folder / f"{name}.npy"
        if place.exists():
            continue
        start = time.process_time()
        found = lab.predicted(name)
        seconds = time.process_time() - start
        (folder / f"{name}.json").write_text(json.dumps({"cpu_seconds": round(seconds, 1)}))
        np.save(place, found)
        print(name, f"{seconds:.0f} s of CPU", flush=True)


if __name__ == "__main__":
    main()
