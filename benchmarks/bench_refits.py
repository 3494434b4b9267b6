"""What adapting costs a walk-forward: CPU seconds of chunks of 52 eras, trees alone and adapted.

    python benchmarks/bench_refits.py [--eras 364] [--rows 600] [--features 80] [--trees 200]

From the second chunk on the guard decides on what earlier folds gained, so no trial is fitted; the
linear model takes in resolved eras every 13 eras. Asked for is at most 1.3 times the trees alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from numerai_lab.config import Data, Synthetic
from numerai_lab.data import generate_tournament, load_data
from numerai_lab.experiment import predict_eras
from numerai_lab.models import EarlierFit, FitContext, get_model

PURGE, CHUNK, FIRST = 8, 52, 156


def main() -> None:
    """Train both on the same chunks and print the CPU seconds of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("eras", 364), ("rows", 600), ("features", 80), ("trees", 200)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    made = Synthetic(
        world="linked_strong",
        n_eras=asked.eras,
        rows_per_era=asked.rows,
        n_features=asked.features,
    )
    trees = {"num_boost_round": asked.trees, "max_depth": 5, "eta": 0.05, "colsample_bytree": 0.1}
    adapt = {"method": "nearest_eras", "refit_eras": 13}
    ctx = FitContext(0, "target", ("target",), PURGE, n_threads=1)
    with tempfile.TemporaryDirectory() as folder:
        generate_tournament(Path(folder) / "data", made)
        section = Data(source="numerai", dir=Path(folder) / "data")
        frame = load_data(section, say=lambda _: None).frame
        plain, ttt = get_model("xgb"), get_model("xgb_ttt")
        earlier: tuple[EarlierFit, ...] = ()
        totals = [0.0, 0.0]
        for start in range(FIRST + 1, asked.eras - CHUNK + 2, CHUNK):
            train = frame.between(1, start - PURGE - 1)
            judged = frame.between(start, start + CHUNK - 1)
            begun = time.process_time()
            model = plain(plain.Params.model_validate(trees))
            model.fit(train, ctx)
            model.predict(judged.without_targets())
            alone = time.process_time() - begun
            begun = time.process_time()
            known = tuple(
                replace(one, rows=one.rows.between(1, start - PURGE - 1)) for one in earlier
            )
            params = {**trees, "auxiliary": {"codes": 3}, "adapt": adapt}
            adapted = ttt(ttt.Params.model_validate(params))
            report = adapted.fit(train, replace(ctx, earlier=known))
            kept = Path(folder) / f"from{start}"
            kept.mkdir()
            adapted.save(kept)
            predict_eras(adapted, judged, frame, int(train.eras[-1]), PURGE)
            both = time.process_time() - begun
            earlier += (EarlierFit(int(train.eras[-1]), judged, partial(ttt.load, kept)),)
            if start > FIRST + 1:
                totals = [totals[0] + alone, totals[1] + both]
            print(
                f"chunk from {start}: trees {alone:.1f} s, adapted {both:.1f} s "
                f"(x{both / alone:.2f}), strength {report.details['strength']:g}"
            )
    if totals[0]:
        print(f"from the second chunk on: x{totals[1] / totals[0]:.2f} (asked for: 1.3)")


if __name__ == "__main__":
    main()
