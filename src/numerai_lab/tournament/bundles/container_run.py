"""Run a bundle as Numerai's container does, and note what it took. A script, never imported.

    python -I container_run.py BUNDLE LIVE BENCHMARKS|- OUT MEMORY_BYTES

Reads the pickle with pandas, calls it with live features, and writes into OUT: `ranks.npy`,
`before.npy` (both float64 [n_rows], in the order of the ids of LIVE) and `facts.json`. This
package cannot be imported here, whatever the path says.
"""

import json
import resource
import sys
import time
from inspect import signature
from pathlib import Path

HIDDEN = "numerai_lab"


class Hide:
    """An importer that has no numerai_lab."""

    def find_spec(self, name: str, *_: object) -> None:
        """Refuse this package; leave every other name to the next importer."""
        if name.split(".")[0] == HIDDEN:
            raise ModuleNotFoundError(f"{HIDDEN} is not in the container", name=name)


def peak_mb() -> float:
    """Return the most memory this process has held, in MB.

    From /proc where it is: a started process inherits ru_maxrss from the one that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text("utf-8", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Load, predict, write."""
    bundle, live_path, benchmark_path, out, memory = sys.argv[1:]
    limit = int(memory)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    sys.meta_path.insert(0, Hide())
    import numpy as np
    import pandas as pd

    start = time.perf_counter()
    predict = pd.read_pickle(bundle)
    loaded = time.perf_counter()
    live = pd.read_parquet(live_path)
    arguments = [live]
    if len(signature(predict).parameters) == 2 and benchmark_path != "-":
        arguments.append(pd.read_parquet(benchmark_path).loc[live.index])
    begun = time.perf_counter()
    predictions = predict(*arguments)
    seconds = time.perf_counter() - begun
    if type(predictions) is not pd.DataFrame or list(predictions.columns) != ["prediction"]:
        raise TypeError(f"the bundle returned {type(predictions)}, not a DataFrame['prediction']")
    if not predictions.index.equals(live.index):
        raise ValueError("the predictions have another index than the live features")
    folder = Path(out)
    np.save(folder / "ranks.npy", predictions["prediction"].to_numpy())
    np.save(folder / "before.npy", np.asarray(predict.before_ranks(live), dtype=np.float64))
    facts = {
        "python": sys.version.split()[0],
        "versions": {"numpy": np.__version__, "pandas": pd.__version__},
        "load_seconds": loaded - start,
        "predict_seconds": seconds,
        "peak_mb": peak_mb(),
        "libraries": sorted({"xgboost", "lightgbm", "sklearn"} & set(sys.modules)),
    }
    (folder / "facts.json").write_text(json.dumps(facts), "utf-8")


if __name__ == "__main__":
    main()
